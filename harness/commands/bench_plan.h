// SPDX-License-Identifier: BSD-3-Clause
// What `fencepost bench` is asked for, and what follows from it: cells, the words of their runs,
// the folder, and what is kept to make the bench again.
#ifndef FENCEPOST_HARNESS_COMMANDS_BENCH_PLAN_H_
#define FENCEPOST_HARNESS_COMMANDS_BENCH_PLAN_H_

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/commands/bench_matrix.h"
#include "harness/run_request.h"
#include "harness/stats/paired.h"

namespace CLI {
class App;
}

namespace fencepost {

struct BenchFlags {
  std::vector<std::string> engines;
  std::vector<std::string> workloads;
  std::vector<std::string> threads = {"1"};
  std::vector<std::string> placements = {"default"};
  std::vector<std::string> properties;
  unsigned repeats = 3;
  std::string seconds;
  std::string records;
  uint64_t seed = 1;
  std::string out;
  std::string resume;    // a folder: its plan.json has all of the above
  std::string cell;      // only its runs
  bool collect = false;  // no runs: what is there is reported
  bool relaxed_load = false;
  bool unequal_durability = false;
  bool json = false;
  // --against: another build, run beside this one pair by pair.
  std::string against;
  std::vector<std::string> this_properties;     // of this build's runs only
  std::vector<std::string> against_properties;  // of the other's
  PairedSettings paired;
};

// Everything that makes a bench; not how its runs are made and shown.
void DeclareBenchFlags(CLI::App& app, BenchFlags* flags);

// The words behind `fencepost bench` of one that begins anew. kInvalidArgument says what is wrong
// with them.
Result<BenchFlags> ParseBenchFlags(const std::vector<std::string>& words);

// Every engine x workload x threads x placement. kInvalidArgument, before anything is made, for
// what cannot be run, is there twice, or (unless it was asked for) promises different things. Says
// on standard error, once, what properties nothing reads.
Result<std::vector<Cell>> PlanCells(const BenchFlags& flags);

// What a run may take, before any has shown it: for the first progress line.
double ExpectedRunSeconds(const BenchFlags& flags);

// What a bench that was stopped goes on with (--resume): its settings and seed, in
// folder/plan.json.
Status WritePlan(const std::filesystem::path& folder, const BenchFlags& flags);
// Takes the flags from there. kInvalidArgument if there is no plan, none that can be read, or a
// workload file is no longer what it was.
Status ReadPlan(const std::filesystem::path& folder, BenchFlags* flags);

// The folder of the results: --out, or a new one under results/. kInvalidArgument if `document` is
// there already.
Result<std::filesystem::path> MakeBenchFolder(const BenchFlags& flags, const std::string& what,
                                              const std::string& document);

// argv of a load and run of an engine by `program`, which leaves folder/run_id and no data.
std::vector<std::string> LoadAndRunWords(const std::string& program, std::string_view engine,
                                         const std::filesystem::path& folder,
                                         const std::string& run_id);
// argv of one run of a cell by `program`, which leaves folder/run_id.
std::vector<std::string> RunWords(const std::string& program, const BenchFlags& flags,
                                  const Cell& cell, const std::filesystem::path& folder,
                                  const std::string& run_id, unsigned repeat,
                                  const std::vector<std::string>& more_properties = {});

// Everything that makes the bench again, workload files included (results/README.md, settings).
Result<nlohmann::json> BenchSettingsJson(const BenchFlags& flags);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_BENCH_PLAN_H_
