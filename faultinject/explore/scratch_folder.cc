// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/scratch_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>

namespace fencepost {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "fencepost-";
// Between the making of a folder and its lock it looks like nobody's.
constexpr std::chrono::seconds kAgeOfTheAbandoned{60};

// An open descriptor that holds the folder's lock, or -1. Not of the folder itself, which an engine
// may lock while it makes its store there.
int Lock(const fs::path& folder) {
  const int fd = open((folder / ".owned").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

bool IsOld(const fs::path& folder) {
  std::error_code error;
  const fs::file_time_type changed = fs::last_write_time(folder, error);
  return !error && fs::file_time_type::clock::now() - changed > kAgeOfTheAbandoned;
}

// fencepost-PID-XXXXXX, as Make names them.
bool IsOurs(std::string_view name) {
  if (!name.starts_with(kPrefix)) return false;
  name.remove_prefix(kPrefix.size());
  const size_t digits = name.find_first_not_of("0123456789");
  return digits != 0 && digits != std::string_view::npos && name[digits] == '-' &&
         name.size() == digits + 7;
}

void RemoveAbandoned(const fs::path& root) {
  std::error_code error;
  for (fs::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!IsOurs(entry->path().filename().native()) || !IsOld(entry->path())) continue;
    const int fd = Lock(entry->path());
    if (fd < 0) continue;
    std::error_code ignored;
    fs::remove_all(entry->path(), ignored);
    close(fd);
  }
}

}  // namespace

Result<ScratchFolder> ScratchFolder::Make(const fs::path& root) {
  RemoveAbandoned(root);
  std::string path = (root / fmt::format("{}{}-XXXXXX", kPrefix, getpid())).string();
  if (mkdtemp(path.data()) == nullptr) {
    return Status::IoError(fmt::format("mkdtemp: {}: {}", path, std::strerror(errno)));
  }
  return ScratchFolder(path, Lock(path));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) close(lock_);
}

}  // namespace fencepost
