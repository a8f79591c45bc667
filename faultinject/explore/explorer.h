// SPDX-License-Identifier: BSD-3-Clause
// Explorer: crash points -> crash states -> recoveries -> verdicts.
//
// Invariants:
//   1. Equal images (with equal context) are recovered once; their outcome is judged at every crash
//      point that it belongs to.
//   2. The result depends on recording, strategy, seed and shard only, unless a budget by time
//      or an interrupt cut it short, which it says.
// Threads: one owner; see RecoveryPool.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_EXPLORER_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_EXPLORER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/budget.h"
#include "faultinject/explore/explore_part.h"
#include "faultinject/explore/recording.h"
#include "faultinject/explore/recovery_pool.h"
#include "faultinject/explore/recovery_script.h"
#include "faultinject/explore/strategies.h"
#include "faultinject/explore/trace_walk.h"
#include "faultinject/explore/verdicts.h"

namespace fencepost {

using ExplorePart = ExplorePartOf<CrashState>;

struct ExploreOptions {
  Strategy strategy;
  uint64_t seed = 1;
  Px86Options model;
  uint64_t shard = 0;  // of `shards`, from 0: images are dealt out by their hash
  uint64_t shards = 1;
  uint64_t max_states = UINT64_MAX;  // recoveries executed
  double max_seconds = 0;            // 0: no limit
  uint64_t stop_after = 0;           // groups of findings; 0: no limit. Which, depends on timing
  uint64_t first_point = 0;          // crash points before it have been explored already
  // With `reads`: recoveries are crashed in turn, once they are traced by it. Null: they are not.
  RecoveryTracer* tracer = nullptr;
  // Parts are explored, and go to it: the result has nothing but `units` and `stopped`.
  const PartDealerOf<CrashState>* dealer = nullptr;
};

using FindingGroup = FindingGroupOf<CrashState>;

struct ExploreResult {
  uint64_t crash_points = 0;             // in the trace
  uint64_t explored_points = 0;          // of which so many were explored to the end
  double log10_raw_states = 0;           // of all crash points together, as a power of ten
  double log10_explored_raw_states = 0;  // raw states of the crash points that were explored
  uint64_t states = 0;                   // given by the strategy
  uint64_t recoveries = 0;               // executed: distinct images
  uint64_t traced_recoveries = 0;        // distinct in what they store: those that are crashed
  uint64_t nested_points = 0;            // points of recoveries times states that lead there
  uint64_t nested_states = 0;            // that were judged there
  uint64_t nested_recoveries = 0;        // executed for these alone
  uint64_t outcomes = 0;                 // distinct
  uint64_t verdicts = 0;                 // pairs of crash point and outcome that were judged
  uint64_t failed_verdicts = 0;
  uint64_t mixed_lines = 0;  // crash points times lines that are over-approximated
  bool every_state = false;  // the strategy is exhaustive and was carried out wholly
  bool lines_cut = false;    // a line had too many states to try each
  std::string stopped;       // "budget of states", "interrupted", ...; empty if it was not
  uint64_t next_point = 0;   // where to go on, if stopped
  uint64_t units = 0;        // in which it was explored
  double seconds = 0;
  std::vector<FindingGroup> groups;  // in trace order of their examples
};

// The result of all parts, joined.
ExploreResult ResultOf(ExplorePart part, const Strategy& strategy);

// Explores a recording whose replay has been verified.
Result<ExploreResult> Explore(const Recording& recording, TraceFile* trace,
                              const TraceSurvey& survey, const ExploreOptions& options,
                              const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                              const ExploreHooks& hooks);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_EXPLORER_H_
