// SPDX-License-Identifier: BSD-3-Clause
// Death of the process: a run of an engine is killed at a seeded instant, its store is recovered
// and judged against what the client had been told; round after round. Needs no model and no
// tracer.
//
// What was written is in the page cache, or in memory that outlives the process, so each class is
// held to what it promises of the process's death, not of a power loss.
//
// Not covered: the seed draws the instant, and the machine decides what the run has done by then.
//   What a round found can be seen again from the store that it kept, not by killing again.
#ifndef FENCEPOST_HARNESS_CRASH_KILL_ROUNDS_H_
#define FENCEPOST_HARNESS_CRASH_KILL_ROUNDS_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/crash/crash_replay.h"
#include "harness/crash/engine_recording.h"

namespace fencepost {

struct KillSettings {
  uint64_t rounds = 100;
  uint64_t seed = 1;
  double timeout_s = 10;  // of a recovery
  unsigned operations_after = 12;
  bool quiet = false;
};

// The report, to be written into `folder`, where what each failed round left is kept: its store and
// its history. kInternal if the engine fails without being killed.
Result<nlohmann::json> RunKillRounds(const CrashSubject& subject,
                                     const std::filesystem::path& folder,
                                     const KillSettings& settings,
                                     const std::vector<std::string>& command);

// Recovers once more from a copy of what a failed round kept.
Result<ExitCode> ReplayKilled(const ReplayRequest& request, const nlohmann::json& report,
                              const nlohmann::json& violation);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_KILL_ROUNDS_H_
