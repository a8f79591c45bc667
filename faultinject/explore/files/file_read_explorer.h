// SPDX-License-Identifier: BSD-3-Clause
// Strategy `reads` for files: every directory tree that recovery can tell apart, and hardly any
// other.
//
// A recovery is executed, watched (FileWatch), from a state of a crash point. The pieces that
// decide the answers to its questions (DecidingPieces) are decided; all states that agree in them
// have the same outcome. For each of them in turn, those states that agree in the ones before and
// differ in it are to be explored in the same way. So the states of a crash point are parted, with
// as many parts as recovery can tell apart, or a few more: different pieces may give equal answers.
// Those cost no recovery: what was executed is found again by its questions and answers
// (KnownRecoveries), at all crash points. A recovery is run anew from the start each time.
//
// What is checked while it explores, and ends the exploration with the reason:
//   - a sample of recoveries gives the same outcome when all that is open is lost rather than
//   there;
//   - recoveries that agree in all answers have the same outcome.
// Each distinct outcome that is new is used on (Recoverer::UsesOn), from the first state that has
// shown it.
//
// Threads: one owner; recoveries may have any number.
// Not covered: how many states a part stands for is not counted.
// Source: as of decision_tree.h; the parts are the cells of a binary decision tree over pieces.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_READ_EXPLORER_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_READ_EXPLORER_H_

#include "faultinject/explore/files/file_explorer.h"

namespace fencepost {

// See ExploreFiles. kUnsupported, with the reason, if the recovery cannot be watched.
Result<FileExploreResult> ExploreFilesByReads(const FileRun& run, const FileExploreOptions& options,
                                              const PoolOptions& pool, Recoverer* recoverer,
                                              Judge* judge, const ExploreHooks& hooks);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_READ_EXPLORER_H_
