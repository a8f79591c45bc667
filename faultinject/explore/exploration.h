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
  static PointSize SizeOf(const Px86& model);

  Status Start(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
               Recoverer* recoverer, RecoveryPool::Done done);
  void CountPoint(uint64_t index, const PointSize& size, bool explored) {
    record().points.push_back({.index = index, .size = size, .explored = explored});
  }
  // The unit at hand is over.
  Status EndUnit();
  // Nobody wants what lies ahead.
  bool MayStop() const { return options_.dealer != nullptr && (parts_.done() || stopped()); }
  void CheckTime() { budget_.Check(verdicts_.group_count()); }
  bool MayRecover() { return budget_.MayRecover(record().recoveries, verdicts_.group_count()); }
  bool stopped() const { return !budget_.stopped().empty(); }
  void Tell(const CrashPoint& point);
  // Whether the campaign began behind this crash point, or was stopped before it.
  bool IsSkipped(const CrashPoint& point) const {
    return point.index < options_.first_point || stopped();
  }
  // Waits for all recoveries; the result. `every_state`: unless it was cut short.
  Result<ExploreResult> Finish(const TraceWalk& walk);
  ExplorePart& record() { return *parts_.part(); }

  const ExploreOptions& options_;
  const TraceSurvey& survey_;
  Judge* const judge_;
  const ExploreHooks& hooks_;
  ImageSet images_;
  std::unique_ptr<RecoveryPool> pool_;
  VerdictsOf<CrashState> verdicts_;
  PartKeeperOf<CrashState> parts_;
  uint64_t next_point_ = 0;  // where to go on, once stopped

 private:
  Status CompletePart(ExplorePart* part);

  ExploreBudget budget_;
  double seconds_before_ = 0;  // until the part began
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_EXPLORATION_H_
