// SPDX-License-Identifier: BSD-3-Clause
// Checked words: 8-byte words on media that carry a check of themselves in bits 1 to 3.
//
// A linear code. Any one flipped bit makes a sound word unsound, two flipped bits do in six of
// seven cases. The exclusive or of sound words is sound, so one test serves a whole line of them:
// any one flipped bit of it is found. 0 is sound. The word is still stored by one 8-byte store.
// Source: shortened linear block codes; Hamming, Error Detecting and Error Correcting Codes, Bell
//   System Technical Journal 1950.
#ifndef FENCEPOST_ENGINES_CMAP_CHECKED_WORD_H_
#define FENCEPOST_ENGINES_CMAP_CHECKED_WORD_H_

#include <array>
#include <bit>
#include <cstdint>

namespace fencepost::cmap {

inline constexpr unsigned kCheckShift = 1;
inline constexpr uint64_t kCheckBits = uint64_t{7} << kCheckShift;

// Of each of the three sums, the bits that are in it. Every bit is in one at least, neighbours are
// not in the same ones, and each check bit is in its own alone.
inline constexpr std::array<uint64_t, 3> kCheckSums = [] {
  std::array<uint64_t, 3> sums{};
  for (unsigned bit = 0; bit < 64; ++bit) {
    constexpr unsigned kFirst[] = {7, 1, 2, 4};
    const unsigned in = bit < std::size(kFirst) ? kFirst[bit] : 1 + bit % 7;
    for (unsigned sum = 0; sum < sums.size(); ++sum) {
      if ((in >> sum & 1) != 0) sums[sum] |= uint64_t{1} << bit;
    }
  }
  return sums;
}();

// A word, or the exclusive or of several.
constexpr bool IsSound(uint64_t word) {
  const int odd = std::popcount(word & kCheckSums[0]) | std::popcount(word & kCheckSums[1]) |
                  std::popcount(word & kCheckSums[2]);
  return (odd & 1) == 0;
}

// REQUIRES: bits 1 to 3 are 0.
constexpr uint64_t Checked(uint64_t bits) {
  uint64_t word = bits;
  for (unsigned sum = 0; sum < kCheckSums.size(); ++sum) {
    const auto odd = static_cast<uint64_t>(std::popcount(bits & kCheckSums[sum]) & 1);
    word |= odd << (kCheckShift + sum);
  }
  return word;
}
constexpr uint64_t Unchecked(uint64_t word) { return word & ~kCheckBits; }

// A number of at most 60 bits.
inline constexpr unsigned kNumberShift = 4;
constexpr uint64_t CheckedNumber(uint64_t number) { return Checked(number << kNumberShift); }
constexpr uint64_t NumberOf(uint64_t word) { return word >> kNumberShift; }

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CHECKED_WORD_H_
