// SPDX-License-Identifier: BSD-3-Clause
// Strategy `reads`: every state that recovery can tell apart, and hardly any other.
//
// Crash points are taken in batches. Each has a decision tree (decision_tree.h) over the lines that
// are undecided or change in it; a recovery is executed, watched, for each leaf. Recoveries are run
// anew from the start rather than forked where they branch: a worker that is kept costs less than a
// fork, and needs no state of the recovery to be copied.
//
// What is checked while it explores, and ends the exploration with the reason:
//   - recoveries that agree in what they have read read on alike;
//   - a sample of them gives the same outcome again when every byte that it did not read is
//   changed;
//   - the states that the leaves of a crash point stand for are all of its states.
// After a batch each distinct outcome that is new is used on (Recoverer::UsesOn), from the first
// state that has shown it.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_READ_EXPLORER_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_READ_EXPLORER_H_

#include "faultinject/explore/explorer.h"

namespace fencepost {

// See Explore. kUnsupported, with the reason, if the recovery cannot be watched.
Result<ExploreResult> ExploreByReads(const Recording& recording, TraceFile* trace,
                                     const TraceSurvey& survey, const ExploreOptions& options,
                                     const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                                     const ExploreHooks& hooks);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_READ_EXPLORER_H_
