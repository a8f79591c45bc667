// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_exploration.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace fencepost {

Result<FileExploreResult> FileExploration::Walk(bool exhaustive) {
  result_.log10_raw_states = result_.log10_explored_raw_states = kNoStatesLog10;
  FileWalk walk(run_.events, &model_);
  while (const std::optional<CrashPoint> point = walk.Next()) {
    const bool skipped = point->index < options_.first_point || stopped();
    if (!skipped) RETURN_IF_ERROR(ExplorePoint(*point));
    RETURN_IF_ERROR(judge_->status());
    const double states = model_.Log10States();
    ++result_.crash_points;
    result_.log10_raw_states = AddLog10(result_.log10_raw_states, states);
    if (!skipped && !stopped()) {
      ++result_.explored_points;
      result_.log10_explored_raw_states = AddLog10(result_.log10_explored_raw_states, states);
    }
    if (!skipped && stopped()) result_.next_point = point->index;
    since_ = point->event;
    if (hooks_.progress) {
      hooks_.progress({.fraction = static_cast<double>(point->event) /
                                   static_cast<double>(std::max<uint64_t>(run_.events.size(), 1)),
                       .recoveries = result_.recoveries,
                       .groups = verdicts_.group_count()});
    }
  }
  RETURN_IF_ERROR(walk.status());
  RETURN_IF_ERROR(Drain());
  RETURN_IF_ERROR(judge_->status());
  result_.outcomes = verdicts_.CountOutcomes();
  result_.verdicts = verdicts_.judged();
  result_.failed_verdicts = verdicts_.failed();
  result_.stopped = budget_.stopped();
  result_.every_state = exhaustive && !result_.states_cut && !stopped() &&
                        result_.explored_points == result_.crash_points && options_.shards == 1 &&
                        options_.first_point == 0;
  result_.groups = verdicts_.TakeGroups();
  result_.places = walk.places();
  result_.seconds = budget_.Seconds();
  return std::move(result_);
}

void FileExploration::CountState() {
  constexpr uint64_t kStatesPerLookAtTheClock = 64;
  if (result_.states++ % kStatesPerLookAtTheClock == 0) budget_.Check(verdicts_.group_count());
}

}  // namespace fencepost
