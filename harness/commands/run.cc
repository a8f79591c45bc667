// SPDX-License-Identifier: BSD-3-Clause
// fencepost load ENGINE, fencepost run ENGINE: one engine, one workload, YCSB's flags and output.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/child_process.h"
#include "harness/clock.h"
#include "harness/commands/command.h"
#include "harness/cpu_facts.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/report/injection_report.h"
#include "harness/report/run_report.h"
#include "harness/report/ycsb_text.h"
#include "harness/run_files.h"
#include "harness/run_request.h"
#include "harness/session.h"

namespace fencepost {
namespace {

struct RunFlags {
  WorkloadFlags workload;
  std::string engine;
  std::string placement = "default";
  std::string results = "results";
  bool load = false;
  bool run = false;
  bool json = false;
  bool quiet = false;
  // For `bench`, which runs each of its cells as a process of this command.
  std::string run_id;
  std::string scratch;
  uint64_t repeat = 0;
  std::string turns;
  // For fencepost.reopen=kill, whose load is a process of this command.
  bool end_killed = false;
};

// Removes a cell's data when it goes out of scope, however the run ended.
class ScratchData {
 public:
  // `leaf` is the folder that PlaceFor made of --scratch, somewhere above `data`; nothing else is
  // ever removed.
  ScratchData(const std::filesystem::path& data, const std::string& leaf) {
    if (leaf.empty()) return;
    for (auto path = data; path.has_relative_path(); path = path.parent_path()) {
      if (path.filename() == leaf) path_ = path;
    }
  }
  ~ScratchData() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchData(const ScratchData&) = delete;
  ScratchData& operator=(const ScratchData&) = delete;

 private:
  std::filesystem::path path_;
};

// The command that makes this run again, by itself.
Arguments WithoutTurns(Arguments words) {
  const auto found = std::find(words.begin(), words.end(), "--turns");
  if (found != words.end()) words.erase(found, std::min(found + 2, words.end()));
  return words;
}

class RunCommand {
 public:
  RunCommand(const RunFlags& flags, const Arguments& arguments)
      : flags_(flags),
        arguments_(WithoutTurns(arguments)),
        progress_(stderr, ProgressModeFor(stderr, flags.quiet || flags.workload.status)) {}

  ExitCode Execute();

 private:
  Status Plan();
  Status BeginAnew();
  Status LoadInAnotherProcess();
  void HookPhase(Phase phase, PhaseRequest* request);
  Status Report(const PhaseReport& report, RunFolder& folder);
  Status WriteYcsbOutput(const std::string& text);
  ExitCode Conclude(const SessionResult& session);
  RunContext Context(const RunFolder& folder) const;
  std::vector<std::string> PhaseNames() const;

