// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/noise.h"

#include <gtest/gtest.h>

#include <vector>

namespace fencepost {
namespace {

constexpr std::string_view kProcStat =
    "cpu  100 20 30 800 50 6 4 90 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n";

TEST(Noise, CpuTimesAreReadFromTheLineOfAllCpus) {
  const std::optional<CpuTimes> times = ParseCpuTimes(kProcStat, 100);
  ASSERT_TRUE(times);
  EXPECT_DOUBLE_EQ(times->busy_s, 1.6);
  EXPECT_DOUBLE_EQ(times->steal_s, 0.9);
  EXPECT_DOUBLE_EQ(times->total_s, 11.0);
  EXPECT_FALSE(ParseCpuTimes("", 100));
  EXPECT_FALSE(ParseCpuTimes("intr 1 2 3 4 5 6 7 8 9", 100));
  EXPECT_FALSE(ParseCpuTimes("cpu 1 2 three", 100));
}

TEST(Noise, TheSpreadIsOfTheMiddleEightyPercent) {
  std::vector<double> times;
  for (int i = 0; i <= 10; ++i) times.push_back(100 + i);
  EXPECT_NEAR(Spread(times), 8.0 / 105, 1e-12);
  times.back() = 1e9;  // one interrupt is no noise
  EXPECT_NEAR(Spread(times), 8.0 / 105, 1e-12);
}

TEST(Noise, MeasuringTakesItsTimeAndFindsSomething) {
  const NoiseBefore noise = MeasureNoise(0.02);
  EXPECT_GE(noise.rounds, 3u);
  EXPECT_GT(noise.spin_ns, 10'000);
  EXPECT_GT(noise.memory_ns, 10'000);
  EXPECT_GE(noise.spin_spread, 0);
}

TEST(Noise, AQuietMachineHasNoWarnings) {
  NoiseBefore quiet;
  quiet.spin_spread = 0.01;
  quiet.memory_spread = 0.05;
  quiet.load_average = 0.1;
  quiet.steal = 0;
  quiet.cpus = 2;
  EXPECT_TRUE(NoiseWarnings(quiet).empty());
  EXPECT_TRUE(NoiseWarnings(NoiseBefore()).empty());  // nothing of it readable
}

TEST(Noise, EachKindOfNoiseHasItsWarning) {
  NoiseBefore noisy;
  noisy.spin_spread = 0.03;
  noisy.memory_spread = 0.2;
  noisy.load_average = 0.6;
  noisy.steal = 0.02;
  noisy.frequency_min_mhz = 2000;
  noisy.frequency_max_mhz = 3000;
  noisy.cpus = 2;
  EXPECT_EQ(NoiseWarnings(noisy).size(), 5u);
  noisy.cpus = 8;
  EXPECT_EQ(NoiseWarnings(noisy).size(), 4u);  // the same load on more CPUs
}

// Two cells of different speed, in turn, each a percent slower at every visit.
std::vector<RunInOrder> Slowing(double percent) {
  std::vector<RunInOrder> runs;
  for (size_t i = 0; i < 20; ++i) {
    const double slow = 1 - percent / 100 * static_cast<double>(i / 2);
    runs.push_back({.cell = i % 2, .ops_per_s = (i % 2 == 0 ? 1e6 : 2e3) * slow});
  }
  return runs;
}

TEST(Noise, ADriftOfTheMachineIsSeenAcrossCells) {
  const NoiseDuring during = JudgeRuns(Slowing(1), std::nullopt, std::nullopt, 10);
  EXPECT_EQ(during.drift.count, 20u);
  EXPECT_LT(during.drift.p_value, 1e-6);
  EXPECT_NEAR(during.drift_change, -0.0955, 0.01);
  ASSERT_EQ(NoiseWarnings(during).size(), 1u);
  EXPECT_NE(NoiseWarnings(during).front().find("slower by"), std::string::npos);
}

TEST(Noise, RunsThatStayHaveNoDrift) {
  EXPECT_TRUE(NoiseWarnings(JudgeRuns(Slowing(0), std::nullopt, std::nullopt, 10)).empty());
  EXPECT_EQ(JudgeRuns({}, std::nullopt, std::nullopt, 10).drift.count, 0u);
}

TEST(Noise, WhatOthersUsedIsWhatIsNotOurs) {
  const CpuTimes begin = {.total_s = 100, .busy_s = 40, .steal_s = 1, .children_s = 5};
  const CpuTimes end = {.total_s = 120, .busy_s = 54, .steal_s = 2, .children_s = 14};
  const NoiseDuring during = JudgeRuns({}, begin, end, 10);
  EXPECT_DOUBLE_EQ(during.other_cpus.value(), 0.5);
  EXPECT_DOUBLE_EQ(during.steal.value(), 0.05);
  EXPECT_EQ(NoiseWarnings(during).size(), 2u);
}

TEST(Noise, RepeatsThatLieApartOrMoveAreNamed) {
  EXPECT_FALSE(JudgeRepeats(std::vector<double>{5}));
  const RepeatNoise apart = *JudgeRepeats(std::vector<double>{100, 120, 90});
  EXPECT_NEAR(apart.spread, 0.3, 1e-12);
  EXPECT_EQ(NoiseWarnings(apart).size(), 1u);
  std::vector<double> falling;
  for (int i = 0; i < 8; ++i) falling.push_back(100 - i);
  const RepeatNoise drifting = *JudgeRepeats(falling);
  EXPECT_NEAR(drifting.drift_change, -7 / 96.5, 1e-12);
  ASSERT_EQ(NoiseWarnings(drifting).size(), 1u);
  EXPECT_NE(NoiseWarnings(drifting).front().find("drift"), std::string::npos);
}

}  // namespace
}  // namespace fencepost
