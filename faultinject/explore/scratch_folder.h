// SPDX-License-Identifier: BSD-3-Clause
// ScratchFolder: a folder of its own, gone with all that is in it when its owner goes; and when the
// owner was killed, as soon as somebody makes the next one in the same place.
//
// Invariants:
//   1. A file in it is locked (flock) by its owner and the children it has forked: an old folder
//      that can be locked is nobody's.
// Threads: any, each with its own. Processes: any.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_SCRATCH_FOLDER_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_SCRATCH_FOLDER_H_

#include <filesystem>
#include <utility>

#include "engines/status.h"

namespace fencepost {

// Where scratch folders of crashes are: in memory, since nothing in them is to outlive the machine.
inline constexpr const char* kMemoryRoot = "/dev/shm";

class ScratchFolder {
 public:
  // `root`/fencepost-PID-XXXXXX. kIoError if it cannot be made, naming it.
  static Result<ScratchFolder> Make(const std::filesystem::path& root);
  ScratchFolder(ScratchFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::exchange(other.lock_, -1)) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  ScratchFolder(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_SCRATCH_FOLDER_H_
