// SPDX-License-Identifier: BSD-3-Clause
// FileContent::QuickHash() of bytes that are not in a FileContent.
//
// The recorder computes it of a file inside a program that it traces, the reader of the tree that
// the trace builds; a kContent event is their meeting. So it is part of the trace's format: XXH3 of
// each block that is not all zero, mixed with its number and summed up by extents, so that holes
// cost nothing and what has not changed need not be read again.
// Threads: none. Needs neither libc nor memory.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_CONTENT_HASH_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_CONTENT_HASH_H_

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <cstdint>

namespace fencepost {

inline constexpr uint64_t kHashBlockBytes = 4096;
inline constexpr uint64_t kHashExtentBlocks = 128;

inline uint64_t HashOfBlock(const char* block) {
  const uint64_t hash = XXH3_64bits(block, kHashBlockBytes);
  return hash == 0 ? 1 : hash;
}

inline uint64_t MixedHash(uint64_t number, uint64_t hash) {
  const uint64_t both[] = {number, hash};
  return XXH3_64bits(both, sizeof both);
}

// What a block adds to its extent's sum: 0 if all of it is zero, of which `zero_block` is the hash.
inline uint64_t BlockPart(uint64_t number, const char* block, uint64_t zero_block) {
  const uint64_t hash = HashOfBlock(block);
  return hash == zero_block ? 0 : MixedHash(number % kHashExtentBlocks, hash);
}

// What an extent adds to the file's sum. `parts` are of its kHashExtentBlocks blocks.
inline uint64_t ExtentPart(uint64_t extent, const uint64_t* parts) {
  uint64_t sum = 0;
  bool has_data = false;
  for (uint64_t i = 0; i < kHashExtentBlocks; ++i) {
    sum += parts[i];
    has_data |= parts[i] != 0;
  }
  return has_data ? MixedHash(extent, sum == 0 ? 1 : sum) : 0;
}

// FileContent::QuickHash(), of the sum of a file's extents.
inline uint64_t ContentHash(uint64_t file_bytes, uint64_t sum) {
  return MixedHash(UINT64_MAX, file_bytes) + sum;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_CONTENT_HASH_H_
