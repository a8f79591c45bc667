// SPDX-License-Identifier: BSD-3-Clause
// How often whole suites of paired runs alarm where nothing differs, and find a slowdown that was
// injected: suites made of pairs that were measured.
//
// Suites drawn: every cell draws whole pairs from its pool, with replacement, by the same rule that
// a bench takes them by. Suites in order: the pool is cut into stretches of successive pairs, as if
// each had been a bench; of these there are few, and nothing is used twice.
//
// Threads: none; the same seed draws the same suites on every machine.
// Not covered: drawn suites are as good as the pool. They do not have the dependence between
//   successive pairs, and all of them share the pool's own departure from the truth.
#ifndef FENCEPOST_HARNESS_STATS_RESAMPLE_H_
#define FENCEPOST_HARNESS_STATS_RESAMPLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "harness/stats/paired.h"

namespace fencepost {

// Log-ratios of one cell, in the order in which they were measured.
struct PairPool {
  std::string name;
  std::vector<double> equal;  // a build against itself
  std::vector<double> slow;   // a build against itself slowed down; may be empty
};

// Suites, of which so many have at least one cell called slower.
struct SuiteCount {
  size_t suites = 0;
  size_t found = 0;
  double mean_pairs = 0;  // of a cell
};

struct ResampleResult {
  SuiteCount equal;  // no cell differs: alarms
  SuiteCount equal_in_order;
  // One entry a cell: this cell is slowed down, all others are equal; found in this cell. No suites
  // where it has no pool of slow pairs.
  std::vector<SuiteCount> slow;
  std::vector<SuiteCount> slow_in_order;
};

// REQUIRES: every equal pool has at least settings.min_pairs; a slow one has as many or none.
ResampleResult Resample(const std::vector<PairPool>& pools, size_t suites,
                        const PairedSettings& settings);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_RESAMPLE_H_
