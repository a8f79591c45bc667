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
#include "faultinject/explore/nested_crashes.h"
#include "faultinject/explore/point_batch.h"

namespace fencepost {
namespace {

// A batch ends at the first crash point beyond either. More points share more recoveries; more
// lines cost more faults in each.
constexpr size_t kMostPoints = 8;
constexpr size_t kMostLines = 128;
// What fails is to be mended, not proved: so many recoveries after the first failure in a batch the
// rest of the batch is left out.
constexpr uint64_t kMostAfterFailure = 500;
// So many recoveries are executed before it is seen what came of them, however many workers there
// are: the result must not depend on that.
constexpr size_t kRound = 64;
// So many batches are one unit where recoveries are crashed: they share what was traced, slowly.
constexpr uint64_t kBatchesTraced = 4;
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
    bool nested = false;
    DecisionTree::Leaf leaf = 0;       // kCheck: what must come of it
    const Outcome* used_on = nullptr;  // kUseOn: what came of it without
  };
  // What a recovery has read and done.
  struct Leaf {
    const Outcome* outcome = nullptr;
    std::vector<LineRead> reads;
    CrashState state;
    std::optional<std::vector<RecoveryPool::Changed>> changes;
    const RecoveryScript* script = nullptr;  // null: it is not crashed
  };
  // Where a crash is: at a crash point of the batch, and there perhaps in the recovery, again.
  struct Place {
    size_t point = 0;
    const Leaf* recovery = nullptr;
    const ScriptPoint* second = nullptr;
  };
  // The first state, in trace order, that has shown an outcome.
  struct Example {
    size_t place = 0;
    CrashState undecided, whole;
    std::set<std::string> kinds;
  };
  struct Completed {
    uint64_t job = 0;
    Outcome outcome;
    std::optional<RecoveryPool::Deeds> deeds;
  };

  Status ExploreBatch();
  Status ExploreStates();
  Status LearnScripts(bool* grown);
  Status CrashAgain(const DecisionTree::Visitor& visitor);
  LineChoices ChoicesAt(const ScriptPoint& point, const LineChoices& before);
  Status CheckWhole() const;
  void PrepareLines();
  uint32_t MostContents(uint32_t line) const;  // at any of the crash points
  DecisionTree::Visitor MakeVisitor(bool nested);
  Status RunJobs(const DecisionTree::Visitor& visitor);
  Status SubmitNext();
  Status Accept(const Completed& completed, const DecisionTree::Visitor& visitor);
  Status AcceptExplored(const Job& job, const Completed& completed,
                        const DecisionTree::Visitor& visitor);
  bool AnyFails();
  void JudgeFound();
  void JudgeLeaf(const StateSet& states, DecisionTree::Leaf leaf);
  void JudgeAgain(const StateSet& states, DecisionTree::Leaf leaf);
  void Exemplify(const StateSet& states, const Outcome* outcome,
                 const std::set<std::string>& kinds);
  void WantCheck(const StateSet& states, DecisionTree::Leaf leaf);
  void WantUse();
  CrashState WholeState(const StateSet& states, bool last) const;
  CrashState UndecidedState(const StateSet& states) const;
  std::vector<LineRead> WholeReads(const ReadLog& log) const;
  uint64_t BatchesAUnit() const { return scripts_ ? kBatchesTraced : 1; }
  bool IsMine() const { return parts_.units() % options_.shards == options_.shard; }

  Recoverer* recoverer_ = nullptr;
  std::optional<NestedCrashes> scripts_;  // nothing: recoveries are not crashed
  std::set<OutcomeKey> used_on_;          // of all batches

  uint64_t batch_number_ = 0;

  // Of the batch.
  std::optional<PointBatch> batch_;
  bool batch_cut_ = false;  // a line of it has too many states
  bool nested_ = false;     // its recoveries are crashed
  std::vector<PointSize> sizes_;
  std::map<LineId, uint64_t> stored_;  // bytes that recoveries store to, perhaps
  std::vector<LineId> lines_;
  std::vector<uint64_t> varying_;        // by line: bytes that are not the same in all states
  std::vector<uint32_t> taken_as_read_;  // indices of lines that are not watched
  std::vector<uint32_t> watched_;        // of those that are
  ChoicesByPoint choices_;
  std::deque<Place> places_;     // the points come first
  std::vector<double> covered_;  // by place: the share of its states that was judged
  std::optional<DecisionTree> tree_;
  std::deque<Job> wanted_;
  std::unordered_map<uint64_t, Job> under_way_;
  std::vector<Completed> completed_;
  std::deque<Leaf> leaves_;
  std::vector<std::pair<StateSet, DecisionTree::Leaf>> found_;  // to be judged
  std::map<const Outcome*, Example> examples_;
  std::optional<uint64_t> failed_at_;  // recoveries executed when something first failed
  bool cut_short_ = false;             // because of that
  size_t looked_at_ = 0;               // of those
  std::vector<std::pair<StateSet, DecisionTree::Leaf>> judged_;  // of first crashes
  std::map<std::pair<size_t, const Outcome*>, bool> clean_;  // by point: nothing is wrong with it
  uint64_t next_job_ = 0;
};

