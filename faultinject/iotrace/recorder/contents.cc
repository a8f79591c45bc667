// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/contents.h"

#include "faultinject/iotrace/recorder/chunks.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

struct DirtyRange {
  uint64_t offset;
  uint64_t bytes;
};

struct DirtyCount {
  uint64_t cached;
  uint64_t dirty;
  uint64_t in_writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};

// Whether pages in [offset, offset + bytes) have been stored or written to and not been written
// back since.
bool IsDirty(int fd, uint64_t offset, uint64_t bytes) {
  constexpr long kCachestat = 451;  // Linux 6.5, which may be newer than the headers
  const DirtyRange range = {offset, bytes};
  DirtyCount count = {};
  if (Raw(kCachestat, fd, &range, &count, 0) != 0) return true;
  return count.dirty + count.in_writeback != 0;
}

// All of a small file is looked at each time, so that no store is missed.
bool UsesDirtyMarks(const FileAt& file) {
  constexpr uint64_t kSmallBytes = 1 << 20;
  return Shared().has_dirty_marks != 0 && file.Bytes() > kSmallBytes;
}

bool SameWords(const char* a, const char* b, uint64_t bytes) {
  uint64_t difference = 0;
  for (uint64_t i = 0; i < bytes; i += 8) {
    uint64_t left;
    uint64_t right;
    __builtin_memcpy(&left, a + i, 8);
    __builtin_memcpy(&right, b + i, 8);
    difference |= left ^ right;
  }
  return difference == 0;
}

// Logs what the chunk at `offset`, which is in the scratch memory, has that its shadow has not.
// Adjacent sectors are one write, without the bytes at its ends that are the same.
void LogDifferences(const FileAt& file, uint64_t offset, uint64_t bytes) {
  const InodeId id = file.id();
  const char* const now = Shared().scratch;
  char* const before = ShadowOf(id) + offset;
  const auto differs = [&](uint64_t sector) {
    return !SameWords(now + sector, before + sector, kSectorBytes);
  };
  for (uint64_t at = 0; at < bytes;) {
    if (at % kHashBlockBytes == 0 && SameWords(now + at, before + at, kHashBlockBytes)) {
      at += kHashBlockBytes;
      continue;
    }
    if (!differs(at)) {
      at += kSectorBytes;
      continue;
    }
    uint64_t begin = at;
    while (at < bytes && differs(at)) at += kSectorBytes;
    uint64_t end = at < bytes ? at : bytes;
    while (now[begin] == before[begin]) ++begin;
    while (now[end - 1] == before[end - 1]) --end;
    if (UsesDirtyMarks(file) && !IsDirty(file.fd(), offset + begin, end - begin)) {
      Refuse("a store to a mapping was written back before it was seen; another run may do better",
             EntryOf(id).name);
    }
    Append({.kind = IoEvent::Kind::kWrite,
            .inode = id,
            .offset = offset + begin,
            .data_bytes = end - begin,
            .flags = kMapped},
           now + begin);
    __builtin_memcpy(before + begin, now + begin, end - begin);
    NoteChange(id, offset + begin, end - begin);
  }
}

// Halves what is dirty until it can be read at once.
void SampleDirty(const FileAt& file, uint64_t offset, uint64_t bytes) {
  if (!IsDirty(file.fd(), offset, bytes)) return;
  if (bytes <= kScratchBytes) {
    ReadChunk(file.fd(), offset, offset + bytes);
    LogDifferences(file, offset, bytes);
    return;
  }
  const uint64_t half = (bytes / 2 + kScratchBytes - 1) / kScratchBytes * kScratchBytes;
  SampleDirty(file, offset, half);
  SampleDirty(file, offset + half, bytes - half);
}

}  // namespace

uint64_t FileAt::Bytes() const {
  struct stat status;
  if (Raw(SYS_fstat, fd(), &status) != 0) return 0;
  return static_cast<uint64_t>(status.st_size);
}

char* ShadowOf(InodeId id) {
  return reinterpret_cast<char*>(kShadowAddress + EntryOf(id).shadow * kShadowBytes);
}

bool HasShadow(InodeId id) { return EntryOf(id).shadow != kNoShadow; }

