// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/crash_request.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "harness/crash/flip_rounds.h"
#include "harness/crash/io_fault_rounds.h"
#include "harness/crash/schedules.h"

namespace fencepost {
namespace {

// "power-loss", "kill", "read-flip", and those of calls that fail.
std::vector<std::string> FaultNames() {
  std::vector<std::string> names = {"power-loss", "kill", kReadFlip};
  for (const IoFaultRow& row : IoFaults()) names.emplace_back(row.name);
  return names;
}

std::string FaultHelp() {
  std::string text =
      "power-loss (default): every crash of a recorded run; kill: the process dies at a seeded "
      "instant, --rounds times; read-flip: one bit reads back flipped, --rounds times; and for "
      "each "
      "k up to --rounds, with every crash of each run:";
  for (const IoFaultRow& row : IoFaults()) {
    text += fmt::format(" {}, {};", row.name, row.description);
  }
  text.back() = '.';
  return text;
}

}  // namespace

void DeclareCrashRequest(CLI::App& app, CrashRequest* request) {
  app.add_option("engine", request->engine, "an engine of `fencepost engines`");
  AddRepeatable(app, "-P,--workload", &request->workload.files,
                "workload property file (repeatable)");
  AddRepeatable(app, "-p,--property", &request->workload.properties, "key=value (repeatable)");
  app.add_option("--trace", request->workload.trace_file,
                 "replay this file (op,key,size a line): fencepost.trace_file")
      ->check(NotEmpty);
  app.add_option("--depth", request->crash.depth,
                 "2: recoveries are crashed in turn (default with reads); 1: they are not")
      ->check(CLI::Range(1u, 2u));
  app.add_option("--threads", request->workload.threads,
                 "client threads of the recorded run (also -threads)");
  CLI::Option* const schedules =
      app.add_option("--schedules", request->schedules,
                     "record so many runs, each with another interleaving of its threads, and "
                     "explore all (default 20; 1 for one thread)")
          ->check(CLI::Range(uint64_t{1}, kMostSchedules));
  DeclareCrashFlags(app, &request->crash);
  app.add_option("--after", request->crash.after,
                 "operations on the store after each distinct outcome (default 12; 0: none)");
  app.add_option("--from", request->from, "explore the recordings of an earlier run's folder again")
      ->excludes(schedules)
      ->excludes("--threads");
  app.add_option("--fault", request->fault, FaultHelp())->check(CLI::IsMember(FaultNames()));
  app.add_option("--rounds", request->rounds,
                 "runs with a fault, at most (default 100), or bits (1000)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20));
  app.add_flag("--creation", request->creation,
               "files: the run makes the store and loads it (recordcount), in place of running "
               "the workload on one that is there");
  app.add_flag("--record-only", request->record_only, "record, and print the folder");
}

Status CheckHeeded(const CLI::App& app, const CrashRequest& request) {
  using Names = std::vector<const char*>;
  const auto refuse = [&](const std::string& with, const Names& names) {
    for (const char* name : names) {
      if (app.count(name) == 0) continue;
      return Status::InvalidArgument(fmt::format("{} goes without {}", with, name));
    }
    return Status::Ok();
  };
  if (!request.from.empty()) {
    RETURN_IF_ERROR(
        refuse("--from", {"-P", "-p", "--trace", "--creation", "--record-only", "--fault"}));
  }
  if (request.fault == "power-loss") return refuse("--fault=power-loss", {"--rounds"});
  const std::string fault = "--fault=" + request.fault;
  RETURN_IF_ERROR(refuse(fault, {"--record-only", "--creation", "--schedules"}));
  if (request.fault != "kill" && request.fault != kReadFlip) return Status::Ok();
  RETURN_IF_ERROR(refuse(fault, {"--strategy", "--fs", "--sector", "--tear", "--eadr", "--mutate",
                                 "--depth", "--shard", "--max-states"}));
  if (request.fault == kReadFlip) return refuse(fault, {"--after"});
  return refuse(fault, {"--jobs", "--max-seconds", "--stop-after"});
}

Result<CrashRequest> ParseCrashRequest(const std::vector<std::string>& words) {
  CLI::App app;
  CrashRequest request;
  DeclareCrashRequest(app, &request);
  RETURN_IF_ERROR(ParseWords(app, words));
  RETURN_IF_ERROR(CheckHeeded(app, request));
  return request;
}

bool MayBeShared(const CrashRequest& request) {
  const CrashFlags& crash = request.crash;
  return request.fault == "power-loss" && !crash.mutate && crash.max_states == 0 &&
         crash.max_seconds == 0 && crash.stop_after == 0;
}

}  // namespace fencepost
