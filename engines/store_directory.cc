// SPDX-License-Identifier: BSD-3-Clause
#include "engines/store_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status SyncDirectory(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("open", errno, path);
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error == 0 ? Status::Ok() : ErrnoStatus("fsync", error, path);
}

}  // namespace

Status ErrnoStatus(std::string_view call, int error, const fs::path& path) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return Status(
      full ? StatusCode::kFull : StatusCode::kIoError,
      fmt::format("{}: {}: {}", call, std::generic_category().message(error), path.string()));
}

Result<std::unique_ptr<StoreDirectory>> StoreDirectory::Open(const fs::path& path,
                                                             bool create_if_missing,
                                                             const StoreLayout& layout) {
  if (path.empty()) return Status::InvalidArgument("engine.path is empty");
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error) return ErrnoStatus("getcwd", error.value(), path);
  // A trailing slash would make the last component empty.
  std::unique_ptr<StoreDirectory> directory(
      new StoreDirectory(absolute.has_filename() ? absolute : absolute.parent_path()));
  struct stat info;
  const bool exists = stat(directory->path_.c_str(), &info) == 0;
  if (exists && !S_ISDIR(info.st_mode)) {
    return Status::InvalidArgument(fmt::format(
        "{} keeps its store in a directory, and this is none: {}", layout.engine, path.string()));
  }
  const Status absent =
      Status(StatusCode::kNotFound, fmt::format("no {} store in {}", layout.engine, path.string()));
  if (!exists && !create_if_missing) return absent;
  RETURN_IF_ERROR(directory->MakeMissing());
  RETURN_IF_ERROR(directory->Hold());
  RETURN_IF_ERROR(directory->Inspect(layout));
  if (!directory->had_store_ && !create_if_missing) return absent;
  return directory;
}

Status StoreDirectory::MakeMissing() {
  std::error_code error;
  std::vector<fs::path> missing;
  for (fs::path p = path_; !fs::exists(p, error) && p.has_relative_path(); p = p.parent_path()) {
    missing.push_back(p);
  }
  std::reverse(missing.begin(), missing.end());
  for (const fs::path& p : missing) {
    if (mkdir(p.c_str(), 0777) != 0) {
      if (errno == EEXIST) continue;  // somebody else was quicker
      return ErrnoStatus("mkdir", errno, p);
    }
    made_.push_back(p);
  }
  return Status::Ok();
}

Status StoreDirectory::Hold() {
  fd_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd_ < 0) return ErrnoStatus("open", errno, path_);
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return Status::Ok();
  if (errno != EWOULDBLOCK) return ErrnoStatus("flock", errno, path_);
  // Whoever holds it may be about to use the directories that we made.
  keep_ = true;
  return Status::Busy(fmt::format("flock: somebody else has it open: {}", path_.string()));
}

Status StoreDirectory::Inspect(const StoreLayout& layout) {
  std::error_code error;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    names_before_.insert(it->path().filename().string());
  }
  if (error) return ErrnoStatus("readdir", error.value(), path_);
  had_store_ = names_before_.contains(std::string(layout.marker));
  if (had_store_) return Status::Ok();
  for (const std::string& name : names_before_) {
    if (name == "lost+found" || layout.is_leftover(name)) continue;
    return Status::InvalidArgument(
        fmt::format("{} holds '{}' and no {}: another's files, or a damaged {} store",
                    path_.string(), name, layout.marker, layout.engine));
  }
  return Status::Ok();
}

Status StoreDirectory::Sync() {
  RETURN_IF_ERROR(SyncDirectory(path_));
  for (const fs::path& p : made_) RETURN_IF_ERROR(SyncDirectory(p.parent_path()));
  return Status::Ok();
}

StoreDirectory::~StoreDirectory() {
  if (!keep_ && !had_store_ && fd_ >= 0) {
    std::error_code ignored;
    std::vector<fs::path> appeared;
    for (fs::directory_iterator it(path_, ignored), end; !ignored && it != end;
         it.increment(ignored)) {
      if (!names_before_.contains(it->path().filename().string())) appeared.push_back(it->path());
    }
    for (const fs::path& p : appeared) fs::remove(p, ignored);
  }
  if (!keep_) {
    // Only empty directories go, so a file that somebody else made in between stays.
    for (auto p = made_.rbegin(); p != made_.rend(); ++p) rmdir(p->c_str());
  }
  if (fd_ >= 0) {
    flock(fd_, LOCK_UN);  // a forked child may still have the descriptor
    close(fd_);
  }
}

uint64_t OccupiedBytes(const fs::path& path) {
  uint64_t bytes = 0;
  std::error_code error;
  if (struct stat info; lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
    return static_cast<uint64_t>(info.st_blocks) * 512;
  }
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    struct stat info;
    if (lstat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

}  // namespace fencepost
