// SPDX-License-Identifier: BSD-3-Clause
// Calls that change what a file holds.
//
// Where a write landed is found out after it was made: at the end of the file if it appends, before
// the descriptor's position if it has no offset of its own. What it wrote is what the kernel says,
// from the program's memory; from the file where it came out of another descriptor.
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "faultinject/iotrace/recorder/calls.h"
#include "faultinject/iotrace/recorder/holes.h"

namespace fencepost::iorecorder {
namespace {

constexpr int kNone = -1;

// The arguments of a call that writes.
struct WriteForm {
  enum class Data : unsigned char { kBuffer, kVectors, kFile };
  int fd;
  Data data;
  int offset;          // kNone: the descriptor's position
  int offset_pointer;  // kNone, or a pointer to the offset, which may be null: the position
  int flags;           // RWF_*
};

WriteForm FormOf(long number) {
  using Data = WriteForm::Data;
  switch (number) {
    case SYS_pwrite64:
      return {0, Data::kBuffer, 3, kNone, kNone};
    case SYS_writev:
      return {0, Data::kVectors, kNone, kNone, kNone};
    case SYS_pwritev:
      return {0, Data::kVectors, 3, kNone, kNone};
    case SYS_pwritev2:
      return {0, Data::kVectors, 3, kNone, 5};
    case SYS_sendfile:
      return {0, Data::kFile, kNone, kNone, kNone};
    case SYS_copy_file_range:
    case SYS_splice:
      return {2, Data::kFile, kNone, 3, kNone};
    default:
      return {0, Data::kBuffer, kNone, kNone, kNone};
  }
}

constexpr uint64_t kAtPosition = UINT64_MAX;

uint64_t AskedOffset(const Call& call, const WriteForm& form) {
  if (form.offset != kNone) return call.args[form.offset];  // pwritev2: -1 is the position
  uint64_t offset = kAtPosition;
  if (form.offset_pointer != kNone && call.args[form.offset_pointer] != 0) {
    CopyFromProgram(&offset, call.text(form.offset_pointer), sizeof offset);
  }
  return offset;
}

void GatherVectors(const Call& call, char* to, uint64_t bytes) {
  const auto* vectors = reinterpret_cast<const iovec*>(call.args[1]);
  for (uint64_t i = 0; bytes > 0 && i < call.args[2]; ++i) {
    const uint64_t part = vectors[i].iov_len < bytes ? vectors[i].iov_len : bytes;
    __builtin_memcpy(to, vectors[i].iov_base, part);
    to += part;
    bytes -= part;
  }
}

void ReadBack(const FileAt& file, uint64_t offset, char* to, uint64_t bytes) {
  while (bytes > 0) {
    const long got = Raw(SYS_pread64, file.fd(), to, bytes, offset);
    if (got == -EINTR) continue;
    if (got <= 0) {
      Refuse("what a call wrote could not be read back", EntryOf(file.id()).name);
      return;
    }
    to += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
}

void RecordWrite(const Call& call, const WriteForm& form, InodeId id, uint64_t offset,
                 uint64_t bytes, uint8_t flags) {
  char* const data = BeginRecord({.kind = IoEvent::Kind::kWrite,
                                  .inode = id,
                                  .offset = offset,
                                  .data_bytes = bytes,
                                  .flags = flags});
  if (data == nullptr) return;
  switch (form.data) {
    case WriteForm::Data::kBuffer:
      __builtin_memcpy(data, call.text(1), bytes);
      break;
    case WriteForm::Data::kVectors:
      GatherVectors(call, data, bytes);
      break;
    case WriteForm::Data::kFile:
      ReadBack(FileAt(id, call.fd(form.fd)), offset, data, bytes);
      break;
  }
  ShadowWrite(id, offset, data, bytes);
  EndRecord();
  NoteChange(id, offset, bytes);
}

// It has ended when it is recorded: nothing was between its two events.
void RecordSyncOfWrite(const Call& call, const WriteForm& form, InodeId id, uint64_t offset,
                       uint64_t bytes) {
  Prove(FileAt(id, call.fd(form.fd)), Reading::kWhatIsNew);
  LogEvent event = {.kind = IoEvent::Kind::kSyncBegin,
                    .inode = id,
                    .offset = offset,
                    .length = bytes,
                    .scope = IoEvent::Scope::kRange};
  event.begin = Append(event);
  event.kind = IoEvent::Kind::kSyncEnd;
  Append(event);
}

void SampleBefore(InodeId id, int fd) {
  if (HasShadow(id)) Sample(FileAt(id, fd), Reading::kWhatIsNew);
}

uint64_t BytesOf(int fd) {
  struct stat status;
  return Raw(SYS_fstat, fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

void RecordLength(InodeId id, uint64_t bytes_before, uint64_t bytes) {
  if (bytes == bytes_before) return;
  Append({.kind = IoEvent::Kind::kTruncate, .inode = id, .length = bytes});
  if (bytes < bytes_before) ShadowZero(id, bytes, kShadowBytes);
  NoteChangeAllOver(id);
}

void RecordZeros(InodeId id, uint64_t offset, uint64_t length, uint64_t file_bytes) {
  if (offset >= file_bytes) return;
  if (length > file_bytes - offset) length = file_bytes - offset;
  Append({.kind = IoEvent::Kind::kZero, .inode = id, .offset = offset, .length = length});
  ShadowZero(id, offset, length);
  NoteChange(id, offset, length);
}

void RecordGrowth(InodeId id, uint64_t offset, uint64_t length, uint64_t bytes_before,
                  uint64_t bytes) {
  if (bytes <= bytes_before) return;
  Append({.kind = IoEvent::Kind::kAllocate, .inode = id, .offset = offset, .length = length});
  NoteChange(id, bytes_before, bytes - bytes_before);
}

void RecordCollapse(InodeId id, uint64_t offset, uint64_t length, uint64_t bytes_before) {
  Append({.kind = IoEvent::Kind::kCollapse, .inode = id, .offset = offset, .length = length});
  NoteChangeAllOver(id);
  ShadowMove(id, offset, offset + length, bytes_before - offset - length);
  ShadowZero(id, bytes_before - length, kShadowBytes);
}

void RecordInsertion(InodeId id, uint64_t offset, uint64_t length, uint64_t bytes_before) {
  Append({.kind = IoEvent::Kind::kInsertHole, .inode = id, .offset = offset, .length = length});
  NoteChangeAllOver(id);
  ShadowMove(id, offset + length, offset, bytes_before - offset);
  ShadowZero(id, offset, length);
}

}  // namespace

long HandleWrite(Call& call) {
  const WriteForm form = FormOf(call.number);
  const int fd = call.fd(form.fd);
  struct stat status;
  if (!IsCandidate(fd, &status)) return PassThrough(call);
  LockHold hold;
  const InodeId id = FindRecorded(fd, &status);
  if (id == kNoInode) {
    hold.Release();
    return PassThrough(call);
  }
  SampleBefore(id, fd);
  const auto mode = static_cast<int>(Raw(SYS_fcntl, fd, F_GETFL));
  const uint32_t extra = form.flags == kNone ? 0 : call.flags(form.flags);
  uint64_t offset = AskedOffset(call, form);
  const long result = Perform(call);
  if (result <= 0) return result;
  const auto bytes = static_cast<uint64_t>(result);
  if ((mode & O_APPEND) != 0 || (extra & RWF_APPEND) != 0) {
    offset = BytesOf(fd) - bytes;
  } else if (offset == kAtPosition) {
    offset = static_cast<uint64_t>(Raw(SYS_lseek, fd, 0, SEEK_CUR)) - bytes;
  }
  uint8_t flags = 0;
  if (offset == static_cast<uint64_t>(status.st_size)) flags |= kAppended;
  if ((mode & O_DIRECT) != 0) flags |= kDirect;
  RecordWrite(call, form, id, offset, bytes, flags);
  // O_SYNC holds the bit of O_DSYNC.
  if ((mode & O_DSYNC) != 0 || (extra & (RWF_DSYNC | RWF_SYNC)) != 0) {
    RecordSyncOfWrite(call, form, id, offset, bytes);
  }
  return result;
}

long HandleTruncate(Call& call) {
  // By its path: opened first, and the same from there on.
  const bool has_path = call.number == SYS_truncate;
  const LockHold hold;
  char* const path = Shared().path[0];
  const OwnDescriptor opened(has_path && CopyTextFromProgram(path, call.text(0), kPathBytes)
                                 ? OpenPath({AT_FDCWD, path}, 0)
                                 : -ENOENT);
  const int fd = has_path ? opened.get() : call.fd(0);
  struct stat status;
  const InodeId id = FindRecorded(fd, &status);
  // Under the lock anyway: another thread might give the name to a traced file before it is made.
  if (id == kNoInode) return Perform(call);
  Prove(FileAt(id, fd), Reading::kAll);
  const long result = Perform(call);
  if (result == 0) NotePunch(id, BytesOf(fd), UINT64_MAX);
  if (result == 0) RecordLength(id, static_cast<uint64_t>(status.st_size), BytesOf(fd));
  return result;
}

long HandleFallocate(Call& call) {
  const int fd = call.fd(0);
  struct stat status;
  if (!IsCandidate(fd, &status)) return PassThrough(call);
  LockHold hold;
  const InodeId id = FindRecorded(fd, &status);
  if (id == kNoInode) {
    hold.Release();
    return PassThrough(call);
  }
  SampleBefore(id, fd);
  const long result = Perform(call);
  if (result != 0) return result;
  constexpr uint32_t kWriteZeroes = 0x80;  // FALLOC_FL_WRITE_ZEROES, Linux 6.17
  const uint64_t offset = call.args[2];
  const uint64_t length = call.args[3];
  const auto bytes_before = static_cast<uint64_t>(status.st_size);
  const uint64_t bytes = BytesOf(fd);
  switch (call.flags(1) & ~static_cast<uint32_t>(FALLOC_FL_KEEP_SIZE)) {
    case 0:
      NoteAllocation(id, offset, length);
      RecordGrowth(id, offset, length, bytes_before, bytes);
      break;
    case FALLOC_FL_PUNCH_HOLE:
      NotePunch(id, offset, length);
      RecordZeros(id, offset, length, bytes);
      break;
    case FALLOC_FL_ZERO_RANGE:
    case kWriteZeroes:
      RecordGrowth(id, offset, length, bytes_before, bytes);
      RecordZeros(id, offset, length, bytes);
      break;
    case FALLOC_FL_COLLAPSE_RANGE:
      RecordCollapse(id, offset, length, bytes_before);
      break;
    case FALLOC_FL_INSERT_RANGE:
      RecordInsertion(id, offset, length, bytes_before);
      break;
    case FALLOC_FL_UNSHARE_RANGE:
      break;  // the file holds what it held
    default:
      Refuse("fallocate in a mode that is not known", EntryOf(id).name);
  }
  return result;
}

}  // namespace fencepost::iorecorder
