// SPDX-License-Identifier: BSD-3-Clause
#include "engines/rocksdb/sync_counter.h"

#include <rocksdb/file_system.h>

#include <string>
#include <utility>

namespace fencepost {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

using Counter = std::shared_ptr<std::atomic<uint64_t>>;

IOStatus Counted(const Counter& syncs, IOStatus status) {
  if (status.ok()) syncs->fetch_add(1, std::memory_order_relaxed);
  return status;
}

class CountingFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  CountingFile(std::unique_ptr<rocksdb::FSWritableFile> file, Counter syncs)
      : FSWritableFileOwnerWrapper(std::move(file)), syncs_(std::move(syncs)) {}

  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return Counted(syncs_, FSWritableFileOwnerWrapper::Sync(options, context));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Counted(syncs_, FSWritableFileOwnerWrapper::Fsync(options, context));
  }

 private:
  const Counter syncs_;
};

class CountingDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  CountingDirectory(std::unique_ptr<rocksdb::FSDirectory> directory, Counter syncs)
      : FSDirectoryWrapper(std::move(directory)), syncs_(std::move(syncs)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Counted(syncs_, FSDirectoryWrapper::Fsync(options, context));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& directory_options) override {
    return Counted(syncs_,
                   FSDirectoryWrapper::FsyncWithDirOptions(options, context, directory_options));
  }

 private:
  const Counter syncs_;
};

class CountingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit CountingFileSystem(Counter syncs)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), syncs_(std::move(syncs)) {}

  const char* Name() const override { return "FencepostSyncCounter"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* context) override {
    return Wrap(file, FileSystemWrapper::NewWritableFile(name, options, file, context));
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* context) override {
    return Wrap(file, FileSystemWrapper::ReopenWritableFile(name, options, file, context));
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                             const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* context) override {
    return Wrap(file, FileSystemWrapper::ReuseWritableFile(name, old_name, options, file, context));
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewDirectory(name, options, directory, context);
    if (status.ok())
      *directory = std::make_unique<CountingDirectory>(std::move(*directory), syncs_);
    return status;
  }

 private:
  IOStatus Wrap(std::unique_ptr<rocksdb::FSWritableFile>* file, IOStatus status) {
    if (status.ok()) *file = std::make_unique<CountingFile>(std::move(*file), syncs_);
    return status;
  }

  const Counter syncs_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewSyncCountingFileSystem(Counter syncs) {
  return std::make_shared<CountingFileSystem>(std::move(syncs));
}

}  // namespace fencepost
