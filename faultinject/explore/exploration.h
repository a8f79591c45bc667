// SPDX-License-Identifier: BSD-3-Clause
// Exploration: what the ways to explore a recording have in common: images, workers, verdicts,
// budgets and the count of what was done.
//
// Threads: one owner.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_EXPLORATION_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_EXPLORATION_H_

#include <memory>
#include <string>

#include "faultinject/explore/budget.h"
#include "faultinject/explore/explorer.h"

namespace fencepost {

class Exploration {
 public:
  Exploration(const ExploreOptions& options, const TraceSurvey& survey, Judge* judge,
              const ExploreHooks& hooks);

 protected:
  // What a crash point adds to the totals.
  struct PointSize {
    double log10_raw_states = 0;
    uint64_t mixed_lines = 0;
  };
  static PointSize SizeOf(const Px86& model);

  Status Start(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
               Recoverer* recoverer, RecoveryPool::Done done);
  void CountPoint(const PointSize& size, bool explored);
  void CheckTime() { budget_.Check(verdicts_.group_count()); }
  bool MayRecover() { return budget_.MayRecover(result_.recoveries, verdicts_.group_count()); }
  bool stopped() const { return !budget_.stopped().empty(); }
  void Tell(const CrashPoint& point);
  // Whether the campaign began behind this crash point, or was stopped before it.
  bool IsSkipped(const CrashPoint& point) const {
    return point.index < options_.first_point || stopped();
  }
  // Waits for all recoveries; the result. `every_state`: unless it was cut short.
  Result<ExploreResult> Finish(const TraceWalk& walk);

  const ExploreOptions& options_;
  const TraceSurvey& survey_;
  Judge* const judge_;
  const ExploreHooks& hooks_;
  ImageSet images_;
  std::unique_ptr<RecoveryPool> pool_;
  VerdictsOf<CrashState> verdicts_;
  ExploreResult result_;

 private:
  ExploreBudget budget_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_EXPLORATION_H_
