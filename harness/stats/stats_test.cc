// SPDX-License-Identifier: BSD-3-Clause
// Where a comment says scipy, the number is from scipy 1.10.1 and numpy 1.24.2.
#include "harness/stats/stats.h"

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

std::vector<double> OneTo(int last) {
  std::vector<double> values;
  for (int value = last; value >= 1; --value) values.push_back(value);
  return values;
}

// With 1..21 the median of a resample is one of them, at most k with the probability that
// Binomial(21, k/21) is at least 11 (scipy.stats.binom.sf):
//   6: 0.0183   7: 0.0557   ...   14: 0.9443   15: 0.9817
// so 0.025 falls on 7 and 0.975 on 15, whatever the draws. scipy.stats.bootstrap agrees.
TEST(Stats, MedianIntervalIsTheOneOfTheExactBootstrapDistribution) {
  for (uint64_t seed : {1u, 2u, 3u}) {
    const Estimate estimate = MedianEstimate(OneTo(21), {.seed = seed});
    EXPECT_EQ(estimate.value, 11);
    EXPECT_EQ(estimate.low, 7);
    EXPECT_EQ(estimate.high, 15);
    EXPECT_EQ(estimate.confidence, 0.95);
    EXPECT_EQ(estimate.count, 21u);
  }
}

// 0.1 and 0.9: from 8 (0.131) to 14 (0.944) in the same distribution.
TEST(Stats, LessConfidenceIsANarrowerInterval) {
  const Estimate estimate = MedianEstimate(OneTo(21), {.confidence = 0.8});
  EXPECT_EQ(estimate.low, 8);
  EXPECT_EQ(estimate.high, 14);
}

const std::vector<double> kUpper = {9.29, 8.66,  9.49,  10.47, 11.38, 9.53, 9.31,
                                    8.89, 10.62, 11.21, 10.19, 8.75,  8.92, 11.25,
                                    9.98, 8.07,  9.42,  8.88,  8.99,  9.77, 9.42};
const std::vector<double> kLower = {4.57, 4.34, 4.83, 5.17, 5.55, 5.01, 4.69,
                                    4.58, 5.34, 5.83, 5.09, 4.38, 4.50, 5.81,
                                    5.05, 4.17, 4.91, 4.41, 4.65, 4.72, 4.61};

