// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/verdicts.h"

#include <algorithm>
#include <utility>

namespace fencepost {

std::set<std::string> Verdicts::JudgeOne(const CrashPoint& point, const CrashState& state,
                                         const Outcome& outcome,
                                         const std::set<std::string>& but_for,
                                         const std::optional<SecondCrash>& second) {
  std::set<std::string> kinds;
  ++judged_;
  std::vector<Finding> findings = judge_->Verdict(point, outcome);
  if (second && second->ended) {
    const Outcome first{.answer = second->first_answer, .complaint = {}};
    for (Finding& finding : judge_->Contradictions(first, outcome)) {
      findings.push_back(std::move(finding));
    }
  }
  for (const Finding& finding : findings) {
    if (but_for.contains(finding.kind)) continue;
    kinds.insert(finding.kind);
    FindingGroup& group =
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

uint64_t Verdicts::CountOutcomes() const {
  uint64_t count = 0;
  const Outcome* before = nullptr;
  for (const Outcome& outcome : outcomes_) {
    const bool same = before != nullptr && before->end == outcome.end &&
                      before->code == outcome.code && before->answer == outcome.answer;
    if (!same) ++count;
    before = &outcome;
  }
  return count;
}

std::vector<FindingGroup> Verdicts::TakeGroups() {
  std::vector<FindingGroup> groups;
  for (auto& [key, group] : groups_) groups.push_back(std::move(group));
  groups_.clear();
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.point.index < b.point.index; });
  return groups;
}

}  // namespace fencepost
