// SPDX-License-Identifier: BSD-3-Clause
// A medium that gives back other bits than were written: a run of an engine comes to its end and is
// closed, and its store is opened and read with one bit flipped, bit after bit.
//
// What the engine gives out must be right; it may say instead that it cannot (a status of its own).
// A wrong or lost pair, a hang or the end of the process is a violation where the engine's row
// promises checksums, and information where it does not.
//
// Not covered: see flipped_reads.h. The store is one that was closed: of a log that was cut off by
// a
//   crash no reader can tell a flipped bit in its last record from a torn one.
#ifndef FENCEPOST_HARNESS_CRASH_FLIP_ROUNDS_H_
#define FENCEPOST_HARNESS_CRASH_FLIP_ROUNDS_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "faultinject/explore/recovery.h"
#include "harness/crash/crash_replay.h"
#include "harness/crash/engine_recording.h"

namespace fencepost {

// As --fault has it.
inline constexpr const char* kReadFlip = "read-flip";

struct FlipSettings {
  uint64_t rounds = 1000;  // bits
  uint64_t seed = 1;
  uint64_t stop_after = 0;  // kinds of violations; 0: no limit
  double max_seconds = 0;   // 0: no limit
  PoolOptions pool;
  bool quiet = false;
};

// The report, to be written into `folder`, where the store and the history of the run are kept.
// kInternal if the run fails, or its store is not whole.
Result<nlohmann::json> RunFlipRounds(const CrashSubject& subject,
                                     const std::filesystem::path& folder,
                                     const FlipSettings& settings,
                                     const std::vector<std::string>& command);

// Flips the violation's bit in a copy of what was kept, and reads it once more.
Result<ExitCode> ReplayFlipped(const ReplayRequest& request, const nlohmann::json& report,
                               const nlohmann::json& violation);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_FLIP_ROUNDS_H_
