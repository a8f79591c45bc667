// SPDX-License-Identifier: BSD-3-Clause
// The published experiments, run again on the models: each point modelled beside each published.
//
// Every point is the outcome of events that threads put to a MemorySystem, the same that the counts
// of an engine are put to; there is no formula for an experiment.
//
// Invariants:
//   1. Deterministic: one seed, one result.
// Threads: any.
// Not covered: caches of the CPU; so of table 13's `clwb at the end` what is larger than them.
// Source: the experiments' settings: the study's section 3 and the read-me files of its data.
#ifndef FENCEPOST_ENGINES_MEDIA_EXPERIMENTS_H_
#define FENCEPOST_ENGINES_MEDIA_EXPERIMENTS_H_

#include <string_view>
#include <vector>

#include "engines/media/published.h"

namespace fencepost::media {

struct ComparedPoint {
  double x = 0;
  double published = 0;
  double modelled = 0;
  double error() const { return modelled / published - 1; }
};

struct ComparedSeries {
  const PublishedSeries* published = nullptr;
  std::vector<ComparedPoint> points;

  double median_error() const;  // of the absolute errors
  double largest_error() const;
};

// All of Published(), in its order; some tenths of a second.
std::vector<ComparedSeries> RunExperiments();
ComparedSeries RunExperiment(const PublishedSeries& published);

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_EXPERIMENTS_H_
