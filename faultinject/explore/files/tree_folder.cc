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

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status SystemError(const char* call, const fs::path& path) {
  const std::string message = fmt::format("{}: {}, {}", call, std::strerror(errno), path.string());
  return errno == ENOSPC ? Status::Full(message) : Status::IoError(message);
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
    const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    return put == static_cast<ssize_t>(bytes.size()) ? Status::Ok() : SystemError("pwrite", path_);
  }

  // A hole: whatever is there in [begin, end) goes.
  Status ZeroUnless(uint64_t begin, uint64_t end) const {
    end = std::min(end, was_bytes_);
    if (begin >= end) return Status::Ok();
    const off_t data = lseek(fd_, static_cast<off_t>(begin), SEEK_DATA);
    if (data < 0 || static_cast<uint64_t>(data) >= end) return Status::Ok();
    return fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, data,
                     static_cast<off_t>(end) - data) == 0
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

  Status Make(InodeId directory, const fs::path& folder) {
    if (!directories_.insert(directory).second) {
      return Status::Corrupt(fmt::format("a directory with two names: {}", folder.string()));
    }
    RETURN_IF_ERROR(RemoveOthers(tree_.inode(directory), folder));
    for (const auto& [name, inode] : tree_.inode(directory).entries) {
      const fs::path path = folder / name;
      switch (tree_.inode(inode).type) {
        case InodeType::kDirectory:
          if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return SystemError("mkdir", path);
          RETURN_IF_ERROR(Make(inode, path));
          break;
        case InodeType::kFile:
          RETURN_IF_ERROR(MakeFile(inode, path));
          break;
        case InodeType::kSymlink:
          if (symlink(tree_.inode(inode).target.c_str(), path.c_str()) != 0) {
            return SystemError("symlink", path);
          }
          break;
      }
    }
    return Status::Ok();
  }

 private:
  // What is not in the tree, is of another type, or is a link of a file or a symbolic one: those
  // are made anew.
  Status RemoveOthers(const Inode& directory, const fs::path& folder) const {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      const auto wanted = directory.entries.find(entry.path().filename().string());
      const bool is_directory = entry.is_directory(error) && !entry.is_symlink(error);
      if (wanted != directory.entries.end()) {
        const InodeType type = tree_.inode(wanted->second).type;
        if (type == InodeType::kDirectory && is_directory) continue;
        const bool alone = entry.is_regular_file(error) && !entry.is_symlink(error) &&
                           entry.hard_link_count(error) == 1;
        if (type == InodeType::kFile && alone) continue;
      }
      fs::remove_all(entry.path(), error);
      if (error) return Status::IoError(fmt::format("remove: {}", entry.path().string()));
    }
    if (!error) return Status::Ok();
    return Status::IoError(fmt::format("read: {}, {}", error.message(), folder.string()));
  }

  Status MakeFile(InodeId inode, const fs::path& path) {
    const auto [first, is_new] = first_name_.try_emplace(inode, path);
    if (!is_new) {
      // Another name was there with a file of its own.
      if (unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError("unlink", path);
      return link(first->second.c_str(), path.c_str()) == 0 ? Status::Ok()
                                                            : SystemError("link", path);
    }
    // A recovery may have taken the right to write away.
    const Descriptor fd(open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
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
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}, {}", error.message(), folder.string()));
  return FolderMaker(tree).Make(kRootInode, folder);
}

}  // namespace fencepost
