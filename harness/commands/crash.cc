// SPDX-License-Identifier: BSD-3-Clause
// fencepost crash: an engine's run is recorded, crashed everywhere, recovered and judged.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "harness/commands/command.h"
#include "harness/commands/crash_options.h"
#include "harness/commands/crash_request.h"
#include "harness/crash/crash_replay.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/flip_rounds.h"
#include "harness/crash/io_fault_rounds.h"
#include "harness/crash/kill_rounds.h"
#include "harness/crash/schedules.h"
#include "harness/crash/trace_markers.h"
#include "harness/interrupt.h"
#include "harness/run_files.h"
#include "harness/vm/image_campaign.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kDefaultRounds = 100, kDefaultFlips = 1000;

Result<fs::path> MakeResultFolder(const CrashRequest& request, const std::string& what) {
  ASSIGN_OR_RETURN(const RunDirectory made,
                   CreateRunDirectory(request.crash.results, std::time(nullptr), what));
  return made.path;
}

// Fills a recording's folder, which is there and empty.
using RecordRun = std::function<Status(const fs::path& recording, uint64_t schedule)>;

Result<RecordRun> RecordMemory(const CrashSubject& subject, uint64_t seed, const fs::path& folder) {
  if (!CanMarkOperations()) {
    return Status::Unsupported("this build has no Valgrind headers, so it cannot record");
  }
  ASSIGN_OR_RETURN(const ValgrindTool tool, FindPmemcheck(""));
  ASSIGN_OR_RETURN(EngineRecorder made, EngineRecorder::Make(subject, tool));
  const auto recorder = std::make_shared<const EngineRecorder>(std::move(made));
  return RecordRun([recorder, seed, folder](const fs::path& recording, uint64_t schedule) {
    return recorder->Record(recording, SchedSeed(seed, schedule, recorder->threads()),
                            RecordingFolder(folder, 0));
  });
}

Result<RecordRun> RecordFileRuns(const CrashSubject& subject, const fs::path& folder) {
  ASSIGN_OR_RETURN(FileEngineRecorder made, FileEngineRecorder::Make(subject, folder));
  const auto recorder = std::make_shared<const FileEngineRecorder>(std::move(made));
  return RecordRun([recorder](const fs::path& recording, uint64_t /*schedule*/) {
    return recorder->Record(recording).status();
  });
}

// Fresh runs of the engine, recorded into the result's folder.
Result<Schedules> Record(const CrashRequest& request, const CrashSubject& subject,
                         const fs::path& folder) {
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  Schedules schedules;
  ASSIGN_OR_RETURN(schedules.asked, ChooseSchedules(request.schedules, plan.spec->threads));
  const bool in_memory = DomainOf(*plan.row) == CrashDomain::kMemory;
  if (!request.crash.quiet) {
    fmt::print(stderr, "recording {}{}\n", request.engine,
               in_memory ? " under pmemcheck" : ": what it does with its files");
  }
  ASSIGN_OR_RETURN(const RecordRun record, in_memory
                                               ? RecordMemory(subject, request.crash.seed, folder)
                                               : RecordFileRuns(subject, folder));
  schedules.recording = [record, folder](uint64_t schedule) -> Result<fs::path> {
    const fs::path recording = RecordingFolder(folder, schedule);
    fs::create_directories(recording);
    const Status status = record(recording, schedule);
    if (status.ok()) return recording;
    // What has been explored before it may be kept: --from must find no half of a recording.
    std::error_code ignored;
    fs::remove_all(recording, ignored);
    return status;
  };
  return schedules;
}

// Everything that is recorded is kept.
Status RecordAll(const Schedules& schedules) {
  for (uint64_t i = 0; i < schedules.asked; ++i) {
    RETURN_IF_ERROR(schedules.recording(i).status());
  }
  return Status::Ok();
}

// Round after round, the process is killed.
ExitCode Kill(const CrashRequest& request, const Arguments& arguments) {
  const Result<CrashSubject> subject = MakeCrashSubject(request.workload, request.engine);
  if (!subject.ok()) return ReportError(subject.status());
  const Result<CampaignSettings> checked =
      MakeSettings(request.crash, DomainOf(*subject->Plan()->row));
  if (!checked.ok()) return ReportError(checked.status());
  const Result<fs::path> made = MakeResultFolder(request, "kill-" + request.engine);
  if (!made.ok()) return ReportError(made.status());
  Provisional folder(*made);
  const Result<json> report = RunKillRounds(*subject, folder.path(),
                                            {.rounds = request.rounds.value_or(kDefaultRounds),
                                             .seed = request.crash.seed,
                                             .timeout_s = request.crash.timeout_s,
                                             .operations_after = request.crash.after,
                                             .quiet = request.crash.quiet},
                                            arguments);
  if (!report.ok()) return ReportError(report.status());
  const ExitCode code = PublishReport(*report, folder.path(), request.crash);
  folder.Keep();
  return code;
}

