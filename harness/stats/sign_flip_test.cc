// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/sign_flip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "harness/stats/draws.h"

namespace fencepost {
namespace {

// Darwin's pairs of Zea mays, in eighths of an inch. Of 32,768 sign settings 863 have a sum of at
// least 314: Fisher, The design of experiments, section 21.
const std::vector<double> kDarwin = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};

TEST(SignFlip, DarwinsMaizeHasFishersPValue) {
  EXPECT_DOUBLE_EQ(SignFlipPValue(kDarwin), 2.0 * 863 / 32768);
}

double BruteForce(const std::vector<double>& differences) {
  double found = 0;
  for (const double difference : differences) found += difference;
  size_t reached = 0;
  const size_t settings = size_t{1} << differences.size();
  for (size_t signs = 0; signs < settings; ++signs) {
    double sum = 0;
    for (size_t k = 0; k < differences.size(); ++k) {
      sum += (signs >> k & 1) != 0 ? differences[k] : -differences[k];
    }
    reached += std::abs(sum) >= std::abs(found) - 1e-9;
  }
  return static_cast<double>(reached) / static_cast<double>(settings);
}

double Uniform(Draws* draws) { return static_cast<double>(draws->Bits() >> 11) * 0x1p-53; }

TEST(SignFlip, UpToTwelveDifferencesItIsTheBruteForceCount) {
  Draws draws(3);
  for (size_t count = 1; count <= 12; ++count) {
    for (int trial = 0; trial < 10; ++trial) {
      std::vector<double> values(count), integers(count);
      for (double& value : values) value = Uniform(&draws) - 0.3;
      // Small integers: many ties and zeros.
      for (double& value : integers) value = static_cast<double>(draws.Index(5)) - 2;
      EXPECT_DOUBLE_EQ(SignFlipPValue(values), BruteForce(values)) << count;
      EXPECT_DOUBLE_EQ(SignFlipPValue(integers), BruteForce(integers)) << count;
    }
  }
}

TEST(SignFlip, ThirtyDifferencesOnOneSideHaveTheLeastPValue) {
  const std::vector<double> values(30, 0.05);
  EXPECT_DOUBLE_EQ(SignFlipPValue(values), std::exp2(-29));
}

TEST(SignFlip, SignsAndScaleDoNotMatter) {
  std::vector<double> other;
  for (const double difference : kDarwin) other.push_back(-difference / 3000);
  EXPECT_DOUBLE_EQ(SignFlipPValue(other), SignFlipPValue(kDarwin));
}

TEST(SignFlip, NoDifferenceIsNoEvidence) {
  EXPECT_EQ(SignFlipPValue(std::vector<double>(20, 0.0)), 1);
  EXPECT_EQ(SignFlipPValue(std::vector<double>{0.1, -0.1}), 1);
}

// Of 40 differences: a normal approximation is good to a few tenths of a percent there.
TEST(SignFlip, BeyondTheExactCountDrawsAgreeWithIt) {
  Draws draws(5);
  std::vector<double> values(40);
  double sum = 0, squares = 0;
  for (double& value : values) {
    value = Uniform(&draws) - 0.42;
    sum += value;
    squares += value * value;
  }
  const double normal = std::erfc(std::abs(sum) / std::sqrt(2 * squares));
  const double p_value = SignFlipPValue(values, {.seed = 11});
  EXPECT_NEAR(p_value, normal, 0.01);
  EXPECT_GT(normal, 0.02);
  EXPECT_EQ(p_value, SignFlipPValue(values, {.seed = 11}));
  EXPECT_GT(SignFlipPValue(std::vector<double>(100, 1.0)), 0);
}

TEST(SignFlip, UnderTheNullHypothesisOneInTwentyIsBelowFivePercent) {
  Draws draws(17);
  constexpr int kTrials = 4000;
  int rejected = 0;
  std::vector<double> values(10);
  for (int trial = 0; trial < kTrials; ++trial) {
    // Symmetric and heavy-tailed.
    for (double& value : values) value = std::tan(3.14159 * (Uniform(&draws) - 0.5));
    rejected += SignFlipPValue(BoundOutliers(values, 3)) <= 0.05;
  }
  // Standard error 0.35 %.
  EXPECT_NEAR(100.0 * rejected / kTrials, 5, 1.2);
}

TEST(SignFlip, OutliersAreDrawnInWhateverTheirSign) {
  const std::vector<double> values = {1, -2, 1, 100, -1, -100};
  const std::vector<double> expected = {1, -2, 1, 4.5, -1, -4.5};
  EXPECT_EQ(BoundOutliers(values, 3), expected);
  const std::vector<double> half_zero = {0, 0, 0, 5};
  EXPECT_EQ(BoundOutliers(half_zero, 3), half_zero);
}

// p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") in R: 0.03 0.06 0.06 0.02.
TEST(SignFlip, HolmAdjustsAsRDoes) {
  const std::vector<double> adjusted = HolmAdjust(std::vector<double>{0.01, 0.04, 0.03, 0.005});
  const double expected[] = {0.03, 0.06, 0.06, 0.02};
  for (size_t i = 0; i < adjusted.size(); ++i) EXPECT_DOUBLE_EQ(adjusted[i], expected[i]);
  EXPECT_TRUE(HolmAdjust({}).empty());
  EXPECT_EQ(HolmAdjust(std::vector<double>{0.9, 0.8}), (std::vector<double>{1, 1}));
}

// The procedure as Holm states it: reject the least while p <= alpha / (how many are left).
TEST(SignFlip, HolmRejectsWhatTheStepwiseProcedureRejects) {
  Draws draws(23);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<double> p_values(1 + draws.Index(6));
    for (double& p : p_values) p = 0.1 * Uniform(&draws);
    const std::vector<double> adjusted = HolmAdjust(p_values);
    std::vector<bool> rejected(p_values.size(), false);
    for (size_t left = p_values.size(); left > 0; --left) {
      size_t least = p_values.size();
      for (size_t i = 0; i < p_values.size(); ++i) {
        if (!rejected[i] && (least == p_values.size() || p_values[i] < p_values[least])) least = i;
      }
      if (p_values[least] > 0.05 / static_cast<double>(left)) break;
      rejected[least] = true;
    }
    for (size_t i = 0; i < p_values.size(); ++i) EXPECT_EQ(adjusted[i] <= 0.05, rejected[i]);
  }
}

}  // namespace
}  // namespace fencepost
