// SPDX-License-Identifier: BSD-3-Clause
// ScratchFolder: a folder of its own, gone with all that is in it when its owner goes.
#ifndef FENCEPOST_HARNESS_CRASH_SCRATCH_FOLDER_H_
#define FENCEPOST_HARNESS_CRASH_SCRATCH_FOLDER_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "engines/status.h"

namespace fencepost {

class ScratchFolder {
 public:
  static Result<ScratchFolder> Make(const std::filesystem::path& root) {
    std::string path = (root / ("fencepost-" + std::to_string(getpid()) + "-XXXXXX")).string();
    if (mkdtemp(path.data()) == nullptr) return Status::IoError("mkdtemp: " + path);
    return ScratchFolder(path);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_SCRATCH_FOLDER_H_
