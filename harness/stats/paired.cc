// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/paired.h"

#include <cmath>
#include <numeric>

#include "harness/stats/sign_flip.h"

namespace fencepost {
namespace {

// Log-ratios further out than this many times their median size are drawn in for the test. With
// normal noise that costs no power; where one pair in twenty is disturbed five times as much, a
// slowdown of 5 % in one of four cells is found in 96 of 100 simulated suites instead of 86.
constexpr double kOutlierLimit = 1.5;

}  // namespace

std::string_view Name(PairedVerdict verdict) {
  switch (verdict) {
    case PairedVerdict::kNoDifference:
      return "no difference shown";
    case PairedVerdict::kSlower:
      return "slower";
    case PairedVerdict::kFaster:
      return "faster";
  }
  return "";
}

bool EnoughPairs(std::span<const double> log_ratios, const PairedSettings& settings) {
  if (log_ratios.size() >= settings.max_pairs) return true;
  if (log_ratios.size() < settings.min_pairs) return false;
  const Estimate median = MedianByOrderStatistics(log_ratios);
  return median.high - median.low < settings.threshold;
}

std::vector<PairedCell> JudgePairs(const std::vector<std::vector<double>>& log_ratios,
                                   const PairedSettings& settings) {
  std::vector<PairedCell> cells(log_ratios.size());
  std::vector<double> p_values, sums;
  for (size_t i = 0; i < cells.size(); ++i) {
    if (log_ratios[i].empty()) continue;
    const Estimate median = MedianByOrderStatistics(log_ratios[i]);
    cells[i].width = median.high - median.low;
    cells[i].ratio = {.value = std::exp(median.value),
                      .low = std::exp(median.low),
                      .high = std::exp(median.high),
                      .confidence = median.confidence,
                      .count = median.count};
    const std::vector<double> bounded = BoundOutliers(log_ratios[i], kOutlierLimit);
    cells[i].p_value = SignFlipPValue(bounded, {.seed = settings.seed});
    p_values.push_back(cells[i].p_value);
    sums.push_back(std::accumulate(bounded.begin(), bounded.end(), 0.0));
  }
  const std::vector<double> adjusted = HolmAdjust(p_values);
  size_t next = 0;
  for (PairedCell& cell : cells) {
    if (cell.ratio.count == 0) continue;
    cell.p_adjusted = adjusted[next];
    const double sum = sums[next++];
    if (cell.p_adjusted > settings.alpha) continue;
    // A side is named only where what was tested and what is printed agree on it.
    if (sum < 0 && cell.ratio.value < 1) cell.verdict = PairedVerdict::kSlower;
    if (sum > 0 && cell.ratio.value > 1) cell.verdict = PairedVerdict::kFaster;
  }
  return cells;
}

}  // namespace fencepost
