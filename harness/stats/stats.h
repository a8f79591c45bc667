// SPDX-License-Identifier: BSD-3-Clause
// The one place where intervals are computed: quantiles of repeated runs and their uncertainty.
//
// A benchmark's repeats are few and not normal, so medians and bootstrap, no t distribution.
//
// Threads: none; all functions are pure. The same seed gives the same interval on every machine.
// Not covered: repeats that depend on each other; interleave the runs.
// Source: Hyndman, Fan. Sample quantiles in statistical packages. The American Statistician 50(4),
//   1996 (type 7). Efron, Tibshirani. An introduction to the bootstrap. 1993, chapter 13
//   (percentile interval). Conover. Practical nonparametric statistics. 1999, section 3.2
//   (interval for a quantile from order statistics).
#ifndef FENCEPOST_HARNESS_STATS_STATS_H_
#define FENCEPOST_HARNESS_STATS_STATS_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace fencepost {

// Type 7, the default of R and NumPy: linear between order statistics, at (n - 1) * q.
// REQUIRES: values not empty and free of NaN; 0 <= q <= 1.
double Quantile(std::span<const double> values, double q);
// Quantile(values, 0.5).
double Median(std::span<const double> values);
// The median of the distances from the median; not scaled to a standard deviation.
double MedianAbsoluteDeviation(std::span<const double> values);

struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
  double confidence = 0;  // that [low, high] holds the true value; 0 for a single run
  size_t count = 0;       // of runs, or of pairs
};

struct BootstrapOptions {
  double confidence = 0.95;
  size_t resamples = 10'000;  // at least 2,000 for an interval at 95 %
  uint64_t seed = 1;
};

// Below this many runs the percentile bootstrap of a median promises more than it keeps: what it
// calls 95 % is 87.5 % for seven runs. Intervals are then made of order statistics, without draws.
inline constexpr size_t kFewRuns = 20;

// The median with an interval for it: the percentile bootstrap from kFewRuns values on; below, the
// narrowest [k-th least, k-th greatest] whose exact confidence by the sign test, which is the one
// reported, is at least what was asked for. Under six values even the whole range falls short of
// 95 %: the interval is the range, and `confidence` says what it is worth.
// REQUIRES: values not empty and free of NaN.
Estimate MedianEstimate(std::span<const double> values, const BootstrapOptions& options = {});

// The same interval of order statistics for any number of values up to 1,000: no draws, and its
// confidence is exact and at least what was asked for (from six values on).
// REQUIRES: 1 to 1,000 values, free of NaN; 0 < confidence < 1.
Estimate MedianByOrderStatistics(std::span<const double> values, double confidence = 0.95);

// Median(numerators) / Median(denominators) of paired runs, numerators[i] having run beside
// denominators[i], with an interval that keeps the pairs together: what disturbed both runs of a
// pair does not widen it. From kFewRuns pairs on pairs are resampled whole; below, it is the
// order-statistics interval of the pairs' own ratios, widened to hold the ratio of medians where it
// does not.
// REQUIRES: as many of either, at least one, free of NaN; all above 0.
Estimate MedianRatioEstimate(std::span<const double> numerators,
                             std::span<const double> denominators,
                             const BootstrapOptions& options = {});

// The same of runs that were not paired, of which there may be a different number on either side:
// each side is resampled by itself. With fewer than kFewRuns on a side each median gets an interval
// at the square root of the confidence, and the ratio what these two allow at most; the product of
// their confidences is reported. `count` is the smaller number of runs.
// REQUIRES: at least one of either, free of NaN, above 0.
Estimate UnpairedMedianRatioEstimate(std::span<const double> numerators,
                                     std::span<const double> denominators,
                                     const BootstrapOptions& options = {});

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_STATS_H_
