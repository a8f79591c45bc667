// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/delayed_storage.h"

#include <utility>

namespace fencepost::filestore {
namespace {

using media::FileDelays;

constexpr auto kPayer = FileDelays::Payer::kOperation;  // filestore has no thread of its own

class DelayedFile final : public File {
 public:
  DelayedFile(std::unique_ptr<File> file, std::shared_ptr<FileDelays> delays,
              FileDelays::FileNumber number, FileDelays::Path path)
      : file_(std::move(file)), delays_(std::move(delays)), number_(number), path_(path) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) override {
    ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(offset, out, bytes));
    delays_->Read(number_, offset, got, path_, kPayer);
    return got;
  }
  Status WriteAt(uint64_t offset, std::string_view data) override {
    RETURN_IF_ERROR(file_->WriteAt(offset, data));
    delays_->Write(number_, offset, data.size(), path_, kPayer);
    return Status::Ok();
  }
  Status Allocate(uint64_t bytes) override {
    ASSIGN_OR_RETURN(const uint64_t size, file_->Size());
    if (size >= bytes) return Status::Ok();
    RETURN_IF_ERROR(file_->Allocate(bytes));
    delays_->Changed(number_);
    return Status::Ok();
  }
  Status Truncate(uint64_t bytes) override {
    RETURN_IF_ERROR(file_->Truncate(bytes));
    delays_->Changed(number_);
    return Status::Ok();
  }
  Result<uint64_t> Size() override { return file_->Size(); }
  Result<uint64_t> StorageBytes() override { return file_->StorageBytes(); }
  const std::string& name() const override { return file_->name(); }

 private:
  Status DoSync() override {
    RETURN_IF_ERROR(file_->Sync());
    delays_->Synced(number_, kPayer);
    return Status::Ok();
  }

  const std::unique_ptr<File> file_;
  const std::shared_ptr<FileDelays> delays_;
  const FileDelays::FileNumber number_;
  const FileDelays::Path path_;
};

class DelayedStorage final : public Storage {
 public:
  DelayedStorage(std::unique_ptr<Storage> storage, std::shared_ptr<FileDelays> delays,
                 FileDelays::Path path)
      : storage_(std::move(storage)), delays_(std::move(delays)), path_(path) {}

  Result<std::vector<std::string>> List() override { return storage_->List(); }
  Result<std::unique_ptr<File>> Open(const std::string& name, bool create) override {
    ASSIGN_OR_RETURN(std::unique_ptr<File> file, storage_->Open(name, create));
    ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
    const FileDelays::FileNumber number =
        create ? delays_->Created(Full(name)) : delays_->Opened(Full(name), bytes);
    return std::unique_ptr<File>(
        std::make_unique<DelayedFile>(std::move(file), delays_, number, path_));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    RETURN_IF_ERROR(storage_->Rename(from, to));
    delays_->Renamed(Full(from), Full(to));
    return Status::Ok();
  }
  Status Remove(const std::string& name) override {
    RETURN_IF_ERROR(storage_->Remove(name));
    delays_->Removed(Full(name));
    return Status::Ok();
  }
  Status SyncDirectory() override {
    RETURN_IF_ERROR(storage_->SyncDirectory());
    delays_->DirectorySynced(path(), kPayer);
    return Status::Ok();
  }
  const std::string& path() const override { return storage_->path(); }
  void Unlock() override { storage_->Unlock(); }

 private:
  std::string Full(const std::string& name) const { return path() + "/" + name; }

  const std::unique_ptr<Storage> storage_;
  const std::shared_ptr<FileDelays> delays_;
  const FileDelays::Path path_;
};

}  // namespace

std::unique_ptr<Storage> NewDelayedStorage(std::unique_ptr<Storage> storage,
                                           std::shared_ptr<FileDelays> delays, bool direct) {
  const auto path = direct ? FileDelays::Path::kDirect : FileDelays::Path::kBuffered;
  return std::make_unique<DelayedStorage>(std::move(storage), std::move(delays), path);
}

}  // namespace fencepost::filestore
