// SPDX-License-Identifier: BSD-3-Clause
// Whether the steps of a suite can be run: what a command would refuse is refused before the first
// of them has run, with the line of the suite's file.
//
// Threads: none.
// Not covered: what shows only when an engine is opened, a device fills or a tool is missing.
#ifndef FENCEPOST_HARNESS_COMMANDS_SUITE_CHECK_H_
#define FENCEPOST_HARNESS_COMMANDS_SUITE_CHECK_H_

#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/suite/suite_file.h"

namespace fencepost {

// `file`: what is said to be wrong is in it. Warns on standard error of properties that nothing
// reads. kInvalidArgument, "FILE:LINE: step 'x': ...", for the first step that cannot be run.
Status CheckSteps(const Suite& suite, const std::string& file);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_SUITE_CHECK_H_
