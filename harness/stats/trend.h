// SPDX-License-Identifier: BSD-3-Clause
// Whether a series goes anywhere: the Mann-Kendall test and the slope of Theil and Sen.
//
// Threads: none; all functions are pure.
// Not covered: series that are not independent (values of one run's intervals, say).
// Source: Mann. Nonparametric tests against trend. Econometrica 13, 1945. Kendall. Rank correlation
//   methods. 1975 (variance with ties). Sen. Estimates of the regression coefficient based on
//   Kendall's tau. JASA 63, 1968. Knuth. The art of computer programming 3, section 5.1.1
//   (how many permutations have so many inversions).
#ifndef FENCEPOST_HARNESS_STATS_TREND_H_
#define FENCEPOST_HARNESS_STATS_TREND_H_

#include <cstddef>
#include <span>

namespace fencepost {

struct Trend {
  size_t count = 0;
  long score = 0;      // pairs that rise less pairs that fall
  double p_value = 1;  // two-sided, of a series in random order
  double slope = 0;    // median of the slopes between all pairs, a step
};

// The p-value is exact up to 50 values without ties; otherwise it is the normal distribution's,
// with Kendall's variance for ties and a correction for continuity.
// REQUIRES: free of NaN.
Trend FindTrend(std::span<const double> series);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_TREND_H_
