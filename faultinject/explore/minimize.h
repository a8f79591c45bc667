// SPDX-License-Identifier: BSD-3-Clause
// Minimising a violation: which lines had to survive, and did not?
//
// Of the lines in which a failing state is older than the newest one, a smallest set is searched
// that alone, with everything else survived, still fails in the same way (1-minimal: no line of it
// can be given back). After a hang the search is short: each of its steps may take the time limit.
// Source: Zeller, Hildebrandt, Simplifying and isolating failure-inducing input, TSE 2002 (ddmin).
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_MINIMIZE_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_MINIMIZE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "faultinject/explore/explorer.h"

namespace fencepost {

// A store that had to survive and did not, or that survived in part.
struct MissingStore {
  uint64_t event = 0;
  uint32_t thread = 0;
  uint32_t stack = 0;
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
  bool torn = false;
  bool non_temporal = false;
  // The first flush that covered it, which nothing had drained; 0 if there was none.
  uint64_t flush_event = 0;
  uint32_t flush_thread = 0;
};

struct MissingLine {
  LineId line;
  LineBytes found{};                      // in the failing state
  LineBytes newest{};                     // with every store survived
  std::vector<MissingStore> stores = {};  // in trace order
};

struct MinimalViolation {
  FindingGroup group;  // with the minimal state, its outcome and finding
  // Empty: it fails with every store survived.
  std::vector<MissingLine> missing;
  bool minimal = false;     // false: the search was cut short, fewer lines may do
  uint64_t recoveries = 0;  // that the search took
};

// Minimises each group; at most `max_recoveries`, or a minute of hangs, for each. Once
// interrupted() says so (it may be null), the rest stays as it was found.
Result<std::vector<MinimalViolation>> Minimize(const Recording& recording, TraceFile* trace,
                                               const TraceSurvey& survey,
                                               const ExploreOptions& options,
                                               const PoolOptions& pool, Recoverer* recoverer,
                                               Judge* judge, std::vector<FindingGroup> groups,
                                               uint64_t max_recoveries,
                                               const std::function<bool()>& interrupted = {});

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_MINIMIZE_H_
