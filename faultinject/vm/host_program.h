// SPDX-License-Identifier: BSD-3-Clause
// Programs of the host that help to make a guest: where they are, and what they answer.
// Threads: any.
#ifndef FENCEPOST_FAULTINJECT_VM_HOST_PROGRAM_H_
#define FENCEPOST_FAULTINJECT_VM_HOST_PROGRAM_H_

#include <filesystem>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// In PATH, or where an administrator's programs are. kUnsupported, saying what installs it.
Result<std::filesystem::path> FindHostProgram(const std::string& name);

// Runs `words[0]` to its end, without a shell and without input; its standard output, or into the
// file `output` if that is not empty. kUnsupported, with the last line of what it said, if it
// fails.
Result<std::string> RunHostProgram(const std::vector<std::string>& words,
                                   const std::filesystem::path& input = {},
                                   const std::filesystem::path& output = {});

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_HOST_PROGRAM_H_