  const RunFlags& flags_;
  const Arguments arguments_;
  RunPlan plan_;
  ClockInfo clock_;
  std::optional<TurnTaker> turns_;
  Progress progress_;
  bool exported_ = false;  // a phase has been written to exportfile
  std::vector<std::unique_ptr<RunFolder>> folders_;
};

// Before any data is made: a run whose results cannot be kept is not worth starting.
Status CheckResultsFolder(const std::filesystem::path& folder) {
  std::filesystem::path existing = folder;
  std::error_code error;
  while (!existing.empty() && !std::filesystem::exists(existing, error)) {
    existing = existing.parent_path();
  }
  if (existing.empty()) existing = ".";
  if (!std::filesystem::is_directory(existing, error) || access(existing.c_str(), W_OK) != 0) {
    return Status::InvalidArgument(fmt::format("--results={}: {} is no folder that can be written",
                                               folder.string(), existing.string()));
  }
  return Status::Ok();
}

Status RunCommand::Plan() {
  if (!flags_.turns.empty()) {
    ASSIGN_OR_RETURN(TurnTaker turns, TurnTaker::Parse(flags_.turns));
    turns_.emplace(std::move(turns));
  }
  const std::optional<Placement> placement = PlacementFromName(flags_.placement);
  if (!placement) {
    return Status::InvalidArgument(
        fmt::format("--placement={}: must be default, tmpfs or disk", flags_.placement));
  }
  ASSIGN_OR_RETURN(plan_, MakeRunPlan(flags_.workload, flags_.engine, *placement, flags_.scratch));
  WarnOfUnread(*plan_.properties);
  if (!flags_.scratch.empty() && plan_.properties->entries().contains("engine.path")) {
    return Status::InvalidArgument("engine.path: bench makes a folder of its own for each run");
  }
  if (plan_.settings.reopen != Reopen::kNone && !(flags_.load && flags_.run) &&
      !flags_.end_killed) {
    return plan_.properties->Error("fencepost.reopen", "needs a load and a run in one call");
  }
  if (plan_.settings.reopen != Reopen::kNone && !NeedsLoad(*plan_.spec)) {
    return plan_.properties->Error("fencepost.reopen", "the trace has nothing to load");
  }
  if (flags_.load && (NeedsLoad(*plan_.spec) || !flags_.run)) {
    RETURN_IF_ERROR(CheckPhase(*plan_.spec, Phase::kLoad));
  }
  if (flags_.run) RETURN_IF_ERROR(CheckPhase(*plan_.spec, Phase::kRun));
  return CheckResultsFolder(flags_.results);
}

// fencepost.reopen=kill: what the load leaves is what a process leaves that is killed.
Status RunCommand::LoadInAnotherProcess() {
  std::vector<std::string> words = {"/proc/self/exe", "load",      flags_.engine, "--end-killed",
                                    "--quiet",        "--results", flags_.results};
  if (!flags_.run_id.empty()) {
    words.insert(words.end(),
                 {"--run-id", flags_.run_id, "--repeat", fmt::format("{}", flags_.repeat)});
  }
  WorkloadFlags workload = flags_.workload;
  workload.seconds.clear();  // the run's, as are its status lines
  workload.status = false;
  if (plan_.row->capabilities.stores_data) {
    workload.properties.push_back("engine.path=" + plan_.options.path.string());
  }
  AppendWords(workload, &words);
  ASSIGN_OR_RETURN(ChildProcess load, ChildProcess::Start(words));
  while (!load.WaitFor(200)) {
    progress_.Update(0, fmt::format("load {} {}", plan_.row->name, plan_.spec->name));
  }
  if (load.exit_code() == 128 + SIGKILL) return Status::Ok();
  return Status::InvalidArgument(fmt::format("the load that was to be killed ended with {}: {}",
                                             load.exit_code(), load.FirstError()));
}

std::vector<std::string> RunCommand::PhaseNames() const {
  std::vector<std::string> names;
  if (flags_.load) names.emplace_back("load");
  if (flags_.run) names.emplace_back("run");
  return names;
}

RunContext RunCommand::Context(const RunFolder& folder) const {
  return {.run_id = folder.path().filename().string(),
          .command = arguments_,
          .repeat = flags_.repeat,
          .phases = PhaseNames(),
          .placement = flags_.placement,
          .row = plan_.row,
          .options = plan_.options,
          .spec = plan_.spec.get(),
          .properties = plan_.properties.get(),
          .clock = clock_};
}

void RunCommand::HookPhase(Phase phase, PhaseRequest* request) {
  request->pin_threads = plan_.settings.pin_threads;
  request->interval_s = plan_.settings.interval_s;
  request->max_failures = plan_.settings.max_failures;
  if (phase == Phase::kRun && turns_) request->turns = &*turns_;
  const std::string_view phase_name = phase == Phase::kLoad ? "load" : "run";
  Result<std::filesystem::path> path = std::filesystem::path();
  if (flags_.run_id.empty()) {
    Result<RunDirectory> made =
        CreateRunDirectory(flags_.results, std::time(nullptr),
                           fmt::format("{}-{}-{}", plan_.row->name, plan_.spec->name, phase_name));
    path = made.ok() ? Result<std::filesystem::path>(made->path)
                     : Result<std::filesystem::path>(made.status());
  } else {
    path = std::filesystem::path(flags_.results) /
           (phase == Phase::kLoad ? flags_.run_id + "-load" : flags_.run_id);
  }
  Result<std::unique_ptr<RunFolder>> folder =
      path.ok() ? RunFolder::Open(*path) : Result<std::unique_ptr<RunFolder>>(path.status());
  if (!folder.ok()) {
    request->cancelled = folder.status();
    return;
  }
  folders_.push_back(std::move(*folder));
  RunFolder* log = folders_.back().get();
  request->on_interval = [log](double start_s, double length_s, const Recorder& recorder) {
    log->LogInterval(start_s, length_s, recorder);
  };
  const bool status_lines = plan_.spec->status;
  request->progress_every_s = status_lines ? plan_.spec->status_interval_s : 0.2;
  request->on_progress = [this, status_lines, phase_name](const PhaseProgress& progress) {
    if (status_lines) {
      fmt::print(stderr, "{}{}{}\n", plan_.spec->label, plan_.spec->label.empty() ? "" : " ",
                 YcsbStatusLine(progress));
    } else {
      progress_.Update(progress.Fraction(),
                       fmt::format("{} {} {}: {:.0f} ops/s", phase_name, plan_.row->name,
                                   plan_.spec->name, progress.current_ops_per_s));
    }
  };
}

Status RunCommand::WriteYcsbOutput(const std::string& text) {
  if (plan_.spec->export_file.empty()) {
    fmt::print("{}", text);
    return Status::Ok();
  }
  std::ofstream out(plan_.spec->export_file, exported_ ? std::ios::app : std::ios::trunc);
  exported_ = true;
  out << text;
  out.close();
  if (!out) return Status::IoError(fmt::format("write: exportfile {}", plan_.spec->export_file));
  return Status::Ok();
}

Status RunCommand::Report(const PhaseReport& report, RunFolder& folder) {
  const RunContext context = Context(folder);
  RETURN_IF_ERROR(folder.Finish(context, report));
  if (!flags_.json) {
    // YCSB's lines are of times.
    const std::string lines =
        ReadCpuFacts().emulated
            ? fmt::format("emulated: {} operations; no times are shown\n", report.result.operations)
            : YcsbLines(report.result, *plan_.spec);
    RETURN_IF_ERROR(WriteYcsbOutput(lines + PersistLines(report.stats.costs)));
  }
  if (flags_.quiet) return Status::Ok();
  const PhaseResult& result = report.result;
  fmt::print(stderr, "{} {}: durability {}{}, medium {}, verify {}, seed {}, trace {}, floor {}\n",
             plan_.row->name, report.phase == Phase::kLoad ? "load" : "run",
             DurabilityName(report.durability),
             report.relaxed_load ? " (relaxed load, one sync)" : "", report.MediumLabel(),
             Name(plan_.spec->verify), plan_.spec->seed,
             result.trace_hash ? fmt::format("{:016x}", *result.trace_hash) : "live",
             report.floor_ns_per_op ? fmt::format("{:.0f} ns", *report.floor_ns_per_op) : "-");
  if (report.injection) fmt::print(stderr, "{}\n", InjectionLine(report));
  for (const std::string& warning : report.warnings) {
    fmt::print(stderr, "fencepost: warning: {}\n", warning);
  }
  fmt::print(stderr, "results: {}{}\n", folder.path().string(), result.partial ? " (partial)" : "");
  return Status::Ok();
}

ExitCode RunCommand::Conclude(const SessionResult& session) {
  bool violated = false;
  for (const PhaseReport& report : session.phases) {
    const VerificationCounts& counts = report.result.verification;
    if (counts.faults() == 0 || !plan_.row->capabilities.stores_data) continue;
    violated = true;
    fmt::print(stderr,
               "fencepost: verification failed: {} lost, {} stale, {} torn, {} foreign, "
               "{} phantom, {} of another length\n",
               counts.lost, counts.stale, counts.torn, counts.foreign, counts.phantom,
               counts.length);
    for (const std::string& example : report.result.fault_examples) {
      fmt::print(stderr, "  {}\n", example);
    }
    fmt::print(stderr, "reproduce: {} -p fencepost.seed={}\n", fmt::join(arguments_, " "),
               plan_.spec->seed);
  }
  if (violated) return ExitCode::kViolation;
  if (Interrupted()) return ExitCode::kInterrupted;
  if (!session.status.ok()) return ReportError(session.status);
  return ExitCode::kPass;
}

// A load where the user named no place replaces what is there; a part of a load (insertstart) adds.
Status RunCommand::BeginAnew() {
  const bool is_ours = flags_.scratch.empty() && plan_.row->capabilities.stores_data &&
                       !plan_.properties->entries().contains("engine.path");
  if (!is_ours || !flags_.load || !NeedsLoad(*plan_.spec) || plan_.spec->insert_start > 0) {
    return Status::Ok();
  }
  ASSIGN_OR_RETURN(const bool removed, RemoveEarlierStore(plan_.options.path));
  if (removed) {
    progress_.Print(fmt::format(
        "the store of an earlier load is replaced: {} (-p engine.path names another place)",
        plan_.options.path.string()));
  }
  return Status::Ok();
}

ExitCode RunCommand::Execute() {
  if (Status status = Plan(); !status.ok()) return ReportError(status);
  if (Status status = BeginAnew(); !status.ok()) return ReportError(status);
  clock_ = Clock::Calibrate();
  const ScratchData scratch(plan_.options.path, flags_.scratch);
  const bool killed_load =
      plan_.settings.reopen == Reopen::kKill && flags_.load && !flags_.end_killed;
  if (killed_load) {
    if (Status status = LoadInAnotherProcess(); !status.ok()) return ReportError(status);
  }
  SessionRequest request;
  request.row = plan_.row;
  request.options = plan_.options;
  request.spec = plan_.spec.get();
  request.load = flags_.load && !killed_load;
  request.run = flags_.run;
  request.relaxed_load = plan_.settings.relaxed_load;
  request.loaded_before = killed_load;
  request.reopen = plan_.settings.reopen == Reopen::kClose;
  request.leave_open = flags_.end_killed;
  request.measure_floor = plan_.settings.measure_floor;
  request.spin_ns = plan_.settings.spin_ns;
  request.pin_threads = plan_.settings.pin_threads;
  request.max_not_found = plan_.settings.max_not_found;
  request.hooks = [this](Phase phase, PhaseRequest* phase_request) {
    HookPhase(phase, phase_request);
  };
  const Result<SessionResult> session = RunSession(request);
  progress_.Clear();
  if (!session.ok()) return ReportError(session.status());
  nlohmann::json summaries = nlohmann::json::array();
  for (size_t i = 0; i < session->phases.size(); ++i) {
    if (Status status = Report(session->phases[i], *folders_[i]); !status.ok()) {
      return ReportError(status);
    }
    if (flags_.json) summaries.push_back(SummaryJson(Context(*folders_[i]), session->phases[i]));
  }
  if (flags_.json) fmt::print("{}\n", summaries.dump(2));
  if (const ExitCode code = Conclude(*session); !flags_.end_killed || code != ExitCode::kPass) {
    return code;
  }
  kill(getpid(), SIGKILL);
  CHECK(false);
}

std::function<ExitCode()> Declare(CLI::App& app, const Arguments& arguments, Phase phase) {
  auto flags = std::make_shared<RunFlags>();
  (phase == Phase::kLoad ? flags->load : flags->run) = true;
  WorkloadFlags& workload = flags->workload;
  app.add_option("engine", flags->engine, "an engine of `fencepost engines`")->required();
  AddRepeatable(app, "-P,--workload", &workload.files, "workload property file (repeatable)");
  AddRepeatable(app, "-p,--property", &workload.properties,
                "key=value, over all files (repeatable)");
  app.add_option("--trace", workload.trace_file,
                 "replay this file (op,key,size a line): fencepost.trace_file")
      ->check(NotEmpty);
  app.add_option("--threads", workload.threads, "client threads (also -threads)");
  app.add_option("--target", workload.target, "open loop: operations a second (also -target)");
  app.add_option("--seconds", workload.seconds, "run for this time instead of operationcount");
  app.add_option("--label", workload.label, "label of status lines (also -l)");
  app.add_flag("-s,--status", workload.status, "YCSB's status line on standard error");
  app.add_flag("--load", flags->load, "load first (also -load)");
  app.add_flag("--run", flags->run, "run afterwards (also -run, -t)");
  app.add_option("--placement", flags->placement, "where data goes: default, tmpfs or disk");
  app.add_option("--results", flags->results, "where the run's folder goes (default results/)");
  app.add_flag("--json", flags->json, "print the summaries as JSON instead of YCSB's lines");
  app.add_flag("--quiet", flags->quiet, "no progress and no remarks");
  const std::string for_bench;  // an empty group hides an option from --help
  app.add_option("--run-id", flags->run_id)->group(for_bench);
  app.add_option("--scratch", flags->scratch)->group(for_bench);
  app.add_option("--repeat", flags->repeat)->group(for_bench);
  app.add_option("--turns", flags->turns)->group(for_bench);
  if (phase == Phase::kLoad) app.add_flag("--end-killed", flags->end_killed)->group(for_bench);
  return [flags, &arguments] { return RunCommand(*flags, arguments).Execute(); };
}

}  // namespace

std::function<ExitCode()> DeclareLoad(CLI::App& app, const Arguments& arguments) {
  return Declare(app, arguments, Phase::kLoad);
}

std::function<ExitCode()> DeclareRun(CLI::App& app, const Arguments& arguments) {
  return Declare(app, arguments, Phase::kRun);
}

}  // namespace fencepost
