// SPDX-License-Identifier: BSD-3-Clause
#include "engines/canaries/canary_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace fencepost::canary {
namespace {

namespace fs = std::filesystem;

class PosixFile final : public File {
 public:
  PosixFile(int fd, fs::path path, uint64_t* sync_count)
      : fd_(fd), path_(std::move(path)), sync_count_(*sync_count) {}
  ~PosixFile() override {
    if (mapped_ != nullptr) munmap(mapped_, mapped_bytes_);
    close(fd_);
  }

  Status Write(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoStatus("pwrite", errno, path_);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return Status::Ok();
  }

  Status Sync() override {
    ++sync_count_;
    return fdatasync(fd_) == 0 ? Status::Ok() : ErrnoStatus("fdatasync", errno, path_);
  }

  Result<char*> Map(uint64_t bytes, bool allocates) override {
    // A store to a hole of a full medium is a SIGBUS.
    const int error = allocates ? posix_fallocate(fd_, 0, static_cast<off_t>(bytes)) : 0;
    if (error != 0) return ErrnoStatus("posix_fallocate", error, path_);
    if (!allocates && ftruncate(fd_, static_cast<off_t>(bytes)) != 0) {
      return ErrnoStatus("ftruncate", errno, path_);
    }
    void* const base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (base == MAP_FAILED) return ErrnoStatus("mmap", errno, path_);
    mapped_ = static_cast<char*>(base);
    mapped_bytes_ = bytes;
    return mapped_;
  }

  Status SyncMapped(uint64_t offset, uint64_t bytes) override {
    ++sync_count_;
    return msync(mapped_ + offset, bytes, MS_SYNC) == 0 ? Status::Ok()
                                                        : ErrnoStatus("msync", errno, path_);
  }

 private:
  const int fd_;
  const fs::path path_;
  uint64_t& sync_count_;
  char* mapped_ = nullptr;
  uint64_t mapped_bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<PosixFiles>> PosixFiles::Open(const EngineOptions& options,
                                                     const StoreLayout& layout) {
  ASSIGN_OR_RETURN(auto directory,
                   StoreDirectory::Open(options.path, options.create_if_missing, layout));
  ASSIGN_OR_RETURN(const Medium medium, MediumOf(directory->path()));
  return std::unique_ptr<PosixFiles>(new PosixFiles(std::move(directory), medium));
}

Result<std::unique_ptr<File>> PosixFiles::Create(const std::string& name, WriteMode mode) {
  const int synchronous = mode == WriteMode::kSynchronous ? O_DSYNC : 0;
  const int flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | synchronous;
  const int fd = open(PathOf(name).c_str(), flags, 0666);
  if (fd < 0) return ErrnoStatus("open", errno, PathOf(name));
  return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, PathOf(name), &sync_count_));
}

Result<std::unique_ptr<File>> PosixFiles::Open(const std::string& name) {
  const int fd = open(PathOf(name).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus("open", errno, PathOf(name));
  return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, PathOf(name), &sync_count_));
}

Result<std::string> PosixFiles::Read(const std::string& name) {
  const int fd = open(PathOf(name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return Status::NotFound();
  if (fd < 0) return ErrnoStatus("open", errno, PathOf(name));
  std::string bytes;
  char buffer[16384];
  ssize_t got = 0;
  do {
    got = read(fd, buffer, sizeof(buffer));
    if (got > 0) bytes.append(buffer, static_cast<size_t>(got));
  } while (got > 0 || (got < 0 && errno == EINTR));
  const int error = got < 0 ? errno : 0;
  close(fd);
  if (error != 0) return ErrnoStatus("read", error, PathOf(name));
  return bytes;
}

Result<std::vector<std::string>> PosixFiles::List() {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory_->path(), error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return ErrnoStatus("readdir", error.value(), directory_->path());
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixFiles::Rename(const std::string& from, const std::string& to) {
  if (rename(PathOf(from).c_str(), PathOf(to).c_str()) == 0) return Status::Ok();
  return ErrnoStatus("rename", errno, PathOf(to));
}

Status PosixFiles::Unlink(const std::string& name) {
  return unlink(PathOf(name).c_str()) == 0 ? Status::Ok()
                                           : ErrnoStatus("unlink", errno, PathOf(name));
}

Status PosixFiles::SyncDirectory() {
  ++sync_count_;
  return directory_->Sync();
}

}  // namespace fencepost::canary
