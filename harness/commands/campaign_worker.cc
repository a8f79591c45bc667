// SPDX-License-Identifier: BSD-3-Clause
// What a campaign starts, on this machine or another: `plan` divides a step, `work` does what
// nobody has done or claimed of it, `conclude` makes the report of all.
//
// All that they say to each other is in the campaign's folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "harness/campaign/shard_store.h"
#include "harness/child_process.h"
#include "harness/commands/bench_plan.h"
#include "harness/commands/command.h"
#include "harness/commands/crash_request.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/open_campaign.h"
#include "harness/crash/recording_content.h"
#include "harness/crash/schedules.h"
#include "harness/interrupt.h"
#include "harness/report/stored_results.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct WorkerFlags {
  std::string campaign;
  std::string step;
  uint64_t launch = 0;
  uint64_t workers = 1;
  uint64_t number = 0;
};

// What the campaign was asked for, of one step.
struct AskedStep {
  fs::path folder;
  std::string command;
  std::vector<std::string> arguments;
  uint64_t shards = 0;
  std::vector<std::string> campaign_command;
};

Result<AskedStep> ReadAsked(const WorkerFlags& flags) {
  const fs::path path = fs::path(flags.campaign) / "campaign.json";
  try {
    std::ifstream file(path);
    const json document = json::parse(file);
    for (const json& step : document.at("steps")) {
      if (step.at("name") != flags.step) continue;
      return AskedStep{.folder = fs::path(flags.campaign) / flags.step,
                       .command = step.at("command").get<std::string>(),
                       .arguments = step.at("arguments").get<std::vector<std::string>>(),
                       .shards = document.at("shards").get<uint64_t>(),
                       .campaign_command = document.at("command").get<std::vector<std::string>>()};
    }
  } catch (const json::exception&) {
    return Status::InvalidArgument(fmt::format("{}: cannot be read", path.string()));
  }
  return Status::InvalidArgument(fmt::format("{}: has no step {}", path.string(), flags.step));
}

Result<CampaignSettings> SettingsOf(const CrashRequest& request, const fs::path& run,
                                    unsigned jobs) {
  CrashFlags flags = request.crash;
  flags.quiet = true;
  flags.jobs = jobs;
  const bool in_files = FileRecording::IsIn(RecordingFolder(run, 0));
  return MakeSettings(flags, in_files ? CrashDomain::kFiles : CrashDomain::kMemory);
}

Result<std::unique_ptr<OpenCampaign>> OpenRecording(const fs::path& recording,
                                                    const CampaignSettings& settings) {
  return OpenCampaign::Open(recording, EngineParts(recording, settings), settings);
}

// --- plan ---------------------------------------------------------------------------------------

// The run that was recorded into the step's folder.
Result<std::string> FindRun(const fs::path& step) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(step, error)) {
    if (fs::is_directory(RecordingFolder(entry.path(), 0), error)) {
      return entry.path().filename().string();
    }
  }
  return Status::InvalidArgument(fmt::format("{}: there is no recording", step.string()));
}

Status PlanUnits(const AskedStep& asked, const CrashRequest& request, ShardPlan* plan) {
  ASSIGN_OR_RETURN(plan->run, FindRun(asked.folder));
  const fs::path run = asked.folder / plan->run;
  ASSIGN_OR_RETURN(const CampaignSettings settings, SettingsOf(request, run, /*jobs=*/1));
  ASSIGN_OR_RETURN(plan->schedules, DistinctSchedules(run));
  for (const uint64_t schedule : plan->schedules) {
    const fs::path recording = RecordingFolder(run, schedule);
    ASSIGN_OR_RETURN(const auto campaign, OpenRecording(recording, settings));
    ASSIGN_OR_RETURN(const uint64_t units, campaign->CountUnits());
    ASSIGN_OR_RETURN(const std::string hash, TraceHash(recording));
    plan->units.push_back(units);
    plan->recordings.push_back(hash);
    AddShards(schedule, units, asked.shards, &plan->shards);
  }
  return Status::Ok();
}

Status PlanCellsOf(const AskedStep& asked, ShardPlan* plan) {
  ASSIGN_OR_RETURN(const BenchFlags flags, ParseBenchFlags(asked.arguments));
  ASSIGN_OR_RETURN(const std::vector<Cell> cells, PlanCells(flags));
  for (const Cell& cell : cells) {
    if (cell.skipped.empty()) plan->shards.push_back({.cell = cell.Name()});
  }
  return WritePlan(asked.folder, flags);
}

