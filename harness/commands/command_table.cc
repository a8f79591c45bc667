// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "harness/commands/command.h"
#include "harness/interrupt.h"

namespace fencepost {
namespace {

constexpr Command kCommands[] = {
    {"engines", "the engines, what they can do and what they promise", DeclareEngines},
    {"load", "insert a workload's records into an engine", DeclareLoad},
    {"run", "run a workload's operations on an engine", DeclareRun},
    {"bench", "run a matrix: engines x workloads x threads x repeats", DeclareBench},
    {"suite", "run the steps of a suite: benches and campaigns of crashes", DeclareSuite},
    {"campaign", "a suite whose steps are shared out: to this machine's cores, or to Slurm",
     DeclareCampaign},
    {"campaign-worker", "what a campaign starts", DeclareCampaignWorker, /*hidden=*/true},
    {"compare", "two runs or two benches of different times: ratios, effect sizes", DeclareCompare},
    {"rerun", "make a stored run, bench or campaign again from what it left", DeclareRerun},
    {"resample", "how often suites drawn from measured pairs alarm, or find", DeclareResample},
    {"check", "run a program, or an engine's workload, under pmemcheck", DeclareCheck},
    {"crash", "crash an engine's workload everywhere, recover and judge", DeclareCrash},
    {"record", "record any program's stores, flushes and fences, for explore", DeclareRecord},
    {"explore", "crash a recorded program everywhere, with a checker of your own", DeclareExplore},
    {"crash-client", "the traced process of crash", DeclareCrashClient, /*hidden=*/true},
    {"recovery-client", "the traced recovery of crash", DeclareRecoveryClient, /*hidden=*/true},
    {"vm", "run or crash in a virtual machine with persistent memory", DeclareVm},
    {"vm-guest", "the init of a virtual machine", DeclareVmGuest, /*hidden=*/true},
    {"report", "results as one HTML page, or as a table for a paper", DeclareReport},
    {"doctor", "what this machine is: what will be measured, what only modelled", DeclareDoctor},
    {"media", "the media models, and how near they come to what was published", DeclareMedia},
    {"trace", "what a trace of persistent-memory events says", DeclareTrace},
    {"properties", "every property that -p and workload files take", DeclareProperties},
};

}  // namespace

std::span<const Command> Commands() { return kCommands; }

ExitCode ReportError(const Status& status) {
  fmt::print(stderr, "fencepost: {}\n", status.message());
  if (Interrupted())
    return ExitCode::kInterrupted;  // nothing after a Ctrl-C is the harness's fault
  return status.code() == StatusCode::kInternal ? ExitCode::kHarness : ExitCode::kUsage;
}

Status ParseWords(CLI::App& app, const std::vector<std::string>& words) {
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return Status::InvalidArgument(error.what());
  }
  return Status::Ok();
}

CLI::Option* AddRepeatable(CLI::App& app, const std::string& names,
                           std::vector<std::string>* values, const std::string& help) {
  return app.add_option(names, *values, help)->expected(1)->take_all()->allow_extra_args(false);
}

}  // namespace fencepost
