// SPDX-License-Identifier: BSD-3-Clause
// Tests of paired differences: the sign-flip test, and Holm's correction for many of them.
//
// If neither of two builds is faster, each pair's log-ratio might as well have had the other sign:
// the p-value is the share of all ways to set the signs whose sum lies as far from 0 as the one
// that was found. Nothing is assumed of how the differences are distributed.
//
// Threads: none; all functions are pure. The same seed gives the same p-value on every machine.
// Not covered: pairs that depend on each other, as where a disturbance outlasts a pair and the
// order
//   within pairs is not random.
// Source: Fisher. The design of experiments. 1935, section 21. Phipson, Smyth. Permutation p-values
//   should never be zero. 2010. Holm. A simple sequentially rejective multiple test procedure.
//   Scandinavian Journal of Statistics 6(2), 1979. Horowitz, Sahni. Computing partitions with
//   applications to the knapsack problem. 1974 (sums of two halves).
#ifndef FENCEPOST_HARNESS_STATS_SIGN_FLIP_H_
#define FENCEPOST_HARNESS_STATS_SIGN_FLIP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fencepost {

// Up to so many differences all sign settings are counted; beyond, some are drawn.
inline constexpr size_t kExactSignFlips = 32;

struct SignFlipOptions {
  size_t resamples = 100'000;  // beyond kExactSignFlips
  uint64_t seed = 1;
};

// Two-sided p-value of the sum of the differences; 1 if all are 0.
// REQUIRES: at least one, free of NaN.
double SignFlipPValue(std::span<const double> differences, const SignFlipOptions& options = {});

// The differences with those that are far out drawn in, to +-`limit` times the median of their
// sizes: one disturbed pair shall not hide what all others agree on. The bound depends on sizes
// alone, not on signs, so a sign-flip test of the result is as exact as one of the differences.
// Where half of them are 0 they stay as they are.
std::vector<double> BoundOutliers(std::span<const double> differences, double limit);

// Adjusted p-values, in the order of the given ones: those that are at most alpha are rejected by
// Holm's procedure at the family-wise level alpha.
std::vector<double> HolmAdjust(std::span<const double> p_values);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_SIGN_FLIP_H_
