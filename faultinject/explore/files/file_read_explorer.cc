// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_read_explorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>
#include <utility>

#include "faultinject/explore/files/deciding_pieces.h"
#include "faultinject/explore/files/file_exploration.h"
#include "faultinject/explore/files/known_recoveries.h"
#include "faultinject/explore/files/state_region.h"
#include "faultinject/explore/files/tree_pool.h"
#include "faultinject/explore/files/tree_questions.h"

namespace fencepost {
namespace {

using Survivors = PosixModel::Survivors;

// So many states are recovered from before it is seen what came of them, however many workers there
// are: the result must not depend on that.
constexpr size_t kBatch = 16;
// One recovery in so many, and the first few, are executed again with all else changed.
constexpr uint64_t kRecoveriesACheck = 16, kFirstChecks = 16;

bool SameOutcome(const Outcome& a, const Outcome& b) {
  return a.end == b.end && a.code == b.code && a.answer == b.answer;
}

// What is left of a region after a state in it: a part for each piece that decided, in which that
// one is otherwise and those before it are not.
struct Split {
  StateRegion region;
  std::vector<PieceIndex> pieces;
  Survivors survivors;
  size_t next = 0;

  // The next part, if there is one.
  std::optional<StateRegion> Next(const PieceNeeds& needs) {
    while (next < pieces.size()) {
      const PieceIndex piece = pieces[next++];
      if (!region.IsOpen(piece)) continue;
      StateRegion part = region;
      part.Decide(piece, !survivors[piece], needs);
      region.Decide(piece, survivors[piece], needs);
      return part;
    }
    return std::nullopt;
  }
};

class FileReadExploration : public FileExploration {
 public:
  using FileExploration::FileExploration;

  Result<FileExploreResult> Run(const PoolOptions& pool, Recoverer* recoverer);

 protected:
  Status ExplorePoint(const CrashPoint& point) override;
  Status Drain() override { return pool_->Drain(); }

 private:
  // A state, and what came of it.
  struct Tried {
    Survivors survivors;
    std::optional<StateRegion> region = {};  // that it is one of
    FileTree tree = {};
    const KnownRecovery* recovery = nullptr;  // null: there was no budget left for it
  };
  struct Completed {
    Outcome outcome;
    TreeReads reads;
  };
  struct Check {
    const KnownRecovery* recovery = nullptr;
    FileTree tree = {};
  };
  // The first state that has shown an outcome, to be used on.
  struct Example {
    FileCrashState state;
    FileTree tree;
    std::set<std::string> kinds;
  };

  Status ExploreParts(const CrashPoint& point);
  Status Sample(const CrashPoint& point, std::deque<Split>* splits);
  Status Settle(std::vector<Tried>* batch);
  Status Accept(Tried* tried, Completed completed);
  Status TakePart(const CrashPoint& point, Tried tried, std::deque<Split>* splits);
  Status WantCheck(const Tried& tried, const StateRegion& part);
  Status RunChecks();
  Status UseOn(const CrashPoint& point);
  void JudgeHere(const CrashPoint& point, const Tried& tried);
  bool MayGoOn() const {
    // Whoever has executed them, and at which crash point: the result must not depend on that.
    return judged_here_.size() < options_.reads.recoveries && states_here_ < options_.reads.states;
  }

  Recoverer* recoverer_ = nullptr;
  std::unique_ptr<TreePool> pool_;
  bool links_ = false;
  TreePaths paths_;
  std::map<std::string, KnownRecoveries> known_by_context_;
  std::set<OutcomeKey> used_on_;
  std::set<const KnownRecovery*> checked_;
  std::unordered_map<uint64_t, Completed> completed_;  // by job
  uint64_t next_job_ = 0;

