// SPDX-License-Identifier: BSD-3-Clause
// Calls that make, move and remove names.
//
// A name that leaves the folder is recorded as removed, and a second one outside is no event: what
// is done to the inode is seen by its number. What comes into the folder from outside brings
// contents that nothing has recorded: the run is refused.
//
// All are made under the lock, also those that are on nothing that is traced: another thread might
// make it so before they are. None of them waits for anybody.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

#include "faultinject/iotrace/recorder/calls.h"

namespace fencepost::iorecorder {
namespace {

// Copies the paths of the call into Control::path and finds their places.
Where ReadWhere(const Call& call, int directory_arg, int path_arg, int buffer) {
  char* const path = Shared().path[buffer];
  if (!CopyTextFromProgram(path, call.text(path_arg), kPathBytes)) *path = 0;
  return {directory_arg < 0 ? AT_FDCWD : call.fd(directory_arg), path};
}

// What is about to lose its last name, which is this one.
void ProveLast(InodeId id, const Place& place) {
  const InodeEntry& entry = EntryOf(id);
  if (entry.type != InodeType::kFile || entry.links != 1 || entry.is_volatile) return;
  const OwnDescriptor there(place.Open());
  Prove(FileAt(id, there.get()), Reading::kAll);
}

void RecordRemoval(InodeId id, const Place& place) {
  Append({.kind = IoEvent::Kind::kRemove,
          .inode = id,
          .directory = place.directory(),
          .name = place.name()});
  RemoveName(id, place.directory(), place.name());
}

void RecordNew(const Place& place, InodeType type, const char* target) {
  struct stat status;
  if (!place.Stat(&status)) {
    Refuse("what a call made is not there", place.name());
    return;
  }
  const InodeId id = AddInode(status, type);
  Append({.kind = IoEvent::Kind::kCreate,
          .inode = id,
          .type = type,
          .directory = place.directory(),
          .name = place.name(),
          .data_bytes = TextBytes(target)},
         target);
  AddName(id, place.directory(), place.name());
}

struct RenameSide {
  Place place;
  bool is_there;
  struct stat status;
  InodeId inode;  // in a traced place, kNoInode: nothing, or nothing that is recorded

