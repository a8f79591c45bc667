// SPDX-License-Identifier: BSD-3-Clause
// cmap on media: what each byte of a pool means. README.md says which store publishes which.
//
// All integers are little-endian. An offset is from the pool's first byte; 0 means none. Slots and
// all offsets, counts and classes are checked words (checked_word.h).
//
//   root -> directory (radix tree of 2,048-way tables) -> segments of 256 buckets
//   bucket (one line): 7 slots and the offset of an overflow bucket of the same form
//   slot: 48 bits offset of a record, 16 bits fingerprint; 0 is an empty slot. Records lie at
//   multiples of 16, which leaves the check's bits, and the lowest: an object of its own
//   record: header (24 bits key bytes, 34 bits value bytes, 6 bits check), key, NUL, value, NUL
//   root -> directory -> extents of slabs; a slab holds records of one size class, or overflow
//   buckets; a record too large for a slab is an object of its own
//   root -> intent log: the words that a change of several words stores
//
// The NULs serve programs that print data(); they belong to neither length.
#ifndef FENCEPOST_ENGINES_CMAP_CMAP_LAYOUT_H_
#define FENCEPOST_ENGINES_CMAP_CMAP_LAYOUT_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engines/cmap/checked_word.h"

namespace fencepost::cmap {

inline constexpr char kLayoutName[] = "fencepost-cmap";
inline constexpr uint64_t kMagic = 0x70616d6374736f70;  // "postcmap"
inline constexpr uint64_t kLayoutVersion = 3;

inline constexpr uint64_t kLineBytes = 64;
inline constexpr uint64_t kSlotsPerBucket = 7;
inline constexpr uint64_t kSegmentBytes = 16 * 1024;
inline constexpr uint64_t kBucketsPerSegment = kSegmentBytes / kLineBytes;

// A table of the directory is as large as a segment, so that one class of objects serves both.
inline constexpr unsigned kTableBits = 11;
inline constexpr uint64_t kTableEntries = uint64_t{1} << kTableBits;
static_assert(kTableEntries * sizeof(uint64_t) == kSegmentBytes);
inline constexpr uint64_t kRootEntries = 4;
inline constexpr uint64_t kMaxDirectoryEntries = kRootEntries * kTableEntries * kTableEntries;
inline constexpr uint64_t kMaxSegments = kMaxDirectoryEntries;
inline constexpr uint64_t kMaxBuckets = kMaxSegments * kBucketsPerSegment;
static_assert(kMaxBuckets == uint64_t{1} << 32);

inline constexpr uint64_t kMinInitialBuckets = 16;
inline constexpr uint64_t kMaxInitialBuckets = uint64_t{1} << 24;

// What libpmemobj knows our objects by, far from the small numbers that programs give their own.
// Units without a header (buckets, tables) have type 0. Nothing depends on them.
inline constexpr uint64_t kRecordType = 0x636d61702d726563;  // "cmap-rec"
inline constexpr uint64_t kExtentType = 0x636d61702d657874;  // "cmap-ext"
inline constexpr uint64_t kRootType = 0x636d61702d726f6f;    // "cmap-roo", in a program's own pool

using DirectoryRoot = std::array<uint64_t, kRootEntries>;

struct Root {
  uint64_t magic;
  uint64_t version;
  uint64_t hash_seed;
  uint64_t initial_buckets;  // a power of two
  uint64_t pool_bytes;
  uint64_t checksum;  // of the five above, which never change

