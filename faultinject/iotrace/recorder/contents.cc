// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/contents.h"

#include <errno.h>
#include <unistd.h>

#include "faultinject/iotrace/content_hash.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

uint64_t AlignedDown(uint64_t value) { return value / kHashBlockBytes * kHashBlockBytes; }

// Reads [begin, end) into the scratch memory, zeros behind it up to a whole block.
void ReadChunk(int fd, uint64_t begin, uint64_t end) {
  char* const scratch = Shared().scratch;
  uint64_t done = 0;
  while (begin + done < end) {
    const long got =
        Raw(SYS_pread64, fd, scratch + done, end - begin - done, begin + done);
    if (got == -EINTR) continue;
    if (got < 0) Refuse("a traced file could not be read");
    if (got <= 0) break;
    done += static_cast<uint64_t>(got);
  }
  const uint64_t whole = (end - begin + kHashBlockBytes - 1) / kHashBlockBytes * kHashBlockBytes;
  __builtin_memset(scratch + done, 0, whole - done);
}

// Calls `visit(offset, bytes)` for chunks of [from, bytes) that are not holes, each in the scratch
// memory and beginning with a block. REQUIRES: `from` is a multiple of the block size.
template <typename Visit>
void ForEachChunk(int fd, uint64_t from, uint64_t bytes, const Visit& visit) {
  while (from < bytes) {
    uint64_t begin = from;
    uint64_t end = bytes;
    if (bytes - from > kScratchBytes) {  // a look for holes costs more than to read little
      const long data = Raw(SYS_lseek, fd, from, SEEK_DATA);
      if (data == -ENXIO) return;
      if (data >= 0) begin = AlignedDown(static_cast<uint64_t>(data));
      if (begin < from) begin = from;
      const long hole = Raw(SYS_lseek, fd, data >= 0 ? data : static_cast<long>(from), SEEK_HOLE);
      if (hole >= 0 && static_cast<uint64_t>(hole) < bytes) {
        end = AlignedDown(static_cast<uint64_t>(hole) + kHashBlockBytes - 1);
      }
      if (end > bytes) end = bytes;
    }
    for (uint64_t at = begin; at < end; at += kScratchBytes) {
      const uint64_t part = end - at < kScratchBytes ? end - at : kScratchBytes;
      ReadChunk(fd, at, at + part);
      visit(at, part);
    }
    from = end;
  }
}

char* ShadowOf(InodeId id) {
  return reinterpret_cast<char*>(kShadowAddress + EntryOf(id).shadow * kShadowBytes);
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
void LogDifferences(InodeId id, uint64_t offset, uint64_t bytes) {
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
    Append({.kind = IoEvent::Kind::kWrite,
            .inode = id,
            .offset = offset + begin,
            .data_bytes = end - begin,
            .flags = kMapped},
           now + begin);
    __builtin_memcpy(before + begin, now + begin, end - begin);
    NoteChange(id, offset + begin);
  }
}

}  // namespace

uint64_t FileAt::Bytes() const {
  struct stat status;
  if (Raw(SYS_fstat, fd(), &status) != 0) return 0;
  return static_cast<uint64_t>(status.st_size);
}

void NoteChange(InodeId id, uint64_t offset) {
  InodeEntry& entry = EntryOf(id);
  entry.is_changed = true;
  if (offset < entry.proved_blocks * kHashBlockBytes) entry.is_append_only = false;
}

void Prove(const FileAt& file, Reading reading) {
  InodeEntry& entry = EntryOf(file.id());
  if (entry.type != InodeType::kFile || entry.is_volatile || entry.links == 0) return;
  if (!file.ok()) {
    Refuse("a traced file could not be opened to be proved", entry.name);
    return;
  }
  Sample(file);
  static const uint64_t zero_block = [] {
    static constexpr char kZeros[kHashBlockBytes] = {};
    return HashOfBlock(kZeros);
  }();
  const uint64_t bytes = file.Bytes();
  const bool all =
      reading == Reading::kAll || !entry.is_append_only || bytes >= 2 * entry.fully_read_at;
  const uint64_t whole_blocks = bytes / kHashBlockBytes;
  ContentHasher hasher(zero_block, all ? ContentHasher::State{} : entry.proved);
  const bool is_shadowed = HasShadow(file.id());
  const uint64_t from = all ? 0 : entry.proved_blocks * kHashBlockBytes;
  ContentHasher::State of_whole = hasher.state();
  ForEachChunk(file.fd(), from, bytes, [&](uint64_t offset, uint64_t chunk_bytes) {
    const char* const data = is_shadowed ? ShadowOf(file.id()) + offset : Shared().scratch;
    for (uint64_t at = 0; at < chunk_bytes; at += kHashBlockBytes) {
      const uint64_t number = (offset + at) / kHashBlockBytes;
      hasher.AddBlock(number, data + at);
      if (number < whole_blocks) of_whole = hasher.state();
    }
  });
  entry.proved_blocks = whole_blocks;
  entry.proved = of_whole;
  entry.is_append_only = true;
  entry.is_changed = false;
  if (all) entry.fully_read_at = bytes;
  Append({.kind = IoEvent::Kind::kContent,
          .inode = file.id(),
          .length = bytes,
          .id = hasher.Of(bytes)});
}

void ProveAllChanged() {
  const Control& control = Shared();
  for (InodeId id = 0; id < control.next_inode; ++id) {
    const InodeEntry& entry = control.inodes[id];
    if (entry.is_changed && entry.parent != kNoInode) Prove(FileAt(id), Reading::kWhatIsNew);
  }
}

bool HasShadow(InodeId id) { return EntryOf(id).shadow != kNoShadow; }

void Sample(const FileAt& file) {
  if (!file.ok() || !HasShadow(file.id())) return;
  const uint64_t bytes = file.Bytes();
  if (bytes > kShadowBytes) {
    Refuse("a mapped file is too long", EntryOf(file.id()).name);
    return;
  }
  ForEachChunk(file.fd(), 0, bytes, [&](uint64_t offset, uint64_t chunk_bytes) {
    LogDifferences(file.id(), offset, chunk_bytes);
  });
}

void SampleMapped() {
  const Control& control = Shared();
  bool has_mappings = false;
  for (const Shadow& shadow : control.shadows) {
    if (shadow.mappings == 0) continue;
    has_mappings = true;
    const FileAt file(shadow.inode);
    if (!file.ok() && EntryOf(shadow.inode).links != 0) {
      Refuse("a mapped file could not be opened", EntryOf(shadow.inode).name);
    }
    Sample(file);
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
  const uint64_t whole = AlignedDown(bytes - head);
  if (whole != 0 && !DropPages(begin + head, whole)) __builtin_memset(begin + head, 0, whole);
  __builtin_memset(begin + head + whole, 0, bytes - head - whole);
}

}  // namespace fencepost::iorecorder
