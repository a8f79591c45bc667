// SPDX-License-Identifier: BSD-3-Clause
// Where a comment says scipy, the number is from scipy 1.10.1 and numpy 1.24.2.
#include "harness/stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace fencepost {
namespace {

constexpr uint64_t kSeed = 20240603;

const std::vector<double> kEleven = {4.1, 2.5, 9.9, 3.3, 7.2, 5.0, 6.4, 1.7, 8.8, 4.6, 5.9};

// numpy.quantile(kEleven, [0, 0.1, 0.25, 0.5, 0.9, 0.99, 1]).
TEST(Stats, QuantilesAreOfTypeSeven) {
  const double q[] = {0, 0.1, 0.25, 0.5, 0.9, 0.99, 1};
  const double expected[] = {1.7, 2.5, 3.7, 5.0, 8.8, 9.79, 9.9};
  for (size_t i = 0; i < std::size(q); ++i) {
    EXPECT_NEAR(Quantile(kEleven, q[i]), expected[i], 1e-12) << q[i];
  }
}

// numpy.quantile([1, 2, 3, 10], [0.3, 0.5, 0.95]).
TEST(Stats, QuantilesOfAnEvenNumberLieBetween) {
  const std::vector<double> values = {10, 2, 3, 1};
  EXPECT_NEAR(Quantile(values, 0.3), 1.9, 1e-12);
  EXPECT_NEAR(Median(values), 2.5, 1e-12);
  EXPECT_NEAR(Quantile(values, 0.95), 8.95, 1e-12);
}

TEST(Stats, AllQuantilesOfOneValueAreThatValue) {
  const std::vector<double> one = {42};
  for (double q : {0.0, 0.3, 1.0}) EXPECT_EQ(Quantile(one, q), 42);
  EXPECT_EQ(MedianAbsoluteDeviation(one), 0);
}

// scipy.stats.median_abs_deviation. Of 1, 2, 3, 10 by hand: distances from 2.5 are 1.5, 0.5, 0.5
// and 7.5, and their median is 1.
TEST(Stats, MedianAbsoluteDeviation) {
  EXPECT_NEAR(MedianAbsoluteDeviation(kEleven), 1.7, 1e-12);
  EXPECT_NEAR(MedianAbsoluteDeviation(std::vector<double>{1, 2, 3, 10}), 1.0, 1e-12);
}

// With 11 values the median of a resample is one of them, at most the k-th with the probability
// that Binomial(11, k/11) is at least 6 (scipy.stats.binom.sf):
//   2.5: 0.0072   3.3: 0.0512   ...   6.4: 0.9488   7.2: 0.9928
// so 0.025 falls on 3.3 and 0.975 on 7.2, whatever the draws. scipy.stats.bootstrap agrees.
TEST(Stats, MedianIntervalIsTheOneOfTheExactBootstrapDistribution) {
  for (uint64_t seed : {1u, 2u, 3u}) {
    const Estimate estimate = MedianEstimate(kEleven, {.seed = seed});
    EXPECT_EQ(estimate.value, 5.0);
    EXPECT_EQ(estimate.low, 3.3);
    EXPECT_EQ(estimate.high, 7.2);
    EXPECT_EQ(estimate.confidence, 0.95);
    EXPECT_EQ(estimate.count, 11u);
  }
}

// 0.1 and 0.9: from 4.1 (0.1727) to 6.4 (0.9488) in the same distribution.
TEST(Stats, LessConfidenceIsANarrowerInterval) {
  const Estimate estimate = MedianEstimate(kEleven, {.confidence = 0.8});
  EXPECT_EQ(estimate.low, 4.1);
  EXPECT_EQ(estimate.high, 6.4);
}

const std::vector<double> kUpper = {10.2, 11.1, 9.8, 10.6, 12.0, 10.1, 10.9, 11.5, 9.9, 10.4};
const std::vector<double> kLower = {5.3, 5.2, 5.0, 5.4, 5.9, 4.9, 5.6, 5.5, 5.1, 5.05};

// scipy.stats.bootstrap(paired=True, method="percentile", n_resamples=200000), the same for three
// seeds: 1.9326923 to 2.0975610. Resampled unpaired it would be 1.870 to 2.164.
TEST(Stats, RatioIntervalResamplesPairs) {
  for (uint64_t seed : {1u, 2u, 3u}) {
    const Estimate estimate = MedianRatioEstimate(kUpper, kLower, {.seed = seed});
    EXPECT_DOUBLE_EQ(estimate.value, 2.0);
    EXPECT_NEAR(estimate.low, 1.9326923076923082, 1e-3);
    EXPECT_NEAR(estimate.high, 2.097560975609756, 1e-3);
  }
}

TEST(Stats, ARatioOfPairsThatMoveTogetherIsExact) {
  std::vector<double> twice;
  for (double value : kEleven) twice.push_back(2 * value);
  const Estimate estimate = MedianRatioEstimate(twice, kEleven);
  EXPECT_EQ(estimate.value, 2);
  EXPECT_EQ(estimate.low, 2);
  EXPECT_EQ(estimate.high, 2);
}

// 1 - 2^-4 for five, 1 - 2^-2 for three.
TEST(Stats, FewRunsGiveTheirRangeAndSayWhatItIsWorth) {
  const std::vector<double> five = {3, 1, 2, 5, 4};
  const Estimate estimate = MedianEstimate(five);
  EXPECT_EQ(estimate.value, 3);
  EXPECT_EQ(estimate.low, 1);
  EXPECT_EQ(estimate.high, 5);
  EXPECT_DOUBLE_EQ(estimate.confidence, 0.9375);

  const Estimate ratio =
      MedianRatioEstimate(std::vector<double>{2, 9, 4}, std::vector<double>{1, 3, 4});
  EXPECT_DOUBLE_EQ(ratio.value, 4.0 / 3.0);
  EXPECT_EQ(ratio.low, 1);
  EXPECT_EQ(ratio.high, 3);
  EXPECT_DOUBLE_EQ(ratio.confidence, 0.75);
}

TEST(Stats, OneRunHasNoConfidence) {
  const Estimate estimate = MedianEstimate(std::vector<double>{7});
  EXPECT_EQ(estimate.low, 7);
  EXPECT_EQ(estimate.high, 7);
  EXPECT_EQ(estimate.confidence, 0);
}

TEST(Stats, OneSeedIsOneInterval) {
  std::mt19937_64 random(kSeed);
  std::vector<double> values;
  for (int i = 0; i < 40; ++i) values.push_back(static_cast<double>(random() >> 11) * 0x1p-53);
  const Estimate first = MedianEstimate(values, {.seed = 5});
  const Estimate second = MedianEstimate(values, {.seed = 5});
  EXPECT_EQ(first.low, second.low);
  EXPECT_EQ(first.high, second.high);
}

// How often the interval holds the true median of a skewed distribution, in percent.
double CoveragePercent(size_t runs, int trials) {
  std::mt19937_64 random(kSeed);
  int held = 0;
  std::vector<double> values(runs);
  for (int trial = 0; trial < trials; ++trial) {
    for (double& value : values) {
      value = -std::log(1 - static_cast<double>(random() >> 11) * 0x1p-53);
    }
    const Estimate estimate = MedianEstimate(values, {.resamples = 2000, .seed = random()});
    held += estimate.low <= std::log(2.0) && std::log(2.0) <= estimate.high;
  }
  return 100.0 * held / trials;
}

// Exponential, median ln 2. At 500 trials the standard error is 1 %. The percentile interval of a
// median is known to fall a little short of its name when runs are few.
TEST(Stats, TheIntervalHoldsTheTrueMedianAboutAsOftenAsItSays) {
  for (size_t runs : {7u, 25u}) {
    const double coverage = CoveragePercent(runs, 500);
    RecordProperty("coverage_percent_" + std::to_string(runs), std::to_string(coverage));
    EXPECT_GE(coverage, 91) << runs;
    EXPECT_LE(coverage, 98.5) << runs;
  }
}

}  // namespace
}  // namespace fencepost
