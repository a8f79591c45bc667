// SPDX-License-Identifier: BSD-3-Clause
// Calls that open a file and make or cut it on the way.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

#include "faultinject/iotrace/recorder/calls.h"

namespace fencepost::iorecorder {
namespace {

struct OpenArguments {
  Where where;
  uint64_t flags;
};

// Puts the path into Control::path[0]. False where the kernel will refuse the call.
bool ReadArguments(const Call& call, OpenArguments* arguments) {
  const bool is_at = call.number == SYS_openat || call.number == SYS_openat2;
  char* const path = Shared().path[0];
  if (!CopyTextFromProgram(path, call.text(is_at ? 1 : 0), kPathBytes)) return false;
  arguments->where = {is_at ? call.fd(0) : AT_FDCWD, path};
  switch (call.number) {
    case SYS_open:
      arguments->flags = call.flags(1);
      return true;
    case SYS_openat:
      arguments->flags = call.flags(2);
      return true;
    case SYS_creat:
      arguments->flags = O_CREAT | O_WRONLY | O_TRUNC;
      return true;
    default: {
      open_how how;
      if (call.args[3] < sizeof how || !CopyFromProgram(&how, call.text(2), sizeof how)) {
        return false;
      }
      arguments->flags = how.flags;
      arguments->where.resolve = how.resolve;
      return true;
    }
  }
}

bool MakesUnnamed(uint64_t flags) { return (flags & O_TMPFILE) == O_TMPFILE; }

// Of a file that is there, and that `target` is open on.
long OpenExisting(const Call& call, InodeId id, const struct stat& status, OwnDescriptor* target) {
  Prove(FileAt(id, target->get()), Reading::kAll);
  target->Close();
  const long result = Perform(call);
  struct stat now;
  if (result < 0 || Raw(SYS_fstat, result, &now) != 0 || now.st_size == status.st_size) {
    return result;
  }
  Append({.kind = IoEvent::Kind::kTruncate,
          .inode = id,
          .length = static_cast<uint64_t>(now.st_size)});
  ShadowZero(id, 0, kShadowBytes);
  NoteChangeAllOver(id);
  return result;
}

long OpenUnnamed(const Call& call) {
  const long result = Perform(call);
  struct stat status;
  if (result < 0 || !IsCandidate(static_cast<int>(result), &status)) return result;
  const InodeId id = AddInode(status, InodeType::kFile);
  Append({.kind = IoEvent::Kind::kCreate, .inode = id});
  return result;
}

long OpenNew(const Call& call, Place* place) {
  place->Close();
  const long result = Perform(call);
  struct stat status;
  if (result < 0 || !IsCandidate(static_cast<int>(result), &status)) return result;
  const InodeId id = AddInode(status, InodeType::kFile);
  Append({.kind = IoEvent::Kind::kCreate,
          .inode = id,
          .directory = place->directory(),
          .name = place->name()});
  AddName(id, place->directory(), place->name());
  return result;
}

// False: the call is on what may make it wait (a pipe, a device), or will fail, and is still to be
// made. Others are made under the lock, lest the name comes to mean something else before.
// Descriptors of ours are closed before, since the program gets the lowest number that is free.
bool OpenLocked(const Call& call, long* result) {
  const LockHold hold;
  OpenArguments arguments = {};
  if (!ReadArguments(call, &arguments)) return false;
  const uint64_t flags = arguments.flags;
  if ((flags & O_PATH) != 0) return false;
  OwnDescriptor target(OpenPath(arguments.where, static_cast<int>(flags & O_NOFOLLOW)));
  struct stat status;
  if (target.ok() && Raw(SYS_fstat, target.get(), &status) == 0) {
    const bool is_traced = FindInode(status) != kNoInode;
    if (MakesUnnamed(flags)) {
      target.Close();
      *result = is_traced ? OpenUnnamed(call) : Perform(call);
      return true;
    }
    // A directory too: it may be gone, and a file made in its place, before the call is.
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
    const InodeId id = FindRecorded(target.get(), &status);
    if (id != kNoInode && S_ISREG(status.st_mode) && (flags & O_TRUNC) != 0) {
      *result = OpenExisting(call, id, status, &target);
      return true;
    }
    target.Close();
    *result = Perform(call);
    return true;
  }
  if (target.get() == -ENOENT && (flags & O_CREAT) != 0) {
    Place place(arguments.where, 0, /*follows=*/(flags & (O_EXCL | O_NOFOLLOW)) == 0);
    if (place.is_traced()) {
      *result = OpenNew(call, &place);
      return true;
    }
    place.Close();
  }
  *result = Perform(call);
  return true;
}

}  // namespace

long HandleOpen(Call& call) {
  long result = 0;
  return OpenLocked(call, &result) ? result : PassThrough(call);
}

}  // namespace fencepost::iorecorder
