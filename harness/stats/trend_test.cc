// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/trend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace fencepost {
namespace {

// Tuna: Hollander and Wolfe, Nonparametric statistical methods, 1973, p. 185, in order of the other
// variable. R's cor.test(method = "kendall"): T = 26 (a score of 16), p-value = 0.1194.
TEST(Trend, TheExactPValueIsThePublishedOne) {
  const std::vector<double> tuna = {2.5, 4.0, 2.6, 3.6, 2.8, 3.1, 5.2, 5.0, 3.8};
  const Trend trend = FindTrend(tuna);
  EXPECT_EQ(trend.score, 16);
  EXPECT_NEAR(trend.p_value, 0.1194, 5e-5);
}

long Score(const std::vector<double>& series) {
  long score = 0;
  for (size_t i = 0; i < series.size(); ++i) {
    for (size_t k = i + 1; k < series.size(); ++k) {
      score += (series[k] > series[i]) - (series[k] < series[i]);
    }
  }
  return score;
}

// The share of all orders of the values whose score is as far from 0.
double BruteForce(std::vector<double> series) {
  const long score = std::labs(Score(series));
  std::sort(series.begin(), series.end());
  std::vector<size_t> order(series.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  size_t reached = 0, all = 0;
  do {
    std::vector<double> permuted;
    for (const size_t i : order) permuted.push_back(series[i]);
    reached += std::labs(Score(permuted)) >= score;
    ++all;
  } while (std::next_permutation(order.begin(), order.end()));
  return static_cast<double>(reached) / static_cast<double>(all);
}

TEST(Trend, TheExactPValueIsTheBruteForceCount) {
  std::vector<double> series = {3, 1, 2};
  for (const double next : {9.0, 4.0, 5.5, 0.5}) {
    EXPECT_NEAR(FindTrend(series).p_value, BruteForce(series), 1e-12) << series.size();
    series.push_back(next);
  }
}

TEST(Trend, WithTiesThePValueIsNearTheBruteForceCount) {
  const std::vector<double> series = {1, 2, 2, 3, 1, 4, 4, 5};
  EXPECT_NEAR(FindTrend(series).p_value, BruteForce(series), 0.01);
}

TEST(Trend, BeyondFiftyValuesTheNormalPValueContinuesTheExactOne) {
  std::vector<double> series;
  for (int i = 0; i < 50; ++i) series.push_back((i * 37) % 50 + 0.4 * i);
  const double exact = FindTrend(series).p_value;
  series.insert(series.begin() + 25, 1e-3 + series[24]);
  EXPECT_NEAR(FindTrend(series).p_value, exact, 0.02);
}

// Slopes 1, 1.5, 7/3, 2, 3, 4: the median is (2 + 7/3) / 2.
TEST(Trend, TheSlopeIsTheMedianOfAllSlopes) {
  EXPECT_NEAR(FindTrend(std::vector<double>{1, 2, 4, 8}).slope, (2 + 7.0 / 3) / 2, 1e-12);
  EXPECT_NEAR(FindTrend(std::vector<double>{8, 4, 2, 1}).slope, -(2 + 7.0 / 3) / 2, 1e-12);
}

TEST(Trend, OneOutlierDoesNotMoveTheSlope) {
  std::vector<double> series;
  for (int i = 0; i < 20; ++i) series.push_back(100 + 0.5 * i);
  series[7] = 1e6;
  EXPECT_NEAR(FindTrend(series).slope, 0.5, 1e-9);
}

TEST(Trend, WhatDoesNotMoveHasNoTrend) {
  const Trend flat = FindTrend(std::vector<double>(10, 3.0));
  EXPECT_EQ(flat.score, 0);
  EXPECT_EQ(flat.p_value, 1);
  EXPECT_EQ(flat.slope, 0);
  EXPECT_EQ(FindTrend(std::vector<double>{1}).p_value, 1);
  EXPECT_EQ(FindTrend({}).count, 0u);
}

}  // namespace
}  // namespace fencepost
