// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/paired.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "harness/stats/draws.h"

namespace fencepost {
namespace {

// Log-ratios of pairs as they were seen on a shared machine: 4 %, and one pair in twenty disturbed.
class Noise {
 public:
  explicit Noise(uint64_t seed) : draws_(seed) {}
  double Next() { return (Uniform() < 0.05 ? 0.2 : 0.04) * Normal(); }

 private:
  double Uniform() { return (static_cast<double>(draws_.Bits() >> 11) + 0.5) * 0x1p-53; }
  double Normal() {
    return std::sqrt(-2 * std::log(Uniform())) * std::cos(2 * std::numbers::pi * Uniform());
  }
  Draws draws_;
};

// A cell's pairs, taken until there are enough.
std::vector<double> TakePairs(Noise* noise, double shift, const PairedSettings& settings) {
  std::vector<double> log_ratios;
  while (!EnoughPairs(log_ratios, settings)) log_ratios.push_back(shift + noise->Next());
  return log_ratios;
}

// Suites of `cells` cells, of which the first is shifted, that have the verdict in any cell.
int CountSuites(int suites, size_t cells, double shift, PairedVerdict verdict) {
  Noise noise(31);
  const PairedSettings settings;
  int count = 0;
  for (int suite = 0; suite < suites; ++suite) {
    std::vector<std::vector<double>> log_ratios;
    for (size_t i = 0; i < cells; ++i) {
      log_ratios.push_back(TakePairs(&noise, i == 0 ? shift : 0, settings));
    }
    bool found = false;
    for (const PairedCell& cell : JudgePairs(log_ratios, settings)) {
      found |= cell.verdict == verdict;
    }
    count += found;
  }
  return count;
}

// What is promised is 1 in 100, either side counted; ten or more of 400 would have the probability
// 0.01 then.
TEST(Paired, OfEqualBuildsHardlyASuiteAlarms) {
  EXPECT_LT(CountSuites(400, 4, 0, PairedVerdict::kSlower), 10);
}

TEST(Paired, ASlowdownOfFivePercentInOneOfFourCellsIsFound) {
  EXPECT_GE(CountSuites(100, 4, std::log(0.95), PairedVerdict::kSlower), 90);
}

TEST(Paired, ASpeedUpIsNoSlowdown) {
  EXPECT_EQ(CountSuites(20, 4, std::log(1.1), PairedVerdict::kSlower), 0);
  EXPECT_EQ(CountSuites(20, 4, std::log(1.1), PairedVerdict::kFaster), 20);
}

TEST(Paired, PairsAreTakenUntilTheIntervalIsNarrow) {
  const PairedSettings settings;
  std::vector<double> quiet;
  for (size_t i = 0; i < settings.min_pairs; ++i) {
    EXPECT_FALSE(EnoughPairs(quiet, settings)) << i;
    quiet.push_back(i % 2 == 0 ? 0.001 : -0.001);
  }
  EXPECT_TRUE(EnoughPairs(quiet, settings));
  std::vector<double> noisy;
  for (size_t i = 0; i < settings.max_pairs; ++i) {
    EXPECT_FALSE(EnoughPairs(noisy, settings)) << i;
    noisy.push_back(i % 2 == 0 ? 0.2 : -0.2);
  }
  EXPECT_TRUE(EnoughPairs(noisy, settings));
}

TEST(Paired, RatioAndPValuesAreThoseOfTheLogRatios) {
  // All 15 on one side: 2 of 2^15 sign settings; Holm doubles it for two cells.
  std::vector<double> slower(15, std::log(0.9)), mixed;
  for (int i = 0; i < 15; ++i) mixed.push_back(i % 2 == 0 ? 0.01 : -0.01);
  const std::vector<PairedCell> cells = JudgePairs({mixed, slower, {}}, {});
  EXPECT_EQ(cells[1].verdict, PairedVerdict::kSlower);
  EXPECT_NEAR(cells[1].ratio.value, 0.9, 1e-12);
  EXPECT_NEAR(cells[1].p_value, std::exp2(-14), 1e-15);
  EXPECT_NEAR(cells[1].p_adjusted, std::exp2(-13), 1e-15);
  EXPECT_EQ(cells[0].verdict, PairedVerdict::kNoDifference);
  EXPECT_GT(cells[0].width, 0.01);
  EXPECT_EQ(cells[2].ratio.count, 0u);
  EXPECT_EQ(cells[2].verdict, PairedVerdict::kNoDifference);
}

TEST(Paired, AlphaDecides) {
  const std::vector<double> slower(8, -0.1);  // p = 2^-7
  EXPECT_EQ(JudgePairs({slower}, {}).front().verdict, PairedVerdict::kSlower);
  EXPECT_EQ(JudgePairs({slower}, {.alpha = 0.005}).front().verdict, PairedVerdict::kNoDifference);
}

}  // namespace
}  // namespace fencepost
