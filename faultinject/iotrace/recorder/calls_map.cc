// SPDX-License-Identifier: BSD-3-Clause
// Calls that map traced files for sharing. Such mappings go into the window, where the program has
// not chosen their place itself, so that the filter traps what is done to them and nothing else.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "faultinject/iotrace/recorder/calls.h"
#include "faultinject/iotrace/recorder/holes.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

constexpr uint64_t kFixed = MAP_FIXED | MAP_FIXED_NOREPLACE;

bool IsError(long result) { return result < 0 && result > -4096; }

long MapInWindow(const Call& call) {
  Call placed = call;
  const uint64_t address = (call.args[3] & kFixed) == 0 ? TakeAddresses(call.args[1]) : 0;
  if (address != 0) {
    placed.args[0] = address;
    placed.args[3] |= MAP_FIXED_NOREPLACE;
  }
  const long result = Perform(placed);
  return address != 0 && result == -EEXIST ? Perform(call) : result;
}

// To a place that the recorder chooses, as the program would have let the kernel choose it.
long MoveMapping(const Call& call) {
  Call placed = call;
  placed.args[3] = call.args[3] & ~static_cast<uint64_t>(MREMAP_MAYMOVE);
  const long result = Perform(placed);
  if (result != -ENOMEM || (call.args[3] & MREMAP_MAYMOVE) == 0) return result;
  placed.args[4] = TakeAddresses(call.args[2]);
  if (placed.args[4] == 0) return Perform(call);
  placed.args[3] = MREMAP_MAYMOVE | MREMAP_FIXED;
  return Perform(placed);
}

}  // namespace

long HandleMmap(Call& call) {
  const int fd = call.fd(4);
  struct stat status;
  if (!IsCandidate(fd, &status)) return PassThrough(call);
  LockHold hold;
  const InodeId id = FindRecorded(fd, &status);
  const long mode = Raw(SYS_fcntl, fd, F_GETFL);
  if (id == kNoInode || (mode & O_ACCMODE) != O_RDWR) {  // it can never be written to
    hold.Release();
    return PassThrough(call);
  }
  const bool is_writable = (call.args[2] & PROT_WRITE) != 0;
  const long result = MapInWindow(call);
  if (IsError(result)) return result;
  AddMapping(static_cast<uint64_t>(result), call.args[1], FileAt(id, fd), call.args[5],
             is_writable);
  if (is_writable) WatchHoles(static_cast<uint64_t>(result), call.args[1]);
  return result;
}

long HandleMunmap(Call& call) {
  LockHold hold;
  const uint64_t end = call.args[0] + call.args[1];
  if (FindMapping(call.args[0], end) == nullptr) {
    hold.Release();
    return PassThrough(call);
  }
  SampleMapped(Reading::kAll);
  const long result = Perform(call);
  if (result == 0) CutMappings(call.args[0], end);
  return result;
}

long HandleMremap(Call& call) {
  LockHold hold;
  const uint64_t begin = call.args[0];
  const Mapping* const found = FindMapping(begin, begin + 1);
  if (found == nullptr) {
    hold.Release();
    return PassThrough(call);
  }
  const Mapping before = *found;
  SampleMapped(Reading::kAll);
  const bool is_placed = (call.args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0;
  const long result = is_placed ? Perform(call) : MoveMapping(call);
  if (IsError(result)) return result;
  if ((call.args[3] & MREMAP_DONTUNMAP) == 0) CutMappings(begin, begin + call.args[1]);
  AddMapping(static_cast<uint64_t>(result), call.args[2], FileAt(before.inode),
             before.file_offset + (begin - before.begin), before.is_writable);
  if (before.is_writable) WatchHoles(static_cast<uint64_t>(result), call.args[2]);
  return result;
}

long HandleMprotect(Call& call) {
  LockHold hold;
  const uint64_t end = call.args[0] + call.args[1];
  if (FindMapping(call.args[0], end) == nullptr) {
    hold.Release();
    return PassThrough(call);
  }
  MakeWritableWithin(call.args[0], end);
  const long result = Perform(call);
  if (result == 0) WatchHoles(call.args[0], call.args[1]);
  return result;
}

}  // namespace fencepost::iorecorder
