// SPDX-License-Identifier: BSD-3-Clause
#include "harness/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>

namespace fencepost {
namespace {

constexpr uint64_t kSeed = 20240601;

// Values over the whole range, as many of each magnitude.
std::vector<uint64_t> LogUniformValues(size_t count) {
  std::mt19937_64 random(kSeed);
  std::vector<uint64_t> values;
  while (values.size() < count) {
    const unsigned bits = static_cast<unsigned>(random() % 42) + 1;
    values.push_back(random() >> (64 - bits));
  }
  return values;
}

TEST(Histogram, BucketsTileTheRangeWithoutGapOrOverlap) {
  EXPECT_EQ(Histogram::LowestOf(0), 0u);
  for (size_t i = 0; i < Histogram::kBucketCount; ++i) {
    ASSERT_EQ(Histogram::IndexOf(Histogram::LowestOf(i)), i);
    ASSERT_EQ(Histogram::IndexOf(Histogram::HighestOf(i)), i);
  }
  EXPECT_EQ(Histogram::HighestOf(Histogram::kBucketCount - 1), Histogram::kHighestNs);
}

TEST(Histogram, RangeReachesAHundredSeconds) { EXPECT_GE(Histogram::kHighestNs, 100'000'000'000u); }

TEST(Histogram, EveryValueIsWithinAThousandthOfItsBucketsEdges) {
  for (uint64_t value : LogUniformValues(100'000)) {
    const size_t index = Histogram::IndexOf(value);
    const uint64_t width = Histogram::HighestOf(index) - Histogram::LowestOf(index);
    ASSERT_LE(width * 1000, value) << value;
  }
}

TEST(Histogram, PercentilesAreWithinAThousandthOfTheSortedValues) {
  std::vector<uint64_t> values = LogUniformValues(50'001);
  Histogram histogram;
  for (uint64_t value : values) histogram.Record(value);
  std::sort(values.begin(), values.end());
  for (double percentile : {0.0, 0.1, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    // The rank by the definition: the least value that so many percent are at or below.
    const double rank = std::ceil(percentile / 100 * static_cast<double>(values.size()) - 1e-9);
    const uint64_t exact = values[std::max<size_t>(static_cast<size_t>(rank), 1) - 1];
    const double found = static_cast<double>(histogram.Percentile(percentile));
    EXPECT_NEAR(found, static_cast<double>(exact), static_cast<double>(exact) * 0.001)
        << percentile;
  }
}

// 1..1000, each below 2048 and so exact.
TEST(Histogram, AThousandSmallValuesGiveTheirOwnRanks) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 1000; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.count(), 1000u);
  EXPECT_EQ(histogram.min_ns(), 1u);
  EXPECT_EQ(histogram.max_ns(), 1000u);
  EXPECT_EQ(histogram.Percentile(0), 1u);
  EXPECT_EQ(histogram.Percentile(50), 500u);
  EXPECT_EQ(histogram.Percentile(99), 990u);
  EXPECT_EQ(histogram.Percentile(99.9), 999u);
  EXPECT_EQ(histogram.Percentile(99.91), 1000u);
  EXPECT_EQ(histogram.Percentile(100), 1000u);
  EXPECT_DOUBLE_EQ(histogram.mean_ns(), 500.5);
  // Of 1..n: sqrt((n^2 - 1) / 12).
  EXPECT_NEAR(histogram.stddev_ns(), std::sqrt((1000.0 * 1000.0 - 1) / 12), 1e-9);
}

// 2049 shares its bucket with 2048: widths are 2 from there to 4095.
TEST(Histogram, AnAnswerIsTheHighestEquivalentValueAndAtZeroTheLowest) {
  Histogram histogram;
  histogram.Record(2048);
  EXPECT_EQ(histogram.Percentile(50), 2049u);
  EXPECT_EQ(histogram.Percentile(0), 2048u);
  EXPECT_EQ(histogram.min_ns(), 2048u);
  EXPECT_EQ(histogram.max_ns(), 2049u);
}

// In doubles 33.7 * 6000 / 100 is a little more than 2022, and 100.0 / 11 * 11 / 100 a little more
// than 1: rounding up must not take either to the next rank.
TEST(Histogram, AWholeRankIsNotRoundedPast) {
  Histogram thousands, eleven;
  for (uint64_t value = 1; value <= 6000; ++value) thousands.Record(value);
  EXPECT_EQ(thousands.Percentile(33.7), 2022u);
  for (uint64_t value = 1; value <= 11; ++value) eleven.Record(value);
  for (unsigned rank = 1; rank <= 11; ++rank) EXPECT_EQ(eleven.Percentile(100.0 * rank / 11), rank);
}

TEST(Histogram, AnEmptyOneAnswersZero) {
  const Histogram histogram;
  EXPECT_TRUE(histogram.empty());
  EXPECT_EQ(histogram.Percentile(99), 0u);
  EXPECT_EQ(histogram.min_ns(), 0u);
  EXPECT_EQ(histogram.max_ns(), 0u);
  EXPECT_EQ(histogram.mean_ns(), 0);
  EXPECT_EQ(histogram.stddev_ns(), 0);
  EXPECT_TRUE(histogram.Curve().empty());
}

TEST(Histogram, ZeroIsAValue) {
  Histogram histogram;
  histogram.Record(0);
  histogram.Record(10);
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.min_ns(), 0u);
  EXPECT_EQ(histogram.Percentile(50), 0u);
  EXPECT_EQ(histogram.Percentile(51), 10u);
}

TEST(Histogram, ValuesBeyondTheRangeSaturateAndAreCounted) {
  Histogram histogram;
  histogram.Record(Histogram::kHighestNs);
  EXPECT_EQ(histogram.saturated_count(), 0u);
  histogram.Record(Histogram::kHighestNs + 1);
  histogram.RecordCount(UINT64_MAX, 3);
  EXPECT_EQ(histogram.saturated_count(), 4u);
  EXPECT_EQ(histogram.count(), 5u);
  EXPECT_EQ(histogram.max_ns(), Histogram::kHighestNs);
}

TEST(Histogram, MergedPartsEqualTheWhole) {
  Histogram whole, left, right;
  size_t i = 0;
  for (uint64_t value : LogUniformValues(20'000)) {
    whole.Record(value);
    (++i % 3 == 0 ? left : right).Record(value);
  }
  right.Record(UINT64_MAX);
  whole.Record(UINT64_MAX);
  EXPECT_NE(left, whole);
  left.Add(right);
  EXPECT_EQ(left, whole);
  EXPECT_EQ(left.saturated_count(), 1u);
}

TEST(Histogram, RecordingACountIsRecordingThatOften) {
  Histogram once, often;
  once.RecordCount(123'456, 1000);
  for (int i = 0; i < 1000; ++i) often.Record(123'456);
  EXPECT_EQ(once, often);
}

TEST(Histogram, ResetForgetsAll) {
  Histogram histogram;
  histogram.Record(7);
  histogram.Record(UINT64_MAX);
  histogram.Reset();
  EXPECT_EQ(histogram, Histogram());
}

TEST(Histogram, SeveralPercentilesInOnePassAreTheSame) {
  Histogram histogram;
  for (uint64_t value : LogUniformValues(5'000)) histogram.Record(value);
  const std::vector<double> wanted = {0, 0, 50, 95, 99, 99.9, 99.99, 99.999, 100};
  const std::vector<uint64_t> found = histogram.Percentiles(wanted);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(found[i], histogram.Percentile(wanted[i]));
}

TEST(Histogram, RecordedBucketsAddUpAndAscend) {
  Histogram histogram;
  histogram.RecordCount(5, 2);
  histogram.RecordCount(4097, 3);
  std::vector<std::tuple<uint64_t, uint64_t, uint64_t>> seen;
  histogram.ForEachRecorded(
      [&](uint64_t low, uint64_t high, uint64_t count) { seen.emplace_back(low, high, count); });
  EXPECT_EQ(seen,
            (std::vector<std::tuple<uint64_t, uint64_t, uint64_t>>{{5, 5, 2}, {4096, 4099, 3}}));
}

// By hand for 1..10 and 5 ticks a half: 0, 10, 20, 30, 40 % of the first half, then steps of 5 from
// 50 %, of 2.5 from 75 %, of 1.25 from 87.5 %. The last bucket, 10, is reached at the first level
// above 90 %, gives that level, and then 100.
TEST(Histogram, TheCurveHalvesItsStepsTowardsAHundred) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 10; ++value) histogram.Record(value);
  std::vector<double> percentiles;
  std::vector<uint64_t> values_ns;
  for (const CurvePoint& point : histogram.Curve(5)) {
    percentiles.push_back(point.percentile);
    values_ns.push_back(point.value_ns);
  }
  EXPECT_EQ(percentiles,
            (std::vector<double>{0,  10,   20, 30,   40, 50,   55,    60,   65,    70,
                                 75, 77.5, 80, 82.5, 85, 87.5, 88.75, 90.0, 91.25, 100}));
  EXPECT_EQ(values_ns,
            (std::vector<uint64_t>{1, 1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 9, 9, 10, 10}));
}

TEST(Histogram, TheCurveOfOneValueIsTwoPoints) {
  Histogram histogram;
  histogram.RecordCount(77, 5);
  const std::vector<CurvePoint> curve = histogram.Curve();
  ASSERT_EQ(curve.size(), 2u);
  EXPECT_EQ(curve[0].percentile, 0);
  EXPECT_EQ(curve[1].percentile, 100);
  EXPECT_EQ(curve[1].value_ns, 77u);
  EXPECT_EQ(curve[1].count, 5u);
}

}  // namespace
}  // namespace fencepost