Result<ExploreResult> ReadExploration::Run(const Recording& recording, TraceFile* trace,
                                           const PoolOptions& pool, Recoverer* recoverer) {
  recoverer_ = recoverer;
  if (options_.tracer != nullptr) scripts_.emplace(options_.tracer, options_.model);
  RETURN_IF_ERROR(Start(recording, trace, pool, recoverer, [this](uint64_t job, Outcome outcome) {
    completed_.push_back({job, std::move(outcome), std::nullopt});
  }));
  pool_->OnWatchedDone([this](uint64_t job, Outcome outcome, RecoveryPool::Deeds deeds) {
    completed_.push_back({job, std::move(outcome), std::move(deeds)});
  });
  TraceWalk walk(trace, survey_, options_.model, &images_);
  while (!MayStop()) {
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
      CountPoint(point->index, SizeOf(walk.model()), false);
      continue;
    }
    if (!batch_) batch_.emplace(context);
    bool complete = true;
    batch_->Add(*point, walk.model(), &complete);
    batch_cut_ |= !complete;
    sizes_.push_back(SizeOf(walk.model()));
    // Behind it files have other sizes.
    if (point->before == CrashPoint::Before::kResize) RETURN_IF_ERROR(ExploreBatch());
  }
  if (batch_number_ % BatchesAUnit() != 0) RETURN_IF_ERROR(EndUnit());
  return Finish(walk);
}

// --- a batch ------------------------------------------------------------------------------------

void ReadExploration::PrepareLines() {
  for (const auto& [line, bytes] : stored_) batch_->Include(line);
  lines_ = batch_->Lines();
  choices_.clear();
  places_.clear();
  for (size_t point = 0; point < batch_->points().size(); ++point) {
    choices_.push_back(std::make_shared<const LineChoices>(batch_->ChoicesAt(point, images_)));
    places_.push_back({.point = point});
  }
  varying_.clear();
  for (uint32_t i = 0; i < lines_.size(); ++i) {
    varying_.push_back(VaryingBytes(choices_, i));
    const auto stored = stored_.find(lines_[i]);
    if (stored != stored_.end()) varying_.back() |= stored->second;
  }
  watched_.clear();
  taken_as_read_.clear();
  for (uint32_t i = 0; i < lines_.size(); ++i) {
    const bool too_many = watched_.size() >= WatchBuffer::kMostLines;
    (too_many ? taken_as_read_ : watched_).push_back(i);
  }
  covered_.assign(batch_->points().size(), 0);
}

uint32_t ReadExploration::MostContents(uint32_t line) const {
  size_t most = fencepost::MostContents(choices_, line);
  // After a second crash there may be any number.
  constexpr size_t kOfRecovery = 64;
  if (stored_.contains(lines_[line])) most = std::max(most, kOfRecovery);
  return static_cast<uint32_t>(most);
}

