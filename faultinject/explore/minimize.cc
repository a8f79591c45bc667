// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/minimize.h"

#include <algorithm>
#include <optional>

namespace fencepost {
namespace {

constexpr double kSecondsOfHangs = 60;

uint64_t RecoveriesFor(const FindingGroup& group, uint64_t most, double timeout_s) {
  if (group.outcome.end != Outcome::End::kTimedOut) return most;
  return std::min(most, static_cast<uint64_t>(kSecondsOfHangs / timeout_s));
}

// One group at its crash point.
class Minimizer {
 public:
  Minimizer(const Px86& model, RecoveryPool* pool, std::optional<Outcome>* answer, Judge* judge,
            const FindingGroup& group, uint64_t max_recoveries,
            const std::function<bool()>& interrupted)
      : model_(model),
        pool_(pool),
        answer_(answer),
        judge_(judge),
        group_(group),
        max_recoveries_(max_recoveries),
        interrupted_(interrupted) {}

  Result<MinimalViolation> Run() {
    CrashState newest;
    std::vector<LineId> older;
    for (const auto& [id, line] : model_.lines()) {
      if (!line.undecided()) continue;
      newest[id] = line.Newest();
      if (FoundIn(id).bytes != newest[id].bytes) older.push_back(id);
    }
    newest_ = std::move(newest);
    best_.group = group_;
    RETURN_IF_ERROR(Reduce(std::move(older)));
    Describe();
    best_.minimal = !cut_short_;
    best_.recoveries = recoveries_;
    return std::move(best_);
  }

 private:
  // The line in the failing state that was found first.
  LineState FoundIn(LineId id) const {
    const auto found = group_.state.find(id);
    return found != group_.state.end() ? found->second : model_.lines().at(id).Oldest();
  }

  // Whether the state with only these lines older still fails in the same way.
  Result<bool> Fails(const std::vector<LineId>& older) {
    CrashState state = newest_;
    for (const LineId& id : older) state[id] = FoundIn(id);
    ++recoveries_;
    answer_->reset();
    RETURN_IF_ERROR(pool_->Submit(recoveries_, state, judge_->Context(group_.point)));
    RETURN_IF_ERROR(pool_->Drain());
    CHECK(answer_->has_value());
    for (const Finding& finding : judge_->Verdict(group_.point, **answer_)) {
      if (finding.kind != group_.finding.kind) continue;
      best_.group.finding = finding;
      best_.group.state = std::move(state);
      best_.group.outcome = **answer_;
      missing_ = older;
      return true;
    }
    return false;
  }

  // Whether to give up; asked only when there is more to try.
  bool Spent() {
    cut_short_ = recoveries_ >= max_recoveries_ || (interrupted_ && interrupted_());
    return cut_short_;
  }

  Status Reduce(std::vector<LineId> older) {
    missing_ = older;
    if (Spent()) return Status::Ok();
    ASSIGN_OR_RETURN(const bool fails_whole, Fails({}));
    if (fails_whole) return Status::Ok();
    size_t parts = 2;
    while (older.size() >= 2 && !Spent()) {
      bool reduced = false;
      const size_t chunk = (older.size() + parts - 1) / parts;
      // Each part alone, then all but each part.
      for (const bool complement : {false, true}) {
        if (complement && parts == 2) break;
        for (size_t at = 0; at < older.size() && !reduced && !Spent(); at += chunk) {
          const size_t end = std::min(at + chunk, older.size());
          std::vector<LineId> tried;
          for (size_t i = 0; i < older.size(); ++i) {
            if ((i >= at && i < end) != complement) tried.push_back(older[i]);
          }
          ASSIGN_OR_RETURN(reduced, Fails(tried));
          if (reduced) {
            older = std::move(tried);
            parts = complement ? std::max<size_t>(parts - 1, 2) : 2;
          }
        }
        if (reduced) break;
      }
      if (reduced) continue;
      if (parts >= older.size()) break;
      parts = std::min(parts * 2, older.size());
    }
    return Status::Ok();
  }

  void Describe() {
    for (const LineId& id : missing_) {
      const Px86Line& line = model_.lines().at(id);
      const LineState found = FoundIn(id);
      MissingLine missing{.line = id, .found = found.bytes, .newest = line.Newest().bytes};
      for (size_t i = 0; i < line.pending().size(); ++i) {
        const PendingStore& store = line.pending()[i];
        const bool survived = i < 64 && (found.survived >> i & 1) != 0;
        const bool torn = i < 64 && (found.torn >> i & 1) != 0;
        if (store.durable || (survived && !torn)) continue;
        missing.stores.push_back({.event = store.event,
                                  .thread = store.thread,
                                  .stack = store.stack,
                                  .offset = id.number * kLineBytes + store.begin,
                                  .bytes = store.bytes,
                                  .torn = torn,
                                  .non_temporal = store.non_temporal,
                                  .flush_event = store.flush_event,
                                  .flush_thread = store.flush_thread});
      }
      best_.missing.push_back(std::move(missing));
    }
  }

  const Px86& model_;
  RecoveryPool* const pool_;
  std::optional<Outcome>* const answer_;
  Judge* const judge_;
  const FindingGroup& group_;
  const uint64_t max_recoveries_;
  const std::function<bool()>& interrupted_;
  CrashState newest_;
  std::vector<LineId> missing_;
  MinimalViolation best_;
  uint64_t recoveries_ = 0;
  bool cut_short_ = false;
};

}  // namespace

Result<std::vector<MinimalViolation>> Minimize(
    const Recording& recording, TraceFile* trace, const TraceSurvey& survey,
    const ExploreOptions& options, const PoolOptions& pool_options, Recoverer* recoverer,
    Judge* judge, std::vector<FindingGroup> groups, uint64_t max_recoveries,
    const std::function<bool()>& interrupted) {
  std::vector<MinimalViolation> violations;
  if (groups.empty()) return violations;
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.point.index < b.point.index; });
  ASSIGN_OR_RETURN(ImageSet images, InitialImages(recording, trace));
  std::optional<Outcome> answer;
  ASSIGN_OR_RETURN(const std::unique_ptr<RecoveryPool> pool,
                   RecoveryPool::Start({.workers = 1,
                                        .timeout_s = pool_options.timeout_s,
                                        .scratch_root = pool_options.scratch_root},
                                       &images, recoverer, [&](uint64_t /*job*/, Outcome outcome) {
                                         answer = std::move(outcome);
                                       }));
  TraceWalk walk(trace, survey, options.model, &images);
  std::optional<CrashPoint> at;
  for (const FindingGroup& group : groups) {
    if (!at || at->index != group.point.index) {
      ASSIGN_OR_RETURN(at, walk.Seek(group.point.index));
    }
    if (group.second) {
      // What is missing is missing of the recovery's stores: the search knows the run's.
      violations.push_back({.group = group, .missing = {}});
      continue;
    }
    Minimizer minimizer(walk.model(), pool.get(), &answer, judge, group,
                        RecoveriesFor(group, max_recoveries, pool_options.timeout_s), interrupted);
    ASSIGN_OR_RETURN(MinimalViolation minimal, minimizer.Run());
    violations.push_back(std::move(minimal));
  }
  return violations;
}

}  // namespace fencepost
