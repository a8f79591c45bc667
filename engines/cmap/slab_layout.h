// SPDX-License-Identifier: BSD-3-Clause
// Slabs on media: how the space of records and overflow buckets is carved up.
//
//   extent: magic, number of slabs, class of each slab; at the next line the slabs, end to end
//   slab: positions of one size, end to end; no header
//
// Which positions are taken is not on media: a position is taken if a slot or a bucket refers to
// it. A slab's class counts only while one of its positions is taken.
#ifndef FENCEPOST_ENGINES_CMAP_SLAB_LAYOUT_H_
#define FENCEPOST_ENGINES_CMAP_SLAB_LAYOUT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "engines/cmap/cmap_layout.h"

namespace fencepost::cmap {

inline constexpr uint64_t kExtentMagic = 0x746e6574786578;  // "xextent"

// libpmemobj gives large objects whole chunks, less a header at the first one's beginning.
inline constexpr uint64_t kChunkBytes = 256 * 1024;
inline constexpr uint64_t kObjectHeaderBytes = 16;

// Eight slabs and the extent's header fill a chunk.
inline constexpr uint64_t kSlabBytes = 511 * kLineBytes;
inline constexpr uint64_t kSlabsPerChunk = kChunkBytes / kSlabBytes;
inline constexpr uint64_t kMaxChunksAnExtent = 4;
inline constexpr uint64_t kMaxSlabsAnExtent = kMaxChunksAnExtent * kSlabsPerChunk;

struct ExtentHeader {
  uint64_t magic;
  uint64_t slab_count;  // a checked number

  // Of each slab, behind the header: an index of kSizeClasses, as a checked number; 0 if it never
  // had one.
  uint64_t* classes() { return reinterpret_cast<uint64_t*>(this + 1); }
};

constexpr uint64_t ExtentBytes(uint64_t chunks) {
  return chunks * kChunkBytes - kObjectHeaderBytes;
}
constexpr uint64_t ExtentHeaderBytes(uint64_t slabs) {
  return sizeof(ExtentHeader) + slabs * sizeof(uint64_t);
}
static_assert(ExtentHeaderBytes(kSlabsPerChunk) + kLineBytes + kSlabsPerChunk * kSlabBytes <=
              ExtentBytes(1));
static_assert(ExtentHeaderBytes(kMaxSlabsAnExtent) + kLineBytes + kMaxSlabsAnExtent * kSlabBytes <=
              ExtentBytes(kMaxChunksAnExtent));

// Sizes of positions by class. Rounding up to the next class wastes at most an eighth, beyond the
// 16 bytes to which a record is aligned. Large classes divide a slab evenly.
inline constexpr size_t kBucketClass = 1;  // overflow buckets only
inline constexpr size_t kFirstRecordClass = 2;
inline constexpr uint64_t kPositionUnit = 16;
inline constexpr auto kSizeClasses = [] {
  constexpr uint64_t kSlabDivisors[] = {30, 28, 26, 24, 22, 20, 18, 17, 16,
                                        15, 14, 13, 12, 11, 10, 9,  8};
  std::array<uint64_t, 2 + 16 + 8 + 8 + std::size(kSlabDivisors)> sizes{0, kLineBytes};
  size_t next = kFirstRecordClass;
  for (uint64_t size = 16; size <= 256; size += 16) sizes[next++] = size;
  for (uint64_t size = 288; size <= 512; size += 32) sizes[next++] = size;
  for (uint64_t size = 576; size <= 1024; size += 64) sizes[next++] = size;
  for (const uint64_t n : kSlabDivisors) {
    sizes[next++] = kSlabBytes / n / kPositionUnit * kPositionUnit;
  }
  return sizes;
}();
inline constexpr size_t kClassCount = kSizeClasses.size();
inline constexpr uint64_t kMaxSlabRecordBytes = kSizeClasses.back();
inline constexpr uint64_t kMaxPositions = kSlabBytes / kPositionUnit;

// By the size of a record in units, rounded up.
inline constexpr auto kClassOfUnits = [] {
  std::array<uint8_t, kMaxSlabRecordBytes / kPositionUnit + 1> classes{};
  size_t size_class = kFirstRecordClass;
  for (size_t units = 0; units < classes.size(); ++units) {
    while (kSizeClasses[size_class] < units * kPositionUnit) ++size_class;
    classes[units] = static_cast<uint8_t>(size_class);
  }
  return classes;
}();

// The class of a record of that many bytes. REQUIRES: 0 < bytes <= kMaxSlabRecordBytes.
constexpr size_t RecordClass(uint64_t bytes) {
  return kClassOfUnits[(bytes + kPositionUnit - 1) / kPositionUnit];
}

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_SLAB_LAYOUT_H_
