// SPDX-License-Identifier: BSD-3-Clause
// Draws: seeded random choices that are the same on every machine, which the distributions of the
// standard library are not.
//
// Threads: one owner.
// Source: Lemire. Fast random integer generation in an interval. 2019 (the multiplication; its
//   rejection step is left out: with counts below 2^32 the bias is below 2^-32).
#ifndef FENCEPOST_HARNESS_STATS_DRAWS_H_
#define FENCEPOST_HARNESS_STATS_DRAWS_H_

#include <cstddef>
#include <cstdint>
#include <random>

namespace fencepost {

class Draws {
 public:
  explicit Draws(uint64_t seed) : random_(seed) {}

  // From 0 to count - 1. REQUIRES: 0 < count < 2^32.
  size_t Index(size_t count) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<size_t>(static_cast<Wide>(random_()) * count >> 64);
  }
  uint64_t Bits() { return random_(); }

 private:
  std::mt19937_64 random_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_DRAWS_H_
