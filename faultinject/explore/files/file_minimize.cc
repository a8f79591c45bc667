// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_minimize.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "faultinject/explore/files/io_text.h"
#include "faultinject/explore/files/tree_pool.h"

namespace fencepost {
namespace {

constexpr double kSecondsOfHangs = 60;

// Indices of pending pieces that go or stay together.
using Unit = std::vector<size_t>;

uint64_t RecoveriesFor(const FileFindingGroup& group, uint64_t most, double timeout_s) {
  if (group.outcome.end != Outcome::End::kTimedOut) return most;
  return std::min(most, static_cast<uint64_t>(kSecondsOfHangs / timeout_s));
}

class Minimizer {
 public:
  Minimizer(const FileRun& run, const FileExploreOptions& options, Judge* judge,
            uint64_t max_recoveries, const std::function<bool()>& interrupted)
      : run_(run),
        judge_(judge),
        max_recoveries_(max_recoveries),
        interrupted_(interrupted),
        model_(*options.file_system, options.model, run.initial),
        walk_(run.events, &model_) {}

  Status StartPool(const PoolOptions& options, Recoverer* recoverer) {
    PoolOptions one = options;
    one.workers = 1;
    timeout_s_ = options.timeout_s;
    ASSIGN_OR_RETURN(pool_, TreePool::Start(one, recoverer, [this](uint64_t, Outcome outcome) {
                       outcome_ = std::move(outcome);
                     }));
    return Status::Ok();
  }

  // Groups come in trace order.
  Result<FileMinimalViolation> Minimize(FileFindingGroup group);

 private:
  std::vector<Unit> UnitsByEvent(const std::vector<size_t>& lost) const;
  Status Reduce(std::vector<Unit>* units);
  // Whether the violation shows where exactly these are lost, and what needs them.
  Result<bool> Fails(const std::vector<Unit>& lost);
  PosixModel::Survivors SurvivorsWithout(const std::vector<Unit>& lost) const;
  std::vector<MissingPiece> Describe(const std::vector<Unit>& lost);
  std::map<PieceId, std::string> CoversOf(const std::set<PieceId>& ids);
  bool MayGoOn() const {
    return violation_.recoveries < most_ && !(interrupted_ && interrupted_());
  }

