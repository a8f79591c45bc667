// SPDX-License-Identifier: BSD-3-Clause
// fencepost campaign SUITE: the steps of a suite, each divided into shards that workers do, on this
// machine or on a scheduler's.
//
// A crash exploration is divided by its units (explore_part.h) and recorded once; a bench by its
// cells, each with a machine for itself; any other crash step is one shard. What is done is in the
// folder (shard_store.h), so a campaign that was stopped, or lost workers, goes on where it was.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "harness/campaign/backend.h"
#include "harness/campaign/campaign_state.h"
#include "harness/campaign/folder_lock.h"
#include "harness/campaign/shard_store.h"
#include "harness/child_process.h"
#include "harness/commands/command.h"
#include "harness/commands/crash_request.h"
#include "harness/commands/suite_check.h"
#include "harness/interrupt.h"
#include "harness/pinning.h"
#include "harness/progress.h"
#include "harness/report/stored_results.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

struct CampaignFlags {
  std::string file;
  std::string out;
  std::string backend = "local";
  uint64_t shards = 64;
  unsigned workers = 0;  // 0: as the backend has it
  BackendFlags scheduler;
  bool quiet = false;
};

double SecondsSince(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

class CampaignCommand {
 public:
  CampaignCommand(const CampaignFlags& flags, const Arguments& arguments)
      : flags_(flags),
        arguments_(arguments),
        row_(FindBackend(flags.backend)),
        progress_(stderr, ProgressModeFor(stderr, flags.quiet)) {}

  ExitCode Execute();

 private:
  Status Open();
  Status RunStep(size_t index);
  Status Prepare(size_t index);
  Status WorkOn(size_t index, const ShardStore& store);
  Status RunWorkers(size_t index, const ShardStore& store, const fs::path& launch);
  unsigned WorkersFor(const ShardStore& store) const;
  std::vector<std::string> WorkerWords(const char* mode, size_t index) const;
  Result<int> RunChild(const std::vector<std::string>& words, size_t index,
                       const std::string& what);
  void Show(size_t index, double step_fraction, const std::string& what);
  Status Save() const { return state_.Save(folder_, suite_); }
  fs::path FolderOf(size_t index) const { return folder_ / suite_.steps[index].name; }
  std::string ResultText(size_t index) const;
  ExitCode Conclude();

  const CampaignFlags& flags_;
  const Arguments& arguments_;
  const BackendRow* const row_;
  Progress progress_;
  Suite suite_;
  fs::path folder_;
  std::optional<FolderLock> lock_;
  CampaignState state_;
  std::unique_ptr<Backend> backend_;
  // Of this start: what was done before says nothing of how fast it goes.
  SteadyClock::time_point begin_ = SteadyClock::now();
  std::optional<double> done_before_s_;
};

Status CampaignCommand::Open() {
  CampaignState fresh{.created_utc = UtcTimestamp(),
                      .command = arguments_,
                      .backend = flags_.backend,
                      .shards = flags_.shards,
                      .steps = {}};
  std::error_code error;
  if (flags_.out.empty()) {
    ASSIGN_OR_RETURN(const RunDirectory made,
                     CreateRunDirectory("results", std::time(nullptr), "campaign-" + suite_.name));
    folder_ = made.path;
  } else {
    folder_ = flags_.out;
    if (!folder_.has_filename()) folder_ = folder_.parent_path();  // a slash at its end
    fs::create_directories(folder_, error);
    if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), flags_.out));
  }
  folder_ = fs::absolute(folder_);
  ASSIGN_OR_RETURN(FolderLock lock, FolderLock::Take(folder_));
  lock_.emplace(std::move(lock));
  ASSIGN_OR_RETURN(state_, CampaignState::TakeUp(folder_, suite_, fresh));
  return Save();
}

