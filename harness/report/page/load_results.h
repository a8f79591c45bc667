// SPDX-License-Identifier: BSD-3-Clause
// Reads what runs, benches and crash campaigns have left, and believes nothing of it.
//
// Invariants:
//   1. Every document that is handed on is valid by its schema (results/schema).
//   2. A run agrees with its manifest, and each repeat of a bench's cell with its cell, on what
//   both
//      say: engine, workload, threads, medium, durability.
//   3. No folder is handed on twice.
// Threads: none.
// Not covered: intervals.csv, latency.hlog, recordings.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_LOAD_RESULTS_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_LOAD_RESULTS_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost::page {

struct LoadedRun {
  std::filesystem::path folder;
  nlohmann::json summary;
  nlohmann::json manifest;
};

struct LoadedBench {
  std::filesystem::path folder;
  nlohmann::json report;                          // bench.json
  std::vector<std::vector<LoadedRun>> cell_runs;  // of each cell, in its order
};

struct LoadedCampaign {
  std::filesystem::path folder;
  nlohmann::json report;  // crash.json
};

// In the order of the command line.
struct LoadedResults {
  std::vector<LoadedBench> benches;
  std::vector<LoadedRun> runs;  // that are of none of these benches
  std::vector<LoadedCampaign> campaigns;
  // Of the steps of a suite or a campaign those that have come to no result, or not to their end:
  // "ycsb, step values: failed (exit code 2)".
  std::vector<std::string> unfinished_steps;
};

// Each folder holds a bench.json, a summary.json, a crash.json, or a suite.json, which stands for
// the results of its steps. kInvalidArgument for another
// folder; kCorrupt, with the file and what is wrong with it, for a document of another version,
// that is cut, or that contradicts another.
Result<LoadedResults> LoadResults(const std::vector<std::string>& folders);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_LOAD_RESULTS_H_
