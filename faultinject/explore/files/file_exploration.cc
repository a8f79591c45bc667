// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_exploration.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace fencepost {

Status FileExploration::CompletePart(const FileWalk& walk, FileExplorePart* part) {
  RETURN_IF_ERROR(Drain());
  RETURN_IF_ERROR(judge_->status());
  part->verdicts = verdicts_.TakeTally();
  part->places = walk.places();
  part->seconds = budget_.Seconds() - std::exchange(seconds_before_, budget_.Seconds());
  return Status::Ok();
}

Result<FileExploreResult> FileExploration::Walk(const FileStrategy& strategy) {
  FileWalk walk(run_.events, &model_);
  const auto complete = [&](FileExplorePart* part) { return CompletePart(walk, part); };
  // Nobody wants what lies ahead.
  const auto may_stop = [&] { return options_.dealer != nullptr && (parts_.done() || stopped()); };
  uint64_t next_point = 0;
  while (!may_stop()) {
    const std::optional<CrashPoint> point = walk.Next();
    if (!point) break;
    const bool skipped = point->index < options_.first_point || stopped();
    if (parts_.wanted()) {
      if (!skipped) RETURN_IF_ERROR(ExplorePoint(*point));
      RETURN_IF_ERROR(judge_->status());
      record().points.push_back({.index = point->index,
                                 .size = {.log10_raw_states = model_.Log10States()},
                                 .explored = !skipped && !stopped()});
    }
    if (!skipped && stopped()) next_point = point->index;
    since_ = point->event;
    if (hooks_.progress) {
      hooks_.progress({.fraction = static_cast<double>(point->event) /
                                   static_cast<double>(std::max<uint64_t>(run_.events.size(), 1)),
                       .recoveries = record().recoveries,
                       .groups = verdicts_.group_count()});
    }
    const bool is_cut = options_.dealer != nullptr && stopped();  // not a whole part
    if (!is_cut) RETURN_IF_ERROR(parts_.Advance(complete));
  }
  RETURN_IF_ERROR(walk.status());
  if (!may_stop()) RETURN_IF_ERROR(parts_.Finish(complete));
  RETURN_IF_ERROR(Drain());
  FileExploreResult result = ResultOf(std::move(record()), strategy);
  result.units = parts_.units();
  result.stopped = budget_.stopped();
  result.next_point = next_point;
  result.every_state &= !stopped() && options_.shards == 1 && options_.first_point == 0;
  return result;
}

void FileExploration::CountState() {
  constexpr uint64_t kStatesPerLookAtTheClock = 64;
  if (states_seen_++ % kStatesPerLookAtTheClock == 0) budget_.Check(verdicts_.group_count());
}

FileExploreResult ResultOf(FileExplorePart part, const FileStrategy& strategy) {
  FileExploreResult result;
  result.checks = part.checks;
  result.states_cut = part.states_cut;
  result.places = std::move(part.places);
  SetResult(std::move(part), &result);
  result.every_state =
      strategy.exhaustive() && !result.states_cut && result.explored_points == result.crash_points;
  return result;
}

}  // namespace fencepost
