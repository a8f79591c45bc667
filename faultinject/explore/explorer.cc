// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/explorer.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

namespace fencepost {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double kNoStates = -std::numeric_limits<double>::infinity();

// log10(10^a + 10^b).
double AddLog10(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNoStates ? a : a + std::log10(1 + std::pow(10, b - a));
}

// Each crash point draws from a stream of its own, so that one may be explored alone.
uint64_t SeedOf(uint64_t seed, uint64_t point) {
  const uint64_t both[] = {seed, point};
  return XXH3_64bits(both, sizeof(both));
}

struct HashOfImageHash {
  size_t operator()(const ImageHash& hash) const { return hash.low; }
};

// What a recovery complained of comes last: it need not be the same each time (addresses), and
// tells no outcomes apart.
struct LessOutcome {
  bool operator()(const Outcome& a, const Outcome& b) const {
    return std::tie(a.end, a.code, a.answer, a.complaint) <
           std::tie(b.end, b.code, b.answer, b.complaint);
  }
};

struct PendingVerdict {
  CrashPoint point;
  CrashState state;
};

// A recovery that was submitted: its outcome, or who waits for it.
struct Job {
  const Outcome* outcome = nullptr;
  std::vector<PendingVerdict> waiting;
};

class Exploration {
 public:
  Exploration(const ExploreOptions& options, const TraceSurvey& survey, Judge* judge,
              const ExploreHooks& hooks)
      : options_(options), survey_(survey), judge_(judge), hooks_(hooks) {}

  Result<ExploreResult> Run(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
                            Recoverer* recoverer);

 private:
  Status ExplorePoint(const CrashPoint& point, const Px86& model);
  Status Try(const CrashPoint& point, const CrashState& state);
  ImageHash HashOfState(const CrashState& state) const;
  void Complete(uint64_t job, Outcome outcome);
  void JudgeOne(const CrashPoint& point, const CrashState& state, const Outcome& outcome);
  void CountPoint(const Px86& model, bool explored);
  // Time and interrupts; these also end the generation of states that need no recovery.
  void CheckTime();
  uint64_t CountOutcomes() const;
  void Tell(const CrashPoint& point);
  double Seconds() const {
    return std::chrono::duration<double>(SteadyClock::now() - start_).count();
  }