Status ReadExploration::ExploreBatch() {
  const std::vector<CrashPoint>& points = batch_->points();
  const bool wanted = parts_.wanted();
  if (wanted && IsMine()) {
    const uint64_t traced_before = scripts_ ? scripts_->traced() : 0;
    // Until something fails: what fails without a second crash is to be mended first.
    nested_ = scripts_.has_value();
    if (nested_) {
      if (batch_number_ % BatchesAUnit() == 0) scripts_->Begin();
      stored_ = scripts_->CommonlyStored();
    }
    // The recoveries of this batch may store to bytes that were not watched.
    for (bool grown = true; grown;) {
      RETURN_IF_ERROR(ExploreStates());
      grown = false;
      if (nested_ && !stopped()) RETURN_IF_ERROR(LearnScripts(&grown));
    }
    JudgeFound();
    RETURN_IF_ERROR(RunJobs(MakeVisitor(/*nested=*/false)));
    if (nested_ && !stopped()) RETURN_IF_ERROR(CrashAgain(MakeVisitor(/*nested=*/true)));
    JudgeFound();
    if (!stopped()) {
      WantUse();
      RETURN_IF_ERROR(RunJobs(MakeVisitor(/*nested=*/false)));
    }
    if (!stopped() && !cut_short_) RETURN_IF_ERROR(CheckWhole());
    RETURN_IF_ERROR(judge_->status());
    if (scripts_) record().traced_recoveries += scripts_->traced() - traced_before;
  }
  if (wanted) {
    for (size_t i = 0; i < sizes_.size(); ++i) {
      CountPoint(points[i].index, sizes_[i], !stopped() && !cut_short_);
    }
    record().states_cut |= batch_cut_;
  }
  failed_at_.reset();
  cut_short_ = batch_cut_ = false;
  if (stopped()) next_point_ = points.front().index;
  sizes_.clear();
  batch_.reset();
  ++batch_number_;
  return batch_number_ % BatchesAUnit() == 0 ? EndUnit() : Status::Ok();
}

// All states of all crash points down the tree, with as many recoveries as that takes.
Status ReadExploration::ExploreStates() {
  PrepareLines();
  tree_.emplace();
  leaves_.clear();
  examples_.clear();
  found_.clear();
  looked_at_ = 0;
  judged_.clear();
  clean_.clear();
  const DecisionTree::Visitor visitor = MakeVisitor(/*nested=*/false);
  for (size_t point = 0; point < choices_.size(); ++point) {
    RETURN_IF_ERROR(tree_->Search(StateSet(point, choices_[point]), visitor));
  }
  return RunJobs(visitor);
}

DecisionTree::Visitor ReadExploration::MakeVisitor(bool nested) {
  return {.explore =
              [this, nested](DecisionTree::Node* node, const StateSet& states) {
                wanted_.push_back(
                    {.state = WholeState(states, /*last=*/false), .node = node, .nested = nested});
                return Status::Ok();
              },
          .judge =
              [this](const StateSet& states, DecisionTree::Leaf leaf) {
                found_.emplace_back(states, leaf);
                return Status::Ok();
              }};
}

Status ReadExploration::CheckWhole() const {
  for (size_t place = 0; place < places_.size(); ++place) {
    constexpr double kRounding = 1e-6;
    if (std::abs(covered_[place] - 1) > kRounding) {
      return Status::Internal(fmt::format("of crash point {} a share of {} was judged, not all",
                                          batch_->points()[places_[place].point].index,
                                          covered_[place]));
    }
  }
  return Status::Ok();
}

// --- crashes in recoveries ----------------------------------------------------------------------

// Finds the script of each recovery. `grown`: one stores to bytes that were not watched.
Status ReadExploration::LearnScripts(bool* grown) {
  for (Leaf& leaf : leaves_) {
    if (leaf.outcome->end != Outcome::End::kAnswered || leaf.script != nullptr) continue;
    if (!leaf.changes) {
      return Status::Unsupported(
          "a recovery stores to too many lines for crashes inside it (--depth=1 goes without)");
    }
    ASSIGN_OR_RETURN(leaf.script, scripts_->ScriptOf(images_, {&leaf.state, &*leaf.changes}));
    for (const auto& [line, bytes] : leaf.script->stored) {
      stored_[line] |= bytes;
      const auto watched = std::lower_bound(lines_.begin(), lines_.end(), line);
      const bool is_watched = watched != lines_.end() && *watched == line;
      const uint64_t varying =
          is_watched ? varying_[static_cast<size_t>(watched - lines_.begin())] : 0;
      *grown |= (bytes & ~varying) != 0;
    }
    CheckTime();
    if (stopped()) break;
  }
  return Status::Ok();
}

// Crashes each recovery at each of its points: what was undecided, and it has not read, still is.
Status ReadExploration::CrashAgain(const DecisionTree::Visitor& visitor) {
  const std::vector<std::pair<StateSet, DecisionTree::Leaf>> first = std::exchange(judged_, {});
  for (const auto& [states, number] : first) {
    const Leaf& leaf = leaves_[number];
    if (leaf.script == nullptr) continue;
    LineChoices before;
    for (uint32_t line = 0; line < lines_.size(); ++line) before.push_back(states.Remaining(line));
    for (const ScriptPoint& point : leaf.script->points) {
      places_.push_back(
          {.point = places_[states.point()].point, .recovery = &leaf, .second = &point});
      covered_.push_back(0);
      ++record().nested_points;
      RETURN_IF_ERROR(
          tree_->Search(StateSet(places_.size() - 1,
                                 std::make_shared<const LineChoices>(ChoicesAt(point, before))),
                        visitor));
    }
    constexpr size_t kJobsAtOnce = 16;
    if (wanted_.size() >= kJobsAtOnce) {
      RETURN_IF_ERROR(RunJobs(visitor));
      JudgeFound();
    }
    if (stopped()) return Status::Ok();
  }
  return RunJobs(visitor);
}

