// SPDX-License-Identifier: BSD-3-Clause
// Verdicts: outcomes are judged, and what is wrong with them is grouped.
//
// `State` is what a model calls a crash state: it is kept with the example of each group.
//
// Invariants:
//   1. The groups do not depend on the order in which outcomes come.
//   2. Tallies of different crash points, joined, are the tally of all of them, in whatever parts
//      those were explored.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "faultinject/explore/judge.h"

namespace fencepost {

// Tells outcomes apart in other processes too; what was written to standard error does not count.
struct OutcomeKey {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const OutcomeKey&) const = default;
};
OutcomeKey KeyOf(const Outcome& outcome);

// Outcomes that were seen.
class Outcomes {
 public:
  // Keeps an outcome; the reference stays valid. Equal ones are one.
  const Outcome* Keep(Outcome outcome) { return &*outcomes_.insert(std::move(outcome)).first; }

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

// What was judged of some crash points, so that it can be joined with what was of others.
template <typename State>
struct VerdictTallyOf {
  // By kind, place, and whether it takes a second crash.
  using Key = std::tuple<std::string, uint32_t, int, bool>;
  using Group = FindingGroupOf<State>;
  // The store was used on after a recovery: once for each outcome, where that was first seen.
  struct Use {
    uint64_t point = 0;  // index
    OutcomeKey came_of_it;
    bool failed = false;
    std::map<Key, Group> groups = {};
  };

  uint64_t judged = 0, failed = 0;  // but for uses
  std::map<Key, Group> groups = {};
  std::map<OutcomeKey, Use> uses = {};  // by the outcome before
  std::set<OutcomeKey> outcomes = {};   // but for those of uses

  static Key KeyOfGroup(const Group& group) {
    return {group.finding.kind, group.point.stack, static_cast<int>(group.point.before),
            group.second.has_value()};
  }

  // Recoveries end in any order; the example is the first of the trace all the same.
  static void AddGroup(Group group, std::map<Key, Group>* groups) {
    const auto [found, is_new] = groups->try_emplace(KeyOfGroup(group), group);
    if (is_new) return;
    Group& known = found->second;
    const uint64_t occurrences = known.occurrences + group.occurrences;
    if (std::tie(group.point.index, group.state, group.second) <
        std::tie(known.point.index, known.state, known.second)) {
      known = std::move(group);
    }
    known.occurrences = occurrences;
  }

  // REQUIRES: `other` is of other crash points.
  void Join(VerdictTallyOf other) {
    judged += other.judged;
    failed += other.failed;
    for (auto& [key, group] : other.groups) AddGroup(std::move(group), &groups);
    for (auto& [key, use] : other.uses) {
      const auto [found, is_new] = uses.try_emplace(key, use);
      if (!is_new && use.point < found->second.point) found->second = std::move(use);
    }
    outcomes.merge(other.outcomes);
  }

  // Uses count like everything else from here on.
  void FoldUses() {
    for (auto& [key, use] : std::exchange(uses, {})) {
      ++judged;
      failed += use.failed ? 1 : 0;
      outcomes.insert(use.came_of_it);
      for (auto& [group_key, group] : use.groups) AddGroup(std::move(group), &groups);
    }
  }

  // In trace order of their examples. They are gone from here.
  std::vector<Group> TakeGroups() {
    std::vector<Group> list;
    for (auto& [key, group] : std::exchange(groups, {})) list.push_back(std::move(group));
    std::stable_sort(list.begin(), list.end(),
                     [](const Group& a, const Group& b) { return a.point.index < b.point.index; });
    return list;
  }
};

template <typename State>
class VerdictsOf {
 public:
  using Tally = VerdictTallyOf<State>;
  using Group = FindingGroupOf<State>;

  // REQUIRES: `judge` outlives it.
  explicit VerdictsOf(Judge* judge) : judge_(judge) {}

  const Outcome* Keep(Outcome outcome) { return outcomes_.Keep(std::move(outcome)); }

  // Returns the kinds of what was found.
  std::set<std::string> JudgeOne(const CrashPoint& point, const State& state,
                                 const Outcome& outcome,
                                 const std::optional<SecondCrash>& second = {}) {
    ++tally_.judged;
    tally_.outcomes.insert(KeyOf(outcome));
    std::set<std::string> kinds = Find(point, state, outcome, {}, second, &tally_.groups);
    if (!kinds.empty()) ++tally_.failed;
    return kinds;
  }

  // What is wrong with an outcome without a second crash.
  std::set<std::string> KindsOf(const CrashPoint& point, const Outcome& outcome) {
    std::set<std::string> kinds;
    for (const Finding& finding : judge_->Verdict(point, outcome)) kinds.insert(finding.kind);
    return kinds;
  }

  // What came of using the store on, after a recovery that had come to `before`, in which `kinds`
  // had been found. REQUIRES: no use of an equal outcome came before.
  void JudgeUse(const CrashPoint& point, const State& state, const Outcome& before,
                const std::set<std::string>& kinds, const Outcome& outcome) {
    typename Tally::Use use{.point = point.index, .came_of_it = KeyOf(outcome)};
    use.failed = !Find(point, state, outcome, kinds, {}, &use.groups).empty();
    tally_.uses.emplace(KeyOf(before), std::move(use));
  }

  uint64_t failed() const { return tally_.failed; }
  // Of everything so far.
  size_t group_count() const { return keys_.size(); }
  // Since the last call.
  Tally TakeTally() { return std::exchange(tally_, {}); }

 private:
  // Kinds in `but_for` are passed over.
  std::set<std::string> Find(const CrashPoint& point, const State& state, const Outcome& outcome,
                             const std::set<std::string>& but_for,
                             const std::optional<SecondCrash>& second,
                             std::map<typename Tally::Key, Group>* groups) {
    std::set<std::string> kinds;
    for (const Finding& finding : FindingsOf(judge_, point, outcome, second)) {
      if (but_for.contains(finding.kind)) continue;
      kinds.insert(finding.kind);
      Group group{.finding = finding,
                  .point = point,
                  .state = state,
                  .outcome = outcome,
                  .second = second,
                  .occurrences = 1};
      keys_.insert(Tally::KeyOfGroup(group));
      Tally::AddGroup(std::move(group), groups);
    }
    return kinds;
  }

  Judge* const judge_;
  Outcomes outcomes_;
  Tally tally_;
  std::set<typename Tally::Key> keys_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_VERDICTS_H_
