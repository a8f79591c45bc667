// SPDX-License-Identifier: BSD-3-Clause
// FileTree from and to a file system.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "engines/system_error.h"
#include "faultinject/iotrace/file_tree.h"

namespace fencepost {

namespace fs = std::filesystem;

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

// [begin, end) is data; a file system without holes says that all is.
Status ReadData(int fd, const fs::path& path, off_t begin, off_t end, FileContent* content) {
  std::string buffer(1 << 18, '\0');
  while (begin < end) {
    const auto wanted = std::min<uint64_t>(buffer.size(), static_cast<uint64_t>(end - begin));
    const ssize_t got = pread(fd, buffer.data(), wanted, begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path);
    if (got == 0) break;
    content->Write(static_cast<uint64_t>(begin), {buffer.data(), static_cast<size_t>(got)});
    begin += got;
  }
  return Status::Ok();
}

Result<FileContent> ReadContent(const fs::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.ok()) return SystemError("open", path);
  struct stat status;
  if (fstat(file.get(), &status) != 0) return SystemError("fstat", path);
  FileContent content;
  for (off_t at = 0; at < status.st_size;) {
    const off_t begin = lseek(file.get(), at, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;  // a hole to the end
    if (begin < 0) return SystemError("lseek", path);
    const off_t end = lseek(file.get(), begin, SEEK_HOLE);
    if (end < 0) return SystemError("lseek", path);
    RETURN_IF_ERROR(ReadData(file.get(), path, begin, end, &content));
    at = end;
  }
  content.Resize(static_cast<uint64_t>(status.st_size));
  return content;
}

Result<std::string> ReadTarget(const fs::path& path) {
  std::error_code error;
  const fs::path target = fs::read_symlink(path, error);
  if (error)
    return Status::IoError(fmt::format("readlink: {}: {}", path.string(), error.message()));
  return target.string();
}

Result<std::set<std::string>> ReadNames(const fs::path& path) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  if (error) return Status::IoError(fmt::format("readdir: {}: {}", path.string(), error.message()));
  return names;
}

class Reader {
 public:
  explicit Reader(FileTree* tree) : tree_(tree) {}

  // The inode of what is at `path`, read if it is the first of its names.
  Result<InodeId> Read(const fs::path& path) {
    struct stat status;
    if (lstat(path.c_str(), &status) != 0) return SystemError("lstat", path);
    const InodeId id = next_;
    const auto [seen, is_new] = ids_.try_emplace({status.st_dev, status.st_ino}, id);
    if (!is_new) return seen->second;
    ++next_;
    Inode inode;
    if (S_ISDIR(status.st_mode)) {
      inode.type = InodeType::kDirectory;
      ASSIGN_OR_RETURN(const auto names, ReadNames(path));
      for (const std::string& name : names) {
        ASSIGN_OR_RETURN(const InodeId entry, Read(path / name));
        inode.entries.emplace(name, entry);
      }
    } else if (S_ISREG(status.st_mode)) {
      ASSIGN_OR_RETURN(inode.content, ReadContent(path));
    } else if (S_ISLNK(status.st_mode)) {
      inode.type = InodeType::kSymlink;
      ASSIGN_OR_RETURN(inode.target, ReadTarget(path));
    } else {
      return Status::Unsupported(
          fmt::format("{}: neither a file nor a directory nor a symbolic link", path.string()));
    }
    tree_->Add(id, std::move(inode));
    return id;
  }

 private:
  FileTree* tree_;
  InodeId next_ = kRootInode;
  std::map<std::pair<dev_t, ino_t>, InodeId> ids_;
};

Status WriteContent(const FileContent& content, const fs::path& path) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.ok()) return SystemError("open", path);
  Status status;
  content.ForEachBlock([&](uint64_t offset, std::string_view bytes) {
    while (status.ok() && !bytes.empty()) {
      const ssize_t done =
          pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) {
        status = SystemError("write", path);
        return;
      }
      offset += static_cast<uint64_t>(done);
      bytes.remove_prefix(static_cast<size_t>(done));
    }
  });
  RETURN_IF_ERROR(status);
  if (ftruncate(file.get(), static_cast<off_t>(content.bytes())) != 0) {
    return SystemError("ftruncate", path);
  }
  return Status::Ok();
}

class Writer {
 public:
  explicit Writer(const FileTree& tree) : tree_(tree) {}

  Status WriteEntries(const Inode& directory, const fs::path& at) {
    for (const auto& [name, id] : directory.entries) RETURN_IF_ERROR(Write(id, at / name));
    return Status::Ok();
  }

 private:
  Status Write(InodeId id, const fs::path& path) {
    const Inode& inode = tree_.inode(id);
    const auto [first, is_new] = written_.try_emplace(id, path);
    if (!is_new && inode.type == InodeType::kDirectory) {
      return Status::Corrupt(fmt::format("a directory with two names: {}", path.string()));
    }
    if (!is_new) {
      // Not through a symbolic link: the link itself has the second name.
      if (linkat(AT_FDCWD, first->second.c_str(), AT_FDCWD, path.c_str(), 0) != 0) {
        return SystemError("link", path);
      }
      return Status::Ok();
    }
    switch (inode.type) {
      case InodeType::kFile:
        return WriteContent(inode.content, path);
      case InodeType::kSymlink:
        if (symlink(inode.target.c_str(), path.c_str()) != 0) return SystemError("symlink", path);
        return Status::Ok();
      case InodeType::kDirectory:
        if (mkdir(path.c_str(), 0755) != 0) return SystemError("mkdir", path);
        return WriteEntries(inode, path);
    }
    return Status::Ok();
  }

  const FileTree& tree_;
  std::map<InodeId, fs::path> written_ = {};
};

}  // namespace

Result<FileTree> FileTree::Read(const fs::path& root) {
  FileTree tree;
  RETURN_IF_ERROR(Reader(&tree).Read(root).status());
  if (tree.inode(kRootInode).type != InodeType::kDirectory) {
    return Status::InvalidArgument(fmt::format("{}: not a directory", root.string()));
  }
  return tree;
}

Status FileTree::WriteTo(const fs::path& root) const {
  return Writer(*this).WriteEntries(inode(kRootInode), root);
}

}  // namespace fencepost