void Sample(const FileAt& file, Reading reading) {
  if (!file.ok() || !HasShadow(file.id())) return;
  const uint64_t bytes = file.Bytes();
  if (bytes > kShadowBytes) {
    Refuse("a mapped file is too long", EntryOf(file.id()).name);
    return;
  }
  if (reading == Reading::kWhatIsNew && UsesDirtyMarks(file)) return SampleDirty(file, 0, bytes);
  ForEachChunk(file.fd(), 0, bytes, [&](uint64_t offset, uint64_t chunk_bytes) {
    LogDifferences(file, offset, chunk_bytes);
  });
}

void SampleMapped(Reading reading) {
  const Control& control = Shared();
  bool has_mappings = false;
  for (const Shadow& shadow : control.shadows) {
    if (shadow.mappings == 0) continue;
    has_mappings = true;
    const FileAt file(shadow.inode);
    if (!file.ok() && EntryOf(shadow.inode).links != 0) {
      Refuse("a mapped file could not be opened", EntryOf(shadow.inode).name);
    }
    Sample(file, reading);
  }
  if (has_mappings) ForgetMappingsOfDead();
}

void GiveShadow(const FileAt& file) {
  if (HasShadow(file.id())) return;
  Control& control = Shared();
  const auto is_free = [](const Shadow& shadow) { return shadow.inode == kNoInode; };
  const auto is_idle = [](const Shadow& shadow) { return shadow.mappings == 0; };
  uint32_t chosen = kNoShadow;
  for (uint32_t i = 0; i < kShadows && chosen == kNoShadow; ++i) {
    if (is_free(control.shadows[i])) chosen = i;
  }
  for (uint32_t i = 0; i < kShadows && chosen == kNoShadow; ++i) {
    if (is_idle(control.shadows[i])) chosen = i;
  }
  if (chosen == kNoShadow) {
    Refuse("more mapped files than the recorder has room for", EntryOf(file.id()).name);
    return;
  }
  Shadow& shadow = control.shadows[chosen];
  if (shadow.inode != kNoInode) EntryOf(shadow.inode).shadow = kNoShadow;
  shadow.inode = file.id();
  EntryOf(file.id()).shadow = chosen;
  ShadowZero(file.id(), 0, kShadowBytes);
  const uint64_t bytes = file.Bytes();
  if (bytes > kShadowBytes) return;  // which the first sample refuses
  ForEachChunk(file.fd(), 0, bytes, [&](uint64_t offset, uint64_t chunk_bytes) {
    __builtin_memcpy(ShadowOf(file.id()) + offset, Shared().scratch, chunk_bytes);
  });
}

void ShadowMove(InodeId id, uint64_t to, uint64_t from, uint64_t bytes) {
  if (!HasShadow(id) || from > kShadowBytes || to > kShadowBytes) return;
  const uint64_t most = kShadowBytes - (from > to ? from : to);
  __builtin_memmove(ShadowOf(id) + to, ShadowOf(id) + from, bytes < most ? bytes : most);
}

void ShadowWrite(InodeId id, uint64_t offset, const char* data, uint64_t bytes) {
  if (!HasShadow(id) || offset > kShadowBytes || bytes > kShadowBytes - offset) return;
  __builtin_memcpy(ShadowOf(id) + offset, data, bytes);
}

void ShadowZero(InodeId id, uint64_t offset, uint64_t bytes) {
  if (!HasShadow(id) || offset >= kShadowBytes) return;
  if (bytes > kShadowBytes - offset) bytes = kShadowBytes - offset;
  char* const begin = ShadowOf(id) + offset;
  const uint64_t head = (kHashBlockBytes - offset % kHashBlockBytes) % kHashBlockBytes;
  if (head >= bytes) {
    __builtin_memset(begin, 0, bytes);
    return;
  }
  __builtin_memset(begin, 0, head);
  // Whole blocks: holes, lest a long file costs what it does not hold.
  const uint64_t whole = (bytes - head) / kHashBlockBytes * kHashBlockBytes;
  if (whole != 0 && !DropPages(begin + head, whole)) __builtin_memset(begin + head, 0, whole);
  __builtin_memset(begin + head + whole, 0, bytes - head - whole);
}

}  // namespace fencepost::iorecorder
