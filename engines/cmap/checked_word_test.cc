// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/checked_word.h"

#include <gtest/gtest.h>

#include <random>

namespace fencepost::cmap {
namespace {

TEST(CheckedWord, HoldsWhatItIsMadeOfAndSeesAnyOneFlippedBit) {
  std::mt19937_64 random(1);
  EXPECT_EQ(CheckedNumber(0), 0u);
  for (int i = 0; i < 1'000; ++i) {
    const uint64_t bits = random() & ~kCheckBits;
    const uint64_t word = Checked(bits);
    ASSERT_TRUE(IsSound(word));
    ASSERT_EQ(Unchecked(word), bits);
    const uint64_t number = random() >> kNumberShift;
    ASSERT_EQ(NumberOf(CheckedNumber(number)), number);
    for (unsigned bit = 0; bit < 64; ++bit) ASSERT_FALSE(IsSound(word ^ uint64_t{1} << bit)) << bit;
  }
}

TEST(CheckedWord, SeesTwoFlippedBitsMostly) {
  int seen = 0, pairs = 0;
  for (unsigned a = 0; a < 64; ++a) {
    for (unsigned b = 0; b < a; ++b, ++pairs) {
      const bool sound = IsSound(uint64_t{1} << a ^ uint64_t{1} << b);
      seen += sound ? 0 : 1;
      EXPECT_FALSE(sound && a == b + 1) << "neighbours, " << a;
    }
  }
  EXPECT_GE(seen * 7, pairs * 6);
}

TEST(CheckedWord, OneTestServesALineOfThem) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 1'000; ++i) {
    uint64_t sum = 0;
    for (int word = 0; word < 8; ++word) sum ^= Checked(random() & ~kCheckBits);
    ASSERT_TRUE(IsSound(sum));
    ASSERT_FALSE(IsSound(sum ^ uint64_t{1} << random() % 64));
  }
}

}  // namespace
}  // namespace fencepost::cmap
