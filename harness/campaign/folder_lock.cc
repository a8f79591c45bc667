// SPDX-License-Identifier: BSD-3-Clause
#include "harness/campaign/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace fencepost {

std::string NodeName() {
  if (const char* node = std::getenv("SLURMD_NODENAME")) return node;
  std::array<char, 256> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

Result<FolderLock> FolderLock::Take(const std::filesystem::path& folder) {
  const std::string path = (folder / "campaign.lock").string();
  // Not inherited: what a campaign that was killed has started must not keep the folder.
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Status::IoError(fmt::format("open: {}: {}", std::strerror(errno), path));
  FolderLock lock(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return Status::IoError(fmt::format("flock: {}: {}", std::strerror(errno), path));
    }
    std::array<char, 256> owner = {};
    const ssize_t got = pread(fd, owner.data(), owner.size() - 1, 0);
    return Status::InvalidArgument(
        fmt::format("{}: another campaign runs in this folder ({})", folder.string(),
                    got > 0 ? owner.data() : "it has not said who it is"));
  }
  const std::string owner = fmt::format("process {} on {}", getpid(), NodeName());
  if (ftruncate(fd, 0) != 0 ||
      pwrite(fd, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
    return Status::IoError(fmt::format("write: {}: {}", std::strerror(errno), path));
  }
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FolderLock::~FolderLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace fencepost