// For each k, the k-th write or sync fails.
ExitCode FailDisk(const CrashRequest& request, const Arguments& arguments) {
  const Result<CrashSubject> subject = MakeCrashSubject(request.workload, request.engine);
  if (!subject.ok()) return ReportError(subject.status());
  const Result<RunPlan> plan = subject->Plan();
  if (!plan.ok()) return ReportError(plan.status());
  if (DomainOf(*plan->row) != CrashDomain::kFiles || plan->spec->threads > 1) {
    return ReportError(Status::InvalidArgument(fmt::format(
        "--fault={} is for engines that keep their data in files, and one thread", request.fault)));
  }
  const Result<CampaignSettings> settings = MakeSettings(request.crash, CrashDomain::kFiles);
  if (!settings.ok()) return ReportError(settings.status());
  const Result<fs::path> made = MakeResultFolder(request, request.fault + "-" + request.engine);
  if (!made.ok()) return ReportError(made.status());
  Provisional folder(*made);
  const auto fault = std::find_if(IoFaults().begin(), IoFaults().end(),
                                  [&](const IoFaultRow& row) { return row.name == request.fault; });
  const Result<json> report =
      RunIoFaultRounds(*subject, *fault, request.rounds.value_or(kDefaultRounds), folder.path(),
                       *settings, arguments);
  if (!report.ok()) return ReportError(report.status());
  const ExitCode code = PublishReport(*report, folder.path(), request.crash);
  folder.Keep();
  return code;
}

// Bit after bit reads back flipped.
ExitCode FlipReads(const CrashRequest& request, const Arguments& arguments) {
  const Result<CrashSubject> subject = MakeCrashSubject(request.workload, request.engine);
  if (!subject.ok()) return ReportError(subject.status());
  if (DomainOf(*subject->Plan()->row) != CrashDomain::kFiles) {
    return ReportError(Status::InvalidArgument(
        fmt::format("--fault={} is for engines that keep their data in files", request.fault)));
  }
  const Result<CampaignSettings> settings = MakeSettings(request.crash, CrashDomain::kFiles);
  if (!settings.ok()) return ReportError(settings.status());
  const Result<fs::path> made = MakeResultFolder(request, "flip-" + request.engine);
  if (!made.ok()) return ReportError(made.status());
  Provisional folder(*made);
  const Result<json> report = RunFlipRounds(*subject, folder.path(),
                                            {.rounds = request.rounds.value_or(kDefaultFlips),
                                             .seed = request.crash.seed,
                                             .stop_after = request.crash.stop_after,
                                             .max_seconds = request.crash.max_seconds,
                                             .pool = settings->pool,
                                             .quiet = request.crash.quiet},
                                            arguments);
  if (!report.ok()) return ReportError(report.status());
  const ExitCode code = PublishReport(*report, folder.path(), request.crash);
  folder.Keep();
  return code;
}

