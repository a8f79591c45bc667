// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/exploration.h"

#include <utility>

#include "faultinject/explore/trace_replay.h"

namespace fencepost {
Exploration::Exploration(const ExploreOptions& options, const TraceSurvey& survey, Judge* judge,
                         const ExploreHooks& hooks)
    : options_(options),
      survey_(survey),
      judge_(judge),
      hooks_(hooks),
      verdicts_(judge),
      budget_({.max_recoveries = options.max_states,
               .max_seconds = options.max_seconds,
               .stop_after = options.stop_after},
              hooks) {
  result_.log10_raw_states = result_.log10_explored_raw_states = kNoStatesLog10;
}

Status Exploration::Start(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
                          Recoverer* recoverer, RecoveryPool::Done done) {
  ASSIGN_OR_RETURN(images_, InitialImages(recording, trace));
  ASSIGN_OR_RETURN(pool_, RecoveryPool::Start(pool, &images_, recoverer, std::move(done)));
  return Status::Ok();
}

Exploration::PointSize Exploration::SizeOf(const Px86& model) {
  PointSize size{.log10_raw_states = model.Log10RawStates()};
  for (const auto& [id, line] : model.lines()) size.mixed_lines += line.mixed() ? 1 : 0;
  return size;
}

void Exploration::CountPoint(const PointSize& size, bool explored) {
  ++result_.crash_points;
  result_.log10_raw_states = AddLog10(result_.log10_raw_states, size.log10_raw_states);
  if (!explored) return;
  ++result_.explored_points;
  result_.log10_explored_raw_states =
      AddLog10(result_.log10_explored_raw_states, size.log10_raw_states);
  result_.mixed_lines += size.mixed_lines;
}

void Exploration::Tell(const CrashPoint& point) {
  if (!hooks_.progress) return;
  hooks_.progress({.fraction = survey_.events == 0 ? 1
                                                   : static_cast<double>(point.event) /
                                                         static_cast<double>(survey_.events),
                   .recoveries = result_.recoveries,
                   .groups = verdicts_.group_count()});
}

Result<ExploreResult> Exploration::Finish(const TraceWalk& walk) {
  RETURN_IF_ERROR(walk.status());
  RETURN_IF_ERROR(pool_->Drain());
  RETURN_IF_ERROR(judge_->status());
  pool_.reset();
  result_.outcomes = verdicts_.CountOutcomes();
  result_.verdicts = verdicts_.judged();
  result_.failed_verdicts = verdicts_.failed();
  result_.every_state = options_.strategy.exhaustive() && !result_.lines_cut && !stopped() &&
                        result_.explored_points == result_.crash_points && options_.shards == 1 &&
                        options_.first_point == 0;
  result_.groups = verdicts_.TakeGroups();
  result_.stopped = budget_.stopped();
  result_.seconds = budget_.Seconds();
  return std::move(result_);
}

}  // namespace fencepost
