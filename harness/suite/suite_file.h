// SPDX-License-Identifier: BSD-3-Clause
// A suite: measurements and crash campaigns that belong together, as a TOML file asks for them.
//
//     title = "What growth costs"
//
//     [[step]]
//     name = "a"                                  # its folder
//     run = "bench"                               # or "crash"
//     engines = ["cmap", "lmdb"]
//     workloads = ["../../workloads/workloada"]   # from the suite's own folder
//     seconds = 1
//     properties = { recordcount = [1000, 10000], "engine.cache_bytes" = 67108864 }
//
// A key is a long option of the command, '_' for '-'; which there are is in two tables in
// suite_file.cc. A property with several values, and several `engines` of a crash, make a step for
// each combination, named after what differs: "a-recordcount-1000".
//
// Threads: none.
// Not covered: what the command itself refuses is found when its step runs.
// Source: TOML 1.0 (https://toml.io).
#ifndef FENCEPOST_HARNESS_SUITE_SUITE_FILE_H_
#define FENCEPOST_HARNESS_SUITE_SUITE_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

struct SuiteStep {
  std::string name;                // unique in the suite; letters, digits, '-', '_' and '.'
  std::string command;             // "bench" or "crash"
  std::vector<std::string> words;  // its arguments, but for those that say where results go
  uint32_t line = 0;               // of the suite's file, where it begins
  uint64_t runs = 1;               // that it consists of
  double expected_s = 0;           // a guess, to weigh the steps against each other
};

struct Suite {
  std::string name;  // stem of the file
  std::string title;
  std::vector<SuiteStep> steps;  // at least one
};

// kInvalidArgument names file and line of the first thing that makes no sense; kIoError if it
// cannot be read.
Result<Suite> ReadSuite(const std::filesystem::path& file);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_SUITE_SUITE_FILE_H_