LineChoices ReadExploration::ChoicesAt(const ScriptPoint& point, const LineChoices& before) {
  LineChoices choices = before;
  auto line = point.lines.begin();
  for (uint32_t i = 0; i < lines_.size() && line != point.lines.end(); ++i) {
    if (line->first != lines_[i]) continue;
    bool complete = true;
    std::vector<LineState> contents = ContentsAbove(line->second, *before[i], &complete);
    for (LineState& state : contents) state.bytes = images_.InFile(lines_[i], state.bytes);
    choices[i] = std::make_shared<const std::vector<LineState>>(std::move(contents));
    if (!complete) record().states_cut = true;
    ++line;
  }
  return choices;
}

// --- recoveries ---------------------------------------------------------------------------------

Status ReadExploration::RunJobs(const DecisionTree::Visitor& visitor) {
  while (!wanted_.empty()) {
    if (failed_at_ && record().recoveries >= *failed_at_ + kMostAfterFailure) {
      wanted_.clear();
      cut_short_ = true;
      break;
    }
    for (size_t count = 0; count < kRound && !wanted_.empty(); ++count) {
      if (MayRecover()) {
        RETURN_IF_ERROR(SubmitNext());
      } else {
        wanted_.clear();
      }
    }
    RETURN_IF_ERROR(pool_->Drain());
    // Recoveries end in any order; what follows from them does so in one.
    std::sort(completed_.begin(), completed_.end(),
              [](const Completed& a, const Completed& b) { return a.job < b.job; });
    for (const Completed& completed : std::exchange(completed_, {})) {
      RETURN_IF_ERROR(Accept(completed, visitor));
    }
    if (nested_ && AnyFails()) nested_ = false;
    if (!nested_) JudgeFound();
  }
  return Status::Ok();
}

Status ReadExploration::SubmitNext() {
  const uint64_t number = next_job_++;
  const Job& job = under_way_.emplace(number, std::move(wanted_.front())).first->second;
  wanted_.pop_front();
  ++(job.nested ? record().nested_recoveries : record().recoveries);
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
  if (completed.deeds && !completed.deeds->reads.why.empty()) {
    return Status::Unsupported(
        fmt::format("the recovery cannot be watched: it {} (--strategy=prefix, sample:N and all "
                    "need no watching)",
                    completed.deeds->reads.why));
  }
  switch (job.kind) {
    case Job::Kind::kExplore:
      return AcceptExplored(job, completed, visitor);
    case Job::Kind::kUseOn: {
      const Example& example = examples_.at(job.used_on);
      verdicts_.JudgeUse(batch_->points()[places_[example.place].point], example.undecided,
                         *job.used_on, example.kinds, completed.outcome);
      return Status::Ok();
    }
    case Job::Kind::kCheck:
      break;
  }
  const Leaf& leaf = leaves_[job.leaf];
  const bool same = completed.outcome.end == leaf.outcome->end &&
                    completed.outcome.code == leaf.outcome->code &&
                    completed.outcome.answer == leaf.outcome->answer;
  if (same && WholeReads(completed.deeds->reads) == leaf.reads) return Status::Ok();
  return Status::Internal(
      "a recovery gave another outcome when bytes were changed that it had not read: it is not "
      "deterministic, or reads in a way that is not seen");
}

Status ReadExploration::AcceptExplored(const Job& job, const Completed& completed,
                                       const DecisionTree::Visitor& visitor) {
  const DecisionTree::Leaf leaf = leaves_.size();
  leaves_.push_back({.outcome = verdicts_.Keep(completed.outcome),
                     .reads = WholeReads(completed.deeds->reads),
                     .state = job.state,
                     .changes = completed.deeds->changes});
  const auto value_of = [&](uint32_t line) -> const LineBytes& {
    return job.state.at(lines_[line]).bytes;
  };
  return tree_->Insert(job.node, leaves_.back().reads, value_of, leaf, visitor);
}

