// SPDX-License-Identifier: BSD-3-Clause
// Mutation: is each flush, fence and msync needed? The recording is explored again as if one of
// them were not there.
//
// A site is a place of the program: the innermost line of its own, frames of libraries and of its
// persist helpers (program_frame.h) passed over; and a kind. All events of a site are left out
// together, its stores stay. A site is necessary if a violation shows without it. One that is not
// shown necessary need not be redundant: the workload, or the states tried, may be too weak.
//
// Invariants: each site is left out alone. Of two that do the same work, neither shows necessary.
// Not covered: locked instructions, which fence as well (RemovedEvents); what a program would do
//   otherwise without the call, e.g. store less.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_MUTATION_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_MUTATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "faultinject/explore/explorer.h"

namespace fencepost {

struct MutationSite {
  std::string function;  // short; empty if not known
  std::string file;      // as the debug information has it; empty if not known
  uint32_t line = 0;     // 0: not known
  std::string where;     // all of it in one line: "Map::Put (map.cc:12)"
  uint64_t events = 0;
  RemovedEvents removed;
};

// "flush", "fence", "sync".
std::string MutationKind(const MutationSite& site);

// The place of a flush or fence as a site has it: "Map::Put (map.cc:12)".
std::string MutationPlace(const TraceFile& trace, uint32_t stack);

// The sites whose events change anything, by file, line, function and kind. kCorrupt if the trace
// is damaged.
Result<std::vector<MutationSite>> FindMutationSites(TraceFile* trace, const TraceSurvey& survey);

struct MutationResult {
  std::optional<FindingGroup> violation;  // that the site prevents: the first that was found
  ExploreResult explored;                 // up to it
  bool necessary() const { return violation.has_value(); }
};

// Explores without the site, up to the first violation: as Explore otherwise, so each budget is for
// this site. REQUIRES: without any mutation nothing is violated, else it says nothing of the site.
Result<MutationResult> ExploreWithout(const MutationSite& site, const Recording& recording,
                                      TraceFile* trace, const TraceSurvey& survey,
                                      const ExploreOptions& options, const PoolOptions& pool,
                                      Recoverer* recoverer, Judge* judge,
                                      const ExploreHooks& hooks);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_MUTATION_H_
