// SPDX-License-Identifier: BSD-3-Clause
// The two runs of a pair, in turns: while one executes its slice the other is stopped, threads in
// the background and all. The next turn is of whoever has had less time. Loads, and what follows
// the measured part, come one after the other.
#ifndef FENCEPOST_HARNESS_COMMANDS_PAIRED_CHILDREN_H_
#define FENCEPOST_HARNESS_COMMANDS_PAIRED_CHILDREN_H_

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/commands/bench_child.h"

namespace fencepost {

struct PairedChild {
  std::vector<std::string> words;  // of a `fencepost run`
  std::filesystem::path folder;    // of its results
};

// In the order of `children`. If one fails the other ends early, or was never begun: it has no run.
// `tick` is called every now and then. Not ok if a program cannot be started.
Result<std::array<std::optional<ChildRun>, 2>> RunInTurns(
    const std::array<PairedChild, 2>& children, size_t first, double turn_ms,
    const std::function<void()>& tick);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_PAIRED_CHILDREN_H_
