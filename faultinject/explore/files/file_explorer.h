// SPDX-License-Identifier: BSD-3-Clause
// Explores the crashes of a run that keeps its data in files: crash points -> directory trees ->
// recoveries -> verdicts.
//
// Invariants:
//   1. Equal trees (with equal context) are recovered once; their outcome is judged at every crash
//      point that it belongs to.
//   2. The result depends on the events, strategy, seed and shard only, unless a budget by time or
//      an interrupt cut it short, which it says.
//   3. Where recoveries cannot be watched strategy `reads` gives way to another one, which it says.
// Threads: one owner; see TreePool.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORER_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/explorer.h"
#include "faultinject/explore/files/file_strategies.h"
#include "faultinject/explore/files/file_walk.h"
#include "faultinject/explore/judge.h"
#include "faultinject/explore/recovery.h"
#include "faultinject/explore/verdicts.h"

namespace fencepost {

// What was recorded, in memory.
struct FileRun {
  FileTree initial;  // durable
  std::vector<IoEvent> events;
  IoSurvey survey;
};

// How far strategy `reads` goes at one crash point; then it draws.
struct ReadLimits {
  uint64_t recoveries = 2000;  // that differ in what they read
  uint64_t states = 50'000;    // sets of states that were told apart
  uint64_t samples = 200;      // of what is left by then
};

using FileExplorePart = ExplorePartOf<FileCrashState>;

struct FileExploreOptions {
  const FileSystemRow* file_system = nullptr;
  PosixOptions model;
  FileStrategy strategy;
  ReadLimits reads;        // strategy `reads`
  FileStrategy unwatched;  // in place of it if it cannot be; no row: that is an error
  uint64_t seed = 1;
  uint64_t shard = 0;  // of `shards`, from 0: trees are dealt out by their hash
  uint64_t shards = 1;
  uint64_t max_states = UINT64_MAX;  // recoveries executed
  double max_seconds = 0;            // 0: no limit
  uint64_t stop_after = 0;           // groups of findings; 0: no limit
  uint64_t first_point = 0;          // crash points before it have been explored already
  // Parts are explored, and go to it: the result has nothing but `units` and `stopped`.
  const PartDealerOf<FileCrashState>* dealer = nullptr;
};

using FileFindingGroup = FindingGroupOf<FileCrashState>;

struct FileExploreResult {
  uint64_t crash_points = 0;
  uint64_t explored_points = 0;  // to the end
  double log10_raw_states = 0;   // of all crash points together, an upper bound
  double log10_explored_raw_states = 0;
  // Given by the strategy, with the oldest and the newest of each point; `reads`: sets of states,
  // all of one outcome.
  uint64_t states = 0;
  uint64_t recoveries = 0;  // executed: distinct trees
  uint64_t checks = 0;      // of these: whether what was not read tells apart after all
  std::string unwatched;    // why `reads` was not possible, "" if it was: another one was used
  uint64_t outcomes = 0;    // distinct
  uint64_t verdicts = 0;    // pairs of crash point and outcome that were judged
  uint64_t failed_verdicts = 0;
  bool every_state = false;
  bool states_cut = false;  // a crash point had more than the strategy would try
  std::string stopped;      // empty if it was not
  uint64_t next_point = 0;  // where to go on, if stopped
  uint64_t units = 0;       // in which it was explored
  double seconds = 0;
  std::vector<FileFindingGroup> groups;
  std::vector<std::string> places;  // what `stack` of their points stands for
};

// The result of all parts, joined.
FileExploreResult ResultOf(FileExplorePart part, const FileStrategy& strategy);

Result<FileExploreResult> ExploreFiles(const FileRun& run, const FileExploreOptions& options,
                                       const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                                       const ExploreHooks& hooks);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORER_H_