  RenameSide(const Where& where, int buffer)
      : place(where, buffer, /*follows=*/false),
        is_there(place.Stat(&status)),
        inode(is_there && place.is_traced() ? FindInode(status) : kNoInode) {}
};

void RecordRename(const RenameSide& from, const RenameSide& to, bool is_exchange) {
  const Place& a = from.place;
  const Place& b = to.place;
  Append({.kind = is_exchange ? IoEvent::Kind::kExchange : IoEvent::Kind::kRename,
          .inode = from.inode,
          .directory = a.directory(),
          .name = a.name(),
          .to_directory = b.directory(),
          .to_name = b.name(),
          .replaced = to.inode});
  if (is_exchange) {
    MoveName(to.inode, b.directory(), b.name(), a.directory(), a.name());
  } else if (to.inode != kNoInode) {
    RemoveName(to.inode, b.directory(), b.name());
  }
  MoveName(from.inode, a.directory(), a.name(), b.directory(), b.name());
}

// Why this rename cannot be recorded; nullptr: it can.
const char* WhyNot(const RenameSide& from, const RenameSide& to, uint32_t flags) {
  if ((flags & RENAME_WHITEOUT) != 0) return "a rename that leaves a whiteout";
  if (!from.place.is_traced()) return "something was moved into the folder from outside";
  if (from.inode == kNoInode) return "what is not recorded was renamed";
  if ((flags & RENAME_EXCHANGE) != 0 && to.inode == kNoInode) {
    return "an exchange with what is not recorded";
  }
  if (to.place.is_traced()) {
    const bool is_unknown = to.is_there && to.inode == kNoInode;
    return is_unknown ? "what is not recorded was replaced" : nullptr;
  }
  const bool is_directory = EntryOf(from.inode).type == InodeType::kDirectory;
  return is_directory ? "a directory was moved out of the folder" : nullptr;
}

}  // namespace

long HandleRemove(Call& call) {
  const bool is_at = call.number == SYS_unlinkat;
  const LockHold hold;
  const Place place(ReadWhere(call, is_at ? 0 : -1, is_at ? 1 : 0, 0), 0, /*follows=*/false);
  struct stat status;
  const InodeId id = place.is_traced() && place.Stat(&status) ? FindInode(status) : kNoInode;
  if (id == kNoInode) return Perform(call);
  ProveLast(id, place);
  const long result = Perform(call);
  if (result == 0) RecordRemoval(id, place);
  return result;
}

long HandleMake(Call& call) {
  const bool is_at =
      call.number == SYS_mkdirat || call.number == SYS_mknodat || call.number == SYS_symlinkat;
  const bool is_symlink = call.number == SYS_symlink || call.number == SYS_symlinkat;
  const bool is_node = call.number == SYS_mknod || call.number == SYS_mknodat;
  // symlink has the target before.
  const int first = is_symlink ? 1 : 0;
  const LockHold hold;
  const Place place(ReadWhere(call, is_at ? first : -1, is_at ? first + 1 : first, 0), 0,
                    /*follows=*/false);
  if (!place.is_traced()) return Perform(call);
  char* const target = Shared().path[1];
  if (!is_symlink || !CopyTextFromProgram(target, call.text(0), kPathBytes)) *target = 0;
  const uint32_t node_type = is_node ? call.flags(is_at ? 2 : 1) & S_IFMT : S_IFREG;
  const long result = Perform(call);
  if (result != 0) return result;
  if (node_type != S_IFREG && node_type != 0) {
    Refuse("a pipe, socket or device was made in the folder", place.name());
    return result;
  }
  RecordNew(place,
            is_symlink ? InodeType::kSymlink
            : is_node  ? InodeType::kFile
                       : InodeType::kDirectory,
            target);
  return result;
}

long HandleLink(Call& call) {
  const bool is_at = call.number == SYS_linkat;
  const uint32_t flags = is_at ? call.flags(4) : 0;
  const LockHold hold;
  const Where source = ReadWhere(call, is_at ? 0 : -1, is_at ? 1 : 0, 1);
  const bool is_descriptor = (flags & AT_EMPTY_PATH) != 0 && *source.path == 0;
  const OwnDescriptor opened(
      is_descriptor ? -ENOENT
                    : OpenPath(source, (flags & AT_SYMLINK_FOLLOW) != 0 ? 0 : O_NOFOLLOW));
  struct stat status;
  const bool is_there =
      Raw(SYS_fstat, is_descriptor ? source.directory : opened.get(), &status) == 0;
  const Place place(ReadWhere(call, is_at ? 2 : -1, is_at ? 3 : 1, 0), 0, /*follows=*/false);
  if (!is_there || !place.is_traced()) return Perform(call);
  const InodeId id = FindInode(status);
  const long result = Perform(call);
  if (result != 0) return result;
  if (id == kNoInode) {
    Refuse("a link in the folder to a file outside of it", place.name());
    return result;
  }
  Append({.kind = IoEvent::Kind::kLink,
          .inode = id,
          .directory = place.directory(),
          .name = place.name()});
  AddName(id, place.directory(), place.name());
  return result;
}

long HandleRename(Call& call) {
  const bool is_at = call.number != SYS_rename;
  const uint32_t flags = call.number == SYS_renameat2 ? call.flags(4) : 0;
  const bool is_exchange = (flags & RENAME_EXCHANGE) != 0;
  const LockHold hold;
  const RenameSide from(ReadWhere(call, is_at ? 0 : -1, is_at ? 1 : 0, 0), 0);
  const RenameSide to(ReadWhere(call, is_at ? 2 : -1, is_at ? 3 : 1, 1), 1);
  if (!from.place.is_traced() && !to.place.is_traced()) return Perform(call);
  // Two names of one inode: the kernel leaves both.
  const bool is_same = from.is_there && to.is_there && from.status.st_dev == to.status.st_dev &&
                       from.status.st_ino == to.status.st_ino;
  if (!is_exchange && to.inode != kNoInode && !is_same) ProveLast(to.inode, to.place);
  const long result = Perform(call);
  if (result != 0 || is_same) return result;
  const char* const why_not = WhyNot(from, to, flags);
  if (why_not != nullptr) {
    Refuse(why_not, from.place.name());
  } else if (to.place.is_traced()) {
    RecordRename(from, to, is_exchange);
  } else {
    RecordRemoval(from.inode, from.place);
  }
  return result;
}

}  // namespace fencepost::iorecorder
