// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/tree_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status SystemError(const char* call, const fs::path& path) {
  const std::string message = fmt::format("{}: {}, {}", call, std::strerror(errno), path.string());
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return full ? Status::Full(message) : Status::IoError(message);
}

// What a recovery finds; it may have taken rights away from what it leaves.
constexpr mode_t kFileMode = 0644, kDirectoryMode = 0755;
constexpr mode_t kModeBits = 07777;

bool IsRealDirectory(const fs::path& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::vector<std::string>> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (!error) return names;
  return Status::IoError(fmt::format("readdir: {}, {}", error.message(), folder.string()));
}

// Makes it possible to remove what is in a directory.
Status Unlock(const fs::path& folder) {
  if (chmod(folder.c_str(), kDirectoryMode) != 0) return SystemError("chmod", folder);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(folder));
  for (const std::string& name : names) {
    if (IsRealDirectory(folder / name)) RETURN_IF_ERROR(Unlock(folder / name));
  }
  return Status::Ok();
}

Status RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return Status::Ok();
  if (IsRealDirectory(path)) RETURN_IF_ERROR(Unlock(path));
  fs::remove_all(path, error);
  if (!error) return Status::Ok();
  return Status::IoError(fmt::format("remove: {}, {}", error.message(), path.string()));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// Compares a file with what it is to hold, a block at a time.
class ContentWriter {
 public:
  ContentWriter(int fd, const fs::path& path) : fd_(fd), path_(path) {}

  Status Write(const FileContent& content) {
    struct stat info;
    if (fstat(fd_, &info) != 0) return SystemError("fstat", path_);
    was_bytes_ = static_cast<uint64_t>(info.st_size);
    if ((info.st_mode & kModeBits) != kFileMode && fchmod(fd_, kFileMode) != 0) {
      return SystemError("fchmod", path_);
    }
    RETURN_IF_ERROR(ZeroBehindTheEnd());
    Status status;
    uint64_t done = 0;
    content.ForEachBlock([&](uint64_t offset, std::string_view bytes) {
      if (!status.ok()) return;
      status = ZeroUnless(done, offset);
      if (status.ok()) status = WriteBlock(offset, bytes);
      done = offset + bytes.size();
    });
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(ZeroUnless(done, content.bytes()));
    if (was_bytes_ == content.bytes()) return Status::Ok();
    return ftruncate(fd_, static_cast<off_t>(content.bytes())) == 0
               ? Status::Ok()
               : SystemError("ftruncate", path_);
  }

 private:
  using Buffer = std::array<char, FileContent::kBlockBytes>;

  Status WriteBlock(uint64_t offset, std::string_view bytes) const {
    if (offset + bytes.size() <= was_bytes_) {
      Buffer there;
      const ssize_t got = pread(fd_, there.data(), bytes.size(), static_cast<off_t>(offset));
      if (got == static_cast<ssize_t>(bytes.size()) &&
          std::memcmp(there.data(), bytes.data(), bytes.size()) == 0) {
        return Status::Ok();
      }
    }
    while (!bytes.empty()) {
      const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return SystemError("pwrite", path_);
      offset += static_cast<uint64_t>(put);
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return Status::Ok();
  }

  // What was stored through a mapping behind the end, in the last page, shows on tmpfs as soon as
  // the file grows.
  Status ZeroBehindTheEnd() const {
    const uint64_t in_page = was_bytes_ % FileContent::kBlockBytes;
    return in_page == 0 ? Status::Ok() : Punch(was_bytes_, FileContent::kBlockBytes - in_page);
  }

  // A hole: whatever is there in [begin, end) goes.
  Status ZeroUnless(uint64_t begin, uint64_t end) const {
    end = std::min(end, was_bytes_);
    if (begin >= end) return Status::Ok();
    const off_t data = lseek(fd_, static_cast<off_t>(begin), SEEK_DATA);
    if (data < 0 || static_cast<uint64_t>(data) >= end) return Status::Ok();
    return Punch(static_cast<uint64_t>(data), end - static_cast<uint64_t>(data));
  }

  Status Punch(uint64_t offset, uint64_t bytes) const {
    return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(bytes)) == 0
               ? Status::Ok()
               : SystemError("fallocate", path_);
  }

  const int fd_;
  const fs::path& path_;
  uint64_t was_bytes_ = 0;
};

class FolderMaker {
 public:
  explicit FolderMaker(const FileTree& tree) : tree_(tree) {}

