// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/mappings.h"

#include <errno.h>
#include <sys/mman.h>

namespace fencepost::iorecorder {
namespace {

constexpr uint64_t kWindowAlignment = 2 << 20;  // huge pages stay possible

void Count(const Mapping& mapping, bool is_added) {
  if (!mapping.is_writable || !HasShadow(mapping.inode)) return;
  uint32_t& count = Shared().shadows[EntryOf(mapping.inode).shadow].mappings;
  count = is_added ? count + 1 : count - 1;
}

void Remove(Mapping* mapping) {
  Count(*mapping, false);
  mapping->begin = 0;
}

void Insert(const Mapping& mapping) {
  Control& control = Shared();
  for (uint32_t i = 0; i < kMappingsMax; ++i) {
    if (control.mappings[i].begin != 0) continue;
    control.mappings[i] = mapping;
    if (i >= control.mappings_used) control.mappings_used = i + 1;
    Count(mapping, true);
    return;
  }
  Refuse("more mappings than the recorder has room for", EntryOf(mapping.inode).name);
}

template <typename IsGone>
void ForgetIf(const IsGone& is_gone) {
  Control& control = Shared();
  for (uint32_t i = 0; i < control.mappings_used; ++i) {
    Mapping& mapping = control.mappings[i];
    if (mapping.begin != 0 && is_gone(mapping.process)) Remove(&mapping);
  }
}

void MakeWritable(Mapping* mapping) {
  if (mapping->is_writable) return;
  const FileAt file(mapping->inode);
  if (!file.ok()) {
    Refuse("a mapping was made writable of a file that could not be opened",
           EntryOf(mapping->inode).name);
    return;
  }
  GiveShadow(file);
  mapping->is_writable = true;
  Count(*mapping, true);
}

}  // namespace

uint64_t TakeAddresses(uint64_t bytes) {
  Control& control = Shared();
  const uint64_t address = control.next_window_address;
  // A page between two, so that none grows into the next.
  const uint64_t taken =
      (bytes + 4096 + kWindowAlignment - 1) / kWindowAlignment * kWindowAlignment;
  if (bytes > kWindowEnd - kWindowBegin || taken > kWindowEnd - address) return 0;
  control.next_window_address += taken;
  return address;
}

void AddMapping(uint64_t address, uint64_t bytes, const FileAt& file, uint64_t file_offset,
                bool is_writable) {
  if (is_writable) GiveShadow(file);
  Insert({address, address + (bytes + 4095) / 4096 * 4096, file_offset, file.id(),
          static_cast<uint32_t>(Raw(SYS_getpid)), is_writable});
}

Mapping* FindMapping(uint64_t address, uint64_t end) {
  Control& control = Shared();
  const auto self = static_cast<uint32_t>(Raw(SYS_getpid));
  Mapping* found = nullptr;
  for (uint32_t i = 0; i < control.mappings_used; ++i) {
    Mapping& mapping = control.mappings[i];
    if (mapping.begin == 0 || mapping.end <= address || mapping.begin >= end) continue;
    const bool is_better = found == nullptr ||
                           (mapping.process == self && found->process != self) ||
                           (mapping.process == found->process && mapping.begin < found->begin);
    if (is_better) found = &mapping;
  }
  return found;
}

void CutMappings(uint64_t begin, uint64_t end) {
  Control& control = Shared();
  const auto self = static_cast<uint32_t>(Raw(SYS_getpid));
  const uint32_t used = control.mappings_used;
  for (uint32_t i = 0; i < used; ++i) {
    Mapping& mapping = control.mappings[i];
    if (mapping.begin == 0 || mapping.end <= begin || mapping.begin >= end ||
        mapping.process != self) {
      continue;
    }
    const Mapping whole = mapping;
    // The parts that stay come first: a file whose count is 0 may lose its shadow.
    if (whole.begin < begin) {
      Mapping left = whole;
      left.end = begin;
      Insert(left);
    }
    if (whole.end > end) {
      Mapping right = whole;
      right.begin = end;
      right.file_offset += end - whole.begin;
      Insert(right);
    }
    Remove(&mapping);
  }
}

void MakeWritableWithin(uint64_t begin, uint64_t end) {
  Control& control = Shared();
  for (uint32_t i = 0; i < control.mappings_used; ++i) {
    Mapping& mapping = control.mappings[i];
    if (mapping.begin != 0 && mapping.end > begin && mapping.begin < end) MakeWritable(&mapping);
  }
}

void ForgetMappingsOf(uint32_t process) {
  ForgetIf([process](uint32_t of) { return of == process; });
}

void ForgetMappingsOfDead() {
  ForgetIf([](uint32_t of) { return Raw(SYS_kill, of, 0) == -ESRCH; });
}

bool DropPages(char* begin, uint64_t bytes) {
  return Raw(SYS_madvise, begin, bytes, MADV_REMOVE) == 0;
}

}  // namespace fencepost::iorecorder
