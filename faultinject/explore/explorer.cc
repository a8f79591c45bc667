// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/explorer.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "faultinject/explore/exploration.h"
#include "faultinject/explore/read_explorer.h"

namespace fencepost {
namespace {

struct HashOfImageHash {
  size_t operator()(const ImageHash& hash) const { return hash.low; }
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

// Jobs that use a store on are told by their numbers.
constexpr uint64_t kFirstUse = uint64_t{1} << 63;

// Explores image by image: a strategy gives the states of each crash point.
class ImageExploration : public Exploration {
 public:
  using Exploration::Exploration;

  Result<ExploreResult> Run(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
                            Recoverer* recoverer);

 private:
  Status ExplorePoint(const CrashPoint& point, const Px86& model);
  Status Try(const CrashPoint& point, const CrashState& state);
  ImageHash HashOfState(const CrashState& state) const;
  void Complete(uint64_t job, Outcome outcome);
  Status UseOn(const CrashPoint& point);

  Recoverer* recoverer_ = nullptr;
  std::unordered_map<ImageHash, uint64_t, HashOfImageHash> job_of_image_;
  std::unordered_map<uint64_t, Job> jobs_;
  ImageHash context_hash_;
  std::string context_;
  std::set<uint64_t> tried_here_;  // jobs of this crash point
  // Of those, that were not known before: in the order of the strategy.
  std::vector<std::pair<uint64_t, CrashState>> new_here_;
  std::set<OutcomeKey> used_on_;
  std::unordered_map<uint64_t, Outcome> uses_;  // by job
  uint64_t next_use_ = kFirstUse;
  uint64_t since_ = 0;  // the event of the crash point before
  uint64_t states_seen_ = 0;
};

Result<ExploreResult> ImageExploration::Run(const Recording& recording, TraceFile* trace,
                                            const PoolOptions& pool, Recoverer* recoverer) {
  recoverer_ = recoverer;
  RETURN_IF_ERROR(Start(recording, trace, pool, recoverer, [this](uint64_t job, Outcome outcome) {
    Complete(job, std::move(outcome));
  }));
  TraceWalk walk(trace, survey_, options_.model, &images_);
  while (!MayStop()) {
    const std::optional<CrashPoint> point = walk.Next();
    if (!point) break;
    const bool skipped = IsSkipped(*point);
    if (parts_.wanted()) {
      if (!skipped) RETURN_IF_ERROR(ExplorePoint(*point, walk.model()));
      RETURN_IF_ERROR(judge_->status());
      CountPoint(point->index, SizeOf(walk.model()), !skipped && !stopped());
    }
    if (!skipped && stopped()) next_point_ = point->index;
    since_ = point->event;
    Tell(*point);
    RETURN_IF_ERROR(EndUnit());
  }
  return Finish(walk);
}

Status ImageExploration::ExplorePoint(const CrashPoint& point, const Px86& model) {
  context_ = judge_->Context(point);
  const XXH128_hash_t hash = XXH3_128bits(context_.data(), context_.size());
  context_hash_ = context_.empty() ? ImageHash{} : ImageHash{hash.low64, hash.high64};
  tried_here_.clear();
  new_here_.clear();
  Status status;
  const bool complete = options_.strategy.Generate(model, SeedOfPoint(options_.seed, point.index),
                                                   since_, [&](const CrashState& state) {
                                                     status = Try(point, state);
                                                     return status.ok() && !stopped();
                                                   });
  if (!complete) record().states_cut = true;
  RETURN_IF_ERROR(status);
  return UseOn(point);
}

ImageHash ImageExploration::HashOfState(const CrashState& state) const {
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

Status ImageExploration::Try(const CrashPoint& point, const CrashState& state) {
  constexpr uint64_t kStatesPerLookAtTheClock = 64;
  if (states_seen_++ % kStatesPerLookAtTheClock == 0) CheckTime();
  if (stopped()) return Status::Ok();
  const ImageHash hash = HashOfState(state);
  if (hash.low % options_.shards != options_.shard) return Status::Ok();
  ++record().states;
  const auto [found, is_new] = job_of_image_.try_emplace(hash, job_of_image_.size());
  const uint64_t number = found->second;
  if (!tried_here_.insert(number).second) return Status::Ok();
  Job& job = jobs_[number];
  if (!is_new) {
    if (job.outcome != nullptr) {
      verdicts_.JudgeOne(point, state, *job.outcome);
    } else {
      job.waiting.push_back({point, state});
    }
    return Status::Ok();
  }
  if (!MayRecover()) {
    // Not executed: whoever comes to this image later must not wait for it.
    jobs_.erase(number);
    job_of_image_.erase(found);
    return Status::Ok();
  }
  job.waiting.push_back({point, state});
  new_here_.emplace_back(number, state);
  ++record().recoveries;
  return pool_->SubmitOnly(number, state, context_);
}

void ImageExploration::Complete(uint64_t number, Outcome outcome) {
  if (number >= kFirstUse) {
    uses_.emplace(number, std::move(outcome));
    return;
  }
  Job& job = jobs_.at(number);
  job.outcome = verdicts_.Keep(std::move(outcome));
  for (const PendingVerdict& pending : job.waiting) {
    verdicts_.JudgeOne(pending.point, pending.state, *job.outcome);
  }
  job.waiting = {};
}

// Of what this crash point has shown, the outcomes that none before has had. All that is under way
// is of it: which state stands for an outcome must not depend on which recovery ends first.
Status ImageExploration::UseOn(const CrashPoint& point) {
  if (!recoverer_->UsesOn() || new_here_.empty()) return Status::Ok();
  RETURN_IF_ERROR(pool_->Drain());
  std::map<uint64_t, std::pair<const Outcome*, const CrashState*>> by_job;
  for (const auto& [number, state] : new_here_) {
    const Outcome* const outcome = jobs_.at(number).outcome;
    if (outcome->end != Outcome::End::kAnswered) continue;
    if (!used_on_.insert(KeyOf(*outcome)).second) continue;
    if (!MayRecover()) break;
    ++record().recoveries;
    by_job[next_use_] = {outcome, &state};
    RETURN_IF_ERROR(pool_->Submit(next_use_++, state, context_));
  }
  RETURN_IF_ERROR(pool_->Drain());
  for (const auto& [job, used] : by_job) {
    const auto& [outcome, state] = used;
    verdicts_.JudgeUse(point, *state, *outcome, verdicts_.KindsOf(point, *outcome),
                       uses_.extract(job).mapped());
  }
  return Status::Ok();
}

}  // namespace

Result<ExploreResult> Explore(const Recording& recording, TraceFile* trace,
                              const TraceSurvey& survey, const ExploreOptions& options,
                              const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                              const ExploreHooks& hooks) {
  if (options.strategy.by_reads()) {
    return ExploreByReads(recording, trace, survey, options, pool, recoverer, judge, hooks);
  }
  return ImageExploration(options, survey, judge, hooks).Run(recording, trace, pool, recoverer);
}

}  // namespace fencepost
