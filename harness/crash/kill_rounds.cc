// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/kill_rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "faultinject/explore/image_names.h"
#include "faultinject/explore/scratch_folder.h"
#include "faultinject/explore/worker_process.h"
#include "harness/child_process.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/ended_run.h"
#include "harness/crash/ended_run_report.h"
#include "harness/crash/engine_judge.h"
#include "harness/crash/engine_recovery.h"
#include "harness/crash/report_parts.h"
#include "harness/interrupt.h"
#include "harness/progress.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

// Recovers from the store at `path` in a child, and judges by what it had promised.
Result<std::vector<Finding>> Recover(const EndedRun& killed, const fs::path& path,
                                     Durability promised, double timeout_s,
                                     unsigned operations_after, Outcome* outcome) {
  EngineRecovery recovery(*killed.plan().row, killed.plan().options,
                          {.operations = operations_after, .may_be_full = killed.MayBeFull()});
  WorkerProcess worker;
  RETURN_IF_ERROR(worker.Start(
      [&](const std::string& context) { return recovery.Recover({path.string()}, context); }, [] {},
      [] {}));
  RETURN_IF_ERROR(worker.Request("", timeout_s));
  *outcome = worker.Collect();
  outcome->complaint = WithImageNames(outcome->complaint, {path.string()});
  worker.Kill();
  ReapStrays({});
  EngineJudge judge(killed.history(), promised, timeout_s);
  return judge.Verdict(killed.Point(), *outcome);
}

class Rounds {
 public:
  Rounds(const CrashSubject& subject, fs::path folder, const KillSettings& settings,
         const std::vector<std::string>& command, ScratchFolder scratch)
      : subject_(subject),
        folder_(std::move(folder)),
        settings_(settings),
        command_(command),
        scratch_(std::move(scratch)) {}

  Result<json> Run() {
    ASSIGN_OR_RETURN(plan_, subject_.Plan());
    RETURN_IF_ERROR(LoadEngine(plan_, loaded()));
    RETURN_IF_ERROR(MeasureWholeRun());
    BecomeOwnerOfWorkers();
    Progress progress(stderr, ProgressModeFor(stderr, settings_.quiet));
    std::mt19937_64 random(settings_.seed);
    const auto begin = Clock::now();
    for (uint64_t i = 0; i < settings_.rounds && !Interrupted(); ++i) {
      const double share = std::uniform_real_distribution<double>(0, 1)(random);
      RETURN_IF_ERROR(Round(i, std::chrono::duration_cast<Clock::duration>(whole_run_ * share)));
      progress.Update(static_cast<double>(i + 1) / static_cast<double>(settings_.rounds),
                      fmt::format("killing: {} violations", violations_.size()));
    }
    progress.Clear();
    seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
    return Report();
  }

 private:
  fs::path loaded() const { return scratch_.path() / "loaded"; }
  fs::path store() const { return scratch_.path() / "store"; }
  fs::path history() const { return scratch_.path() / "history"; }

  // Starts a run and comes back once its first operation has begun.
  Result<ChildProcess> StartRun() const {
    RETURN_IF_ERROR(CopyStore(loaded(), store()));
    return StartClient(subject_, store(), history());
  }

  Status MeasureWholeRun() {
    ASSIGN_OR_RETURN(ChildProcess run, StartRun());
    const auto begin = Clock::now();
    while (!run.WaitFor(100)) {
      if (Interrupted()) return Status::Internal("interrupted");
    }
    if (run.exit_code() != 0) {
      return Status::Internal(fmt::format("the run that was not killed ended with exit code {}: {}",
                                          run.exit_code(), run.error_text()));
    }
    whole_run_ = Clock::now() - begin;
    return Status::Ok();
  }