  // REQUIRES: `folder` is a directory.
  Status Make(InodeId directory, const fs::path& folder) {
    if (!directories_.insert(directory).second) {
      return Status::Corrupt(fmt::format("a directory with two names: {}", folder.string()));
    }
    struct stat info;
    if (lstat(folder.c_str(), &info) != 0) return SystemError("lstat", folder);
    if ((info.st_mode & kModeBits) != kDirectoryMode &&
        chmod(folder.c_str(), kDirectoryMode) != 0) {
      return SystemError("chmod", folder);
    }
    RETURN_IF_ERROR(RemoveOthers(tree_.inode(directory), folder));
    for (const auto& [name, inode] : tree_.inode(directory).entries) {
      RETURN_IF_ERROR(MakeEntry(inode, folder / name));
    }
    return Status::Ok();
  }

 private:
  // What is not in the tree, is of another type, or is a link of a file or a symbolic one: those
  // are made anew.
  Status RemoveOthers(const Inode& directory, const fs::path& folder) const {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(folder));
    for (const std::string& name : names) {
      const fs::path path = folder / name;
      struct stat info;
      if (lstat(path.c_str(), &info) != 0) return SystemError("lstat", path);
      const auto wanted = directory.entries.find(name);
      if (wanted != directory.entries.end()) {
        const InodeType type = tree_.inode(wanted->second).type;
        if (type == InodeType::kDirectory && S_ISDIR(info.st_mode)) continue;
        const bool can_be_opened = (info.st_mode & kFileMode) == kFileMode;
        const bool alone = S_ISREG(info.st_mode) && info.st_nlink == 1;
        if (type == InodeType::kFile && alone && can_be_opened) continue;
      }
      RETURN_IF_ERROR(RemoveAll(path));
    }
    return Status::Ok();
  }

  Status MakeEntry(InodeId inode, const fs::path& path) {
    if (tree_.inode(inode).type == InodeType::kDirectory) {
      if (mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
        return SystemError("mkdir", path);
      }
      return Make(inode, path);
    }
    const auto [first, is_new] = first_name_.try_emplace(inode, path);
    if (!is_new) {
      // Another name was there with a file of its own.
      if (unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError("unlink", path);
      // Of a symbolic link, that itself has two names.
      return linkat(AT_FDCWD, first->second.c_str(), AT_FDCWD, path.c_str(), 0) == 0
                 ? Status::Ok()
                 : SystemError("link", path);
    }
    if (tree_.inode(inode).type == InodeType::kSymlink) {
      return symlink(tree_.inode(inode).target.c_str(), path.c_str()) == 0
                 ? Status::Ok()
                 : SystemError("symlink", path);
    }
    const Descriptor fd(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, kFileMode));
    if (fd.get() < 0) return SystemError("open", path);
    return ContentWriter(fd.get(), path).Write(tree_.inode(inode).content);
  }

  const FileTree& tree_;
  std::set<InodeId> directories_;
  std::map<InodeId, fs::path> first_name_;
};

Status AddIdentities(const FileTree& tree, InodeId inode, const fs::path& folder,
                     const std::string& path, std::map<FileIdentity, std::string>* identities) {
  struct stat info;
  const fs::path full = path.empty() ? folder : folder / path;
  if (lstat(full.c_str(), &info) != 0) return SystemError("lstat", full);
  identities->try_emplace({info.st_dev, info.st_ino}, path);
  for (const auto& [name, entry] : tree.inode(inode).entries) {
    RETURN_IF_ERROR(
        AddIdentities(tree, entry, folder, path.empty() ? name : path + '/' + name, identities));
  }
  return Status::Ok();
}

}  // namespace

Result<std::map<FileIdentity, std::string>> IdentitiesIn(const FileTree& tree,
                                                         const fs::path& folder) {
  std::map<FileIdentity, std::string> identities;
  RETURN_IF_ERROR(AddIdentities(tree, kRootInode, folder, "", &identities));
  return identities;
}

Status MakeFolderHold(const FileTree& tree, const fs::path& folder) {
  // A recovery may have put something else in the folder's place: never follow that elsewhere.
  if (!IsRealDirectory(folder)) RETURN_IF_ERROR(RemoveAll(folder));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}, {}", error.message(), folder.string()));
  return FolderMaker(tree).Make(kRootInode, folder);
}

}  // namespace fencepost
