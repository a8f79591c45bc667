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
      parts_(options.dealer),
      budget_({.max_recoveries = options.max_states,
               .max_seconds = options.max_seconds,
               .stop_after = options.stop_after},
              hooks) {}

Status Exploration::Start(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
                          Recoverer* recoverer, RecoveryPool::Done done) {
  ASSIGN_OR_RETURN(images_, InitialImages(recording, trace));
  ASSIGN_OR_RETURN(pool_, RecoveryPool::Start(pool, &images_, recoverer, std::move(done)));
  return Status::Ok();
}

PointSize Exploration::SizeOf(const Px86& model) {
  PointSize size{.log10_raw_states = model.Log10RawStates()};
  for (const auto& [id, line] : model.lines()) size.mixed_lines += line.mixed() ? 1 : 0;
  return size;
}

Status Exploration::CompletePart(ExplorePart* part) {
  RETURN_IF_ERROR(pool_->Drain());
  RETURN_IF_ERROR(judge_->status());
  part->verdicts = verdicts_.TakeTally();
  part->seconds = budget_.Seconds() - std::exchange(seconds_before_, budget_.Seconds());
  return Status::Ok();
}

Status Exploration::EndUnit() {
  if (options_.dealer != nullptr && stopped()) return Status::Ok();  // not a whole one
  return parts_.Advance([this](ExplorePart* part) { return CompletePart(part); });
}

void Exploration::Tell(const CrashPoint& point) {
  if (!hooks_.progress) return;
  hooks_.progress({.fraction = survey_.events == 0 ? 1
                                                   : static_cast<double>(point.event) /
                                                         static_cast<double>(survey_.events),
                   .recoveries = record().recoveries,
                   .groups = verdicts_.group_count()});
}

Result<ExploreResult> Exploration::Finish(const TraceWalk& walk) {
  RETURN_IF_ERROR(walk.status());
  if (!MayStop()) {
    RETURN_IF_ERROR(parts_.Finish([this](ExplorePart* part) { return CompletePart(part); }));
  }
  RETURN_IF_ERROR(pool_->Drain());
  pool_.reset();
  ExploreResult result = ResultOf(std::move(record()), options_.strategy);
  result.units = parts_.units();
  result.stopped = budget_.stopped();
  result.next_point = next_point_;
  result.every_state &= !stopped() && options_.shards == 1 && options_.first_point == 0;
  return result;
}

ExploreResult ResultOf(ExplorePart part, const Strategy& strategy) {
  ExploreResult result;
  for (const ExploredPoint& point : part.points) {
    if (point.explored) result.mixed_lines += point.size.mixed_lines;
  }
  result.traced_recoveries = part.traced_recoveries;
  result.nested_points = part.nested_points;
  result.nested_states = part.nested_states;
  result.nested_recoveries = part.nested_recoveries;
  result.lines_cut = part.states_cut;
  SetResult(std::move(part), &result);
  result.every_state =
      strategy.exhaustive() && !result.lines_cut && result.explored_points == result.crash_points;
  return result;
}

}  // namespace fencepost