  Status Round(uint64_t number, Clock::duration after) {
    ASSIGN_OR_RETURN(ChildProcess run, StartRun());
    std::this_thread::sleep_for(after);
    run.Kill();
    while (!run.WaitFor(100)) {
    }
    constexpr int kKilled = 128 + 9;
    killed_ += run.exit_code() == kKilled ? 1 : 0;
    // It took no longer than that: on a busy machine the first run may have been a slow one.
    if (run.exit_code() == 0) whole_run_ = std::min(whole_run_, after);
    if (run.exit_code() != kKilled && run.exit_code() != 0) {
      return Status::Internal(
          fmt::format("the run ended with exit code {} before it was killed: {}", run.exit_code(),
                      run.error_text()));
    }
    ++rounds_;
    ASSIGN_OR_RETURN(const EndedRun killed, EndedRun::Read(subject_, history()));
    // What is recovered is a copy: the recovery changes it.
    const fs::path copy = scratch_.path() / "recovered";
    RETURN_IF_ERROR(CopyStore(store(), copy));
    Outcome outcome;
    ASSIGN_OR_RETURN(const std::vector<Finding> findings,
                     Recover(killed, copy, AfterProcessDeath(killed.plan().options.durability),
                             settings_.timeout_s, settings_.operations_after, &outcome));
    answers_.insert(outcome.answer);
    operations_ += killed.CountAnswered();
    if (findings.empty()) return Status::Ok();
    ++failed_;
    const fs::path kept = folder_ / fmt::format("round-{}", number + 1);
    std::error_code error;
    fs::create_directories(kept, error);
    RETURN_IF_ERROR(CopyStore(store(), kept / "store"));
    RETURN_IF_ERROR(CopyStore(history(), kept / "history"));
    for (const Finding& finding : findings) {
      violations_.push_back(
          EndedRunViolation(finding, killed, {.index = number, .before = "a kill"}, kept));
    }
    return Status::Ok();
  }

  json Report() const {
    return EndedRunsReport(
        subject_, plan_, folder_, command_,
        {.domain = "process",
         .fault = "kill",
         .seed = settings_.seed,
         .timeout_s = settings_.timeout_s,
         .operations_after = settings_.operations_after,
         .recording = folder_,
         .recorded = {{"rounds", rounds_}, {"killed", killed_}, {"operations", operations_}},
         .explored = ExploredRuns(settings_.rounds, rounds_, answers_.size(), failed_,
                                  rounds_ < settings_.rounds ? "interrupted" : "", seconds_),
         .assumptions = {"The process was killed, and the machine went on: what it had handed to "
                         "the kernel, or stored in shared memory, was there.",
                         fmt::format("{} of {} rounds were killed before the run had ended.",
                                     killed_, rounds_)},
         .violations = violations_});
  }

  const CrashSubject& subject_;
  const fs::path folder_;
  const KillSettings& settings_;
  const std::vector<std::string>& command_;
  const ScratchFolder scratch_;
  RunPlan plan_;
  Clock::duration whole_run_{};
  uint64_t rounds_ = 0, killed_ = 0, failed_ = 0, operations_ = 0;
  double seconds_ = 0;
  std::set<std::string> answers_;
  std::vector<json> violations_;
};

}  // namespace

Result<json> RunKillRounds(const CrashSubject& subject, const fs::path& folder,
                           const KillSettings& settings, const std::vector<std::string>& command) {
  // A tmpfs may have no O_DIRECT.
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  const bool on_disk = plan.options.tuning.Has("direct");
  ASSIGN_OR_RETURN(ScratchFolder scratch,
                   ScratchFolder::Make(on_disk ? folder : fs::path(kMemoryRoot)));
  return Rounds(subject, folder, settings, command, std::move(scratch)).Run();
}

Result<ExitCode> ReplayKilled(const ReplayRequest& request, const json& report,
                              const json& violation) {
  const fs::path kept = violation["recording"].get<std::string>();
  ASSIGN_OR_RETURN(const CrashSubject subject, CrashSubject::Read(kept / "history"));
  ASSIGN_OR_RETURN(const EndedRun killed, EndedRun::Read(subject, kept / "history"));
  if (!request.keep.empty()) {
    RETURN_IF_ERROR(CopyStore(kept / "store", request.keep));
    fmt::print("{}\n", request.keep);
    return ExitCode::kPass;
  }
  ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
  const fs::path copy = scratch.path() / "store";
  RETURN_IF_ERROR(CopyStore(kept / "store", copy));
  fmt::print("{}: round {}, killed after {} lines of its history\n", request.id,
             violation["crash_point"]["index"].get<uint64_t>() + 1, killed.Point().event - 1);
  std::fflush(stdout);
  BecomeOwnerOfWorkers();
  Outcome outcome;
  const Durability durability = killed.plan().options.durability;
  const Durability promised =
      report["domain"] == "machine" ? durability : AfterProcessDeath(durability);
  ASSIGN_OR_RETURN(const std::vector<Finding> findings,
                   Recover(killed, copy, promised, report["settings"]["timeout_s"].get<double>(),
                           report["subject"].value("operations_after", 0u), &outcome));
  return ShownAgain(findings, violation);
}

}  // namespace fencepost
