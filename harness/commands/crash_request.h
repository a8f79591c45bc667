// SPDX-License-Identifier: BSD-3-Clause
// What `fencepost crash` is asked for, by a user or by a campaign's step.
#ifndef FENCEPOST_HARNESS_COMMANDS_CRASH_REQUEST_H_
#define FENCEPOST_HARNESS_COMMANDS_CRASH_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/commands/crash_options.h"
#include "harness/crash/crash_replay.h"
#include "harness/run_request.h"

namespace fencepost {

struct CrashRequest {
  std::string engine;
  WorkloadFlags workload;
  CrashFlags crash;
  std::string from;        // a folder whose recordings are explored again
  std::string resume;      // a folder whose campaign is gone on with
  uint64_t schedules = 0;  // 0: as many as the number of threads makes sensible
  bool record_only = false;
  bool creation = false;
  std::string fault = "power-loss";
  std::optional<uint64_t> rounds;   // of kills, of failing calls, of flipped bits
  std::vector<std::string> merged;  // merge: the reports' folders
  ReplayRequest replay;
};

// Everything but --resume and the subcommands.
void DeclareCrashRequest(CLI::App& app, CrashRequest* request);

// A flag that would be ignored is refused: the report would not be of what was asked for.
Status CheckHeeded(const CLI::App& app, const CrashRequest& request);

// The words behind `fencepost crash`. kInvalidArgument says what is wrong with them.
Result<CrashRequest> ParseCrashRequest(const std::vector<std::string>& words);

// Whether it is an exploration that several processes may share: one whose result depends on
// nothing but recording, settings and seed.
bool MayBeShared(const CrashRequest& request);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_CRASH_REQUEST_H_
