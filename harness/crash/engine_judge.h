// SPDX-License-Identifier: BSD-3-Clause
// EngineJudge: what a recovery found in an engine's store, against the history of the run.
#ifndef FENCEPOST_HARNESS_CRASH_ENGINE_JUDGE_H_
#define FENCEPOST_HARNESS_CRASH_ENGINE_JUDGE_H_

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "faultinject/explore/explorer.h"
#include "harness/crash/recovered_store.h"
#include "harness/oracle/oracle.h"

namespace fencepost {

// What is wrong with how a recovery ended, whoever recovered; nothing if it answered.
std::vector<Finding> JudgeEnd(const Outcome& outcome, double timeout_s);

// Whether the engine was asked for something and answered by an error of its own.
bool IsRefusal(const Outcome& outcome);

class EngineJudge : public Judge {
 public:
  // `may_refuse`: an error of the engine is as good as the right answer (a medium that is damaged),
  // and only what it gives out as good is judged. REQUIRES: `history` outlives the judge.
  EngineJudge(const History& history, Durability durability, double timeout_s,
              bool may_refuse = false);

  std::string Context(const CrashPoint& point) override;
  std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) override;
  std::vector<Finding> Contradictions(const Outcome& first, const Outcome& second) override;

 private:
  // Valid until the next call.
  Result<const RecoveredStore*> Decoded(const std::string& answer);
  void JudgeContents(const CrashPoint& point, const RecoveredStore& store,
                     std::vector<Finding>* findings) const;

  const Oracle oracle_;
  const Durability durability_;
  const double timeout_s_;
  const bool may_refuse_;
  // The latest: an answer is judged at crash points that lie close together.
  std::unordered_map<std::string, RecoveredStore> decoded_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENGINE_JUDGE_H_
