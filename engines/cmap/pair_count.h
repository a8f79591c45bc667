// SPDX-License-Identifier: BSD-3-Clause
// PairCount: how many pairs there are, counted by each thread on a line of its own, in DRAM.
//
// Threads: any. A sum taken while others count is one of the counts that there were meanwhile, give
// or take what they have under way.
#ifndef FENCEPOST_ENGINES_CMAP_PAIR_COUNT_H_
#define FENCEPOST_ENGINES_CMAP_PAIR_COUNT_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "engines/cmap/thread_number.h"

namespace fencepost::cmap {

class PairCount {
 public:
  // REQUIRES: nobody counts yet.
  void Start(uint64_t count) { at_start_ = count; }

  // What the threads that share this one's line have added since the start, this included.
  int64_t Add(int64_t change) {
    std::atomic<int64_t>& mine = shards_[ThreadNumber() % kShards].added;
    return mine.fetch_add(change, std::memory_order_relaxed) + change;
  }

  uint64_t Sum() const {
    auto sum = static_cast<int64_t>(at_start_);
    for (const Shard& shard : shards_) sum += shard.added.load(std::memory_order_relaxed);
    // Of a pair that one thread inserted and another deleted, only the second may have been seen.
    return sum < 0 ? 0 : static_cast<uint64_t>(sum);
  }

 private:
  static constexpr size_t kShards = 8;
  struct alignas(64) Shard {
    std::atomic<int64_t> added{0};
  };

  uint64_t at_start_ = 0;
  std::array<Shard, kShards> shards_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_PAIR_COUNT_H_
