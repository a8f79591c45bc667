// SPDX-License-Identifier: BSD-3-Clause
// Effect sizes beside the ratio of medians (stats.h): how far two samples are apart, free of units.
//
// Threads: none; all functions are pure.
// Source: Cliff. Dominance statistics: ordinal analyses to answer ordinal questions. Psychological
//   Bulletin 114(3), 1993. Romano et al. Appropriate statistics for ordinal level data. 2006
//   (what is called negligible, small, medium, large).
#ifndef FENCEPOST_HARNESS_STATS_EFFECT_SIZE_H_
#define FENCEPOST_HARNESS_STATS_EFFECT_SIZE_H_

#include <span>
#include <string_view>

namespace fencepost {

// Cliff's delta: the share of pairs (one of `above`, one of `below`) in which the first is greater,
// less the share in which it is smaller. 1: every one of `above` is greater than every one of
// `below`; 0: neither tends to be.
// REQUIRES: at least one of either, free of NaN.
double CliffsDelta(std::span<const double> above, std::span<const double> below);

// "negligible" (|delta| < 0.147), "small" (< 0.33), "medium" (< 0.474) or "large".
std::string_view EffectName(double cliffs_delta);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_EFFECT_SIZE_H_
