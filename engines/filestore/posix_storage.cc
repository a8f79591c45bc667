// SPDX-License-Identifier: BSD-3-Clause
// Files of the operating system, buffered or O_DIRECT.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engines/filestore/page.h"
#include "engines/filestore/storage.h"
#include "engines/medium.h"

namespace fencepost::filestore {
namespace {

namespace fs = std::filesystem;

Status ErrnoStatus(std::string_view call, std::string_view file) {
  const int error = errno;
  std::string message = fmt::format("{}: {}: {}", call, std::strerror(error), file);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return Status::Full(std::move(message));
  if (error == ENOENT) return Status(StatusCode::kNotFound, std::move(message));
  return Status::IoError(std::move(message));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) override {
    size_t done = 0;
    while (done < bytes) {
      const ssize_t n = pread(fd_.get(), out + done, bytes - done, Position(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus("pread", name_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = pwrite(fd_.get(), data.data(), data.size(), Position(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus("pwrite", name_);
      offset += static_cast<uint64_t>(n);
      data.remove_prefix(static_cast<size_t>(n));
    }
    return Status::Ok();
  }

  Status Allocate(uint64_t bytes) override {
    ASSIGN_OR_RETURN(const uint64_t size, Size());
    if (size >= bytes) return Status::Ok();
    int result;
    do {
      result = fallocate(fd_.get(), 0, Position(size), Position(bytes - size));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return Status::Ok();
    if (errno != EOPNOTSUPP) return ErrnoStatus("fallocate", name_);
    return AllocateByWriting(size, bytes);
  }

  Status Truncate(uint64_t bytes) override {
    return ftruncate(fd_.get(), Position(bytes)) == 0 ? Status::Ok()
                                                      : ErrnoStatus("ftruncate", name_);
  }

  Result<uint64_t> Size() override {
    struct stat info;
    if (fstat(fd_.get(), &info) != 0) return ErrnoStatus("fstat", name_);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<uint64_t> StorageBytes() override {
    struct stat info;
    if (fstat(fd_.get(), &info) != 0) return ErrnoStatus("fstat", name_);
    return static_cast<uint64_t>(info.st_blocks) * 512;
  }

  const std::string& name() const override { return name_; }

 private:
  static off_t Position(uint64_t offset) { return static_cast<off_t>(offset); }

  Status DoSync() override {
    return fdatasync(fd_.get()) == 0 ? Status::Ok() : ErrnoStatus("fdatasync", name_);
  }

  // Where the file system cannot reserve. A failure takes back what was added.
  Status AllocateByWriting(uint64_t size, uint64_t bytes) {
    static const Page kZeros{};
    for (uint64_t at = size; at < bytes; at += kPageBytes) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(kPageBytes, bytes - at));
      if (Status status = WriteAt(at, {kZeros.bytes(), n}); !status.ok()) {
        RETURN_IF_ERROR(Truncate(size));
        return status;
      }
    }
    return Status::Ok();
  }

  const Descriptor fd_;
  const std::string name_;
};

Status SyncDirectoryFd(int fd, const std::string& name) {
  return fsync(fd) == 0 ? Status::Ok() : ErrnoStatus("fsync", name);
}

class PosixDirectory final : public PosixStorage {
 public:
  PosixDirectory(Descriptor fd, fs::path path, bool direct, std::vector<fs::path> created)
      : fd_(std::move(fd)),
        name_(path.string()),
        path_(std::move(path)),
        direct_(direct),
        created_(std::move(created)) {}

  // Closing the descriptor would do, but for a forked child that holds it too.
  ~PosixDirectory() override { Unlock(); }
  void Unlock() override { flock(fd_.get(), LOCK_UN); }

  Result<std::vector<std::string>> List() override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error) return Status::IoError(fmt::format("readdir: {}: {}", error.message(), name_));
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::unique_ptr<File>> Open(const std::string& name, bool create) override {
    const int flags =
        O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0) | (direct_ ? O_DIRECT : 0);
    Descriptor fd(openat(fd_.get(), name.c_str(), flags, 0644));
    const std::string full_name = (path_ / name).string();
    if (fd.get() < 0 && errno == EINVAL && direct_) {
      return Status::Unsupported(
          fmt::format("filestore.direct=true: no O_DIRECT on this file system: {}", full_name));
    }
    if (fd.get() < 0) return ErrnoStatus("open", full_name);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(fd), full_name));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) == 0
               ? Status::Ok()
               : ErrnoStatus("rename", (path_ / from).string());
  }