// Lines that are not watched count as read, whole, before all others.
std::vector<LineRead> ReadExploration::WholeReads(const ReadLog& log) const {
  std::vector<LineRead> reads;
  for (const uint32_t line : taken_as_read_) reads.push_back({line, varying_[line]});
  for (const LineRead& read : log.reads) reads.push_back({watched_[read.line], read.bytes});
  return reads;
}

// --- verdicts ---------------------------------------------------------------------------------

// Whether a state that was found and is not judged yet fails.
bool ReadExploration::AnyFails() {
  for (; looked_at_ < found_.size(); ++looked_at_) {
    const auto& [states, leaf] = found_[looked_at_];
    const Place& place = places_[states.point()];
    if (place.recovery != nullptr) continue;
    const Outcome* const outcome = leaves_[leaf].outcome;
    const auto [known, is_new] = clean_.try_emplace({place.point, outcome}, true);
    if (is_new) {
      known->second = judge_->Verdict(batch_->points()[place.point], *outcome).empty();
    }
    if (!known->second) return true;
  }
  return false;
}

void ReadExploration::JudgeFound() {
  const uint64_t failed = verdicts_.failed();
  looked_at_ = 0;
  for (const auto& [states, leaf] : std::exchange(found_, {})) {
    covered_[states.point()] += states.Share();
    if (places_[states.point()].recovery != nullptr) {
      JudgeAgain(states, leaf);
    } else {
      JudgeLeaf(states, leaf);
      judged_.emplace_back(states, leaf);
    }
  }
  if (!failed_at_ && verdicts_.failed() > failed) failed_at_ = record().recoveries;
}

void ReadExploration::JudgeLeaf(const StateSet& states, DecisionTree::Leaf leaf) {
  const Outcome* const outcome = leaves_[leaf].outcome;
  const CrashPoint& point = batch_->points()[states.point()];
  const std::set<std::string> kinds = verdicts_.JudgeOne(point, UndecidedState(states), *outcome);
  ++record().states;
  WantCheck(states, leaf);
  Exemplify(states, outcome, kinds);
}

// After a crash in a recovery: by the same history, and by what that recovery had answered.
void ReadExploration::JudgeAgain(const StateSet& states, DecisionTree::Leaf leaf) {
  const Place& place = places_[states.point()];
  const Outcome* const outcome = leaves_[leaf].outcome;
  ++record().nested_states;
  const Outcome* const answered = place.second->ended ? place.recovery->outcome : nullptr;
  const bool differs = answered != nullptr && answered != outcome;
  const auto known = clean_.find({place.point, outcome});
  if (known != clean_.end() && known->second && !differs) return;
  const std::set<std::string> kinds = verdicts_.JudgeOne(
      batch_->points()[place.point], WholeState(states, /*last=*/false), *outcome,
      SecondCrash{.before = place.second->before,
                  .where = place.second->where,
                  .ended = place.second->ended,
                  .first_answer = place.recovery->outcome->answer});
  Exemplify(states, outcome, kinds);
}

void ReadExploration::Exemplify(const StateSet& states, const Outcome* outcome,
                                const std::set<std::string>& kinds) {
  const bool nested = places_[states.point()].recovery != nullptr;
  if (!nested) clean_[{states.point(), outcome}] = kinds.empty();
  Example& example = examples_[outcome];
  CrashState whole = WholeState(states, /*last=*/false);
  CrashState undecided = nested ? whole : UndecidedState(states);
  const bool is_first =
      example.whole.empty() || std::forward_as_tuple(states.point(), undecided) <
                                   std::forward_as_tuple(example.place, example.undecided);
  if (!is_first) return;
  example = {.place = states.point(),
             .undecided = std::move(undecided),
             .whole = std::move(whole),
             .kinds = kinds};
}

void ReadExploration::WantCheck(const StateSet& states, DecisionTree::Leaf leaf) {
  // What a recovery that was killed has read by then depends on when that was.
  if (leaves_[leaf].outcome->end == Outcome::End::kTimedOut) return;
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
    if (outcome->end != Outcome::End::kAnswered) continue;
    in_order[{example.place, example.undecided}] = outcome;
  }
  for (const auto& [order, outcome] : in_order) {
    if (!used_on_.insert(KeyOf(*outcome)).second) continue;
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
    if (!batch_->IsUndecided(places_[states.point()].point, lines_[line])) continue;
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
