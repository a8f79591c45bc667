// SPDX-License-Identifier: BSD-3-Clause
// The little that filestore asks of a file system, behind an interface so that a test can stand in
// for it: lose what was not synced, fail the k-th call, run full.
//
// What may be relied on is only this: after Sync returns ok, what was written to the file before
// it started, and the file's size, survive a power loss; after SyncDirectory, the names do. Writes
// since the last Sync may survive in any subset of 512-byte sectors, whatever their order.
// Errors: kFull where space ran out (ENOSPC, EDQUOT, EFBIG), else kIoError; both name call and
// file. Threads: a File's calls may run at once, for different byte ranges; Storage's may not.
#ifndef FENCEPOST_ENGINES_FILESTORE_STORAGE_H_
#define FENCEPOST_ENGINES_FILESTORE_STORAGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost::filestore {

class File {
 public:
  File() = default;
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // How many bytes were read: fewer than asked only at the end of the file.
  virtual Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) = 0;
  virtual Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // Makes the file at least this long, with blocks reserved so that writes to them find space.
  virtual Status Allocate(uint64_t bytes) = 0;
  virtual Status Truncate(uint64_t bytes) = 0;
  virtual Result<uint64_t> Size() = 0;
  virtual Result<uint64_t> StorageBytes() = 0;  // blocks that it occupies
  virtual const std::string& name() const = 0;  // for messages

  Status Sync() {
    sync_count_.fetch_add(1, std::memory_order_relaxed);
    return DoSync();
  }
  uint64_t sync_count() const { return sync_count_.load(std::memory_order_relaxed); }

 private:
  virtual Status DoSync() = 0;  // data, and what is needed to find it again
  std::atomic<uint64_t> sync_count_{0};
};

// A directory of filestore's own.
class Storage {
 public:
  Storage() = default;
  virtual ~Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  virtual Result<std::vector<std::string>> List() = 0;
  // `create`: a new, empty file, whatever was there; else kNotFound if absent.
  virtual Result<std::unique_ptr<File>> Open(const std::string& name, bool create) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& name) = 0;
  virtual Status SyncDirectory() = 0;  // the names in it, and its own name in its parent
  virtual const std::string& path() const = 0;
  // Lets other openers in. Nothing is written afterwards.
  virtual void Unlock() {}
};

// A directory of the operating system, locked against a second opener until Unlock.
class PosixStorage : public Storage {
 public:
  // kBusy if another holds it; kNotFound if absent and not to be created; kUnsupported if `direct`
  // and the file system has no O_DIRECT.
  static Result<std::unique_ptr<PosixStorage>> Open(const std::filesystem::path& path, bool create,
                                                    bool direct);
  // The directories that Open made, outermost first.
  virtual const std::vector<std::filesystem::path>& created() const = 0;
};

// After a failed creation: removes these directories, innermost first, as far as they are empty.
void RemoveDirectories(const std::vector<std::filesystem::path>& created);

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_STORAGE_H_