  uint64_t bucket_count;   // a checked number; changed by growth, through the intent log
  DirectoryRoot segments;  // entry: offset of a segment
  DirectoryRoot extents;   // entry: offset of an extent, or 0
  uint64_t intent_log;     // offset
};
static_assert(sizeof(Root) == 128 && std::is_trivially_copyable_v<Root>);
inline constexpr size_t kRootChecksummedBytes = offsetof(Root, checksum);

struct alignas(kLineBytes) Bucket {
  std::array<uint64_t, kSlotsPerBucket> slots;
  uint64_t overflow;
};
static_assert(sizeof(Bucket) == kLineBytes && std::is_trivially_copyable_v<Bucket>);
// REQUIRES: nobody changes it meanwhile.
constexpr bool IsSound(const Bucket& bucket) {
  uint64_t sum = bucket.overflow;
  for (const uint64_t slot : bucket.slots) sum ^= slot;
  return IsSound(sum);
}

inline constexpr unsigned kOffsetBits = 48;
inline constexpr uint64_t kOffsetMask = (uint64_t{1} << kOffsetBits) - 1;

constexpr uint64_t Fingerprint(uint64_t hash) { return hash >> kOffsetBits; }
inline constexpr uint64_t kRecordAlignment = 16;
inline constexpr uint64_t kObjectBit = 1;
static_assert((kRecordAlignment - 1) == (kObjectBit | kCheckBits));

// A reference to a record: its offset, and whether it is an object of its own.
struct RecordRef {
  uint64_t offset = 0;
  bool is_object = false;
};
constexpr uint64_t PackSlot(RecordRef record, uint64_t hash) {
  return Checked(record.offset | (record.is_object ? kObjectBit : 0) |
                 Fingerprint(hash) << kOffsetBits);
}
constexpr RecordRef SlotRecord(uint64_t slot) {
  return {slot & kOffsetMask & ~(kRecordAlignment - 1), (slot & kObjectBit) != 0};
}
constexpr uint64_t SlotFingerprint(uint64_t slot) { return slot >> kOffsetBits; }

inline constexpr unsigned kKeyBits = 24;
inline constexpr unsigned kLengthBits = 58;
inline constexpr uint64_t kMaxKeyBytes = (uint64_t{1} << kKeyBits) - 1;

// The exclusive or of the lengths' groups of six bits: differs if any one bit does.
constexpr uint64_t HeaderCheck(uint64_t lengths) {
  constexpr uint64_t kThirtyBits = (uint64_t{1} << 30) - 1;
  lengths = (lengths ^ lengths >> 30) & kThirtyBits;
  lengths ^= lengths >> 12 ^ lengths >> 24;
  return (lengths ^ lengths >> 6) & 63;
}
constexpr uint64_t PackHeader(uint64_t key_bytes, uint64_t value_bytes) {
  const uint64_t lengths = key_bytes | value_bytes << kKeyBits;
  return lengths | HeaderCheck(lengths) << kLengthBits;
}
constexpr uint64_t HeaderLengths(uint64_t header) {
  return header & ((uint64_t{1} << kLengthBits) - 1);
}
constexpr bool HeaderIsSound(uint64_t header) {
  return HeaderCheck(HeaderLengths(header)) == header >> kLengthBits;
}
constexpr uint64_t HeaderKeyBytes(uint64_t header) { return header & kMaxKeyBytes; }
constexpr uint64_t HeaderValueBytes(uint64_t header) { return HeaderLengths(header) >> kKeyBits; }
constexpr uint64_t RecordBytes(uint64_t key_bytes, uint64_t value_bytes) {
  return sizeof(uint64_t) + key_bytes + 1 + value_bytes + 1;
}

// The words of a change, while it is being carried out: a unit as large as a segment. `count`, a
// checked number, is that of the entries to be stored, 0 when nothing is under way.
struct IntentEntry {
  uint64_t word;   // offset of an 8-byte word, a checked number
  uint64_t value;  // a checked word itself
};
inline constexpr uint64_t kIntentEntries = (kSegmentBytes - kLineBytes) / sizeof(IntentEntry);
struct IntentLogUnit {
  alignas(kLineBytes) uint64_t count;
  alignas(kLineBytes) std::array<IntentEntry, kIntentEntries> entries;
};
static_assert(sizeof(IntentLogUnit) == kSegmentBytes);

// Linear hashing: the bucket of `hash` when there are `bucket_count`. With 2^k <= bucket_count <
// 2^(k+1), buckets below bucket_count - 2^k have been split and are told apart by k+1 bits.
constexpr uint64_t BucketIndex(uint64_t hash, uint64_t bucket_count) {
  const uint64_t mask = std::bit_ceil(bucket_count) - 1;
  const uint64_t index = hash & mask;
  return index < bucket_count ? index : index & (mask >> 1);
}

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_LAYOUT_H_
