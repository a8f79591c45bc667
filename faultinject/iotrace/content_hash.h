// SPDX-License-Identifier: BSD-3-Clause
// ContentHasher: FileContent::QuickHash() of bytes that are not in a FileContent.
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

class ContentHasher {
 public:
  // `zero_block` is HashOfBlock() of zeros. Goes on from `sum`, a Sum() of extents before.
  explicit ContentHasher(uint64_t zero_block, uint64_t sum = 0)
      : zero_block_(zero_block), sum_(sum) {}

  // In the order of their numbers; what is left out is zero. `block` has kHashBlockBytes.
  void AddBlock(uint64_t number, const char* block) {
    if (number / kHashExtentBlocks != extent_) EndExtent();
    extent_ = number / kHashExtentBlocks;
    const uint64_t hash = HashOfBlock(block);
    if (hash == zero_block_) return;
    extent_sum_ += MixedHash(number % kHashExtentBlocks, hash);
    has_data_ = true;
  }

  void EndExtent() {
    if (has_data_) sum_ += MixedHash(extent_, extent_sum_ == 0 ? 1 : extent_sum_);
    has_data_ = false;
    extent_sum_ = 0;
  }

  // REQUIRES: EndExtent() was called last.
  uint64_t sum() const { return sum_; }
  uint64_t Of(uint64_t file_bytes) const { return MixedHash(UINT64_MAX, file_bytes) + sum_; }

 private:
  uint64_t zero_block_;
  uint64_t sum_;
  uint64_t extent_ = 0;
  uint64_t extent_sum_ = 0;
  bool has_data_ = false;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_CONTENT_HASH_H_
