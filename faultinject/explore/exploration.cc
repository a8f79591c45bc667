// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/exploration.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "faultinject/explore/trace_replay.h"

namespace fencepost {
namespace {

constexpr double kNoStates = -std::numeric_limits<double>::infinity();

// log10(10^a + 10^b).
double AddLog10(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNoStates ? a : a + std::log10(1 + std::pow(10, b - a));
}

}  // namespace

Exploration::Exploration(const ExploreOptions& options, const TraceSurvey& survey, Judge* judge,
                         const ExploreHooks& hooks)
    : options_(options), survey_(survey), judge_(judge), hooks_(hooks), verdicts_(judge) {
  result_.log10_raw_states = result_.log10_explored_raw_states = kNoStates;
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

void Exploration::CheckTime() {
  if (options_.max_seconds > 0 && Seconds() >= options_.max_seconds) {
    result_.stopped = fmt::format("the budget of {} s was used up", options_.max_seconds);
  } else if (options_.stop_after > 0 && verdicts_.group_count() >= options_.stop_after) {
    result_.stopped = "enough violations were found";
  } else if (hooks_.interrupted && hooks_.interrupted()) {
    result_.stopped = "interrupted";
  }
}

bool Exploration::MayRecover() {
  CheckTime();
  if (!stopped() && result_.recoveries >= options_.max_states) {
    result_.stopped = fmt::format("the budget of {} recoveries was used up", options_.max_states);
  }
  return !stopped();
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
  result_.seconds = Seconds();
  return std::move(result_);
}

}  // namespace fencepost
