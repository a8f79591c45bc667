// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/flip_rounds.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "faultinject/explore/files/flipped_reads.h"
#include "faultinject/explore/files/io_text.h"
#include "faultinject/explore/files/tree_folder.h"
#include "faultinject/explore/files/tree_pool.h"
#include "faultinject/explore/scratch_folder.h"
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

fs::path KeptIn(const fs::path& folder) { return folder / "recording"; }
fs::path StoreIn(const fs::path& kept) { return kept / "store"; }
fs::path HistoryIn(const fs::path& kept) { return kept / "history"; }

// A run that came to its end, and who reads and judges its store.
struct ClosedRun {
  EndedRun run;
  FileTree tree;
  std::unique_ptr<EngineRecovery> recovery;
  std::unique_ptr<EngineJudge> judge;
};

Result<ClosedRun> ReadClosed(const CrashSubject& subject, const fs::path& kept, double timeout_s) {
  ASSIGN_OR_RETURN(EndedRun run, EndedRun::Read(subject, HistoryIn(kept)));
  ClosedRun closed{.run = std::move(run), .tree = {}, .recovery = nullptr, .judge = nullptr};
  ASSIGN_OR_RETURN(closed.tree, FileTree::Read(StoreIn(kept)));
  const RunPlan& plan = closed.run.plan();
  EngineOptions options = plan.options;
  // Damaged stores lie on a tmpfs, which may have no O_DIRECT.
  std::map<std::string, std::string> tuning = options.tuning.values();
  if (tuning.erase("direct") > 0) options.tuning = Tuning(subject.engine, tuning);
  closed.recovery = std::make_unique<EngineRecovery>(*plan.row, std::move(options),
                                                     UseAfterwards{.operations = 0, .gets = true});
  closed.judge = std::make_unique<EngineJudge>(closed.run.history(),
                                               AfterProcessDeath(plan.options.durability),
                                               timeout_s, /*may_refuse=*/true);
  return closed;
}

// Loads, runs to the end and closes, into `kept`.
Status RunToTheEnd(const CrashSubject& subject, const fs::path& kept) {
  std::error_code error;
  fs::create_directories(kept, error);
  if (error) return Status::IoError(fmt::format("{}: {}", kept.string(), error.message()));
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  RETURN_IF_ERROR(LoadEngine(plan, StoreIn(kept)));
  ASSIGN_OR_RETURN(ChildProcess run, StartClient(subject, StoreIn(kept), HistoryIn(kept)));
  while (!run.WaitFor(100)) {
    if (Interrupted()) return Status::Internal("interrupted");
  }
  if (run.exit_code() == 0) return Status::Ok();
  return Status::Internal(
      fmt::format("the run ended with exit code {}: {}", run.exit_code(), run.error_text()));
}

json ViolationJson(const FlipGroup& group, const fs::path& kept, const ClosedRun& closed) {
  const FlippedBit& bit = group.flipped;
  return EndedRunViolation(group.finding, closed.run,
                           {.before = "the end",
                            .where = fmt::format("a read of {}", WithoutNumbers(bit.file)),
                            .state = {{"file", bit.file}, {"byte", bit.byte}, {"bit", bit.bit}},
                            .occurrences = group.occurrences},
                           kept);
}

json ReportOf(const CrashSubject& subject, const fs::path& folder, const FlipSettings& settings,
              const std::vector<std::string>& command, const ClosedRun& closed,
              const FlipResult& result) {
  const RunPlan& plan = closed.run.plan();
  const fs::path kept = KeptIn(folder);
  std::vector<json> violations;
  for (const FlipGroup& group : result.groups) {
    violations.push_back(ViolationJson(group, kept, closed));
  }
  json assumptions = {
      "Every read of that bit gives the same; one bit at a time, of a store that was closed.",
      result.unwatched.empty()
          ? fmt::format(
                "Bits were drawn from the {} bytes that opening and reading the store reads "
                "of {} files, as many of each file.",
                result.bytes_read, result.files)
          : fmt::format("Bits were drawn from all files, since what is read of them could not be "
                        "watched: opening the store {}.",
                        result.unwatched)};
  return EndedRunsReport(subject, plan, folder, command,
                         {.domain = "medium",
                          .fault = kReadFlip,
                          .seed = settings.seed,
                          .timeout_s = settings.pool.timeout_s,
                          .recording = kept,
                          .recorded = {{"files", result.files},
                                       {"bytes_read", result.bytes_read},
                                       {"flipped", result.flipped},
                                       {"refused", result.refused},
                                       {"operations", closed.run.CountAnswered()}},
                          .settings = {{"checksums", plan.row->capabilities.checksums}},
                          .explored = ExploredRuns(result.drawn, result.flipped, result.outcomes,
                                                   result.failed, result.stopped, result.seconds),
                          .assumptions = std::move(assumptions),
                          .violations = std::move(violations)});
}

}  // namespace

