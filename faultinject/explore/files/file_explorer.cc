// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_explorer.h"

#include <xxhash.h>

#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "faultinject/explore/files/file_exploration.h"
#include "faultinject/explore/files/file_read_explorer.h"
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

// By a strategy that needs no recovery to find its states.
class StrategyExploration : public FileExploration {
 public:
  using FileExploration::FileExploration;

  Result<FileExploreResult> Run(const FileStrategy& strategy, const PoolOptions& pool,
                                Recoverer* recoverer);

 protected:
  Status ExplorePoint(const CrashPoint& point) override;
  Status Drain() override { return pool_->Drain(); }

 private:
  Status Try(const CrashPoint& point, const PosixModel::Survivors& survivors);
  void Complete(uint64_t job, Outcome outcome);

  FileStrategy strategy_;
  std::unique_ptr<TreePool> pool_;
  std::unordered_map<uint64_t, uint64_t> job_of_tree_;  // by hash, of the context too
  std::unordered_map<uint64_t, Job> jobs_;
  std::string context_;
  uint64_t context_hash_ = 0;
  std::set<uint64_t> tried_here_;  // jobs of this crash point
};

Result<FileExploreResult> StrategyExploration::Run(const FileStrategy& strategy,
                                                   const PoolOptions& pool, Recoverer* recoverer) {
  strategy_ = strategy;
  ASSIGN_OR_RETURN(pool_, TreePool::Start(pool, recoverer, [this](uint64_t job, Outcome outcome) {
                     Complete(job, std::move(outcome));
                   }));
  return Walk(strategy.exhaustive());
}

Status StrategyExploration::ExplorePoint(const CrashPoint& point) {
  context_ = judge_->Context(point);
  context_hash_ = context_.empty() ? 0 : XXH3_64bits(context_.data(), context_.size());
  tried_here_.clear();
  if (!strategy_.exhaustive()) {
    // Whatever it tries: what is durable must do by itself, and so must all that was done.
    RETURN_IF_ERROR(Try(point, model_.Oldest()));
    RETURN_IF_ERROR(Try(point, model_.Newest()));
  }
  Status status;
  const bool whole = strategy_.Generate(model_, SeedOfPoint(options_.seed, point.index), since_,
                                        [&](const PosixModel::Survivors& survivors) {
                                          status = Try(point, survivors);
                                          return status.ok() && !stopped();
                                        });
  result_.states_cut |= !whole && !stopped();
  return status;
}

Status StrategyExploration::Try(const CrashPoint& point, const PosixModel::Survivors& survivors) {
  CountState();
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

void StrategyExploration::Complete(uint64_t number, Outcome outcome) {
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
  if (!options.strategy.by_reads()) {
    return StrategyExploration(run, options, judge, hooks).Run(options.strategy, pool, recoverer);
  }
  Result<FileExploreResult> result =
      ExploreFilesByReads(run, options, pool, recoverer, judge, hooks);
  if (result.status().code() != StatusCode::kUnsupported) return result;
  if (options.unwatched.row == nullptr) return result;
  const std::string why(result.status().message());
  result = StrategyExploration(run, options, judge, hooks).Run(options.unwatched, pool, recoverer);
  if (result.ok()) result->unwatched = why;
  return result;
}

}  // namespace fencepost
