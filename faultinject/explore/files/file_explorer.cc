// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_explorer.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cmath>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "faultinject/explore/budget.h"
#include "faultinject/explore/files/tree_pool.h"

namespace fencepost {
namespace {

struct PendingVerdict {
  CrashPoint point;
  FileCrashState state;
};

// A recovery that was submitted: its outcome, or who waits for it.
struct Job {
  const Outcome* outcome = nullptr;
  std::vector<PendingVerdict> waiting;
};

class FileExploration {
 public:
  FileExploration(const FileRun& run, const FileExploreOptions& options, Judge* judge,
                  const ExploreHooks& hooks)
      : run_(run),
        options_(options),
        judge_(judge),
        hooks_(hooks),
        model_(*options.file_system, options.model, run.initial),
        verdicts_(judge),
        budget_({.max_recoveries = options.max_states,
                 .max_seconds = options.max_seconds,
                 .stop_after = options.stop_after},
                hooks) {}

  Result<FileExploreResult> Run(const PoolOptions& pool, Recoverer* recoverer);

 private:
  Status ExplorePoint(const CrashPoint& point);
  Status Try(const CrashPoint& point, const PosixModel::Survivors& survivors);
  void Complete(uint64_t job, Outcome outcome);
  bool stopped() const { return !budget_.stopped().empty(); }

  const FileRun& run_;
  const FileExploreOptions& options_;
  Judge* const judge_;
  const ExploreHooks& hooks_;
  PosixModel model_;
  VerdictsOf<FileCrashState> verdicts_;
  ExploreBudget budget_;
  std::unique_ptr<TreePool> pool_;
  FileExploreResult result_;

  std::unordered_map<uint64_t, uint64_t> job_of_tree_;  // by hash, of the context too
  std::unordered_map<uint64_t, Job> jobs_;
  std::string context_;
  uint64_t context_hash_ = 0;
  std::set<uint64_t> tried_here_;  // jobs of this crash point
  uint64_t since_ = 0;             // the event of the crash point before
};

Result<FileExploreResult> FileExploration::Run(const PoolOptions& pool, Recoverer* recoverer) {
  ASSIGN_OR_RETURN(pool_, TreePool::Start(pool, recoverer, [this](uint64_t job, Outcome outcome) {
                     Complete(job, std::move(outcome));
                   }));
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
  RETURN_IF_ERROR(pool_->Drain());
  RETURN_IF_ERROR(judge_->status());
  pool_.reset();
  result_.outcomes = verdicts_.CountOutcomes();
  result_.verdicts = verdicts_.judged();
  result_.failed_verdicts = verdicts_.failed();
  result_.stopped = budget_.stopped();
  result_.every_state = options_.strategy.exhaustive() && !result_.states_cut && !stopped() &&
                        result_.explored_points == result_.crash_points && options_.shards == 1 &&
                        options_.first_point == 0;
  result_.groups = verdicts_.TakeGroups();
  result_.places = walk.places();
  result_.seconds = budget_.Seconds();
  return std::move(result_);
}

Status FileExploration::ExplorePoint(const CrashPoint& point) {
  context_ = judge_->Context(point);
  context_hash_ = context_.empty() ? 0 : XXH3_64bits(context_.data(), context_.size());
  tried_here_.clear();
  tried_here_.clear();
  if (!options_.strategy.exhaustive()) {
    // Whatever it tries: what is durable must do by itself, and so must all that was done.
    RETURN_IF_ERROR(Try(point, model_.Oldest()));
    RETURN_IF_ERROR(Try(point, model_.Newest()));
  }
  Status status;
  const bool whole =
      options_.strategy.Generate(model_, SeedOfPoint(options_.seed, point.index), since_,
                                 [&](const PosixModel::Survivors& survivors) {
                                   status = Try(point, survivors);
                                   return status.ok() && !stopped();
                                 });
  result_.states_cut |= !whole && !stopped();
  return status;
}

Status FileExploration::Try(const CrashPoint& point, const PosixModel::Survivors& survivors) {
  constexpr uint64_t kStatesPerLookAtTheClock = 64;
  if (result_.states++ % kStatesPerLookAtTheClock == 0) budget_.Check(verdicts_.group_count());
  if (stopped()) return Status::Ok();
  const FileTree tree = model_.Build(survivors);
  const uint64_t hash = tree.Hash() ^ context_hash_;
  if (hash % options_.shards != options_.shard) return Status::Ok();
  const auto [found, is_new] = job_of_tree_.try_emplace(hash, job_of_tree_.size());
  const uint64_t number = found->second;
  if (!tried_here_.insert(number).second) return Status::Ok();
  Job& job = jobs_[number];
  FileCrashState state = model_.StateOf(survivors);
  if (!is_new) {
    if (job.outcome != nullptr) {
      verdicts_.JudgeOne(point, state, *job.outcome);
    } else {
      job.waiting.push_back({point, std::move(state)});
    }
    return Status::Ok();
  }
  if (!budget_.MayRecover(result_.recoveries, verdicts_.group_count())) {
    // Not executed: whoever comes to this tree later must not wait for it.
    jobs_.erase(number);
    job_of_tree_.erase(found);
    return Status::Ok();
  }
  job.waiting.push_back({point, std::move(state)});
  ++result_.recoveries;
  return pool_->Submit(number, tree, context_);
}

void FileExploration::Complete(uint64_t number, Outcome outcome) {
  Job& job = jobs_.at(number);
  job.outcome = verdicts_.Keep(std::move(outcome));
  for (const PendingVerdict& pending : job.waiting) {
    verdicts_.JudgeOne(pending.point, pending.state, *job.outcome);
  }
  job.waiting = {};
}

}  // namespace

Result<FileExploreResult> ExploreFiles(const FileRun& run, const FileExploreOptions& options,
                                       const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                                       const ExploreHooks& hooks) {
  return FileExploration(run, options, judge, hooks).Run(pool, recoverer);
}

}  // namespace fencepost
