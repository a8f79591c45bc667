// SPDX-License-Identifier: BSD-3-Clause
// A campaign: a recording is explored, what fails is minimised, and a report is made of it.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_CAMPAIGN_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_CAMPAIGN_H_

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/explorer.h"
#include "faultinject/explore/files/file_explorer.h"
#include "harness/exit_code.h"
#include "harness/oracle/history.h"

namespace fencepost {

struct CampaignSettings {
  ExploreOptions explore;    // of crashes in memory
  FileExploreOptions files;  // of crashes in files
  PoolOptions pool;
  // Taken, and said so, where the strategy cannot be followed; nothing: then that is an error.
  std::optional<Strategy> fallback = {};
  unsigned depth = 1;              // 2: recoveries are crashed in turn
  unsigned operations_after = 12;  // how much an engine's store is used after a recovery
  uint64_t max_violations = 24;    // groups that are minimised
  uint64_t max_minimising = 400;   // recoveries for one of them
  bool mutate = false;             // then leave out each flush and fence, if all is well
  bool quiet = false;
  std::string label = {};  // before what the progress says
};

// Who recovers and who judges, and what for: made once the trace is known.
struct CampaignParts {
  nlohmann::json subject;
  std::unique_ptr<Recoverer> recoverer;
  std::unique_ptr<Judge> judge;
  std::function<std::string(uint64_t id)> describe_operation;
  std::shared_ptr<const History> history;  // that the judge refers to; none for a program
  // With a depth of 2: who traces recoveries.
  std::unique_ptr<RecoveryTracer> tracer = nullptr;
  std::vector<std::string> remarks = {};  // of the run, for who reads the report
};
using MakeParts = std::function<Result<CampaignParts>(const TraceSurvey& survey)>;

// The parts for a recorded engine: crash.json's "subject" is its engine and workload.
MakeParts EngineParts(const std::filesystem::path& recording, const CampaignSettings& settings);
// For a program: exactly one of the two is not empty.
MakeParts ProgramParts(const std::string& command, const std::string& checker,
                       const std::vector<std::string>& program, const CampaignSettings& settings);

// Explores the recording in `recording`; the report is to be written into `folder`.
// kCorrupt if replaying its trace does not give what the run left.
Result<nlohmann::json> RunCampaign(const std::filesystem::path& recording,
                                   const std::filesystem::path& folder, const MakeParts& make_parts,
                                   const CampaignSettings& settings,
                                   const std::vector<std::string>& command);

// Of groups in trace order, at most so many: the first of each kind, then the second of each, and
// so on, so that a kind that fails everywhere hides no other. In trace order.
template <typename State>
std::vector<FindingGroupOf<State>> ChooseGroups(const std::vector<FindingGroupOf<State>>& groups,
                                                uint64_t most) {
  std::map<std::string, uint64_t> seen;            // by kind
  std::vector<std::pair<uint64_t, size_t>> order;  // how many of its kind come before it; which
  for (size_t i = 0; i < groups.size(); ++i) order.emplace_back(seen[groups[i].finding.kind]++, i);
  std::sort(order.begin(), order.end());
  if (order.size() > most) order.resize(most);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  std::vector<FindingGroupOf<State>> chosen;
  for (const auto& [rank, i] : order) chosen.push_back(groups[i]);
  return chosen;
}

// The exit code that a report stands for: violations 1, nothing looked at 3, else 0.
ExitCode ExitCodeOf(const nlohmann::json& report);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_CAMPAIGN_H_