  const ExploreOptions& options_;
  const TraceSurvey& survey_;
  Judge* const judge_;
  const ExploreHooks& hooks_;
  const SteadyClock::time_point start_ = SteadyClock::now();
  ImageSet images_;
  std::unique_ptr<RecoveryPool> pool_;
  std::unordered_map<ImageHash, uint64_t, HashOfImageHash> job_of_image_;
  std::unordered_map<uint64_t, Job> jobs_;
  std::set<Outcome, LessOutcome> outcomes_;  // a reference to one stays valid
  ImageHash context_hash_;
  std::string context_;
  std::set<uint64_t> tried_here_;  // jobs of this crash point
  uint64_t since_ = 0;             // the event of the crash point before
  std::map<std::tuple<std::string, uint32_t, int>, FindingGroup> groups_;
  ExploreResult result_;
};

Result<ExploreResult> Exploration::Run(const Recording& recording, TraceFile* trace,
                                       const PoolOptions& pool, Recoverer* recoverer) {
  result_.log10_raw_states = result_.log10_explored_raw_states = kNoStates;
  ASSIGN_OR_RETURN(images_, InitialImages(recording, trace));
  ASSIGN_OR_RETURN(
      pool_, RecoveryPool::Start(pool, &images_, recoverer, [this](uint64_t job, Outcome outcome) {
        Complete(job, std::move(outcome));
      }));
  TraceWalk walk(trace, survey_, options_.model, &images_);
  while (const std::optional<CrashPoint> point = walk.Next()) {
    const bool skipped = point->index < options_.first_point || !result_.stopped.empty();
    if (!skipped) RETURN_IF_ERROR(ExplorePoint(*point, walk.model()));
    RETURN_IF_ERROR(judge_->status());
    CountPoint(walk.model(), !skipped && result_.stopped.empty());
    if (!skipped && !result_.stopped.empty()) result_.next_point = point->index;
    since_ = point->event;
    Tell(*point);
  }
  RETURN_IF_ERROR(walk.status());
  RETURN_IF_ERROR(pool_->Drain());
  RETURN_IF_ERROR(judge_->status());
  pool_.reset();
  result_.outcomes = CountOutcomes();
  result_.every_state = options_.strategy.exhaustive() && !result_.lines_cut &&
                        result_.stopped.empty() && options_.shards == 1 &&
                        options_.first_point == 0;
  for (auto& [key, group] : groups_) result_.groups.push_back(std::move(group));
  std::stable_sort(result_.groups.begin(), result_.groups.end(),
                   [](const auto& a, const auto& b) { return a.point.index < b.point.index; });
  result_.seconds = Seconds();
  return std::move(result_);
}

void Exploration::CountPoint(const Px86& model, bool explored) {
  ++result_.crash_points;
  const double raw = model.Log10RawStates();
  result_.log10_raw_states = AddLog10(result_.log10_raw_states, raw);
  if (!explored) return;
  ++result_.explored_points;
  result_.log10_explored_raw_states = AddLog10(result_.log10_explored_raw_states, raw);
  for (const auto& [id, line] : model.lines()) result_.mixed_lines += line.mixed() ? 1 : 0;
}

Status Exploration::ExplorePoint(const CrashPoint& point, const Px86& model) {
  context_ = judge_->Context(point);
  const XXH128_hash_t hash = XXH3_128bits(context_.data(), context_.size());
  context_hash_ = context_.empty() ? ImageHash{} : ImageHash{hash.low64, hash.high64};
  tried_here_.clear();
  Status status;
  const bool complete = options_.strategy.Generate(model, SeedOf(options_.seed, point.index),
                                                   since_, [&](const CrashState& state) {
                                                     status = Try(point, state);
                                                     return status.ok() && result_.stopped.empty();
                                                   });
  if (!complete) result_.lines_cut = true;
  return status;
}

ImageHash Exploration::HashOfState(const CrashState& state) const {
  ImageHash hash = images_.hash();
  LineBytes durable;
  for (const auto& [id, chosen] : state) {
    images_.ReadLine(id, &durable);
    const LineBytes bytes = images_.InFile(id, chosen.bytes);
    if (durable == bytes) continue;
    hash ^= HashOfLine(id, durable);
    hash ^= HashOfLine(id, bytes);
  }
  hash ^= context_hash_;
  return hash;
}

Status Exploration::Try(const CrashPoint& point, const CrashState& state) {
  constexpr uint64_t kStatesPerLookAtTheClock = 64;
  if (result_.states++ % kStatesPerLookAtTheClock == 0) CheckTime();
  if (!result_.stopped.empty()) return Status::Ok();
  const ImageHash hash = HashOfState(state);
  if (hash.low % options_.shards != options_.shard) return Status::Ok();
  const auto [found, is_new] = job_of_image_.try_emplace(hash, job_of_image_.size());
  const uint64_t number = found->second;
  if (!tried_here_.insert(number).second) return Status::Ok();
  Job& job = jobs_[number];
  if (!is_new) {
    if (job.outcome != nullptr) {
      JudgeOne(point, state, *job.outcome);
    } else {
      job.waiting.push_back({point, state});
    }
    return Status::Ok();
  }
  CheckTime();
  if (result_.stopped.empty() && result_.recoveries >= options_.max_states) {
    result_.stopped = fmt::format("the budget of {} recoveries was used up", options_.max_states);
  }
  if (!result_.stopped.empty()) {
    // Not executed: whoever comes to this image later must not wait for it.
    jobs_.erase(number);
    job_of_image_.erase(found);
    return Status::Ok();
  }
  job.waiting.push_back({point, state});
  ++result_.recoveries;
  return pool_->Submit(number, state, context_);
}

void Exploration::CheckTime() {
  if (options_.max_seconds > 0 && Seconds() >= options_.max_seconds) {
    result_.stopped = fmt::format("the budget of {} s was used up", options_.max_seconds);
  } else if (options_.stop_after > 0 && groups_.size() >= options_.stop_after) {
    result_.stopped = "enough violations were found";
  } else if (hooks_.interrupted && hooks_.interrupted()) {
    result_.stopped = "interrupted";
  }
}

uint64_t Exploration::CountOutcomes() const {
  uint64_t count = 0;
  const Outcome* before = nullptr;
  for (const Outcome& outcome : outcomes_) {
    const bool same = before != nullptr && before->end == outcome.end &&
                      before->code == outcome.code && before->answer == outcome.answer;
    if (!same) ++count;
    before = &outcome;
  }
  return count;
}

void Exploration::Complete(uint64_t number, Outcome outcome) {
  Job& job = jobs_.at(number);
  job.outcome = &*outcomes_.insert(std::move(outcome)).first;
  for (const PendingVerdict& pending : job.waiting) {
    JudgeOne(pending.point, pending.state, *job.outcome);
  }
  job.waiting = {};
}

void Exploration::JudgeOne(const CrashPoint& point, const CrashState& state,
                           const Outcome& outcome) {
  ++result_.verdicts;
  const std::vector<Finding> findings = judge_->Verdict(point, outcome);
  if (!findings.empty()) ++result_.failed_verdicts;
  for (const Finding& finding : findings) {
    FindingGroup& group = groups_[{finding.kind, point.stack, static_cast<int>(point.before)}];
    // Recoveries end in any order; the example is the first of the trace all the same.
    const bool is_first = group.occurrences == 0 ||
                          std::tie(point.index, state) < std::tie(group.point.index, group.state);
    if (is_first) {
      group.finding = finding;
      group.point = point;
      group.state = state;
      group.outcome = outcome;
    }
    ++group.occurrences;
  }
}

void Exploration::Tell(const CrashPoint& point) {
  if (!hooks_.progress) return;
  hooks_.progress({.fraction = survey_.events == 0 ? 1
                                                   : static_cast<double>(point.event) /
                                                         static_cast<double>(survey_.events),
                   .recoveries = result_.recoveries,
                   .groups = groups_.size()});
}

}  // namespace

Result<ExploreResult> Explore(const Recording& recording, TraceFile* trace,
                              const TraceSurvey& survey, const ExploreOptions& options,
                              const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                              const ExploreHooks& hooks) {
  return Exploration(options, survey, judge, hooks).Run(recording, trace, pool, recoverer);
}

}  // namespace fencepost
