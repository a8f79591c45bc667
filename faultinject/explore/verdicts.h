// SPDX-License-Identifier: BSD-3-Clause
// Verdicts: outcomes are judged, and what is wrong with them is grouped.
//
// `State` is what a model calls a crash state: it is kept with the example of each group.
//
// Invariants: the groups do not depend on the order in which outcomes come.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "faultinject/explore/judge.h"

namespace fencepost {

// Outcomes that were seen.
class Outcomes {
 public:
  // Keeps an outcome; the reference stays valid. Equal ones are one.
  const Outcome* Keep(Outcome outcome) { return &*outcomes_.insert(std::move(outcome)).first; }
  // Distinct ones; what was written to standard error does not count.
  uint64_t Count() const;

 private:
  // What a recovery complained of comes last: it need not be the same each time (addresses), and
  // tells no outcomes apart.
  struct Less {
    bool operator()(const Outcome& a, const Outcome& b) const {
      return std::tie(a.end, a.code, a.answer, a.complaint) <
             std::tie(b.end, b.code, b.answer, b.complaint);
    }
  };
  std::set<Outcome, Less> outcomes_;
};

// Findings of one kind at one place of the program. The example is the first in trace order.
template <typename State>
struct FindingGroupOf {
  Finding finding;
  CrashPoint point;
  State state;
  Outcome outcome;
  std::optional<SecondCrash> second = {};  // `state` is then of that one
  uint64_t occurrences = 0;                // pairs of crash point and outcome
};

template <typename State>
class VerdictsOf {
 public:
  using Group = FindingGroupOf<State>;

  // REQUIRES: `judge` outlives it.
  explicit VerdictsOf(Judge* judge) : judge_(judge) {}

  const Outcome* Keep(Outcome outcome) { return outcomes_.Keep(std::move(outcome)); }
  // Kinds in `but_for` are passed over. Returns the kinds of what was found.
  std::set<std::string> JudgeOne(const CrashPoint& point, const State& state,
                                 const Outcome& outcome, const std::set<std::string>& but_for = {},
                                 const std::optional<SecondCrash>& second = {}) {
    std::set<std::string> kinds;
    ++judged_;
    for (const Finding& finding : FindingsOf(judge_, point, outcome, second)) {
      if (but_for.contains(finding.kind)) continue;
      kinds.insert(finding.kind);
      Group& group =
          groups_[{finding.kind, point.stack, static_cast<int>(point.before), second.has_value()}];
      // Recoveries end in any order; the example is the first of the trace all the same.
      const bool is_first = group.occurrences == 0 ||
                            std::tie(point.index, state) < std::tie(group.point.index, group.state);
      if (is_first) {
        group.finding = finding;
        group.point = point;
        group.state = state;
        group.outcome = outcome;
        group.second = second;
      }
      ++group.occurrences;
    }
    if (!kinds.empty()) ++failed_;
    return kinds;
  }

  uint64_t judged() const { return judged_; }
  uint64_t failed() const { return failed_; }
  size_t group_count() const { return groups_.size(); }
  uint64_t CountOutcomes() const { return outcomes_.Count(); }
  // In trace order of their examples.
  std::vector<Group> TakeGroups() {
    std::vector<Group> groups;
    for (auto& [key, group] : groups_) groups.push_back(std::move(group));
    groups_.clear();
    std::stable_sort(groups.begin(), groups.end(),
                     [](const Group& a, const Group& b) { return a.point.index < b.point.index; });
    return groups;
  }

 private:
  Judge* const judge_;
  Outcomes outcomes_;
  // By kind, place, and whether it takes a second crash.
  std::map<std::tuple<std::string, uint32_t, int, bool>, Group> groups_;
  uint64_t judged_ = 0, failed_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_