ExitCode Crash(const CrashRequest& request, const Arguments& arguments) {
  if (request.engine.empty() == request.from.empty()) {
    return ReportError(Status::InvalidArgument(
        "crash needs an engine and a workload, or --from FOLDER (fencepost crash --help)"));
  }
  if (request.fault == "kill") return Kill(request, arguments);
  if (request.fault == kReadFlip) return FlipReads(request, arguments);
  if (request.fault != "power-loss") return FailDisk(request, arguments);
  if (request.crash.mutate && request.record_only) {
    return ReportError(Status::InvalidArgument("--mutate and --record-only exclude each other"));
  }
  std::optional<CrashSubject> subject;  // of a fresh run
  CrashDomain domain = CrashDomain::kMemory;
  if (request.from.empty()) {
    const Result<CrashSubject> asked =
        MakeCrashSubject(request.workload, request.engine, request.creation);
    if (!asked.ok()) return ReportError(asked.status());
    subject = *asked;
    domain = DomainOf(*subject->Plan()->row);
  } else if (FileRecording::IsIn(RecordingFolder(request.from, 0))) {
    domain = CrashDomain::kFiles;
  }
  const Result<CampaignSettings> settings = MakeSettings(request.crash, domain);
  if (!settings.ok()) return ReportError(settings.status());
  const Result<fs::path> made = MakeResultFolder(
      request, "crash-" + (request.engine.empty() ? std::string("again") : request.engine));
  if (!made.ok()) return ReportError(made.status());
  Provisional folder(*made);
  Result<Schedules> schedules = RecordedSchedules(request.from);
  if (subject) {
    schedules = Record(request, *subject, folder.path());
    if (!schedules.ok()) return ReportError(schedules.status());
  }
  if (settings->mutate && schedules->asked > 1) {
    return ReportError(
        Status::InvalidArgument("--mutate takes one schedule of the threads (--schedules=1)"));
  }
  if (request.from.empty() && request.record_only) {
    if (const Status status = RecordAll(*schedules); !status.ok()) return ReportError(status);
    fmt::print("{}\n", folder.path().string());
    folder.Keep();
    return ExitCode::kPass;
  }
  const Result<json> report = ExploreSchedules(*schedules, folder.path(), *settings, arguments);
  if (!report.ok()) return ReportError(report.status());
  const ExitCode code = PublishReport(*report, folder.path(), request.crash);
  folder.Keep();
  return code;
}

// Goes on where a campaign was stopped, with its own settings, and puts both reports together.
ExitCode Resume(CrashRequest request, const Arguments& arguments) {
  const fs::path folder = request.resume;
  const Result<json> before = ReadReport(folder);
  if (!before.ok()) return ReportError(before.status());
  if ((*before)["schedules"]["asked"].get<uint64_t>() > 1) {
    return ReportError(Status::InvalidArgument(fmt::format(
        "--resume={}: a campaign of several schedules cannot be gone on with; --from explores its "
        "recordings again",
        request.resume)));
  }
  const json& explored = (*before)["explored"];
  if (explored["next_point"].is_null()) {
    return ReportError(Status::InvalidArgument(
        fmt::format("--resume={}: that campaign came to its end, or is one of several put together",
                    request.resume)));
  }
  const json& old = (*before)["settings"];
  request.crash.strategy = old["strategy"].get<std::string>();
  request.crash.seed = old["seed"].get<uint64_t>();
  const bool in_files = (*before)["domain"] == "files";
  if (in_files) {
    request.crash.file_system = old["file_system"].get<std::string>();
    request.crash.sector_bytes = old["sector_bytes"].get<uint64_t>();
    if (!old["tearing"].get<bool>()) request.crash.tear = "none";
  } else {
    request.crash.tear = old["tearing"].get<std::string>();
    request.crash.eadr = old["eadr"].get<bool>();
  }
  request.crash.shard =
      fmt::format("{}/{}", old["shard"].get<uint64_t>(), old["shards"].get<uint64_t>());
  request.crash.timeout_s = old["timeout_s"].get<double>();
  request.crash.depth = old["depth"].get<unsigned>();
  request.crash.after = (*before)["subject"].value("operations_after", request.crash.after);
  Result<CampaignSettings> settings =
      MakeSettings(request.crash, in_files ? CrashDomain::kFiles : CrashDomain::kMemory);
  if (!settings.ok()) return ReportError(settings.status());
  settings->explore.first_point = settings->files.first_point =
      explored["next_point"].get<uint64_t>();
  const fs::path recording = (*before)["recording"]["path"].get<std::string>();
  const Result<json> after =
      RunCampaign(recording, folder, EngineParts(recording, *settings), *settings, arguments);
  if (!after.ok()) return ReportError(after.status());
  const Result<json> both = MergeReports({*before, *after}, folder);
  return both.ok() ? PublishReport(*both, folder, request.crash) : ReportError(both.status());
}

ExitCode Merge(const CrashRequest& request) {
  std::vector<json> reports;
  for (const std::string& folder : request.merged) {
    Result<json> report = ReadReport(folder);
    if (!report.ok()) return ReportError(report.status());
    reports.push_back(std::move(*report));
  }
  const Result<fs::path> made = MakeResultFolder(request, "crash-merged");
  if (!made.ok()) return ReportError(made.status());
  Provisional folder(*made);
  const Result<json> merged = MergeReports(reports, folder.path());
  if (!merged.ok()) return ReportError(merged.status());
  folder.Keep();
  return PublishReport(*merged, *made, request.crash);
}

