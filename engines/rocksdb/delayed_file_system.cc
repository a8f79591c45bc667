// SPDX-License-Identifier: BSD-3-Clause
#include "engines/rocksdb/delayed_file_system.h"

#include <rocksdb/file_system.h>

#include <filesystem>
#include <functional>
#include <string>
#include <utility>

#include "engines/rocksdb/background_threads.h"

namespace fencepost {
namespace {

using media::FileDelays;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Path = FileDelays::Path;

using Delays = std::shared_ptr<FileDelays>;

FileDelays::Payer Payer() {
  thread_local const bool background = IsBackgroundThread();
  return background ? FileDelays::Payer::kBackground : FileDelays::Payer::kOperation;
}

Path PathOf(bool direct) { return direct ? Path::kDirect : Path::kBuffered; }

FileOptions Buffered(const FileOptions& options) {
  FileOptions buffered = options;
  buffered.use_direct_reads = buffered.use_direct_writes = false;
  return buffered;
}

// Never direct: RocksDB reads its logs and manifests so, whatever the options say.
class SequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  SequentialFile(std::unique_ptr<rocksdb::FSSequentialFile> file, Delays delays,
                 FileDelays::FileNumber number)
      : FSSequentialFileOwnerWrapper(std::move(file)),
        delays_(std::move(delays)),
        number_(number) {}

  IOStatus Read(size_t bytes, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) override {
    IOStatus status = FSSequentialFileOwnerWrapper::Read(bytes, options, result, scratch, context);
    if (!status.ok()) return status;
    delays_->Read(number_, offset_, result->size(), Path::kBuffered, Payer());
    offset_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t bytes) override {
    offset_ += bytes;
    return FSSequentialFileOwnerWrapper::Skip(bytes);
  }

 private:
  const Delays delays_;
  const FileDelays::FileNumber number_;
  uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  RandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, Delays delays,
                   FileDelays::FileNumber number, bool direct)
      : FSRandomAccessFileOwnerWrapper(std::move(file)),
        delays_(std::move(delays)),
        number_(number),
        direct_(direct) {}

  IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* context) const override {
    IOStatus status =
        FSRandomAccessFileOwnerWrapper::Read(offset, bytes, options, result, scratch, context);
    if (status.ok()) delays_->Read(number_, offset, result->size(), PathOf(direct_), Payer());
    return status;
  }
  // The base class's, which call Read.
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t count, const IOOptions& options,
                     IODebugContext* context) override {
    return FSRandomAccessFile::MultiRead(requests, count, options, context);
  }
  IOStatus ReadAsync(rocksdb::FSReadRequest& request, const IOOptions& options,
                     std::function<void(const rocksdb::FSReadRequest&, void*)> done, void* argument,
                     void** handle, rocksdb::IOHandleDeleter* deleter,
                     IODebugContext* context) override {
    return FSRandomAccessFile::ReadAsync(request, options, std::move(done), argument, handle,
                                         deleter, context);
  }
  // The kernel begins to read. On tmpfs there is nothing to be read.
  IOStatus Prefetch(uint64_t offset, size_t bytes, const IOOptions&, IODebugContext*) override {
    delays_->ReadAhead(number_, offset, bytes);
    return IOStatus::OK();
  }
  bool use_direct_io() const override { return direct_; }

 private:
  const Delays delays_;
  const FileDelays::FileNumber number_;
  const bool direct_;
};

class WritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, Delays delays,
               FileDelays::FileNumber number, bool direct, uint64_t bytes)
      : FSWritableFileOwnerWrapper(std::move(file)),
        delays_(std::move(delays)),
        number_(number),
        direct_(direct),
        end_(bytes) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    return Appended(data, FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  IOStatus Append(const Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo& verification,
                  IODebugContext* context) override {
    return Appended(data, FSWritableFileOwnerWrapper::Append(data, options, verification, context));
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* context) override {
    return Written(data, offset,
                   FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, context));
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const rocksdb::DataVerificationInfo& verification,
                            IODebugContext* context) override {
    return Written(
        data, offset,
        FSWritableFileOwnerWrapper::PositionedAppend(data, offset, options, verification, context));
  }
  IOStatus Truncate(uint64_t bytes, const IOOptions& options, IODebugContext* context) override {
    IOStatus status = FSWritableFileOwnerWrapper::Truncate(bytes, options, context);
    if (!status.ok()) return status;
    delays_->Changed(number_);
    end_ = bytes;
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return Synced(FSWritableFileOwnerWrapper::Sync(options, context));
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Synced(FSWritableFileOwnerWrapper::Fsync(options, context));
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* context) override {
    IOStatus status = FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, context);
    if (status.ok()) delays_->WriteBack(number_, offset, bytes);
    return status;
  }
  bool use_direct_io() const override { return direct_; }

 private:
  IOStatus Appended(const Slice& data, IOStatus status) {
    return Written(data, end_, std::move(status));
  }
  IOStatus Written(const Slice& data, uint64_t offset, IOStatus status) {
    if (!status.ok()) return status;
    delays_->Write(number_, offset, data.size(), PathOf(direct_), Payer());
    end_ = offset + data.size();
    return status;
  }
  IOStatus Synced(IOStatus status) {
    if (status.ok()) delays_->Synced(number_, Payer());
    return status;
  }

  const Delays delays_;
  const FileDelays::FileNumber number_;
  const bool direct_;
  uint64_t end_;  // where the next Append goes
};

