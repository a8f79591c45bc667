// SPDX-License-Identifier: BSD-3-Clause
// Replays a violation: its crash image is built again, bit for bit, and recovered from.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_REPLAY_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_REPLAY_H_

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/judge.h"
#include "harness/exit_code.h"

namespace fencepost {

struct ReplayRequest {
  std::string folder;    // with crash.json
  std::string id;        // "V1"
  std::string keep;      // write the image there and stop; empty: recover
  std::string debugger;  // words before the command; empty: none
  // Recover in this process, where a debugger sees it: a recovery that crashes ends the program.
  bool in_process = false;
  // Recovers from the image of a disk, which takes a guest.
  std::function<Result<ExitCode>(const ReplayRequest& request, const nlohmann::json& report,
                                 const nlohmann::json& violation)>
      in_guest = {};
};

// Prints what was found and what is wrong with it. Exit code 1 if the violation shows again, 0 if
// it does not.
Result<ExitCode> ReplayViolation(const ReplayRequest& request);

// Prints what was found this time; the exit code as above.
ExitCode ShownAgain(const std::vector<Finding>& findings, const nlohmann::json& violation);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_REPLAY_H_
