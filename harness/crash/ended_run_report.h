// SPDX-License-Identifier: BSD-3-Clause
// What reports of runs have in common that were not recorded and are over: killed, cut off with
// their machine, or closed and read back from a medium that flips bits.
#ifndef FENCEPOST_HARNESS_CRASH_ENDED_RUN_REPORT_H_
#define FENCEPOST_HARNESS_CRASH_ENDED_RUN_REPORT_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faultinject/explore/judge.h"
#include "harness/crash/ended_run.h"

namespace fencepost {

// How a run was brought to the state that is judged.
struct RunEnd {
  uint64_t index = 0;  // of the round
  std::string before;  // "a kill"
  nlohmann::json where = nullptr;
  nlohmann::json state = nlohmann::json::array();  // what was done to the store
  uint64_t occurrences = 1;
  std::optional<uint64_t> event = {};  // where in the history it ended; none: behind its last line
};

// `kept`: where the store and the history of that run are.
nlohmann::json EndedRunViolation(const Finding& finding, const EndedRun& run, RunEnd end,
                                 const std::filesystem::path& kept);

struct EndedRuns {
  std::string domain;      // of the crash: "process", "machine", "medium"
  std::string_view fault;  // what was done to them, which is the strategy as well
  uint64_t seed = 1;
  double timeout_s = 0;  // of a recovery
  unsigned operations_after = 0;
  std::filesystem::path recording;
  nlohmann::json recorded;                             // `recording`, beside its path
  nlohmann::json settings = nlohmann::json::object();  // beside those above, or in place of them
  nlohmann::json explored;                             // ExploredRuns
  nlohmann::json assumptions;
  std::vector<nlohmann::json> violations;  // EndedRunViolation
};

nlohmann::json EndedRunsReport(const CrashSubject& subject, const RunPlan& plan,
                               const std::filesystem::path& folder,
                               const std::vector<std::string>& command, EndedRuns runs);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENDED_RUN_REPORT_H_