class Directory final : public rocksdb::FSDirectoryWrapper {
 public:
  Directory(std::unique_ptr<rocksdb::FSDirectory> directory, Delays delays, std::string name)
      : FSDirectoryWrapper(std::move(directory)),
        delays_(std::move(delays)),
        name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return Synced(FSDirectoryWrapper::Fsync(options, context));
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& directory_options) override {
    return Synced(FSDirectoryWrapper::FsyncWithDirOptions(options, context, directory_options));
  }

 private:
  IOStatus Synced(IOStatus status) {
    if (status.ok()) delays_->DirectorySynced(name_, Payer());
    return status;
  }

  const Delays delays_;
  const std::string name_;
};

// One name for one file: RocksDB's have a slash too many, or one at the end, here and there.
std::string Plain(const std::string& name) {
  std::filesystem::path path = std::filesystem::path(name).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.string();
}

class DelayedFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  DelayedFileSystem(std::shared_ptr<rocksdb::FileSystem> files, Delays delays)
      : FileSystemWrapper(std::move(files)), delays_(std::move(delays)) {}

  const char* Name() const override { return "FencepostDelayed"; }

  IOStatus NewSequentialFile(const std::string& name, const FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* file,
                             IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewSequentialFile(name, Buffered(options), file, context);
    if (!status.ok()) return status;
    *file = std::make_unique<SequentialFile>(std::move(*file), delays_, Opened(name));
    return status;
  }
  IOStatus NewRandomAccessFile(const std::string& name, const FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                               IODebugContext* context) override {
    IOStatus status =
        FileSystemWrapper::NewRandomAccessFile(name, Buffered(options), file, context);
    if (!status.ok()) return status;
    *file = std::make_unique<RandomAccessFile>(std::move(*file), delays_, Opened(name),
                                               options.use_direct_reads);
    return status;
  }
  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, Buffered(options), file, context);
    if (status.ok()) Wrap(file, options, delays_->Created(Plain(name)), 0);
    return status;
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                              IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::ReopenWritableFile(name, Buffered(options), file, context);
    if (status.ok()) Wrap(file, options, Opened(name), BytesOf(name));
    return status;
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name,
                             const FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* context) override {
    IOStatus status =
        FileSystemWrapper::ReuseWritableFile(name, old_name, Buffered(options), file, context);
    if (!status.ok()) return status;
    delays_->Renamed(Plain(old_name), Plain(name));
    Wrap(file, options, Opened(name), 0);
    return status;
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::NewDirectory(name, options, directory, context);
    if (status.ok()) {
      *directory = std::make_unique<Directory>(std::move(*directory), delays_, Plain(name));
    }
    return status;
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::RenameFile(from, to, options, context);
    if (status.ok()) delays_->Renamed(Plain(from), Plain(to));
    return status;
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options,
                      IODebugContext* context) override {
    IOStatus status = FileSystemWrapper::DeleteFile(name, options, context);
    if (status.ok()) delays_->Removed(Plain(name));
    return status;
  }

 private:
  static uint64_t BytesOf(const std::string& name) {
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(name, error);
    return error ? 0 : bytes;
  }
  FileDelays::FileNumber Opened(const std::string& name) {
    return delays_->Opened(Plain(name), BytesOf(name));
  }
  void Wrap(std::unique_ptr<rocksdb::FSWritableFile>* file, const FileOptions& options,
            FileDelays::FileNumber number, uint64_t end) {
    *file = std::make_unique<WritableFile>(std::move(*file), delays_, number,
                                           options.use_direct_writes, end);
  }

  const Delays delays_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> NewDelayedFileSystem(
    std::shared_ptr<rocksdb::FileSystem> files, Delays delays) {
  return std::make_shared<DelayedFileSystem>(std::move(files), std::move(delays));
}

}  // namespace fencepost
