// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/effect_size.h"

#include <gtest/gtest.h>

#include <vector>

#include "harness/stats/draws.h"

namespace fencepost {
namespace {

// Hogarty and Kromrey 1999, as quoted by the R packages orddom and effsize.
TEST(EffectSize, CliffsDeltaIsThePublishedOne) {
  const std::vector<double> treatment = {10, 10, 20, 20, 20, 30, 30, 30, 40, 50};
  const std::vector<double> control = {10, 20, 30, 40, 40, 50};
  EXPECT_DOUBLE_EQ(CliffsDelta(treatment, control), -0.25);
  EXPECT_EQ(EffectName(-0.25), "small");
}

TEST(EffectSize, CliffsDeltaIsTheCountOverAllPairs) {
  Draws draws(7);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<double> above(1 + draws.Index(12)), below(1 + draws.Index(12));
    for (double& value : above) value = static_cast<double>(draws.Index(9));
    for (double& value : below) value = static_cast<double>(draws.Index(9));
    double sum = 0;
    for (const double a : above) {
      for (const double b : below) sum += (a > b) - (a < b);
    }
    EXPECT_DOUBLE_EQ(CliffsDelta(above, below),
                     sum / static_cast<double>(above.size() * below.size()));
  }
}

TEST(EffectSize, SamplesApartHaveTheFullEffect) {
  EXPECT_EQ(CliffsDelta(std::vector<double>{3, 4}, std::vector<double>{1, 2}), 1);
  EXPECT_EQ(CliffsDelta(std::vector<double>{1, 2}, std::vector<double>{3, 4}), -1);
  EXPECT_EQ(EffectName(1), "large");
  EXPECT_EQ(EffectName(0), "negligible");
  EXPECT_EQ(EffectName(0.4), "medium");
}

}  // namespace
}  // namespace fencepost
