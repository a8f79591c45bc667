// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_explorer.h"

#include <xxhash.h>

#include <map>
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

// Jobs that use a store on are told by their numbers.
constexpr uint64_t kFirstUse = uint64_t{1} << 63;

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
  Status UseOn(const CrashPoint& point);

  FileStrategy strategy_;
  Recoverer* recoverer_ = nullptr;
  std::unique_ptr<TreePool> pool_;
  std::unordered_map<uint64_t, uint64_t> job_of_tree_;  // by hash, of the context too
  std::unordered_map<uint64_t, Job> jobs_;
  std::string context_;
  uint64_t context_hash_ = 0;
  std::set<uint64_t> tried_here_;  // jobs of this crash point
  // Of those, that were not known before: in the order of the strategy.
  struct New {
    uint64_t job = 0;
    FileCrashState state;
    FileTree tree;
  };
  std::vector<New> new_here_;
  std::set<OutcomeKey> used_on_;
  std::unordered_map<uint64_t, Outcome> uses_;  // by job
  uint64_t next_use_ = kFirstUse;
};

Result<FileExploreResult> StrategyExploration::Run(const FileStrategy& strategy,
                                                   const PoolOptions& pool, Recoverer* recoverer) {
  strategy_ = strategy;
  recoverer_ = recoverer;
  ASSIGN_OR_RETURN(pool_, TreePool::Start(pool, recoverer, [this](uint64_t job, Outcome outcome) {
                     Complete(job, std::move(outcome));
                   }));
  return Walk(strategy);
}

Status StrategyExploration::ExplorePoint(const CrashPoint& point) {
  context_ = judge_->Context(point);
  context_hash_ = context_.empty() ? 0 : XXH3_64bits(context_.data(), context_.size());
  tried_here_.clear();
  new_here_.clear();
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
  record().states_cut |= !whole && !stopped();
  RETURN_IF_ERROR(status);
  return UseOn(point);
}

Status StrategyExploration::Try(const CrashPoint& point, const PosixModel::Survivors& survivors) {
  CountState();
  if (stopped()) return Status::Ok();
  const FileTree tree = model_.Build(survivors);
  const uint64_t hash = tree.Hash() ^ context_hash_;
  if (hash % options_.shards != options_.shard) return Status::Ok();
  ++record().states;
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
  if (!MayRecover()) {
    // Not executed: whoever comes to this tree later must not wait for it.
    jobs_.erase(number);
    job_of_tree_.erase(found);
    return Status::Ok();
  }
  job.waiting.push_back({point, state});
  ++record().recoveries;
  new_here_.push_back({number, std::move(state), tree});
  return pool_->SubmitOnly(number, tree, context_);
}

void StrategyExploration::Complete(uint64_t number, Outcome outcome) {
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
Status StrategyExploration::UseOn(const CrashPoint& point) {
  if (!recoverer_->UsesOn() || new_here_.empty()) return Status::Ok();
  RETURN_IF_ERROR(pool_->Drain());
  std::map<uint64_t, std::pair<const Outcome*, const New*>> by_job;
  for (const New& made : new_here_) {
    const Outcome* const outcome = jobs_.at(made.job).outcome;
    if (outcome->end != Outcome::End::kAnswered) continue;
    if (!used_on_.insert(KeyOf(*outcome)).second) continue;
    if (!MayRecover()) break;
    ++record().recoveries;
    by_job[next_use_] = {outcome, &made};
    RETURN_IF_ERROR(pool_->Submit(next_use_++, made.tree, context_));
  }
  RETURN_IF_ERROR(pool_->Drain());
  for (const auto& [job, used] : by_job) {
    const auto& [outcome, made] = used;
    verdicts_.JudgeUse(point, made->state, *outcome, verdicts_.KindsOf(point, *outcome),
                       uses_.extract(job).mapped());
  }
  return Status::Ok();
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