  const FileRun& run_;
  Judge* const judge_;
  const uint64_t max_recoveries_;  // of each group
  const std::function<bool()>& interrupted_;
  PosixModel model_;
  FileWalk walk_;
  std::optional<CrashPoint> at_;  // where the walk is
  std::unique_ptr<TreePool> pool_;
  Outcome outcome_;
  double timeout_s_ = 0;
  // Of the group at hand.
  FileMinimalViolation violation_;
  uint64_t most_ = 0;  // recoveries
  bool cut_ = false;
};

Result<FileMinimalViolation> Minimizer::Minimize(FileFindingGroup group) {
  if (!at_ || at_->index != group.point.index) {
    ASSIGN_OR_RETURN(at_, walk_.Seek(group.point.index));
  }
  violation_ = {.group = std::move(group), .missing = {}};
  most_ = RecoveriesFor(violation_.group, max_recoveries_, timeout_s_);
  cut_ = false;
  const PosixModel::Survivors survivors = model_.SurvivorsOf(violation_.group.state);
  std::vector<size_t> lost;
  for (size_t i = 0; i < survivors.size(); ++i) {
    if (!survivors[i]) lost.push_back(i);
  }
  std::vector<Unit> units = UnitsByEvent(lost);
  cut_ = !units.empty() && !MayGoOn();
  if (!units.empty() && !cut_) {
    ASSIGN_OR_RETURN(const bool without_any, Fails({}));
    if (without_any) units.clear();
  }
  RETURN_IF_ERROR(Reduce(&units));
  // Which sectors of those events?
  std::vector<Unit> pieces;
  for (const Unit& unit : units) {
    for (const size_t piece : unit) pieces.push_back({piece});
  }
  if (pieces.size() > units.size()) {
    RETURN_IF_ERROR(Reduce(&pieces));
    units = std::move(pieces);
  }
  violation_.minimal = !cut_;
  violation_.missing = Describe(units);
  return std::move(violation_);
}

std::vector<Unit> Minimizer::UnitsByEvent(const std::vector<size_t>& lost) const {
  std::vector<Unit> units;
  uint64_t event = 0;
  for (const size_t piece : lost) {
    const uint64_t of = model_.pending()[piece].id.event;
    if (units.empty() || of != event) units.emplace_back();
    units.back().push_back(piece);
    event = of;
  }
  return units;
}

// Gives back a half, a quarter, ... a single unit at a time, as long as it fails all the same; at
// last none can be given back.
Status Minimizer::Reduce(std::vector<Unit>* units) {
  size_t chunk = std::max<size_t>(units->size() / 2, 1);
  while (!units->empty() && !cut_) {
    const size_t before = units->size();
    for (size_t begin = 0; begin < units->size();) {
      const size_t end = std::min(begin + chunk, units->size());
      std::vector<Unit> fewer(units->begin(), units->begin() + static_cast<std::ptrdiff_t>(begin));
      fewer.insert(fewer.end(), units->begin() + static_cast<std::ptrdiff_t>(end), units->end());
      if (fewer.empty()) break;  // that was tried at first
      cut_ = !MayGoOn();
      if (cut_) return Status::Ok();
      ASSIGN_OR_RETURN(const bool fails, Fails(fewer));
      if (fails) {
        *units = std::move(fewer);
      } else {
        begin = end;
      }
    }
    // What could not be given back at first may be after another was.
    if (chunk == 1 && units->size() == before) break;
    chunk = std::max<size_t>(chunk / 2, 1);
  }
  return Status::Ok();
}

PosixModel::Survivors Minimizer::SurvivorsWithout(const std::vector<Unit>& lost) const {
  PosixModel::Survivors survivors = model_.Newest();
  for (const Unit& unit : lost) {
    for (const size_t piece : unit) survivors[piece] = false;
  }
  model_.DropWithoutNeeded(&survivors);
  return survivors;
}

Result<bool> Minimizer::Fails(const std::vector<Unit>& lost) {
  const PosixModel::Survivors survivors = SurvivorsWithout(lost);
  ++violation_.recoveries;
  FileFindingGroup& group = violation_.group;
  RETURN_IF_ERROR(pool_->Submit(0, model_.Build(survivors), judge_->Context(group.point)));
  RETURN_IF_ERROR(pool_->Drain());
  RETURN_IF_ERROR(judge_->status());
  for (Finding& finding : judge_->Verdict(group.point, outcome_)) {
    if (finding.kind != group.finding.kind) continue;
    group.finding = std::move(finding);
    group.state = model_.StateOf(survivors);
    group.outcome = outcome_;
    return true;
  }
  return false;
}

std::vector<MissingPiece> Minimizer::Describe(const std::vector<Unit>& lost) {
  const std::map<InodeId, std::string> paths = model_.current().Paths();
  std::set<PieceId> ids;
  for (const Unit& unit : lost) {
    for (const size_t piece : unit) ids.insert(model_.pending()[piece].id);
  }
  const std::map<PieceId, std::string> covers = CoversOf(ids);
  std::vector<MissingPiece> missing;
  for (const Unit& unit : lost) {
    for (const size_t number : unit) {
      const FilePiece& piece = model_.pending()[number];
      missing.push_back({.id = piece.id,
                         .what = model_.Describe(piece, paths),
                         .place = WithoutNumbers(model_.Describe(piece, paths)),
                         .operation = piece.operation,
                         .cover = covers.at(piece.id)});
    }
  }
  return missing;
}

// Goes on to the end of the run, in a model of its own, and sees what makes them durable.
std::map<PieceId, std::string> Minimizer::CoversOf(const std::set<PieceId>& ids) {
  std::map<PieceId, std::string> covers;
  for (const PieceId& id : ids) covers[id] = "no sync covers it, up to the end";
  PosixModel ahead = model_;
  std::set<PieceId> open = ids;
  for (uint64_t i = at_->event; i < run_.events.size() && !open.empty(); ++i) {
    const IoEvent& event = run_.events[i];
    const bool shrinks = ahead.Shrinks(event);
    const std::string sync = shrinks ? NameOfSync(event, ahead.current().Paths()) : "";
    if (!ahead.Apply(event, i).ok()) break;
    if (!shrinks) continue;
    std::set<PieceId> undecided;
    for (const FilePiece& piece : ahead.pending()) {
      if (!piece.durable) undecided.insert(piece.id);
    }
    for (auto id = open.begin(); id != open.end();) {
      if (undecided.contains(*id)) {
        ++id;
        continue;
      }
      covers[*id] = fmt::format(
          "the first sync that covers it, {}, ends after the crash (event {})", sync, i);
      id = open.erase(id);
    }
  }
  return covers;
}

}  // namespace

Result<std::vector<FileMinimalViolation>> MinimizeFiles(
    const FileRun& run, const FileExploreOptions& options, const PoolOptions& pool,
    Recoverer* recoverer, Judge* judge, std::vector<FileFindingGroup> groups,
    uint64_t max_recoveries, const std::function<bool()>& interrupted) {
  std::vector<FileMinimalViolation> violations;
  if (groups.empty()) return violations;
  Minimizer minimizer(run, options, judge, max_recoveries, interrupted);
  RETURN_IF_ERROR(minimizer.StartPool(pool, recoverer));
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.point.index < b.point.index; });
  for (FileFindingGroup& group : groups) {
    ASSIGN_OR_RETURN(FileMinimalViolation violation, minimizer.Minimize(std::move(group)));
    violations.push_back(std::move(violation));
  }
  return violations;
}

}  // namespace fencepost