void DeclareMerge(CLI::App& app, const std::shared_ptr<CrashRequest>& request,
                  const std::shared_ptr<std::function<ExitCode()>>& chosen) {
  CLI::App* merge = app.add_subcommand("merge", "join the reports of shards of one recording");
  merge->add_option("reports", request->merged, "folders with a crash.json")
      ->required()
      ->expected(2, 1 << 20);
  merge->add_option("--results", request->crash.results, "where the joint report goes");
  merge->add_flag("--json", request->crash.json, "print it as JSON");
  merge->callback([request, chosen] { *chosen = [request] { return Merge(*request); }; });
}

void DeclareReplay(CLI::App& app, const std::shared_ptr<CrashRequest>& request,
                   const std::shared_ptr<std::function<ExitCode()>>& chosen) {
  ReplayRequest* flags = &request->replay;
  auto guest = std::make_shared<GuestSettings>();
  flags->in_guest = [guest](const ReplayRequest& replay, const nlohmann::json& report,
                            const nlohmann::json& violation) {
    return ReplayImage(replay, report, violation, *guest);
  };
  CLI::App* replay =
      app.add_subcommand("replay", "recover once more from the state of a violation");
  replay->add_option("folder", flags->folder, "a folder with a crash.json")->required();
  replay->add_option("id", flags->id, "the violation, e.g. V1")->required();
  replay->add_option("--keep", flags->keep, "write the crash image into this folder, and stop");
  replay->add_option("--debugger", flags->debugger, "run the recovery under it, e.g. 'gdb --args'");
  replay->add_flag("--in-process", flags->in_process,
                   "recover in this process, which a crash of the recovery ends");
  replay->add_option("--kernel", guest->kernel_folder,
                     "of a disk's image: folder with the guest's kernel");
  replay->add_option("--scratch", guest->scratch_root,
                     "of a disk's image: folder for it while it is used");
  replay->callback([request, chosen] {
    *chosen = [request] {
      const Result<ExitCode> code = ReplayViolation(request->replay);
      return code.ok() ? *code : ReportError(code.status());
    };
  });
}

}  // namespace

std::function<ExitCode()> DeclareCrash(CLI::App& app, const Arguments& arguments) {
  auto request = std::make_shared<CrashRequest>();
  auto chosen = std::make_shared<std::function<ExitCode()>>();
  app.require_subcommand(0, 1);
  DeclareCrashRequest(app, request.get());
  CLI::Option* const resume =
      app.add_option("--resume", request->resume, "go on with a campaign that was stopped");
  // What makes the campaign what it is was settled when it began.
  for (const char* settled :
       {"engine",     "-P",         "-p",        "--threads",     "--schedules",
        "--strategy", "--seed",     "--timeout", "--shard",       "--tear",
        "--eadr",     "--after",    "--from",    "--record-only", "--results",
        "--mutate",   "--depth",    "--fs",      "--sector",      "--fault",
        "--rounds",   "--creation", "--trace"}) {
    resume->excludes(settled);
  }
  DeclareMerge(app, request, chosen);
  DeclareReplay(app, request, chosen);
  return [request, chosen, flags = &app, &arguments] {
    if (*chosen) {
      if (!request->crash.mutate) return (*chosen)();
      return ReportError(
          Status::InvalidArgument("--mutate is for a campaign, not for merge or replay"));
    }
    if (!request->resume.empty()) return Resume(*request, arguments);
    const Status heeded = CheckHeeded(*flags, *request);
    if (!heeded.ok()) return ReportError(heeded);
    return Crash(*request, arguments);
  };
}

std::function<ExitCode()> DeclareCrashClient(CLI::App& app, const Arguments& /*arguments*/) {
  auto folder = std::make_shared<std::string>();
  auto path = std::make_shared<std::string>();
  app.add_option("folder", *folder, "the recording")->required();
  app.add_option("path", *path, "the engine's data")->required();
  return [folder, path] {
    const Result<CrashSubject> subject = CrashSubject::Read(*folder);
    if (!subject.ok()) return ReportError(subject.status());
    const Status status = RunCrashClient(*subject, *path, *folder);
    return status.ok() ? ExitCode::kPass : ReportError(status);
  };
}

}  // namespace fencepost
