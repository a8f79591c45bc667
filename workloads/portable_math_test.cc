// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/portable_math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "workloads/rng.h"

namespace fencepost {
namespace {

// A positive number of any size up to 2^60, and as small as 2^-53.
double AnyArgument(Rng& rng) {
  return (1 + rng.Unit()) * std::ldexp(1.0, static_cast<int>(rng.Below(114)) - 53);
}

TEST(PortableMath, AgreesWithTheCLibrary) {
  Rng rng(1);
  for (int i = 0; i < 100000; ++i) {
    const double x = AnyArgument(rng);
    EXPECT_NEAR(Ln(x), std::log(x), 1e-15 * std::max(1.0, std::abs(std::log(x)))) << x;
    EXPECT_NEAR(Pow(x, -0.99) / std::pow(x, -0.99), 1, 1e-14) << x;
    EXPECT_NEAR(Pow(x, 0.01) / std::pow(x, 0.01), 1, 1e-15) << x;
    const double unit = rng.Unit();
    EXPECT_NEAR(Pow100(unit), std::pow(unit, 100), 1e-13 * std::pow(unit, 100) + 1e-300) << unit;
    const double exponent = (rng.Unit() - 0.5) * 200;
    EXPECT_NEAR(Exp(exponent) / std::exp(exponent), 1, 5e-14) << exponent;
  }
}

// What these bits are does not matter; that they never change does: traces depend on them.
TEST(PortableMath, EveryBitIsTheSameForEver) {
  Rng rng(2);
  uint64_t folded = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = AnyArgument(rng);
    for (const double result : {Ln(x), Pow(x, -0.99), Pow100(rng.Unit())}) {
      folded = MixBits(folded ^ std::bit_cast<uint64_t>(result));
    }
  }
  EXPECT_EQ(folded, 15750471820600143060u);
}

TEST(PortableMath, WorksAtCompileTime) {
  static_assert(Ln(1) == 0 && Exp(0) == 1 && Pow(4, 0.5) > 1.99999 && Pow100(1) == 1);
}

TEST(Rng, FollowsThePublishedAlgorithm) {
  // SplitMix64 from 1234567 gives 6457827717110365317, 3203168211198807973, ...
  EXPECT_EQ(MixBits(1234567 + 0x9e3779b97f4a7c15), 6457827717110365317u);
  EXPECT_EQ(MixBits(1234567 + 2 * 0x9e3779b97f4a7c15), 3203168211198807973u);
  // xoshiro256** straight from the paper, seeded the same way.
  uint64_t s[4];
  for (uint64_t i = 0; i < 4; ++i) s[i] = MixBits(7 + (i + 1) * 0x9e3779b97f4a7c15);
  Rng rng(7);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t expected = std::rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = std::rotl(s[3], 45);
    ASSERT_EQ(rng.Next(), expected);
  }
}

TEST(Rng, StreamsDiffer) {
  EXPECT_NE(Rng(1).Next(), Rng(2).Next());
  EXPECT_NE(Rng(1, {0}).Next(), Rng(1, {1}).Next());
  EXPECT_NE(Rng(1, {0}).Next(), Rng(1, {0, 0}).Next());
  EXPECT_NE(Rng(1, {2, 3}).Next(), Rng(1, {3, 2}).Next());
  EXPECT_EQ(Rng(1, {2, 3}).Next(), Rng(1, {2, 3}).Next());
}

TEST(Rng, BelowStaysBelow) {
  Rng rng(3);
  for (const uint64_t n : {uint64_t{1}, uint64_t{2}, uint64_t{1000}, (uint64_t{1} << 63) + 1}) {
    for (int i = 0; i < 1000; ++i) ASSERT_LT(rng.Below(n), n);
  }
}

}  // namespace
}  // namespace fencepost
