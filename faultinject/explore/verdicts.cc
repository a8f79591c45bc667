// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/verdicts.h"

namespace fencepost {

uint64_t Outcomes::Count() const {
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

std::vector<Finding> FindingsOf(Judge* judge, const CrashPoint& point, const Outcome& outcome,
                                const std::optional<SecondCrash>& second) {
  std::vector<Finding> findings = judge->Verdict(point, outcome);
  if (!second || !second->ended) return findings;
  const Outcome first{.answer = second->first_answer, .complaint = {}};
  for (Finding& finding : judge->Contradictions(first, outcome)) {
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace fencepost
