// SPDX-License-Identifier: BSD-3-Clause
// StoreDirectory: the directory that a file engine keeps its store in. Made when missing, held by
// one opener at a time, and taken back when the store in it never came to be.
//
// Invariants:
//   1. One opener: a flock on the directory itself, which leaves no file behind, ends with the
//      process and also refuses a second open in the same process.
//   2. A directory that holds files of somebody else and no store is refused and not touched.
//   3. Without Keep(), destruction removes what appeared in the directory since Open, and the
//      directories that Open made, unless a store was there before: then nothing is removed, since
//      an engine that fails half-way through recovery may already depend on its new files.
// Threads: none; an engine opens and closes it while nobody else uses the engine.
// Not covered: directories on network file systems whose flock is local to the machine.
#ifndef FENCEPOST_ENGINES_STORE_DIRECTORY_H_
#define FENCEPOST_ENGINES_STORE_DIRECTORY_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// Status of a failed system call: "open: Permission denied: /a/b". kFull for a full medium.
Status ErrnoStatus(std::string_view call, int error, const std::filesystem::path& path);

// How to tell an engine's store from other files.
struct StoreLayout {
  std::string_view engine;                          // "LMDB", for messages
  std::string_view marker;                          // the file that every store has
  bool (*is_leftover)(std::string_view file_name);  // of a creation that was cut short
};

class StoreDirectory {
 public:
  // kNotFound if there is no store and `create_if_missing` is false; kBusy if somebody holds the
  // directory; kInvalidArgument if it is no directory or holds other files and no store.
  static Result<std::unique_ptr<StoreDirectory>> Open(const std::filesystem::path& path,
                                                      bool create_if_missing,
                                                      const StoreLayout& layout);
  ~StoreDirectory();
  StoreDirectory(const StoreDirectory&) = delete;
  StoreDirectory& operator=(const StoreDirectory&) = delete;

  bool had_store() const { return had_store_; }
  const std::filesystem::path& path() const { return path_; }

  // The store is there: from now on nothing is removed.
  void Keep() { keep_ = true; }

  // Makes the names in the directory, and of the directories that Open made, survive a power loss.
  Status Sync();

 private:
  explicit StoreDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  Status MakeMissing();
  Status Hold();
  Status Inspect(const StoreLayout& layout);

  const std::filesystem::path path_;
  std::vector<std::filesystem::path> made_;  // outermost first
  std::set<std::string> names_before_;
  int fd_ = -1;
  bool had_store_ = false;
  bool keep_ = false;
};

// Bytes that the files under `path`, or the file `path`, occupy: allocated blocks, not lengths.
// Files that go away meanwhile are left out.
uint64_t OccupiedBytes(const std::filesystem::path& path);

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_STORE_DIRECTORY_H_