// scipy.stats.bootstrap(paired=True, method="percentile", n_resamples=100000), the same for three
// seeds. Resampled unpaired it would be 1.8436 to 2.1332.
TEST(Stats, RatioIntervalResamplesPairs) {
  const Estimate estimate = MedianRatioEstimate(kUpper, kLower, {.resamples = 100'000});
  EXPECT_DOUBLE_EQ(estimate.value, 1.9957627118644068);
  EXPECT_DOUBLE_EQ(estimate.low, 1.902195608782435);
  EXPECT_DOUBLE_EQ(estimate.high, 2.043383947939262);
}

TEST(Stats, ARatioOfPairsThatMoveTogetherIsExact) {
  for (int count : {7, 21}) {
    const std::vector<double> values = OneTo(count);
    std::vector<double> twice;
    for (double value : values) twice.push_back(2 * value);
    const Estimate estimate = MedianRatioEstimate(twice, values);
    EXPECT_EQ(estimate.value, 2);
    EXPECT_EQ(estimate.low, 2);
    EXPECT_EQ(estimate.high, 2);
  }
}

// 1 - 2 * scipy.stats.binom.cdf(k - 1, n, 0.5), for the greatest k that keeps 95 %; below six
// values for k = 1, which does not.
TEST(Stats, FewRunsGiveOrderStatisticsAndTheirExactConfidence) {
  const struct {
    int count, k;
    double confidence;
  } cases[] = {{2, 1, 0.5},
               {3, 1, 0.75},
               {5, 1, 0.9375},
               {6, 1, 0.96875},
               {8, 1, 0.9921875},
               {9, 2, 0.9609375},
               {11, 2, 0.98828125},
               {17, 5, 0.950958251953125},
               {19, 5, 0.9807891845703125}};
  for (const auto& expected : cases) {
    const Estimate estimate = MedianEstimate(OneTo(expected.count));
    EXPECT_EQ(estimate.low, expected.k) << expected.count;
    EXPECT_EQ(estimate.high, expected.count + 1 - expected.k) << expected.count;
    EXPECT_NEAR(estimate.confidence, expected.confidence, 1e-12) << expected.count;
  }
}

// By sums of binomial coefficients in exact fractions: k = 10 keeps 0.95722605 of 30 values, 469
// keeps 0.95370880 of 1,000.
TEST(Stats, OrderStatisticsKeepTheirConfidenceForManyValues) {
  const Estimate thirty = MedianByOrderStatistics(OneTo(30));
  EXPECT_EQ(thirty.low, 10);
  EXPECT_EQ(thirty.high, 21);
  EXPECT_NEAR(thirty.confidence, 0.9572260547, 1e-9);
  const Estimate many = MedianByOrderStatistics(OneTo(1000));
  EXPECT_EQ(many.low, 469);
  EXPECT_EQ(many.high, 532);
  EXPECT_NEAR(many.confidence, 0.9537088026, 1e-9);
  const Estimate few = MedianByOrderStatistics(OneTo(9));
  EXPECT_EQ(few.low, MedianEstimate(OneTo(9)).low);
}

TEST(Stats, TheRatioOfFewPairsHasTheIntervalOfTheirOwnRatios) {
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

// Exponential, median ln 2. With 1,000 trials the standard error is 0.7 %.
TEST(Stats, TheIntervalHoldsTheTrueMedianAboutAsOftenAsItSays) {
  EXPECT_NEAR(CoveragePercent(7, 1000), 98.4, 1.5);
  EXPECT_NEAR(CoveragePercent(9, 1000), 96.1, 2);
  EXPECT_NEAR(CoveragePercent(25, 1000), 95, 2.5);
}

// Three runs on either side: each median lies within its range with 75 %.
TEST(Stats, TheRatioOfFewUnpairedRunsIsWhatTheirRangesAllow) {
  const Estimate ratio =
      UnpairedMedianRatioEstimate(std::vector<double>{8, 10, 12}, std::vector<double>{4, 5, 6});
  EXPECT_DOUBLE_EQ(ratio.value, 2);
  EXPECT_DOUBLE_EQ(ratio.low, 8.0 / 6);
  EXPECT_DOUBLE_EQ(ratio.high, 3);
  EXPECT_DOUBLE_EQ(ratio.confidence, 0.75 * 0.75);
  EXPECT_EQ(
      UnpairedMedianRatioEstimate(std::vector<double>{8}, std::vector<double>{4, 5}).confidence, 0);
}

// As RatioIntervalResamplesPairs says it: 1.8436 to 2.1332.
TEST(Stats, TheUnpairedRatioResamplesEitherSideByItself) {
  const Estimate ratio = UnpairedMedianRatioEstimate(kUpper, kLower, {.resamples = 100'000});
  EXPECT_NEAR(ratio.low, 1.8436, 2e-3);
  EXPECT_NEAR(ratio.high, 2.1332, 2e-3);
}

// How often the interval of the ratio of two medians of one skewed distribution holds 1.
double RatioCoveragePercent(size_t runs, int trials) {
  std::mt19937_64 random(kSeed);
  int held = 0;
  std::vector<double> upper(runs), lower(runs);
  for (int trial = 0; trial < trials; ++trial) {
    for (std::vector<double>* side : {&upper, &lower}) {
      for (double& value : *side) {
        value = 0.1 - std::log(1 - static_cast<double>(random() >> 11) * 0x1p-53);
      }
    }
    const Estimate ratio =
        UnpairedMedianRatioEstimate(upper, lower, {.resamples = 2000, .seed = random()});
    held += ratio.low <= 1 && 1 <= ratio.high;
  }
  return 100.0 * held / trials;
}

TEST(Stats, TheUnpairedRatioHoldsTheTruthAtLeastAsOftenAsItSays) {
  EXPECT_GE(RatioCoveragePercent(10, 500), 95);
  EXPECT_NEAR(RatioCoveragePercent(25, 500), 95.5, 3);
}

}  // namespace
}  // namespace fencepost
