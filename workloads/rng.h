// SPDX-License-Identifier: BSD-3-Clause
// Rng: the one source of randomness in workloads/. The same seed gives the same numbers on every
// platform and in every release, so it is integer arithmetic of our own and never <random>.
//
// A purpose that must not disturb another draws from a stream of its own: Rng(seed, {thread, 3}).
//
// Threads: none; one Rng per user.
// Not covered: cryptography; jumping ahead.
// Source: Blackman, Vigna. Scrambled linear pseudorandom number generators. ACM TOMS 47, 2021
//   (xoshiro256**); Steele, Lea, Flood. Fast splittable pseudorandom number generators. OOPSLA
//   2014 (SplitMix64); Lemire. Fast random integer generation in an interval. TOMACS 29, 2019.
#ifndef FENCEPOST_WORKLOADS_RNG_H_
#define FENCEPOST_WORKLOADS_RNG_H_

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>

namespace fencepost {

__extension__ using Uint128 = unsigned __int128;

// The upper 64 bits of a 128-bit product.
constexpr uint64_t MultiplyHigh(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>((Uint128{a} * b) >> 64);
}

// A bijection of the 64-bit numbers that leaves no pattern: the output step of SplitMix64.
constexpr uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Rng {
 public:
  explicit constexpr Rng(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += kGolden;
      word = MixBits(seed);
    }
  }

  // An independent stream for each different list.
  constexpr Rng(uint64_t seed, std::initializer_list<uint64_t> stream) : Rng(Fold(seed, stream)) {}

  // Uniform over all 64-bit numbers.
  constexpr uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform over [0, 1), 53 bits.
  constexpr double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  // Uniform over [0, n), without bias. REQUIRES n > 0.
  constexpr uint64_t Below(uint64_t n) {
    Uint128 product = Uint128{Next()} * n;
    if (static_cast<uint64_t>(product) < n) [[unlikely]] {
      const uint64_t threshold = -n % n;
      while (static_cast<uint64_t>(product) < threshold) product = Uint128{Next()} * n;
    }
    return static_cast<uint64_t>(product >> 64);
  }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

  static constexpr uint64_t Fold(uint64_t seed, std::initializer_list<uint64_t> stream) {
    uint64_t folded = MixBits(seed + kGolden);
    for (const uint64_t part : stream) folded = MixBits(folded + kGolden * (part + 1));
    return folded;
  }

  std::array<uint64_t, 4> state_{};
};

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_RNG_H_