  // Of the crash point at hand.
  std::string context_;
  KnownRecoveries* known_ = nullptr;
  std::optional<PieceNeeds> needs_;
  std::optional<DecidingPieces> deciding_;
  uint64_t states_here_ = 0;
  std::set<const KnownRecovery*> judged_here_;
  std::vector<Check> checks_;
  std::vector<std::pair<const Outcome*, Example>> examples_;
};

Result<FileExploreResult> FileReadExploration::Run(const PoolOptions& pool, Recoverer* recoverer) {
  recoverer_ = recoverer;
  links_ = HasLinks(run_.initial) ||
           std::any_of(run_.events.begin(), run_.events.end(),
                       [](const IoEvent& event) { return event.kind == IoEvent::Kind::kLink; });
  ASSIGN_OR_RETURN(pool_, TreePool::Start(pool, recoverer, [this](uint64_t job, Outcome outcome) {
                     completed_[job] = {std::move(outcome), {}};
                   }));
  pool_->OnWatchedDone([this](uint64_t job, Outcome outcome, TreeReads reads) {
    completed_[job] = {std::move(outcome), std::move(reads)};
  });
  return Walk(options_.strategy);
}

// --- a crash point
// --------------------------------------------------------------------------------

Status FileReadExploration::ExplorePoint(const CrashPoint& point) {
  if (point.index % options_.shards != options_.shard) return Status::Ok();
  context_ = judge_->Context(point);
  known_ = &known_by_context_[context_];
  needs_.emplace(model_);
  deciding_.emplace(model_);
  states_here_ = 0;
  judged_here_.clear();
  RETURN_IF_ERROR(ExploreParts(point));
  return UseOn(point);
}

Status FileReadExploration::ExploreParts(const CrashPoint& point) {
  std::deque<Split> splits;
  const StateRegion all(model_);
  std::vector<Tried> batch = {{.survivors = all.Newest(), .region = all}};
  while (!batch.empty() && !stopped()) {
    RETURN_IF_ERROR(Settle(&batch));
    for (Tried& tried : batch) RETURN_IF_ERROR(TakePart(point, std::move(tried), &splits));
    RETURN_IF_ERROR(RunChecks());
    batch.clear();
    // Those that were split first lose the fewest pieces: a part of each in turn.
    while (batch.size() < kBatch && !splits.empty() && MayGoOn()) {
      Split split = std::move(splits.front());
      splits.pop_front();
      std::optional<StateRegion> part = split.Next(*needs_);
      if (!part) continue;
      Survivors survivors = part->Newest();
      batch.push_back({.survivors = std::move(survivors), .region = std::move(part)});
      splits.push_back(std::move(split));
    }
  }
  return stopped() ? Status::Ok() : Sample(point, &splits);
}

// What there is no budget to part is drawn from.
Status FileReadExploration::Sample(const CrashPoint& point, std::deque<Split>* splits) {
  std::mt19937_64 random(SeedOfPoint(options_.seed, point.index));
  for (uint64_t left = options_.reads.samples; left > 0 && !stopped();) {
    std::vector<Tried> batch;
    while (batch.size() < std::min<uint64_t>(kBatch, left) && !splits->empty()) {
      const size_t index = random() % splits->size();
      Split split = (*splits)[index];
      std::optional<StateRegion> part = split.Next(*needs_);
      // Any of the parts that it has left.
      for (size_t turn = 0; part && random() % 2 == 0 && turn < split.pieces.size(); ++turn) {
        std::optional<StateRegion> next = split.Next(*needs_);
        if (!next) break;
        part = std::move(next);
      }
      if (!part) {
        splits->erase(splits->begin() + static_cast<std::ptrdiff_t>(index));
        continue;
      }
      batch.push_back({.survivors = part->Draw(*needs_, &random)});
    }
    if (batch.empty()) break;
    left -= batch.size();
    RETURN_IF_ERROR(Settle(&batch));
    for (const Tried& tried : batch) {
      if (tried.recovery != nullptr) JudgeHere(point, tried);
    }
  }
  for (Split& split : *splits) record().states_cut |= split.Next(*needs_).has_value();
  return Status::Ok();
}

// The states of the region that agree with the one that was tried are done; the others are not.
Status FileReadExploration::TakePart(const CrashPoint& point, Tried tried,
                                     std::deque<Split>* splits) {
  if (tried.recovery == nullptr) return Status::Ok();
  JudgeHere(point, tried);
  TreeView view(tried.tree, paths_, links_);
  Split split{.region = *tried.region, .pieces = {}, .survivors = tried.survivors};
  for (const TreeQuestion& question : tried.recovery->questions) {
    deciding_->Find(question, &view, tried.survivors, &split.pieces);
  }
  StateRegion part = *tried.region;
  for (const PieceIndex piece : split.pieces) {
    if (part.IsOpen(piece)) part.Decide(piece, tried.survivors[piece], *needs_);
  }
  RETURN_IF_ERROR(WantCheck(tried, part));
  splits->push_back(std::move(split));
  return Status::Ok();
}

// --- recoveries ---------------------------------------------------------------------------------

// Finds what comes of each, in as many recoveries as that takes.
Status FileReadExploration::Settle(std::vector<Tried>* batch) {
  std::map<uint64_t, size_t> by_hash;
  std::map<uint64_t, size_t> by_job;
  for (size_t i = 0; i < batch->size(); ++i) {
    Tried& tried = (*batch)[i];
    CountState();
    ++record().states;
    ++states_here_;
    tried.tree = model_.Build(tried.survivors);
    TreeView view(tried.tree, paths_, links_);
    tried.recovery = known_->Find(&view);
    if (tried.recovery != nullptr || !by_hash.try_emplace(tried.tree.Hash(), i).second) continue;
    if (!MayRecover()) continue;
    ++record().recoveries;
    by_job[next_job_] = i;
    RETURN_IF_ERROR(pool_->SubmitWatched(next_job_++, tried.tree, context_));
  }
  RETURN_IF_ERROR(pool_->Drain());
  for (const auto& [job, index] : by_job) {
    auto completed = completed_.extract(job);
    CHECK(!completed.empty());
    RETURN_IF_ERROR(Accept(&(*batch)[index], std::move(completed.mapped())));
  }
  // Trees that came twice.
  for (Tried& tried : *batch) {
    if (tried.recovery != nullptr) continue;
    TreeView view(tried.tree, paths_, links_);
    tried.recovery = known_->Find(&view);
  }
  return Status::Ok();
}

Status FileReadExploration::Accept(Tried* tried, Completed completed) {
  if (!completed.reads.log.why.empty()) {
    return Status::Unsupported(
        fmt::format("the recovery cannot be watched: it {}", completed.reads.log.why));
  }
  TreeView view(tried->tree, paths_, links_);
  tried->recovery = known_->Find(&view);
  if (tried->recovery == nullptr) {
    std::vector<TreeQuestion> questions = QuestionsOf(completed.reads, tried->tree, &paths_);
    TreeView asked(tried->tree, paths_, links_);
    tried->recovery = known_->Add({.outcome = verdicts_.Keep(std::move(completed.outcome)),
                                   .questions = std::move(questions)},
                                  &asked);
    return Status::Ok();
  }
  // It was executed twice in a batch: nothing that it has read was different.
  const bool timed_out = completed.outcome.end == Outcome::End::kTimedOut ||
                         tried->recovery->outcome->end == Outcome::End::kTimedOut;
  if (timed_out || SameOutcome(completed.outcome, *tried->recovery->outcome)) return Status::Ok();
  return Status::Internal(
      "the recovery is not deterministic: with the same answers to all that it has asked of its "
      "files, it gave another outcome");
}

// Whether the part's other end has the same outcome.
Status FileReadExploration::WantCheck(const Tried& tried, const StateRegion& part) {
  // What a recovery that was killed has read by then depends on when that was.
  if (tried.recovery->outcome->end == Outcome::End::kTimedOut) return Status::Ok();
  const uint64_t number = tried.recovery->number;
  if (number >= kFirstChecks && number % kRecoveriesACheck != 0) return Status::Ok();
  if (checked_.contains(tried.recovery)) return Status::Ok();
  const Survivors oldest = part.Oldest();
  if (oldest == tried.survivors) return Status::Ok();
  FileTree tree = model_.Build(oldest);
  if (tree.Hash() == tried.tree.Hash()) return Status::Ok();
  TreeView view(tree, paths_, links_), before(tried.tree, paths_, links_);
  for (const TreeQuestion& question : tried.recovery->questions) {
    if (view.Answer(question) == before.Answer(question)) continue;
    return Status::Internal(fmt::format(
        "something of {} that recovery has read differs where no piece that decides it does",
        paths_.name(question.path)));
  }
  ++record().checks;
  checked_.insert(tried.recovery);
  checks_.push_back({.recovery = tried.recovery, .tree = std::move(tree)});
  return Status::Ok();
}

Status FileReadExploration::RunChecks() {
  std::map<uint64_t, const KnownRecovery*> by_job;
  for (const Check& check : std::exchange(checks_, {})) {
    if (!MayRecover()) break;
    ++record().recoveries;
    by_job[next_job_] = check.recovery;
    RETURN_IF_ERROR(pool_->SubmitWatched(next_job_++, check.tree, context_));
  }
  RETURN_IF_ERROR(pool_->Drain());
  for (const auto& [job, recovery] : by_job) {
    auto completed = completed_.extract(job);
    CHECK(!completed.empty());
    const Outcome& outcome = completed.mapped().outcome;
    if (outcome.end == Outcome::End::kTimedOut || SameOutcome(outcome, *recovery->outcome)) {
      continue;
    }
    return Status::Internal(
        "a recovery gave another outcome when only what it had not read was changed: it is not "
        "deterministic, or reads in a way that is not seen");
  }
  return Status::Ok();
}

// --- verdicts ---------------------------------------------------------------------------------

void FileReadExploration::JudgeHere(const CrashPoint& point, const Tried& tried) {
  if (!judged_here_.insert(tried.recovery).second) return;
  const Outcome* const outcome = tried.recovery->outcome;
  FileCrashState state = model_.StateOf(tried.survivors);
  std::set<std::string> kinds = verdicts_.JudgeOne(point, state, *outcome);
  if (!recoverer_->UsesOn() || outcome->end != Outcome::End::kAnswered) return;
  if (!used_on_.insert(KeyOf(*outcome)).second) return;
  examples_.emplace_back(
      outcome, Example{.state = std::move(state), .tree = tried.tree, .kinds = std::move(kinds)});
}

// The outcomes that no crash point before has had.
Status FileReadExploration::UseOn(const CrashPoint& point) {
  std::map<uint64_t, std::pair<const Outcome*, const Example*>> by_job;
  const auto examples = std::exchange(examples_, {});
  for (const auto& [outcome, example] : examples) {
    if (!MayRecover()) break;
    ++record().recoveries;
    by_job[next_job_] = {outcome, &example};
    RETURN_IF_ERROR(pool_->Submit(next_job_++, example.tree, context_));
  }
  RETURN_IF_ERROR(pool_->Drain());
  for (const auto& [job, used] : by_job) {
    auto completed = completed_.extract(job);
    CHECK(!completed.empty());
    const auto& [outcome, example] = used;
    verdicts_.JudgeUse(point, example->state, *outcome, example->kinds, completed.mapped().outcome);
  }
  return Status::Ok();
}

}  // namespace

Result<FileExploreResult> ExploreFilesByReads(const FileRun& run, const FileExploreOptions& options,
                                              const PoolOptions& pool, Recoverer* recoverer,
                                              Judge* judge, const ExploreHooks& hooks) {
  return FileReadExploration(run, options, judge, hooks).Run(pool, recoverer);
}

}  // namespace fencepost
