// SPDX-License-Identifier: BSD-3-Clause
#include "engines/rocksdb/watched_file_system.h"

#include <rocksdb/file_system.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace fencepost {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

using Activity = std::shared_ptr<FileActivity>;

IOStatus Counted(const Activity& activity, IOStatus status) {
  if (status.ok()) activity->syncs.fetch_add(1, std::memory_order_relaxed);
  return status;
}

// RocksDB's own diary. Its writer aborts, in Debian's build, at the first line after one that found
// no space (7.8.3, WritableFileWriter), so such a line is let go.
bool IsInfoLog(const std::filesystem::path& path) {
  return path.filename().string().starts_with("LOG");
}

// The number of a write-ahead log, "000007.log"; 0 for any other file.
uint64_t LogNumber(const std::filesystem::path& path) {
  if (path.extension() != ".log") return 0;
  const std::string stem = path.stem().string();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
  return error == std::errc() && end == stem.data() + stem.size() ? number : 0;
}

class WatchedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WatchedFile(std::unique_ptr<rocksdb::FSWritableFile> file, uint64_t log_number, Activity activity)
      : FSWritableFileOwnerWrapper(std::move(file)),
        log_number_(log_number),
        activity_(std::move(activity)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* context) override {
    return Noted(FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* context) override {
    return Noted(FSWritableFileOwnerWrapper::Append(data, options, verification, context));
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return Counted(activity_, Noted(FSWritableFileOwnerWrapper::Sync(options, context)));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Counted(activity_, Noted(FSWritableFileOwnerWrapper::Fsync(options, context)));
  }

 private:
  IOStatus Noted(IOStatus status) {
    if (!status.ok() && log_number_ != 0) activity_->failed_log.store(log_number_);
    return status;
  }

  const uint64_t log_number_;
  const Activity activity_;
};

class InfoLogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit InfoLogFile(std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* context) override {
    (void)FSWritableFileOwnerWrapper::Append(data, options, context);
    return IOStatus::OK();
  }
  IOStatus Flush(const IOOptions& options, IODebugContext* context) override {
    (void)FSWritableFileOwnerWrapper::Flush(options, context);
    return IOStatus::OK();
  }
};

class WatchedDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  WatchedDirectory(std::unique_ptr<rocksdb::FSDirectory> directory, Activity activity)
      : FSDirectoryWrapper(std::move(directory)), activity_(std::move(activity)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Counted(activity_, FSDirectoryWrapper::Fsync(options, context));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& directory_options) override {
    return Counted(activity_,
                   FSDirectoryWrapper::FsyncWithDirOptions(options, context, directory_options));
  }

 private:
  const Activity activity_;
};

class WatchedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit WatchedFileSystem(Activity activity)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), activity_(std::move(activity)) {}

  const char* Name() const override { return "FencepostWatched"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* context) override {
    return Wrap(name, file, FileSystemWrapper::NewWritableFile(name, options, file, context));
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* context) override {
    return Wrap(name, file, FileSystemWrapper::ReopenWritableFile(name, options, file, context));
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                             const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* context) override {
    return Wrap(name, file,
                FileSystemWrapper::ReuseWritableFile(name, old_name, options, file, context));
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewDirectory(name, options, directory, context);
    if (status.ok())
      *directory = std::make_unique<WatchedDirectory>(std::move(*directory), activity_);
    return status;
  }
  // The base class's, which opens its file here and not in the wrapped file system.
  IOStatus NewLogger(const std::string& name, const IOOptions& options,
                     std::shared_ptr<rocksdb::Logger>* logger, IODebugContext* context) override {
    return FileSystem::NewLogger(name, options, logger, context);
  }

 private:
  IOStatus Wrap(const std::string& name, std::unique_ptr<rocksdb::FSWritableFile>* file,
                IOStatus status) {
    if (!status.ok()) return status;
    if (IsInfoLog(name)) {
      *file = std::make_unique<InfoLogFile>(std::move(*file));
      return status;
    }
    const uint64_t log_number = LogNumber(name);
    if (log_number != 0) activity_->newest_log.store(log_number);
    *file = std::make_unique<WatchedFile>(std::move(*file), log_number, activity_);
    return status;
  }

  const Activity activity_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewWatchedFileSystem(Activity activity) {
  return std::make_shared<WatchedFileSystem>(std::move(activity));
}

}  // namespace fencepost