// Of the time that all steps were expected to take, what is done; and what is left, at the pace so
// far.
void CampaignCommand::Show(size_t index, double step_fraction, const std::string& what) {
  double total_s = 0, done_s = 0;
  for (size_t i = 0; i < suite_.steps.size(); ++i) {
    total_s += suite_.steps[i].expected_s;
    if (state_.steps[i].done()) done_s += suite_.steps[i].expected_s;
  }
  done_s += step_fraction * suite_.steps[index].expected_s;
  if (!done_before_s_) done_before_s_ = done_s;
  const double done_since_s = done_s - *done_before_s_;
  std::optional<double> left_s;
  if (done_since_s > 0) left_s = (total_s - done_s) * SecondsSince(begin_) / done_since_s;
  progress_.Update(done_s / total_s,
                   fmt::format("step {} of {}: {}, {}", index + 1, suite_.steps.size(),
                               suite_.steps[index].name, what),
                   left_s);
}

std::vector<std::string> CampaignCommand::WorkerWords(const char* mode, size_t index) const {
  return {fs::read_symlink("/proc/self/exe").string(), "campaign-worker", mode, folder_.string(),
          suite_.steps[index].name};
}

// A process of this program on this machine.
Result<int> CampaignCommand::RunChild(const std::vector<std::string>& words, size_t index,
                                      const std::string& what) {
  ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(words));
  const double fraction = what == "reporting" ? 1 : 0;
  bool passed_on = false;
  while (!child.WaitFor(200)) {
    if (Interrupted() && !std::exchange(passed_on, true)) child.Interrupt();
    Show(index, fraction, what);
  }
  const int code = child.exit_code();
  if (code <= static_cast<int>(ExitCode::kViolation) || Interrupted()) return code;
  const std::string why = child.FirstError();
  return Status::InvalidArgument(
      fmt::format("{}: {}", suite_.steps[index].name,
                  why.empty() ? fmt::format("{} ended with {}", what, code) : why));
}

// Records, if need be, and divides. What a try that was stopped has left is done again.
Status CampaignCommand::Prepare(size_t index) {
  const SuiteStep& step = suite_.steps[index];
  const fs::path folder = FolderOf(index);
  std::error_code error;
  if (fs::exists(folder / "shards.json", error)) return Status::Ok();
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), folder.string()));
  if (step.command == "crash") {
    ASSIGN_OR_RETURN(const CrashRequest request, ParseCrashRequest(step.words));
    if (MayBeShared(request)) {
      std::vector<std::string> words = {"/proc/self/exe", "crash"};
      words.insert(words.end(), step.words.begin(), step.words.end());
      words.insert(words.end(), {"--record-only", "--quiet", "--results", folder.string()});
      RETURN_IF_ERROR(RunChild(words, index, "recording").status());
    }
  }
  if (Interrupted()) return Status::Ok();
  return RunChild(WorkerWords("plan", index), index, "dividing").status();
}

unsigned CampaignCommand::WorkersFor(const ShardStore& store) const {
  const uint64_t missing = store.Missing().size();
  uint64_t workers = flags_.workers;
  // A bench measures nothing but its neighbours where several run on one machine.
  if (row_->shares_machine && store.plan().kind != ShardKind::kUnits) workers = 1;
  if (workers == 0) {
    const Result<std::vector<int>> cpus = AllowedCpus();
    constexpr uint64_t kOfScheduler = 64;
    workers = !row_->shares_machine ? kOfScheduler : cpus.ok() ? cpus->size() : 1;
  }
  return static_cast<unsigned>(std::min<uint64_t>(workers, missing));
}