  Status Remove(const std::string& name) override {
    return unlinkat(fd_.get(), name.c_str(), 0) == 0
               ? Status::Ok()
               : ErrnoStatus("unlink", (path_ / name).string());
  }

  Status SyncDirectory() override {
    RETURN_IF_ERROR(SyncDirectoryFd(fd_.get(), name_));
    // Our own name too, and those of the parents made on the way; an unreadable parent (no
    // permission to open it) is one that we did not make.
    fs::path level = path_;
    for (size_t i = 0; i <= created_.size() && level.has_relative_path(); ++i) {
      level = level.parent_path();
      const Descriptor parent(open(level.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (parent.get() < 0 && errno == EACCES) break;
      if (parent.get() < 0) return ErrnoStatus("open", level.string());
      RETURN_IF_ERROR(SyncDirectoryFd(parent.get(), level.string()));
    }
    return Status::Ok();
  }

  const std::string& path() const override { return name_; }

  const std::vector<fs::path>& created() const override { return created_; }

 private:
  const Descriptor fd_;
  const std::string name_;
  const fs::path path_;
  const bool direct_;
  const std::vector<fs::path> created_;  // outermost first
};

// Makes `path` and its missing parents; takes back what it made if it fails half way.
Status MakeDirectories(const fs::path& path, std::vector<fs::path>* created) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path level = path; level.has_relative_path() && !fs::exists(level, error);
       level = level.parent_path()) {
    missing.push_back(level);
  }
  for (auto it = missing.rbegin(); it != missing.rend(); ++it) {
    if (mkdir(it->c_str(), 0755) == 0) {
      created->push_back(*it);
    } else if (errno != EEXIST) {
      Status status = ErrnoStatus("mkdir", it->string());
      RemoveDirectories(*created);
      return status;
    }
  }
  return Status::Ok();
}

}  // namespace

void RemoveDirectories(const std::vector<fs::path>& created) {
  for (auto it = created.rbegin(); it != created.rend(); ++it) {
    if (rmdir(it->c_str()) != 0) return;
  }
}

Result<std::unique_ptr<PosixStorage>> PosixStorage::Open(const fs::path& path, bool create,
                                                         bool direct) {
  if (path.empty()) return Status::InvalidArgument("filestore: engine.path is empty");
  std::error_code error;
  fs::path full = fs::absolute(path, error).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();  // "dir/" is "dir"
  if (direct) {
    ASSIGN_OR_RETURN(const Medium medium, MediumOf(full));
    if (medium == Medium::kTmpfs) {
      return Status::Unsupported(
          fmt::format("filestore.direct=true: no O_DIRECT on tmpfs: {}", full.string()));
    }
  }
  std::vector<fs::path> created;
  if (create) RETURN_IF_ERROR(MakeDirectories(full, &created));
  Descriptor fd(open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOTDIR) {
    return Status::InvalidArgument(
        fmt::format("filestore: engine.path must be a directory: {}", full.string()));
  }
  if (fd.get() < 0) return ErrnoStatus("open", full.string());
  // On the directory itself: nothing to clean up, and the kernel lets go when the process dies.
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Status::Busy(fmt::format("flock: held by another opener: {}", full.string()));
    }
    return ErrnoStatus("flock", full.string());
  }
  return std::unique_ptr<PosixStorage>(
      std::make_unique<PosixDirectory>(std::move(fd), std::move(full), direct, std::move(created)));
}

}  // namespace fencepost::filestore
