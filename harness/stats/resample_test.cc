// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/resample.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "harness/stats/draws.h"

namespace fencepost {
namespace {

// Log-ratios evenly spread over +-3 %, in random order, around `shift`.
std::vector<double> Pool(size_t count, double shift, uint64_t seed) {
  Draws draws(seed);
  std::vector<double> pool;
  for (size_t i = 0; i < count; ++i) {
    pool.push_back(shift + 0.06 * (static_cast<double>(draws.Bits() >> 11) * 0x1p-53 - 0.5));
  }
  return pool;
}

TEST(Resample, ASlowCellIsFoundAndEqualOnesAreNot) {
  const std::vector<PairPool> pools = {{"fast", Pool(200, 0, 1), Pool(200, std::log(0.95), 2)},
                                       {"other", Pool(200, 0, 3), {}}};
  const ResampleResult result = Resample(pools, 40, {});
  EXPECT_EQ(result.equal.suites, 40u);
  EXPECT_LE(result.equal.found, 2u);
  EXPECT_EQ(result.slow[0].suites, 40u);
  EXPECT_GE(result.slow[0].found, 39u);
  EXPECT_EQ(result.slow[1].suites, 0u);
  EXPECT_GE(result.equal.mean_pairs, 15);
  EXPECT_LE(result.equal.mean_pairs, 30);
}

TEST(Resample, InOrderEveryPairIsUsedOnceAtMost) {
  // So quiet that every suite takes the least number of pairs.
  std::vector<double> quiet;
  for (int i = 0; i < 50; ++i) quiet.push_back(i % 2 == 0 ? 0.001 : -0.001);
  const ResampleResult result = Resample({{"quiet", quiet, {}}}, 100, {});
  EXPECT_EQ(result.equal_in_order.suites, 3u);  // 50 / 15
  EXPECT_EQ(result.equal_in_order.mean_pairs, 15);
  EXPECT_EQ(result.equal.suites, 100u);
}

TEST(Resample, AShiftedPoolOfEqualPairsAlarms) {
  const ResampleResult result = Resample({{"biased", Pool(100, -0.03, 4), {}}}, 20, {});
  EXPECT_EQ(result.equal.found, 20u);
}

TEST(Resample, OneSeedDrawsOneSetOfSuites) {
  const std::vector<PairPool> pools = {{"a", Pool(30, -0.012, 5), {}}};
  EXPECT_EQ(Resample(pools, 30, {.seed = 9}).equal.found,
            Resample(pools, 30, {.seed = 9}).equal.found);
}

}  // namespace
}  // namespace fencepost
