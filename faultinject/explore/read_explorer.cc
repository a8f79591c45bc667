// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/read_explorer.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "faultinject/explore/decision_tree.h"
#include "faultinject/explore/exploration.h"
#include "faultinject/explore/point_batch.h"

namespace fencepost {
namespace {

// A batch ends at the first crash point beyond either. More points share more recoveries; more
// lines cost more faults in each.
constexpr size_t kMostPoints = 8;
constexpr size_t kMostLines = 128;
// One leaf in so many, told by its state's hash, is recovered again with all else changed.
constexpr uint64_t kLeavesACheck = 16;

class ReadExploration : public Exploration {
 public:
  using Exploration::Exploration;

  Result<ExploreResult> Run(const Recording& recording, TraceFile* trace, const PoolOptions& pool,
                            Recoverer* recoverer);

 private:
  // A recovery that is wanted or under way. Its state is of every line of the batch.
  struct Job {
    enum class Kind : unsigned char { kExplore, kCheck, kUseOn };
    Kind kind = Kind::kExplore;
    CrashState state;
    DecisionTree::Node* node = nullptr;  // kExplore: who waits for it
    DecisionTree::Leaf leaf = 0;         // kCheck: what must come of it
    const Outcome* used_on = nullptr;    // kUseOn: what came of it without
  };
  // The first state, in trace order, that has shown an outcome.
  struct Example {
    size_t point = 0;
    CrashState undecided, whole;
    std::set<std::string> kinds;
  };
  struct Completed {
    uint64_t job = 0;
    Outcome outcome;
    std::optional<ReadLog> reads;
  };

  Status ExploreBatch();
  void PrepareLines();
  uint64_t VaryingBytes(uint32_t line) const;
  uint32_t MostContents(uint32_t line) const;  // at any of the crash points
  DecisionTree::Visitor MakeVisitor();
  Status RunJobs(const DecisionTree::Visitor& visitor);
  Status SubmitNext();
  Status Accept(const Completed& completed, const DecisionTree::Visitor& visitor);
  Status AcceptExplored(const Job& job, const Completed& completed,
                        const DecisionTree::Visitor& visitor);
  Status JudgeLeaf(const StateSet& states, DecisionTree::Leaf leaf);
  void WantCheck(const StateSet& states, DecisionTree::Leaf leaf);
  void WantUse();
  CrashState WholeState(const StateSet& states, bool last) const;
  CrashState UndecidedState(const StateSet& states) const;
  std::vector<LineRead> WholeReads(const ReadLog& log) const;
  bool IsMine() const { return batch_number_ % options_.shards == options_.shard; }

  Recoverer* recoverer_ = nullptr;
  std::set<const Outcome*> used_on_;  // outcomes, of all batches
  uint64_t batch_number_ = 0;

