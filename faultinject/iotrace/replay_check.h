// SPDX-License-Identifier: BSD-3-Clause
// The proof that a trace is complete: its events, applied to what was there at the start, make each
// file what it was found to be at every kContent event, and the tree what it was at the end.
//
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_REPLAY_CHECK_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_REPLAY_CHECK_H_

#include "engines/status.h"
#include "faultinject/iotrace/file_tree.h"
#include "faultinject/iotrace/io_trace.h"

namespace fencepost {

// Replays all events of `trace`, from the first. The tree at the end; kCorrupt, with file and
// event, where an event cannot have happened or a file is not what it was. Does not look at
// final_tree().
Result<FileTree> Replay(const FileTree& initial, IoTrace* trace);

// FileTree::Hash() without what volatile files hold: what IoTrace::final_tree() is of.
uint64_t ProvedHash(FileTree tree, const IoTrace& trace);

// Replay() and the tree at the end. kCorrupt: the trace is not complete, nothing is to be judged by
// it.
Status VerifyReplay(const FileTree& initial, IoTrace* trace);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_REPLAY_CHECK_H_