// Until all of them have ended.
Status CampaignCommand::RunWorkers(size_t index, const ShardStore& store, const fs::path& launch) {
  const CampaignStep& step = state_.steps[index];
  const auto show = [&] {
    const uint64_t done = store.count() - store.Missing().size();
    std::string what = fmt::format("{} of {} shards", done, store.count());
    if (step.retries > 0) what += fmt::format(", {} tried again", step.retries);
    Show(index, static_cast<double>(done) / static_cast<double>(store.count()),
         what + ", " + backend_->Describe());
  };
  const unsigned workers = WorkersFor(store);
  std::vector<std::string> words = WorkerWords("work", index);
  words.insert(words.end(), {fmt::format("{}", step.launches), fmt::format("{}", workers)});
  RETURN_IF_ERROR(backend_->Start({.name = "fencepost-" + suite_.steps[index].name,
                                   .words = std::move(words),
                                   .workers = workers,
                                   .exclusive = store.plan().kind == ShardKind::kCells,
                                   .folder = launch}));
  for (;;) {
    show();
    const Result<bool> ended = backend_->Wait();
    if (!ended.ok() || Interrupted()) {
      backend_->Cancel();
      return ended.status();
    }
    if (*ended) break;
  }
  const std::string complaint = backend_->Complaint();
  if (complaint.empty() || store.Missing().empty()) return Status::Ok();
  return Status::InvalidArgument(fmt::format("{}: {}", suite_.steps[index].name, complaint));
}

// Workers are started until there is nothing left to do.
Status CampaignCommand::WorkOn(size_t index, const ShardStore& store) {
  constexpr int kMostInVain = 3;
  CampaignStep& step = state_.steps[index];
  const fs::path launches = FolderOf(index) / "launches";
  RETURN_IF_ERROR(store.CheckParts());
  if (step.launches > 0) {
    RETURN_IF_ERROR(backend_->EndLeftover(launches / fmt::format("{}", step.launches)));
  }
  int in_vain = 0;
  for (uint64_t missing = store.Missing().size(); missing > 0 && !Interrupted();) {
    const fs::path launch = launches / fmt::format("{}", ++step.launches);
    std::error_code error;
    fs::create_directories(launch, error);
    if (error)
      return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), launch.string()));
    RETURN_IF_ERROR(Save());
    RETURN_IF_ERROR(RunWorkers(index, store, launch));
    const std::vector<uint64_t> left = store.Missing();
    if (Interrupted()) break;
    in_vain = left.size() < missing ? 0 : in_vain + 1;
    if (in_vain == kMostInVain) {
      return Status::IoError(fmt::format("{}: {} starts of workers have come to nothing ({})",
                                         suite_.steps[index].name, kMostInVain, launch.string()));
    }
    missing = left.size();
    const auto lost =
        static_cast<uint64_t>(std::count_if(left.begin(), left.end(), [&](uint64_t shard) {
          return ShardStore::IsClaimed(launch, shard);
        }));
    step.retries += lost;
    if (lost > 0) {
      progress_.Print(fmt::format("{}: {} shard{} lost with {} worker, tried again",
                                  suite_.steps[index].name, lost, lost == 1 ? " was" : "s were",
                                  lost == 1 ? "its" : "their"));
    }
  }
  step.nodes = store.Nodes();
  step.cells = store.NodesOfCells();
  return Save();
}

Status CampaignCommand::RunStep(size_t index) {
  const auto begin = SteadyClock::now();
  CampaignStep& step = state_.steps[index];
  const auto run = [&]() -> Status {
    RETURN_IF_ERROR(Prepare(index));
    if (Interrupted()) return Status::Ok();
    ASSIGN_OR_RETURN(ShardPlan plan, ShardPlan::Read(FolderOf(index)));
    const ShardStore store(FolderOf(index), std::move(plan));
    step.shards = store.count();
    RETURN_IF_ERROR(WorkOn(index, store));
    if (Interrupted()) return Status::Ok();
    ASSIGN_OR_RETURN(const int code, RunChild(WorkerWords("conclude", index), index, "reporting"));
    if (!Interrupted()) step.exit_code = code;
    return Status::Ok();
  };
  const Status status = run();
  step.wall_s += SecondsSince(begin);
  RETURN_IF_ERROR(Save());
  return status;
}