Status Plan(const WorkerFlags& flags) {
  ASSIGN_OR_RETURN(const AskedStep asked, ReadAsked(flags));
  ShardPlan plan;
  plan.arguments = asked.arguments;
  if (asked.command == "bench") {
    plan.kind = ShardKind::kCells;
    RETURN_IF_ERROR(PlanCellsOf(asked, &plan));
    return plan.Write(asked.folder);
  }
  ASSIGN_OR_RETURN(const CrashRequest request, ParseCrashRequest(asked.arguments));
  if (MayBeShared(request)) {
    plan.kind = ShardKind::kUnits;
    RETURN_IF_ERROR(PlanUnits(asked, request, &plan));
  } else {
    plan.shards.emplace_back();
  }
  return plan.Write(asked.folder);
}

// --- work ---------------------------------------------------------------------------------------

// Explores what is left of one recording from `first` on, which is claimed.
Status ExploreFrom(const ShardStore& store, const fs::path& launch, uint64_t first,
                   OpenCampaign* campaign) {
  std::optional<uint64_t> held;  // the shard at hand
  const std::vector<Shard>& shards = store.plan().shards;
  const auto next = [&]() -> std::optional<UnitRange> {
    uint64_t number = held ? *held + 1 : first;
    const bool is_first = !held;
    held.reset();
    for (; number < shards.size() && shards[number].schedule == shards[first].schedule; ++number) {
      if (!is_first && (store.IsDone(number) || !ShardStore::Claim(launch, number))) continue;
      held = number;
      return UnitRange{shards[number].begin, shards[number].end};
    }
    return std::nullopt;
  };
  return campaign->ExploreParts({.next = next, .take = [&](const UnitRange&, json part) {
                                   return store.Write(*held, std::move(part));
                                 }});
}

Status WorkOnUnits(const ShardStore& store, const fs::path& step, const fs::path& launch,
                   const std::vector<uint64_t>& order) {
  ASSIGN_OR_RETURN(const CrashRequest request, ParseCrashRequest(store.plan().arguments));
  const fs::path run = step / store.plan().run;
  ASSIGN_OR_RETURN(const CampaignSettings settings, SettingsOf(request, run, /*jobs=*/1));
  std::unique_ptr<OpenCampaign> campaign;
  uint64_t opened = 0;
  for (const uint64_t shard : order) {
    if (Interrupted()) break;
    if (store.IsDone(shard) || !ShardStore::Claim(launch, shard)) continue;
    const uint64_t schedule = store.plan().shards[shard].schedule;
    if (campaign == nullptr || opened != schedule) {
      campaign.reset();
      ASSIGN_OR_RETURN(campaign, OpenRecording(RecordingFolder(run, schedule), settings));
      opened = schedule;
    }
    RETURN_IF_ERROR(ExploreFrom(store, launch, shard, campaign.get()));
  }
  return Status::Ok();
}

// A process of this program; what it complains of is passed on.
Result<int> RunOther(const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(words));
  bool passed_on = false;
  while (!child.WaitFor(200)) {
    if (Interrupted() && !std::exchange(passed_on, true)) child.Interrupt();
  }
  const bool judged = child.exit_code() == static_cast<int>(ExitCode::kPass) ||
                      child.exit_code() == static_cast<int>(ExitCode::kViolation);
  if (judged || Interrupted()) return child.exit_code();
  const std::string why = child.FirstError();
  return Status::InvalidArgument(
      why.empty() ? fmt::format("{} ended with {}", words[1], child.exit_code()) : why);
}

Status WorkOnOthers(const ShardStore& store, const AskedStep& asked, const fs::path& launch,
                    const std::vector<uint64_t>& order) {
  for (const uint64_t shard : order) {
    if (Interrupted()) break;
    if (store.IsDone(shard) || !ShardStore::Claim(launch, shard)) continue;
    const std::string& cell = store.plan().shards[shard].cell;
    std::vector<std::string> words = {"/proc/self/exe", asked.command};
    if (store.plan().kind == ShardKind::kCells) {
      words.insert(words.end(), {"--resume", asked.folder.string(), "--cell", cell});
    } else {
      const fs::path results = asked.folder / "whole";
      std::error_code error;
      fs::remove_all(results, error);  // what one that was lost has left
      words.insert(words.end(), asked.arguments.begin(), asked.arguments.end());
      words.insert(words.end(), {"--quiet", "--results", results.string()});
    }
    ASSIGN_OR_RETURN(const int exit_code, RunOther(words));
    if (Interrupted()) break;
    RETURN_IF_ERROR(store.Write(shard, {{"cell", cell}, {"exit_code", exit_code}}));
  }
  return Status::Ok();
}

