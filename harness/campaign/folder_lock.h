// SPDX-License-Identifier: BSD-3-Clause
// FolderLock: one owner of a folder at a time, also of one that several machines share.
//
// Invariants: the lock is gone with its owner, of whatever that dies.
// Threads: none.
// Not covered: file systems without locks say so; NFS has them from version 4 on, or with lockd.
// Source: flock(2), "NFS details".
#ifndef FENCEPOST_HARNESS_CAMPAIGN_FOLDER_LOCK_H_
#define FENCEPOST_HARNESS_CAMPAIGN_FOLDER_LOCK_H_

#include <filesystem>
#include <string>

#include "engines/status.h"

namespace fencepost {

class FolderLock {
 public:
  // kInvalidArgument, naming who has it, if somebody has.
  static Result<FolderLock> Take(const std::filesystem::path& folder);
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}

  int fd_;
};

// What this machine is called: as Slurm knows the node, or by its own name.
std::string NodeName();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CAMPAIGN_FOLDER_LOCK_H_
