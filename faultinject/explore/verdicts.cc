// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/verdicts.h"

#include <xxhash.h>

namespace fencepost {

OutcomeKey KeyOf(const Outcome& outcome) {
  const auto end_and_code = static_cast<uint64_t>(outcome.end) << 32 |
                            static_cast<uint64_t>(static_cast<uint32_t>(outcome.code));
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(outcome.answer.data(), outcome.answer.size(), end_and_code);
  return {hash.high64, hash.low64};
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