// What a step has come to: a bench's table, a verdict.
std::string CampaignCommand::ResultText(size_t index) const {
  if (!state_.steps[index].exit_code) return "not finished\n";
  const fs::path folder = FolderOf(index);
  std::error_code error;
  if (suite_.steps[index].command == "bench") {
    std::ifstream file(folder / "table.txt");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.path().filename() != "crash.json") continue;
    const nlohmann::json report = ReadObject(entry.path());
    return fmt::format("{} ({})\n", report.value("verdict", "no verdict"),
                       entry.path().parent_path().string());
  }
  return "no report\n";
}

ExitCode CampaignCommand::Conclude() {
  size_t violated = 0, left = 0;
  uint64_t retries = 0;
  fmt::print("{}\n", suite_.title);
  for (size_t i = 0; i < suite_.steps.size(); ++i) {
    fmt::print("\n{}\n{}", suite_.steps[i].name, ResultText(i));
    left += state_.steps[i].done() ? 0 : 1;
    violated += state_.steps[i].exit_code == 1 ? 1 : 0;
    retries += state_.steps[i].retries;
  }
  progress_.Finish(fmt::format("{} steps, {} violated, {} not finished, {} shards tried again: {}",
                               suite_.steps.size(), violated, left, retries, folder_.string()));
  if (left > 0) {
    fmt::print(stderr,
               "fencepost: to go on: fencepost campaign {} --backend {} --shards {} --out {}\n",
               flags_.file, flags_.backend, flags_.shards, folder_.string());
    return ExitCode::kInterrupted;
  }
  return violated > 0 ? ExitCode::kViolation : ExitCode::kPass;
}

ExitCode CampaignCommand::Execute() {
  if (row_ == nullptr) {
    std::string names;
    for (const BackendRow& row : Backends()) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", row.name);
    }
    return ReportError(
        Status::InvalidArgument(fmt::format("--backend={}: must be of {}", flags_.backend, names)));
  }
  auto suite = ReadSuite(flags_.file);
  if (!suite.ok()) return ReportError(suite.status());
  suite_ = std::move(*suite);
  if (Status status = CheckSteps(suite_, flags_.file); !status.ok()) return ReportError(status);
  backend_ = row_->make(flags_.scheduler);
  if (const Status status = backend_->Check(); !status.ok()) return ReportError(status);
  if (const Status status = Open(); !status.ok()) return ReportError(status);
  for (size_t i = 0; i < suite_.steps.size() && !Interrupted(); ++i) {
    if (state_.steps[i].done()) continue;
    if (const Status status = RunStep(i); !status.ok()) {
      progress_.Clear();
      return ReportError(status);
    }
  }
  return Conclude();
}

}  // namespace

std::function<ExitCode()> DeclareCampaign(CLI::App& app, const Arguments& arguments) {
  auto flags = std::make_shared<CampaignFlags>();
  app.add_option("file", flags->file, "a suite, e.g. scripts/suites/quick.toml")->required();
  std::string backends;
  for (const BackendRow& row : Backends()) {
    backends += fmt::format("{}{} ({})", backends.empty() ? "" : ", ", row.name, row.description);
  }
  app.add_option("--backend", flags->backend, "where workers run: " + backends);
  app.add_option("--shards", flags->shards, "parts that a crash exploration has (default 64)")
      ->check(CLI::Range(uint64_t{1}, uint64_t{100'000}));
  app.add_option("--workers,--nodes", flags->workers,
                 "workers at a time (default: one a processor; slurm: 64 tasks at most)")
      ->check(CLI::Range(1u, 1000u));
  app.add_option("--out", flags->out,
                 "folder of the results, which the workers see too (default "
                 "results/<campaign_id>); a campaign that was stopped there goes on");
  AddRepeatable(app, "--sbatch", &flags->scheduler.options,
                "slurm: an option for sbatch, e.g. --sbatch=--partition=long (repeatable)");
  app.add_flag("--quiet", flags->quiet, "no progress");
  return [flags, &arguments] { return CampaignCommand(*flags, arguments).Execute(); };
}

}  // namespace fencepost