Status Work(const WorkerFlags& flags) {
  ASSIGN_OR_RETURN(const AskedStep asked, ReadAsked(flags));
  ASSIGN_OR_RETURN(ShardPlan plan, ShardPlan::Read(asked.folder));
  const ShardStore store(asked.folder, std::move(plan));
  const fs::path launch = asked.folder / "launches" / fmt::format("{}", flags.launch);
  // Each begins at another place, and goes once around: neighbours have much in common.
  std::vector<uint64_t> order = store.Missing();
  const uint64_t begin = order.size() * flags.number / std::max<uint64_t>(flags.workers, 1);
  std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(begin), order.end());
  return store.plan().kind == ShardKind::kUnits ? WorkOnUnits(store, asked.folder, launch, order)
                                                : WorkOnOthers(store, asked, launch, order);
}

// --- conclude -----------------------------------------------------------------------------------

Result<ExitCode> ConcludeUnits(const AskedStep& asked, const ShardStore& store) {
  ASSIGN_OR_RETURN(CrashRequest request, ParseCrashRequest(store.plan().arguments));
  const fs::path run = asked.folder / store.plan().run;
  ASSIGN_OR_RETURN(const CampaignSettings settings, SettingsOf(request, run, /*jobs=*/0));
  const auto report_on = [&](uint64_t schedule, const fs::path& recording,
                             const CampaignSettings& rest) -> Result<json> {
    std::vector<json> parts;
    for (uint64_t i = 0; i < store.count(); ++i) {
      if (store.plan().shards[i].schedule != schedule) continue;
      ASSIGN_OR_RETURN(json part, store.Read(i));
      parts.push_back(std::move(part));
    }
    ASSIGN_OR_RETURN(const auto campaign, OpenRecording(recording, rest));
    return campaign->ReportOf(parts, {run, asked.campaign_command});
  };
  ASSIGN_OR_RETURN(const json report,
                   ReportSchedules(RecordedSchedules(run), run, settings, report_on));
  request.crash.json = false;
  return PublishReport(report, run, request.crash);
}

Result<ExitCode> Conclude(const WorkerFlags& flags) {
  ASSIGN_OR_RETURN(const AskedStep asked, ReadAsked(flags));
  ASSIGN_OR_RETURN(ShardPlan plan, ShardPlan::Read(asked.folder));
  const ShardStore store(asked.folder, std::move(plan));
  switch (store.plan().kind) {
    case ShardKind::kUnits:
      return ConcludeUnits(asked, store);
    case ShardKind::kCells: {
      ASSIGN_OR_RETURN(const int exit_code, RunOther({"/proc/self/exe", "bench", "--resume",
                                                      asked.folder.string(), "--collect"}));
      return static_cast<ExitCode>(exit_code);
    }
    case ShardKind::kWhole: {
      ASSIGN_OR_RETURN(const json part, store.Read(0));
      return static_cast<ExitCode>(part.value("exit_code", 3));
    }
  }
  CHECK(false);
}

ExitCode ExitOf(const Status& status) {
  return status.ok() ? ExitCode::kPass : ReportError(status);
}

}  // namespace

std::function<ExitCode()> DeclareCampaignWorker(CLI::App& app, const Arguments& /*arguments*/) {
  auto flags = std::make_shared<WorkerFlags>();
  auto chosen = std::make_shared<std::function<ExitCode()>>();
  app.require_subcommand(1);
  const auto declare = [&](const char* name, const char* what,
                           const std::function<ExitCode()>& run) {
    CLI::App* mode = app.add_subcommand(name, what);
    mode->add_option("campaign", flags->campaign, "its folder")->required();
    mode->add_option("step", flags->step, "name of the step")->required();
    mode->callback([chosen, run] { *chosen = run; });
    return mode;
  };
  declare("plan", "divide a step", [flags] { return ExitOf(Plan(*flags)); });
  CLI::App* work = declare("work", "do what is left of a step", [flags] {
    const ExitCode code = ExitOf(Work(*flags));
    return code == ExitCode::kPass && Interrupted() ? ExitCode::kInterrupted : code;
  });
  work->add_option("launch", flags->launch, "which start of workers this is")->required();
  work->add_option("workers", flags->workers, "of it")->required();
  work->add_option("number", flags->number, "of this one, from 0")->required();
  declare("conclude", "report what the parts of a step have come to", [flags] {
    const Result<ExitCode> code = Conclude(*flags);
    return code.ok() ? *code : ReportError(code.status());
  });
  return [chosen] { return (*chosen)(); };
}

}  // namespace fencepost
