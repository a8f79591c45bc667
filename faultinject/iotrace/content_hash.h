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
  // A copy of it goes on from the same block.
  struct State {
    uint64_t sum;  // of the extents before `extent`
    uint64_t extent;
    uint64_t extent_sum;
    bool has_data;  // in `extent`
  };

  // `zero_block` is HashOfBlock() of zeros.
  explicit ContentHasher(uint64_t zero_block, const State& state = {})
      : zero_block_(zero_block), state_(state) {}

  // In the order of their numbers; what is left out is zero. `block` has kHashBlockBytes.
  void AddBlock(uint64_t number, const char* block) {
    const uint64_t extent = number / kHashExtentBlocks;
    if (extent != state_.extent) state_ = {SumOf(state_), extent, 0, false};
    const uint64_t hash = HashOfBlock(block);
    if (hash == zero_block_) return;
    state_.extent_sum += MixedHash(number % kHashExtentBlocks, hash);
    state_.has_data = true;
  }

  const State& state() const { return state_; }
  uint64_t Of(uint64_t file_bytes) const {
    return MixedHash(UINT64_MAX, file_bytes) + SumOf(state_);
  }

 private:
  static uint64_t SumOf(const State& state) {
    if (!state.has_data) return state.sum;
    return state.sum + MixedHash(state.extent, state.extent_sum == 0 ? 1 : state.extent_sum);
  }

  uint64_t zero_block_;
  State state_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_CONTENT_HASH_H_
