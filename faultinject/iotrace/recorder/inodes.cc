// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/inodes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

#include "faultinject/iotrace/recorder/names.h"

namespace fencepost::iorecorder {
namespace {

void Unlink(InodeId id) {
  Control& control = Shared();
  uint32_t* at = &control.buckets[BucketOf(control.inodes[id].ino)];
  while (*at != kNoInode && *at != id) at = &control.inodes[*at].next_in_bucket;
  if (*at == id) *at = control.inodes[id].next_in_bucket;
}

InodeId FindNumber(uint64_t ino) {
  const Control& control = Shared();
  InodeId id = control.buckets[BucketOf(ino)];
  while (id != kNoInode && control.inodes[id].ino != ino) id = control.inodes[id].next_in_bucket;
  return id;
}

}  // namespace

bool IsCandidate(int fd, struct stat* status) {
  return Raw(SYS_fstat, fd, status) == 0 &&
         (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)) &&
         status->st_dev == Shared().root_device;
}

InodeId FindInode(const struct stat& status) {
  if (status.st_dev != Shared().root_device || Shared().is_closed != 0) return kNoInode;
  const InodeId id = FindNumber(status.st_ino);
  if (id == kNoInode || id == kRootInode) return id;
  if (EntryOf(id).links == 0 && status.st_nlink != 0) {
    Unlink(id);
    return kNoInode;
  }
  return id;
}

InodeId AddInode(const struct stat& status, InodeType type) {
  Control& control = Shared();
  const InodeId gone = FindNumber(status.st_ino);
  if (gone != kNoInode) {
    if (EntryOf(gone).links != 0)
      Refuse("a file of the folder was removed unseen", EntryOf(gone).name);
    Unlink(gone);
  }
  if (control.next_inode >= kInodesMax) {
    Refuse("more files than the recorder has room for");
    return kNoInode;
  }
  const InodeId id = control.next_inode++;
  InodeEntry& entry = control.inodes[id];
  entry.parent = kNoInode;
  entry.type = type;
  entry.shadow = kNoShadow;
  entry.hashes = kNoHashes;
  AddToBucket(&control, id, status.st_ino);
  return id;
}

void AddName(InodeId id, InodeId directory, const char* name) {
  InodeEntry& entry = EntryOf(id);
  const bool is_volatile =
      entry.type == InodeType::kFile && IsVolatileName(Log().volatile_names, name);
  if (entry.is_volatile && !is_volatile) {
    Refuse("a file of which nothing is recorded got a name of one that is", name);
  }
  entry.is_volatile |= is_volatile;
  if (!KeepName(&Shared(), id, directory, name)) {
    Refuse("more names than the recorder has room for", name);
  }
}

void RemoveName(InodeId id, InodeId directory, const char* name) {
  DropName(&Shared(), id, directory, name);
}

void MoveName(InodeId id, InodeId directory, const char* name, InodeId to_directory,
              const char* to_name) {
  RemoveName(id, directory, name);
  AddName(id, to_directory, to_name);
}

long OpenInode(InodeId id) {
  Control& control = Shared();
  // From the end to the front: what an inode is called, then its directory.
  char* const end = control.own_path + sizeof control.own_path - 1;
  char* at = end;
  *at = 0;
  const InodeId wanted = id;
  while (id != kRootInode) {
    const InodeEntry& entry = EntryOf(id);
    const size_t bytes = TextBytes(entry.name);
    if (entry.parent == kNoInode || at < control.own_path + kPathBytes + bytes + 1) return -ENOENT;
    at -= bytes;
    __builtin_memcpy(at, entry.name, bytes);
    *--at = '/';
    id = entry.parent;
  }
  const size_t root_bytes = TextBytes(control.root);
  at -= root_bytes;
  __builtin_memcpy(at, control.root, root_bytes);
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
  long fd = Raw(SYS_openat, AT_FDCWD, at, kFlags | O_NOATIME, 0);
  if (fd == -EPERM) fd = Raw(SYS_openat, AT_FDCWD, at, kFlags, 0);
  if (fd < 0) return fd;
  struct stat status;
  if (Raw(SYS_fstat, fd, &status) == 0 && FindInode(status) == wanted) return fd;
  Raw(SYS_close, fd);
  return -ENOENT;
}

long OpenPath(const Where& where, int flags) {
  const uint64_t all_flags = static_cast<uint64_t>(flags) | O_PATH | O_CLOEXEC;
  if (where.resolve == 0) return Raw(SYS_openat, where.directory, where.path, all_flags, 0);
  open_how how = {};
  how.flags = all_flags;
  how.resolve = where.resolve;
  return Raw(SYS_openat2, where.directory, where.path, &how, sizeof how);
}

Place::Place(const Where& where, int buffer, bool follows) : buffer_(Shared().path[buffer]) {
  if (where.path != buffer_) AppendText(buffer_, buffer_ + kPathBytes, where.path);
  Find({where.directory, buffer_, where.resolve});
  constexpr int kLinksFollowed = 40;  // as the kernel does
  for (int i = 0; follows && fd_ >= 0 && i < kLinksFollowed; ++i) {
    char* const target = Shared().own_path;
    const long bytes = Raw(SYS_readlinkat, fd_, name_, target, kPathBytes - 1);
    if (bytes <= 0) return;
    target[bytes] = 0;
    AppendText(buffer_, buffer_ + kPathBytes, target);
    const int from = fd_;
    fd_ = -1;
    Find({from, buffer_, where.resolve});
    Raw(SYS_close, from);
  }
}

void Place::Find(const Where& where) {
  directory_ = kNoInode;
  char* end = buffer_ + TextBytes(buffer_);
  while (end > buffer_ + 1 && end[-1] == '/') --end;
  *end = 0;
  char* name = end;
  while (name > buffer_ && name[-1] != '/') --name;
  // The name goes behind its own path, so that the path can be cut.
  char* const kept = buffer_ + kPathBytes;
  AppendText(kept, kept + kPathBytes, name);
  name_ = kept;
  if (*kept == 0 || SameText(kept, ".") || SameText(kept, "..") || TextBytes(kept) >= kNameBytes) {
    return;
  }
  if (name == buffer_) {
    AppendText(buffer_, buffer_ + kPathBytes, ".");
  } else {
    *name = 0;
  }
  fd_ = static_cast<int>(OpenPath({where.directory, buffer_, where.resolve}, O_DIRECTORY));
  struct stat status;
  if (fd_ >= 0 && IsCandidate(fd_, &status)) directory_ = FindInode(status);
}

bool Place::Stat(struct stat* status) const {
  return Raw(SYS_newfstatat, fd_, name_, status, AT_SYMLINK_NOFOLLOW) == 0;
}

long Place::Open() const { return OpenPath({fd_, name_}, O_NOFOLLOW); }

void Place::Close() {
  if (fd_ >= 0) Raw(SYS_close, fd_);
  fd_ = -1;
}

}  // namespace fencepost::iorecorder
