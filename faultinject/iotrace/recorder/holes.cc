// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/holes.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faultinject/iotrace/recorder/calls.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

constexpr uint64_t kPageBytes = 4096;

enum class Answer { kStored, kNoRoom, kNotOurs };

bool IsHole(const Mapping& mapping, uint64_t page) {
  const FileAt file(mapping.inode);
  const uint64_t offset = mapping.file_offset + (page - mapping.begin);
  if (!file.ok() || offset >= file.Bytes()) return false;
  const Control& shared = Shared();
  for (uint32_t i = 0; i < shared.allocations_used; ++i) {
    const Allocation& given = shared.allocations[i];
    if (given.inode == mapping.inode && given.begin <= offset && offset < given.end) return false;
  }
  return Raw(SYS_lseek, file.fd(), offset, SEEK_DATA) != static_cast<long>(offset);
}

Answer Touch(uint64_t address) {
  const LockHold hold;
  const Mapping* const mapping = FindMapping(address, address + 1);
  if (mapping == nullptr || !mapping->is_writable) return Answer::kNotOurs;
  const uint64_t page = address / kPageBytes * kPageBytes;
  if (IsHole(*mapping, page)) {
    Control& shared = Shared();
    if (__atomic_add_fetch(&shared.fault_calls, 1, __ATOMIC_RELAXED) == shared.fault.at) {
      // The process may be gone after this.
      SampleMapped(Reading::kAll);
      return Answer::kNoRoom;
    }
  }
  Raw(SYS_mprotect, page, kPageBytes, PROT_READ | PROT_WRITE);
  return Answer::kStored;
}

// Done when the handler returns and the store is tried again.
void SendSelf(int number) { Raw(SYS_tgkill, Raw(SYS_getpid), Raw(SYS_gettid), number); }

void OnFault(int number, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  switch (Touch(address)) {
    case Answer::kStored:
      return;
    case Answer::kNoRoom:
      return SendSelf(SIGBUS);
    case Answer::kNotOurs:
      break;
  }
  // The program's own: it ends of it.
  struct {
    uint64_t handler, flags, restorer, mask;
  } by_default = {};
  Raw(SYS_rt_sigaction, number, &by_default, nullptr, sizeof by_default.mask);
}

}  // namespace

bool HolesAreWatched() { return Shared().fault.kind == IoFault::Kind::kSigbus; }

void WatchHoles(uint64_t address, uint64_t bytes) {
  if (HolesAreWatched()) Raw(SYS_mprotect, address, bytes, PROT_READ);
}

void NoteAllocation(InodeId id, uint64_t begin, uint64_t bytes) {
  Control& shared = Shared();
  if (!HolesAreWatched()) return;
  if (shared.allocations_used == kAllocationsMax) {
    return Refuse("more calls of fallocate than are remembered where holes are watched");
  }
  shared.allocations[shared.allocations_used++] = {id, begin, begin + bytes};
}

void NotePunch(InodeId id, uint64_t begin, uint64_t bytes) {
  Control& shared = Shared();
  if (!HolesAreWatched()) return;
  const uint64_t end = bytes > UINT64_MAX - begin ? UINT64_MAX : begin + bytes;
  const uint32_t used = shared.allocations_used;
  for (uint32_t i = 0; i < used; ++i) {
    Allocation& given = shared.allocations[i];
    if (given.inode != id || given.end <= begin || given.begin >= end) continue;
    const uint64_t old_end = given.end;
    given.end = begin > given.begin ? begin : given.begin;
    if (end < old_end) NoteAllocation(id, end, old_end - end);
  }
}

void InstallHoleHandler() {
  if (HolesAreWatched()) HandleSignal(SIGSEGV, OnFault);
}

}  // namespace fencepost::iorecorder
