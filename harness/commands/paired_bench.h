// SPDX-License-Identifier: BSD-3-Clause
// fencepost bench --against: this build beside another one, pair by pair.
#ifndef FENCEPOST_HARNESS_COMMANDS_PAIRED_BENCH_H_
#define FENCEPOST_HARNESS_COMMANDS_PAIRED_BENCH_H_

#include "harness/commands/bench_plan.h"
#include "harness/commands/command.h"

namespace fencepost {

// Leaves comparison.json and the folder of every run. kViolation if a cell is slower, or if a value
// failed its verification.
ExitCode RunPairedBench(const BenchFlags& flags, const Arguments& arguments);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_PAIRED_BENCH_H_
