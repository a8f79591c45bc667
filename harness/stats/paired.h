// SPDX-License-Identifier: BSD-3-Clause
// What paired runs of two builds come to: how many pairs a cell needs, and which cells differ.
//
// A pair is one run of either build, in turns of some milliseconds, or one right after the other;
// its log-ratio is ln(throughput of this build / throughput of the other). A cell takes pairs until
// the interval of the median log-ratio (of order statistics, so that looking at it after every pair
// costs nothing) is narrow enough, whichever side of 0 it lies on; then all cells are judged
// together by the sign-flip test, at a family-wise level.
//
// Threads: none; all functions are pure. The same seed gives the same verdicts on every machine.
// Not covered: the rule that ends a cell looks at the same log-ratios as the test, so the level is
//   not exact. What it is, paired_test.cc simulates and scripts/regression_power.sh measures.
#ifndef FENCEPOST_HARNESS_STATS_PAIRED_H_
#define FENCEPOST_HARNESS_STATS_PAIRED_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "harness/stats/stats.h"

namespace fencepost {

struct PairedSettings {
  size_t min_pairs = 15;
  size_t max_pairs = 30;    // at most 1,000
  double threshold = 0.04;  // an interval of the median log-ratio narrower than this is enough
  double alpha = 0.01;      // family-wise, over all cells
  uint64_t seed = 1;
  double turn_ms = 5;  // 0: whole runs, one after the other
};

enum class PairedVerdict : unsigned char {
  kNoDifference,  // none was shown, which does not say that there is none
  kSlower,
  kFaster,
};
std::string_view Name(PairedVerdict verdict);  // "no difference shown", "slower", "faster"

struct PairedCell {
  Estimate ratio;           // this build's throughput over the other's: exp(median log-ratio)
  double width = 0;         // of the interval of the median log-ratio
  double p_value = 1;       // sign-flip test
  double p_adjusted = 1;    // after Holm, over all cells
  double cliffs_delta = 0;  // of this build's throughputs over the other's
  PairedVerdict verdict = PairedVerdict::kNoDifference;
};

// Whether a cell has pairs enough: max_pairs, or at least min_pairs with an interval that is
// narrower than the threshold.
bool EnoughPairs(std::span<const double> log_ratios, const PairedSettings& settings);

// One entry a cell; a cell without pairs takes no part and has count 0. `cliffs_delta` is left to
// the caller, who has the throughputs.
std::vector<PairedCell> JudgePairs(const std::vector<std::vector<double>>& log_ratios,
                                   const PairedSettings& settings);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_PAIRED_H_
