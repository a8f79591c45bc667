// SPDX-License-Identifier: BSD-3-Clause
// Files: the one place through which the canaries on files reach the operating system, a call a
// function, so that what a canary makes durable, and in which order, can be read off it.
//
// Nothing is durable but by what says so: the contents of a file by its Sync, names by
// SyncDirectory. After an error of either nobody knows what is durable, and calling it again does
// not help: the kernel may have marked the data as clean.
//
// Threads: none; a canary has one lock.
// Source: fsync(2); Rebello, Patel, Alagappan, Arpaci-Dusseau, Arpaci-Dusseau. Can Applications
//   Recover from fsync Failures? USENIX ATC 2020.
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_FILES_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/engine_options.h"
#include "engines/medium.h"
#include "engines/status.h"
#include "engines/store_directory.h"

namespace fencepost::canary {

// An open file; closed by destruction.
class File {
 public:
  File() = default;
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // All of `bytes`; the file grows if need be. After an error any part may have been written.
  virtual Status Write(uint64_t offset, std::string_view bytes) = 0;
  virtual Status Sync() = 0;  // the contents, and the size

  // The first `bytes` of the file, which grows to that length if need be: stores to them are
  // writes. `allocates`: there is room for them then. Until the file is closed. Once a file.
  virtual Result<char*> Map(uint64_t bytes, bool allocates) = 0;
  // Whole pages of what is mapped.
  virtual Status SyncMapped(uint64_t offset, uint64_t bytes) = 0;
};

// What files are made durable by.
enum class WriteMode : unsigned char {
  kSync,         // by Sync
  kSynchronous,  // O_DSYNC: a Write is durable when it returns
};

// The files of one directory.
class Files {
 public:
  Files() = default;
  virtual ~Files() = default;
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // Makes the file, or empties the one that is there.
  virtual Result<std::unique_ptr<File>> Create(const std::string& name, WriteMode mode) = 0;
  virtual Result<std::unique_ptr<File>> Open(const std::string& name) = 0;  // for writing
  virtual Result<std::string> Read(const std::string& name) = 0;  // kNotFound if there is none
  virtual Result<std::vector<std::string>> List() = 0;            // sorted
  virtual Status Rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status Unlink(const std::string& name) = 0;
  virtual Status SyncDirectory() = 0;  // all names

  virtual Medium medium() const = 0;
  virtual uint64_t sync_count() const = 0;  // that were asked for, of all kinds
};

// A directory of the operating system.
class PosixFiles final : public Files {
 public:
  // As StoreDirectory::Open. Without Keep, destruction takes back a store that was begun here.
  static Result<std::unique_ptr<PosixFiles>> Open(const EngineOptions& options,
                                                  const StoreLayout& layout);
  void Keep() { directory_->Keep(); }

  Result<std::unique_ptr<File>> Create(const std::string& name, WriteMode mode) override;
  Result<std::unique_ptr<File>> Open(const std::string& name) override;
  Result<std::string> Read(const std::string& name) override;
  Result<std::vector<std::string>> List() override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Unlink(const std::string& name) override;
  Status SyncDirectory() override;
  Medium medium() const override { return medium_; }
  uint64_t sync_count() const override { return sync_count_; }

 private:
  PosixFiles(std::unique_ptr<StoreDirectory> directory, Medium medium)
      : directory_(std::move(directory)), medium_(medium) {}
  std::filesystem::path PathOf(const std::string& name) const { return directory_->path() / name; }

  const std::unique_ptr<StoreDirectory> directory_;
  const Medium medium_;
  uint64_t sync_count_ = 0;
};

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_FILES_H_
