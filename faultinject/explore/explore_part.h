// SPDX-License-Identifier: BSD-3-Clause
// ExplorePart: what was explored of a recording between two of its units, so that it can be put
// beside what others explored, in other processes.
//
// A unit is what is explored in one go: a crash point, or with strategy `reads` of memory a batch
// of them, or some batches. Units are numbered along the trace, and which there are depends on the
// recording and the settings alone.
//
// Invariants: parts of all units, joined, are what one process finds that explores all of them,
//   but for how much it executed.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_EXPLORE_PART_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_EXPLORE_PART_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/budget.h"
#include "faultinject/explore/verdicts.h"

namespace fencepost {

struct UnitRange {
  uint64_t begin = 0;
  uint64_t end = UINT64_MAX;  // not of it
};

// What a crash point adds to the totals.
struct PointSize {
  double log10_raw_states = 0;
  uint64_t mixed_lines = 0;
};

struct ExploredPoint {
  uint64_t index = 0;
  PointSize size = {};
  bool explored = false;  // to the end
};

template <typename State>
struct ExplorePartOf {
  std::vector<ExploredPoint> points = {};
  uint64_t states = 0, nested_points = 0, nested_states = 0;
  bool states_cut = false;
  VerdictTallyOf<State> verdicts = {};
  std::vector<std::string> places = {};  // of files: what `stack` of a point stands for
  // Executed; depends on what the process had executed before.
  uint64_t recoveries = 0, traced_recoveries = 0, nested_recoveries = 0, checks = 0;
  double seconds = 0;

  // REQUIRES: `other` is of other units.
  void Join(ExplorePartOf other) {
    points.insert(points.end(), other.points.begin(), other.points.end());
    std::stable_sort(
        points.begin(), points.end(),
        [](const ExploredPoint& a, const ExploredPoint& b) { return a.index < b.index; });
    states += other.states;
    nested_points += other.nested_points;
    nested_states += other.nested_states;
    states_cut |= other.states_cut;
    verdicts.Join(std::move(other.verdicts));
    // They are numbered along the trace: whoever has come further knows all that others do.
    if (other.places.size() > places.size()) places = std::move(other.places);
    recoveries += other.recoveries;
    traced_recoveries += other.traced_recoveries;
    nested_recoveries += other.nested_recoveries;
    checks += other.checks;
    seconds += other.seconds;
  }
};

// Says which units are explored next, and takes what came of them.
template <typename State>
struct PartDealerOf {
  // The next ones, all behind those before; nothing: no more.
  std::function<std::optional<UnitRange>()> next;
  // REQUIRES: called once after each next(), with the same units, unless the search was stopped.
  std::function<Status(const UnitRange& units, ExplorePartOf<State> part)> take;
};

// Leads a search along the units, and keeps the part that it is at.
template <typename State>
class PartKeeperOf {
 public:
  using Part = ExplorePartOf<State>;
  using Dealer = PartDealerOf<State>;

  // `dealer`: null: one part is all there is. REQUIRES: it outlives this.
  explicit PartKeeperOf(const Dealer* dealer) : dealer_(dealer) {
    units_ = dealer_ == nullptr ? UnitRange{} : dealer_->next();
  }

  Part* part() { return &part_; }
  uint64_t units() const { return next_unit_; }
  // Whether the unit at hand is to be explored.
  bool wanted() const { return units_ && next_unit_ >= units_->begin; }
  // Whether there is nothing to be explored any more.
  bool done() const { return !units_; }
  // The unit at hand is over; `end` completes a part.
  Status Advance(const std::function<Status(Part*)>& end) {
    ++next_unit_;
    while (dealer_ != nullptr && units_ && next_unit_ >= units_->end) RETURN_IF_ERROR(Hand(end));
    return Status::Ok();
  }
  // There are no more units.
  Status Finish(const std::function<Status(Part*)>& end) {
    if (dealer_ == nullptr) return end(&part_);
    return units_ && units_->begin < next_unit_ ? Hand(end) : Status::Ok();
  }

 private:
  Status Hand(const std::function<Status(Part*)>& end) {
    RETURN_IF_ERROR(end(&part_));
    RETURN_IF_ERROR(dealer_->take(*units_, std::exchange(part_, {})));
    units_ = dealer_->next();
    return Status::Ok();
  }

  const Dealer* const dealer_;
  std::optional<UnitRange> units_;
  uint64_t next_unit_ = 0;
  Part part_;
};

// The fields that all results have, of a part: `Result` is ExploreResult or FileExploreResult.
template <typename State, typename Result>
void SetResult(ExplorePartOf<State> part, Result* result) {
  part.verdicts.FoldUses();
  result->log10_raw_states = result->log10_explored_raw_states = kNoStatesLog10;
  result->crash_points = part.points.size();
  result->explored_points = 0;
  for (const ExploredPoint& point : part.points) {
    result->log10_raw_states = AddLog10(result->log10_raw_states, point.size.log10_raw_states);
    if (!point.explored) continue;
    ++result->explored_points;
    result->log10_explored_raw_states =
        AddLog10(result->log10_explored_raw_states, point.size.log10_raw_states);
  }
  result->states = part.states;
  result->recoveries = part.recoveries;
  result->outcomes = part.verdicts.outcomes.size();
  result->verdicts = part.verdicts.judged;
  result->failed_verdicts = part.verdicts.failed;
  result->groups = part.verdicts.TakeGroups();
  result->seconds = part.seconds;
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_EXPLORE_PART_H_