  // Of the batch.
  std::optional<PointBatch> batch_;
  std::vector<PointSize> sizes_;
  std::vector<LineId> lines_;
  std::vector<uint64_t> varying_;        // by line: bytes that are not the same in all states
  std::vector<uint32_t> taken_as_read_;  // indices of lines that are not watched
  std::vector<uint32_t> watched_;        // of those that are
  std::vector<LineChoices> choices_;     // by point
  std::vector<double> covered_;          // by point: the share of its states that was judged
  std::optional<DecisionTree> tree_;
  std::deque<Job> wanted_;
  std::unordered_map<uint64_t, Job> under_way_;
  std::deque<Completed> completed_;
  std::vector<std::pair<const Outcome*, std::vector<LineRead>>> leaves_;
  std::map<const Outcome*, Example> examples_;
  uint64_t next_job_ = 0;
};

Result<ExploreResult> ReadExploration::Run(const Recording& recording, TraceFile* trace,
                                           const PoolOptions& pool, Recoverer* recoverer) {
  recoverer_ = recoverer;
  RETURN_IF_ERROR(Start(recording, trace, pool, recoverer, [this](uint64_t job, Outcome outcome) {
    completed_.push_back({job, std::move(outcome), std::nullopt});
  }));
  pool_->OnWatchedDone([this](uint64_t job, Outcome outcome, ReadLog reads) {
    completed_.push_back({job, std::move(outcome), std::move(reads)});
  });
  TraceWalk walk(trace, survey_, options_.model, &images_);
  for (;;) {
    images_.Remember();
    const std::optional<CrashPoint> point = walk.Next();
    if (batch_) batch_->NoteChanges(images_.remembered(), images_);
    const std::string context = point ? judge_->Context(*point) : std::string();
    const bool ends = !point || (batch_ && (batch_->context() != context ||
                                            batch_->points().size() >= kMostPoints ||
                                            batch_->line_count() >= kMostLines));
    if (batch_ && ends) RETURN_IF_ERROR(ExploreBatch());
    if (!point) break;
    Tell(*point);
    if (IsSkipped(*point)) {
      CountPoint(SizeOf(walk.model()), false);
      continue;
    }
    if (!batch_) batch_.emplace(context);
    bool complete = true;
    batch_->Add(*point, walk.model(), &complete);
    if (!complete) result_.lines_cut = true;
    sizes_.push_back(SizeOf(walk.model()));
    // Behind it files have other sizes.
    if (point->before == CrashPoint::Before::kResize) RETURN_IF_ERROR(ExploreBatch());
  }
  return Finish(walk);
}

// --- a batch ------------------------------------------------------------------------------------

void ReadExploration::PrepareLines() {
  lines_ = batch_->Lines();
  choices_.clear();
  for (size_t point = 0; point < batch_->points().size(); ++point) {
    choices_.push_back(batch_->ChoicesAt(point, images_));
  }
  varying_.clear();
  for (uint32_t i = 0; i < lines_.size(); ++i) varying_.push_back(VaryingBytes(i));
  watched_.clear();
  taken_as_read_.clear();
  for (uint32_t i = 0; i < lines_.size(); ++i) {
    const bool too_many = watched_.size() >= WatchBuffer::kMostLines;
    (too_many ? taken_as_read_ : watched_).push_back(i);
  }
  covered_.assign(batch_->points().size(), 0);
}

// The bytes that are not the same in all states of all crash points: only these can tell states
// apart.
uint64_t ReadExploration::VaryingBytes(uint32_t line) const {
  const LineBytes& first = choices_.front()[line].front().bytes;
  uint64_t varying = 0;
  for (const LineChoices& choices : choices_) {
    for (const LineState& state : choices[line]) {
      for (size_t i = 0; i < kLineBytes; ++i) {
        if (state.bytes[i] != first[i]) varying |= uint64_t{1} << i;
      }
    }
  }
  return varying;
}

uint32_t ReadExploration::MostContents(uint32_t line) const {
  size_t most = 1;
  for (const LineChoices& choices : choices_) most = std::max(most, choices[line].size());
  return static_cast<uint32_t>(most);
}

Status ReadExploration::ExploreBatch() {
  const std::vector<CrashPoint>& points = batch_->points();
  if (IsMine()) {
    PrepareLines();
    tree_.emplace();
    leaves_.clear();
    examples_.clear();
    const DecisionTree::Visitor visitor = MakeVisitor();
    for (size_t point = 0; point < points.size(); ++point) {
      RETURN_IF_ERROR(tree_->Search(StateSet(point, &choices_[point]), visitor));
    }
    RETURN_IF_ERROR(RunJobs(visitor));
    if (!stopped()) {
      WantUse();
      RETURN_IF_ERROR(RunJobs(visitor));
    }
    for (size_t point = 0; point < points.size() && !stopped(); ++point) {
      constexpr double kRounding = 1e-6;
      if (std::abs(covered_[point] - 1) > kRounding) {
        return Status::Internal(fmt::format("of crash point {} a share of {} was judged, not all",
                                            points[point].index, covered_[point]));
      }
    }
    RETURN_IF_ERROR(judge_->status());
  }
  for (const PointSize& size : sizes_) CountPoint(size, !stopped());
  if (stopped()) result_.next_point = points.front().index;
  sizes_.clear();
  batch_.reset();
  ++batch_number_;
  return Status::Ok();
}

DecisionTree::Visitor ReadExploration::MakeVisitor() {
  return {.explore =
              [this](DecisionTree::Node* node, const StateSet& states) {
                wanted_.push_back({.state = WholeState(states, /*last=*/false), .node = node});
                return Status::Ok();
              },
          .judge = [this](const StateSet& states,
                          DecisionTree::Leaf leaf) { return JudgeLeaf(states, leaf); }};
}

// --- recoveries ---------------------------------------------------------------------------------

Status ReadExploration::RunJobs(const DecisionTree::Visitor& visitor) {
  while (!wanted_.empty() || !under_way_.empty()) {
    if (!wanted_.empty() && !MayRecover()) wanted_.clear();
    if (!wanted_.empty()) {
      RETURN_IF_ERROR(SubmitNext());
    } else if (!under_way_.empty() && completed_.empty()) {
      RETURN_IF_ERROR(pool_->AwaitOne());
    }
    while (!completed_.empty()) {
      const Completed completed = std::move(completed_.front());
      completed_.pop_front();
      RETURN_IF_ERROR(Accept(completed, visitor));
    }
  }
  return Status::Ok();
}

Status ReadExploration::SubmitNext() {
  const uint64_t number = next_job_++;
  const Job& job = under_way_.emplace(number, std::move(wanted_.front())).first->second;
  wanted_.pop_front();
  ++result_.recoveries;
  if (job.kind == Job::Kind::kUseOn) return pool_->Submit(number, job.state, batch_->context());
  std::vector<RecoveryPool::Watched> lines;
  for (const uint32_t line : watched_) {
    lines.push_back({lines_[line], varying_[line], MostContents(line)});
  }
  return pool_->SubmitWatched(number, job.state, batch_->context(), lines);
}

Status ReadExploration::Accept(const Completed& completed, const DecisionTree::Visitor& visitor) {
  const auto found = under_way_.find(completed.job);
  const Job job = std::move(found->second);
  under_way_.erase(found);
  if (completed.reads && !completed.reads->why.empty()) {
    return Status::Unsupported(
        fmt::format("the recovery cannot be watched: it {} (--strategy=prefix, sample:N and all "
                    "need no watching)",
                    completed.reads->why));
  }
  switch (job.kind) {
    case Job::Kind::kExplore:
      return AcceptExplored(job, completed, visitor);
    case Job::Kind::kUseOn: {
      const Example& example = examples_.at(job.used_on);
      verdicts_.JudgeOne(batch_->points()[example.point], example.undecided,
                         *verdicts_.Keep(completed.outcome), example.kinds);
      return Status::Ok();
    }
    case Job::Kind::kCheck:
      break;
  }
  const auto& [outcome, reads] = leaves_[job.leaf];
  const bool same = completed.outcome.end == outcome->end &&
                    completed.outcome.code == outcome->code &&
                    completed.outcome.answer == outcome->answer;
  if (same && WholeReads(*completed.reads) == reads) return Status::Ok();
  return Status::Internal(
      "a recovery gave another outcome when bytes were changed that it had not read: it is not "
      "deterministic, or reads in a way that is not seen");
}

Status ReadExploration::AcceptExplored(const Job& job, const Completed& completed,
                                       const DecisionTree::Visitor& visitor) {
  const DecisionTree::Leaf leaf = leaves_.size();
  leaves_.emplace_back(verdicts_.Keep(completed.outcome), WholeReads(*completed.reads));
  const auto value_of = [&](uint32_t line) -> const LineBytes& {
    return job.state.at(lines_[line]).bytes;
  };
  return tree_->Insert(job.node, leaves_.back().second, value_of, leaf, visitor);
}

// Lines that are not watched count as read, whole, before all others.
std::vector<LineRead> ReadExploration::WholeReads(const ReadLog& log) const {
  std::vector<LineRead> reads;
  for (const uint32_t line : taken_as_read_) reads.push_back({line, varying_[line]});
  for (const LineRead& read : log.reads) reads.push_back({watched_[read.line], read.bytes});
  return reads;
}

// --- verdicts -----------------------------------------------------------------------------------

Status ReadExploration::JudgeLeaf(const StateSet& states, DecisionTree::Leaf leaf) {
  const Outcome* const outcome = leaves_[leaf].first;
  const CrashPoint& point = batch_->points()[states.point()];
  CrashState undecided = UndecidedState(states);
  const std::set<std::string> kinds = verdicts_.JudgeOne(point, undecided, *outcome);
  ++result_.states;
  covered_[states.point()] += states.Share();
  WantCheck(states, leaf);
  Example& example = examples_[outcome];
  const bool is_first =
      example.whole.empty() || std::forward_as_tuple(states.point(), undecided) <
                                   std::forward_as_tuple(example.point, example.undecided);
  if (is_first) {
    example = {.point = states.point(),
               .undecided = std::move(undecided),
               .whole = WholeState(states, /*last=*/false),
               .kinds = kinds};
  }
  return Status::Ok();
}

void ReadExploration::WantCheck(const StateSet& states, DecisionTree::Leaf leaf) {
  // What a recovery that was killed has read by then depends on when that was.
  if (leaves_[leaf].first->end == Outcome::End::kTimedOut) return;
  CrashState first = WholeState(states, /*last=*/false);
  CrashState last = WholeState(states, /*last=*/true);
  if (first == last) return;
  uint64_t hash = batch_->points()[states.point()].index;
  for (const auto& [id, line] : last) {
    hash = XXH3_64bits_withSeed(line.bytes.data(), line.bytes.size(), hash);
  }
  if (hash % kLeavesACheck != 0) return;
  wanted_.push_back({.kind = Job::Kind::kCheck, .state = std::move(last), .leaf = leaf});
}

// Of what was judged in this batch, the outcomes that no batch before has had.
void ReadExploration::WantUse() {
  if (!recoverer_->UsesOn()) return;
  std::map<std::tuple<size_t, CrashState>, const Outcome*> in_order;
  for (const auto& [outcome, example] : examples_) {
    const bool answered = outcome->end == Outcome::End::kAnswered;
    if (answered && used_on_.insert(outcome).second) {
      in_order[{example.point, example.undecided}] = outcome;
    }
  }
  for (const auto& [order, outcome] : in_order) {
    wanted_.push_back(
        {.kind = Job::Kind::kUseOn, .state = examples_.at(outcome).whole, .used_on = outcome});
  }
}

CrashState ReadExploration::WholeState(const StateSet& states, bool last) const {
  CrashState state;
  for (uint32_t line = 0; line < lines_.size(); ++line) {
    state.emplace_hint(state.end(), lines_[line], last ? states.Last(line) : states.First(line));
  }
  return state;
}

CrashState ReadExploration::UndecidedState(const StateSet& states) const {
  CrashState state;
  for (uint32_t line = 0; line < lines_.size(); ++line) {
    if (!batch_->IsUndecided(states.point(), lines_[line])) continue;
    state.emplace_hint(state.end(), lines_[line], states.First(line));
  }
  return state;
}

}  // namespace

Result<ExploreResult> ExploreByReads(const Recording& recording, TraceFile* trace,
                                     const TraceSurvey& survey, const ExploreOptions& options,
                                     const PoolOptions& pool, Recoverer* recoverer, Judge* judge,
                                     const ExploreHooks& hooks) {
  return ReadExploration(options, survey, judge, hooks).Run(recording, trace, pool, recoverer);
}

}  // namespace fencepost
