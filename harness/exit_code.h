// SPDX-License-Identifier: BSD-3-Clause
// What the program's exit codes mean. Only main exits.
#ifndef FENCEPOST_HARNESS_EXIT_CODE_H_
#define FENCEPOST_HARNESS_EXIT_CODE_H_

namespace fencepost {

enum class ExitCode : int {
  kPass = 0,
  kViolation = 1,      // a violation or a regression was found
  kUsage = 2,          // bad usage, or an environment that cannot do what was asked
  kHarness = 3,        // the harness itself failed
  kInterrupted = 130,  // Ctrl-C: what was measured is kept, marked partial
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_EXIT_CODE_H_
