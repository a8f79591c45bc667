// SPDX-License-Identifier: BSD-3-Clause
// FileExploration: what all ways to explore a run's crashes have in common: the walk along the
// trace, the sums, the budget, the verdicts.
//
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORATION_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORATION_H_

#include <cstdint>
#include <string>

#include "faultinject/explore/budget.h"
#include "faultinject/explore/files/file_explorer.h"

namespace fencepost {

class FileExploration {
 public:
  // REQUIRES: all outlive it.
  FileExploration(const FileRun& run, const FileExploreOptions& options, Judge* judge,
                  const ExploreHooks& hooks)
      : run_(run),
        options_(options),
        judge_(judge),
        hooks_(hooks),
        model_(*options.file_system, options.model, run.initial),
        verdicts_(judge),
        parts_(options.dealer),
        budget_({.max_recoveries = options.max_states,
                 .max_seconds = options.max_seconds,
                 .stop_after = options.stop_after},
                hooks) {}
  virtual ~FileExploration() = default;
  FileExploration(const FileExploration&) = delete;
  FileExploration& operator=(const FileExploration&) = delete;

 protected:
  // At a crash point: the model has seen what comes before it.
  virtual Status ExplorePoint(const CrashPoint& point) = 0;
  // Waits until nothing is under way.
  virtual Status Drain() = 0;

  // Along the whole trace, with this strategy.
  Result<FileExploreResult> Walk(const FileStrategy& strategy);
  bool stopped() const { return !budget_.stopped().empty(); }
  // Looks at the clock now and then.
  void CountState();
  bool MayRecover() { return budget_.MayRecover(record().recoveries, verdicts_.group_count()); }
  FileExplorePart& record() { return *parts_.part(); }

  const FileRun& run_;
  const FileExploreOptions& options_;
  Judge* const judge_;
  const ExploreHooks& hooks_;
  PosixModel model_;
  VerdictsOf<FileCrashState> verdicts_;
  PartKeeperOf<FileCrashState> parts_;
  ExploreBudget budget_;
  uint64_t since_ = 0;  // the event of the crash point before

 private:
  Status CompletePart(const FileWalk& walk, FileExplorePart* part);

  uint64_t states_seen_ = 0;
  double seconds_before_ = 0;  // until the part began
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_EXPLORATION_H_