Result<json> RunFlipRounds(const CrashSubject& subject, const fs::path& folder,
                           const FlipSettings& settings, const std::vector<std::string>& command) {
  const fs::path kept = KeptIn(folder);
  RETURN_IF_ERROR(RunToTheEnd(subject, kept));
  ASSIGN_OR_RETURN(const ClosedRun closed, ReadClosed(subject, kept, settings.pool.timeout_s));
  Progress progress(stderr, ProgressModeFor(stderr, settings.quiet));
  const ExploreHooks hooks = {
      .progress =
          [&](const ExploreProgress& now) {
            progress.Update(now.fraction, fmt::format("flipping bits: {} reads, {} violations",
                                                      now.recoveries, now.groups));
          },
      .interrupted = Interrupted};
  const auto& patterns = closed.run.plan().row->volatile_files;
  ASSIGN_OR_RETURN(
      const FlipResult result,
      ExploreFlippedReads(closed.tree,
                          {.count = settings.rounds,
                           .seed = settings.seed,
                           .passed_over = {patterns.begin(), patterns.end()},
                           .point = closed.run.Point(),
                           .stop_after = settings.stop_after,
                           .max_seconds = settings.max_seconds,
                           .is_refusal = IsRefusal},
                          settings.pool, closed.recovery.get(), closed.judge.get(), hooks));
  progress.Clear();
  return ReportOf(subject, folder, settings, command, closed, result);
}

Result<ExitCode> ReplayFlipped(const ReplayRequest& request, const json& report,
                               const json& violation) {
  const fs::path kept = violation["recording"].get<std::string>();
  const double timeout_s = report["settings"]["timeout_s"].get<double>();
  ASSIGN_OR_RETURN(const CrashSubject subject, CrashSubject::Read(HistoryIn(kept)));
  ASSIGN_OR_RETURN(const ClosedRun closed, ReadClosed(subject, kept, timeout_s));
  const json& state = violation["state"];
  const FlippedBit flipped = {.file = state["file"].get<std::string>(),
                              .byte = state["byte"].get<uint64_t>(),
                              .bit = state["bit"].get<uint32_t>()};
  FileTree damaged = closed.tree;
  RETURN_IF_ERROR(FlipIn(&damaged, flipped));
  if (!request.keep.empty()) {
    RETURN_IF_ERROR(MakeFolderHold(damaged, request.keep));
    fmt::print("{}\n", request.keep);
    return ExitCode::kPass;
  }
  fmt::print("{}: {} reads back flipped\n", request.id, flipped.Text());
  // What follows may end the process.
  std::fflush(stdout);
  std::optional<Outcome> outcome;
  if (request.in_process) {
    ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
    const fs::path store = scratch.path() / "store";
    RETURN_IF_ERROR(MakeFolderHold(damaged, store));
    outcome = Outcome{.answer = closed.recovery->Recover({store.string()}, ""), .complaint = {}};
  } else {
    ASSIGN_OR_RETURN(const std::unique_ptr<TreePool> pool,
                     TreePool::Start({.workers = 1, .timeout_s = timeout_s}, closed.recovery.get(),
                                     [&](uint64_t, Outcome came) { outcome = std::move(came); }));
    RETURN_IF_ERROR(pool->Submit(0, damaged, ""));
    RETURN_IF_ERROR(pool->Drain());
  }
  return ShownAgain(closed.judge->Verdict(closed.run.Point(), *outcome), violation);
}

}  // namespace fencepost
