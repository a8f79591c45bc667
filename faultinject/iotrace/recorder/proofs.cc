// SPDX-License-Identifier: BSD-3-Clause
// kContent events: what of a file has changed is hashed, and what has not is remembered.
#include "faultinject/iotrace/content_hash.h"
#include "faultinject/iotrace/recorder/chunks.h"
#include "faultinject/iotrace/recorder/contents.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

constexpr uint64_t kChunkBlocks = kScratchBytes / kHashBlockBytes;

uint64_t ZeroBlockHash() {
  static constexpr char kZeros[kHashBlockBytes] = {};
  static const uint64_t hash = HashOfBlock(kZeros);
  return hash;
}

uint64_t BlocksOf(uint64_t bytes) { return (bytes + kHashBlockBytes - 1) / kHashBlockBytes; }

FileHashes& HashesOf(const InodeEntry& entry) {
  return reinterpret_cast<FileHashes*>(kHashesAddress)[entry.hashes];
}

// Without any: all blocks are zero.
void Clear(InodeEntry* entry) {
  FileHashes& hashes = HashesOf(*entry);
  if (!DropPages(reinterpret_cast<char*>(&hashes), sizeof hashes)) {
    __builtin_memset(&hashes, 0, sizeof hashes);
  }
  entry->extents_sum = 0;
}

void GiveHashes(InodeId id) {
  Control& control = Shared();
  uint32_t chosen = control.next_hashes;
  for (uint32_t i = 0; i < kHashedFiles && control.hashed[chosen] != kNoInode; ++i) {
    // Files that are gone first.
    if (EntryOf(control.hashed[chosen]).links == 0) break;
    chosen = (chosen + 1) % kHashedFiles;
  }
  control.next_hashes = (chosen + 1) % kHashedFiles;
  const InodeId before = control.hashed[chosen];
  if (before != kNoInode) EntryOf(before).hashes = kNoHashes;
  control.hashed[chosen] = id;
  EntryOf(id).hashes = chosen;
}

// Blocks [first, first + count) are at `data`.
void HashBlocks(InodeEntry* entry, uint64_t first, uint64_t count, const char* data) {
  FileHashes& hashes = HashesOf(*entry);
  for (uint64_t i = 0; i < count; ++i) {
    hashes.block_parts[first + i] =
        BlockPart(first + i, data + i * kHashBlockBytes, ZeroBlockHash());
  }
  const uint64_t last_extent = (first + count - 1) / kHashExtentBlocks;
  for (uint64_t extent = first / kHashExtentBlocks; extent <= last_extent; ++extent) {
    uint64_t& part = hashes.extent_parts[extent];
    entry->extents_sum -= part;
    part = ExtentPart(extent, hashes.block_parts + extent * kHashExtentBlocks);
    entry->extents_sum += part;
  }
}

void HashAll(const FileAt& file, uint64_t bytes) {
  InodeEntry& entry = EntryOf(file.id());
  Clear(&entry);
  const bool is_shadowed = HasShadow(file.id());
  ForEachChunk(file.fd(), 0, bytes, [&](uint64_t offset, uint64_t chunk_bytes) {
    const char* const data = is_shadowed ? ShadowOf(file.id()) + offset : Shared().scratch;
    HashBlocks(&entry, offset / kHashBlockBytes, BlocksOf(chunk_bytes), data);
  });
  entry.fully_read_at = bytes;
}

void HashChanges(const FileAt& file, uint64_t bytes) {
  InodeEntry& entry = EntryOf(file.id());
  for (uint32_t i = 0; i < entry.changes_used; ++i) {
    const BlockRange range = entry.changes[i];
    const uint64_t end = range.end < BlocksOf(bytes) ? range.end : BlocksOf(bytes);
    for (uint64_t first = range.first; first < end; first += kChunkBlocks) {
      const uint64_t count = end - first < kChunkBlocks ? end - first : kChunkBlocks;
      const char* data = Shared().scratch;
      if (HasShadow(file.id())) {
        data = ShadowOf(file.id()) + first * kHashBlockBytes;
      } else {
        const uint64_t chunk_end = (first + count) * kHashBlockBytes;
        ReadChunk(file.fd(), first * kHashBlockBytes, chunk_end < bytes ? chunk_end : bytes);
      }
      HashBlocks(&entry, first, count, data);
    }
  }
}

}  // namespace

void NoteChange(InodeId id, uint64_t offset, uint64_t bytes) {
  InodeEntry& entry = EntryOf(id);
  entry.is_changed = true;
  const BlockRange range = {offset / kHashBlockBytes, BlocksOf(offset + bytes)};
  if (entry.changes_used > 0) {
    // What goes on where the last one ended is one change.
    BlockRange& last = entry.changes[entry.changes_used - 1];
    if (range.first >= last.first && range.first <= last.end) {
      if (range.end > last.end) last.end = range.end;
      return;
    }
  }
  if (entry.changes_used == kChangesMax) {
    entry.is_changed_all_over = true;
    return;
  }
  entry.changes[entry.changes_used++] = range;
}

void NoteChangeAllOver(InodeId id) {
  EntryOf(id).is_changed = true;
  EntryOf(id).is_changed_all_over = true;
}

void Prove(const FileAt& file, Reading reading) {
  InodeEntry& entry = EntryOf(file.id());
  if (entry.type != InodeType::kFile || entry.is_volatile || entry.links == 0) return;
  if (!file.ok()) {
    Refuse("a traced file could not be opened to be proved", entry.name);
    return;
  }
  Sample(file, reading);
  const uint64_t bytes = file.Bytes();
  if (bytes > kShadowBytes) {
    Refuse("a file is too long to be proved", entry.name);
    return;
  }
  const bool is_new = entry.hashes == kNoHashes;
  if (is_new) GiveHashes(file.id());
  if (is_new || reading == Reading::kAll || entry.is_changed_all_over ||
      bytes >= 2 * entry.fully_read_at) {
    HashAll(file, bytes);
  } else {
    HashChanges(file, bytes);
  }
  entry.is_changed = false;
  entry.is_changed_all_over = false;
  entry.changes_used = 0;
  Append({.kind = IoEvent::Kind::kContent,
          .inode = file.id(),
          .length = bytes,
          .id = ContentHash(bytes, entry.extents_sum)});
}

void ProveAllChanged() {
  const Control& control = Shared();
  for (InodeId id = 0; id < control.next_inode; ++id) {
    const InodeEntry& entry = control.inodes[id];
    if (entry.is_changed && entry.parent != kNoInode) Prove(FileAt(id), Reading::kWhatIsNew);
  }
}

}  // namespace fencepost::iorecorder
