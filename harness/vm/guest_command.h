// SPDX-License-Identifier: BSD-3-Clause
// One command of this program in a virtual machine of its own.
#ifndef FENCEPOST_HARNESS_VM_GUEST_COMMAND_H_
#define FENCEPOST_HARNESS_VM_GUEST_COMMAND_H_

#include <string>
#include <vector>

#include "harness/exit_code.h"
#include "harness/vm/guest_host.h"

namespace fencepost {

// Boots, runs the words as a command of this program in the current folder, which the guest shares,
// and switches off. Its exit code; not ok, after `timeout_s`, or if the machine fails.
Result<ExitCode> RunInGuest(const GuestSettings& settings, const std::vector<std::string>& words,
                            double timeout_s, bool quiet);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_GUEST_COMMAND_H_
