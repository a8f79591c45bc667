// SPDX-License-Identifier: BSD-3-Clause
// fencepost bench: a matrix of engines x workloads x threads x placements x repeats.
//
// Each run is a process of its own (`fencepost run`), so that memory, CPU time, I/O and libpmem's
// view of the medium belong to it alone. Runs of one repeat are in random order, from the seed.
// The matrix is in plan.json, so that a bench that was stopped can go on (--resume): runs that have
// ended are not run again.
// With --against the runs are pairs of two builds: paired_bench.cc.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "harness/commands/bench_child.h"
#include "harness/commands/bench_matrix.h"
#include "harness/commands/bench_plan.h"
#include "harness/commands/command.h"
#include "harness/commands/paired_bench.h"
#include "harness/cpu_facts.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/report/stored_results.h"
#include "harness/run_files.h"
#include "harness/stats/noise.h"

namespace fencepost {
namespace {

class BenchCommand {
 public:
  BenchCommand(BenchFlags flags, const Arguments& arguments)
      : flags_(std::move(flags)),
        arguments_(arguments),
        progress_(stderr, ProgressModeFor(stderr, false)) {}

  ExitCode Execute();

 private:
  Status Prepare();
  std::optional<nlohmann::json> EndedBefore(const std::string& run_id) const;
  Status RunAll();
  ExitCode ConcludeCell() const;
  Status WriteReport() const;
  std::string Table() const;

  BenchFlags flags_;
  const Arguments& arguments_;
  Progress progress_;
  std::vector<Cell> cells_;
  std::vector<RunOrder> order_;
  std::filesystem::path folder_;
  nlohmann::json settings_;
  NoiseBefore noise_before_;
  NoiseDuring noise_during_;
  std::vector<std::string> noise_warnings_before_;  // of the parts before it was stopped
  bool violated_ = false;
};

// What the report of a bench that was stopped has said of noise; of one that had ended, what it has
// said of parts before.
std::vector<std::string> NoiseWarningsOfPart(const nlohmann::json& report) {
  constexpr std::string_view kBefore = "before it was stopped: ";
  std::vector<std::string> warnings;
  const bool was_stopped = report.value("partial", false);
  const nlohmann::json::json_pointer place("/noise/warnings");
  if (!report.contains(place) || !report.at(place).is_array()) return warnings;
  for (const nlohmann::json& warning : report.at(place)) {
    if (!warning.is_string()) continue;
    const auto& text = warning.get_ref<const std::string&>();
    if (text.starts_with(kBefore)) {
      warnings.push_back(text);
    } else if (was_stopped) {
      warnings.push_back(std::string(kBefore) + text);
    }
  }
  return warnings;
}

// Plans everything, and makes or finds the folder.
Status BenchCommand::Prepare() {
  if (ReadCpuFacts().emulated) {
    return Status::Unsupported("this processor is emulated: a bench would measure the emulator");
  }
  if (!flags_.resume.empty()) {
    RETURN_IF_ERROR(ReadPlan(flags_.resume, &flags_));
  }
  ASSIGN_OR_RETURN(cells_, PlanCells(flags_));
  order_ = InterleavedOrder(cells_, flags_.repeats, flags_.seed);
  ASSIGN_OR_RETURN(settings_, BenchSettingsJson(flags_));
  if (!flags_.resume.empty()) {
    folder_ = flags_.resume;
    noise_warnings_before_ = NoiseWarningsOfPart(ReadObject(folder_ / "bench.json"));
    return Status::Ok();
  }
  ASSIGN_OR_RETURN(folder_, MakeBenchFolder(flags_, "bench", "plan.json"));
  return WritePlan(folder_, flags_);
}

// The summary of a run that ended before the bench was stopped. What is left of one that did not
// end is removed.
std::optional<nlohmann::json> BenchCommand::EndedBefore(const std::string& run_id) const {
  if (flags_.resume.empty()) return std::nullopt;
  nlohmann::json summary = ReadObject(folder_ / run_id / "summary.json");
  if (!summary.value("partial", true)) return summary;
  std::error_code ignored;
  std::filesystem::remove_all(folder_ / run_id, ignored);
  std::filesystem::remove_all(folder_ / (run_id + "-load"), ignored);
  return std::nullopt;
}

Status BenchCommand::RunAll() {
  noise_before_ = MeasureNoise();
  for (const std::string& warning : NoiseWarnings(noise_before_)) {
    progress_.Print("warning: " + warning);
  }
  const std::optional<CpuTimes> begin_times = ReadCpuTimes();
  const auto begin = std::chrono::steady_clock::now();
  ChildRunner runner(&progress_, ExpectedRunSeconds(flags_));
  std::vector<RunInOrder> ran;
  const double count = static_cast<double>(order_.size());
  for (size_t i = 0; i < order_.size() && !Interrupted(); ++i) {
    Cell& cell = cells_[order_[i].cell];
    const unsigned repeat = order_[i].repeat;
    if (!flags_.cell.empty() && cell.Name() != flags_.cell) continue;
    const std::string run_id = fmt::format("{}-r{}", cell.Name(), repeat);
    if (auto summary = EndedBefore(run_id)) {
      // Where a campaign's workers divided the runs, their order is none in time.
      if (!flags_.collect) {
        ran.push_back({order_[i].cell, summary->value("throughput_ops_per_s", 0.0)});
      }
      cell.summaries.push_back(std::move(*summary));
      continue;
    }
    if (flags_.collect) {
      if (cell.failed.empty()) cell.failed = "it has left no result";
      continue;
    }
    ASSIGN_OR_RETURN(
        ChildRun run,
        runner.Run(RunWords("/proc/self/exe", flags_, cell, folder_, run_id, repeat),
                   folder_ / run_id,
                   fmt::format("{}, repeat {} of {}", cell.Name(), repeat + 1, flags_.repeats),
                   static_cast<double>(i) / count, static_cast<double>(i + 1) / count));
    if (run.summary) {
      if (!run.summary->value("partial", true)) {
        ran.push_back({order_[i].cell, run.summary->value("throughput_ops_per_s", 0.0)});
      }
      cell.summaries.push_back(std::move(*run.summary));
    }
    if (run.error.empty()) continue;
    if (cell.failed.empty()) cell.failed = run.error;
    violated_ |= run.violated;
    progress_.Print(fmt::format("{}: {}", cell.Name(), run.error));
  }
  for (Cell& cell : cells_) {
    if (Interrupted() && cell.summaries.empty() && cell.skipped.empty() && cell.failed.empty()) {
      cell.failed = "not run: the bench was stopped before";
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  noise_during_ = JudgeRuns(ran, begin_times, ReadCpuTimes(), took.count());
  return Status::Ok();
}

Status BenchCommand::WriteReport() const {
  nlohmann::json order = nlohmann::json::array(), cells = nlohmann::json::array();
  for (const RunOrder& next : order_) {
    order.push_back(fmt::format("{}-r{}", cells_[next.cell].Name(), next.repeat));
  }
  for (const Cell& cell : cells_) cells.push_back(CellJson(cell));
  nlohmann::json noise = NoiseJson(noise_before_, noise_during_);
  for (const std::string& warning : noise_warnings_before_) noise["warnings"].push_back(warning);
  const nlohmann::json report = {{"schema", "fencepost.bench/1"},
                                 {"bench_id", folder_.filename().string()},
                                 {"created_utc", UtcTimestamp()},
                                 {"command", arguments_},
                                 {"seed", flags_.seed},
                                 {"partial", Interrupted()},
                                 {"unequal_durability", !CheckEqualDurability(cells_).ok()},
                                 {"relaxed_load", flags_.relaxed_load},
                                 {"settings", settings_},
                                 {"noise", std::move(noise)},
                                 {"order", std::move(order)},
                                 {"cells", std::move(cells)}};
  // A workload file may hold bytes that are no UTF-8.
  const std::string text = report.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  if (flags_.json) fmt::print("{}\n", text);
  return WriteFileAtomically(folder_ / "bench.json", text + "\n");
}

std::string BenchCommand::Table() const {
  std::string out = MatrixTable(cells_) + "\n";
  if (const std::string cost = CostTable(cells_); !cost.empty()) out += cost + "\n";
  out += FloorLine(cells_);
  out += NoiseText(noise_before_, noise_during_);
  for (const std::string& warning : noise_warnings_before_) out += "warning: " + warning + "\n";
  if (flags_.relaxed_load) {
    out +=
        "loads: relaxed (each engine's weakest durability, then one Sync); runs at the column's\n";
  }
  return out;
}

// Of one cell there is no report: whoever has divided the bench makes one of all.
ExitCode BenchCommand::ConcludeCell() const {
  if (violated_) return ExitCode::kViolation;
  if (Interrupted()) return ExitCode::kInterrupted;
  for (const Cell& cell : cells_) {
    if (cell.Name() != flags_.cell || cell.failed.empty()) continue;
    return ReportError(Status::InvalidArgument(fmt::format("{}: {}", flags_.cell, cell.failed)));
  }
  return ExitCode::kPass;
}

ExitCode BenchCommand::Execute() {
  if (Status status = Prepare(); !status.ok()) return ReportError(status);
  if (Status status = RunAll(); !status.ok()) return ReportError(status);
  if (!flags_.cell.empty()) return ConcludeCell();
  if (Status status = WriteReport(); !status.ok()) return ReportError(status);
  const std::string table = Table();
  if (Status status = WriteFileAtomically(folder_ / "table.txt", table); !status.ok()) {
    return ReportError(status);
  }
  progress_.Finish(fmt::format("{} runs in {}", order_.size(), folder_.string()));
  if (!flags_.json) fmt::print("{}", table);
  if (!CheckEqualDurability(cells_).ok()) {
    fmt::print(stderr, "fencepost: warning: durability differs between engines; see its column\n");
  }
  if (violated_) return ExitCode::kViolation;
  if (Interrupted()) return ExitCode::kInterrupted;
  const bool failed = std::any_of(cells_.begin(), cells_.end(),
                                  [](const Cell& cell) { return !cell.failed.empty(); });
  return failed ? ExitCode::kUsage : ExitCode::kPass;
}

// What only means something with --against is refused without it, and the other way round.
Status CheckHeeded(const CLI::App& app, const BenchFlags& flags) {
  if (flags.resume.empty() && (flags.engines.empty() || flags.workloads.empty())) {
    return Status::InvalidArgument("bench needs --engines and --workloads, or --resume");
  }
  using Names = std::vector<const char*>;
  const bool paired = !flags.against.empty();
  const Names names =
      paired ? Names{"--repeats"} : Names{"--this-property", "--against-property", "--min-pairs",
                                          "--max-pairs",     "--threshold",        "--alpha",
                                          "--turn"};
  for (const char* name : names) {
    if (app.count(name) == 0) continue;
    return Status::InvalidArgument(
        fmt::format("{} goes {} --against", name, paired ? "without" : "with"));
  }
  if (app.count("--against") > 0 && !paired) {
    return Status::InvalidArgument("--against: names no program");
  }
  return Status::Ok();
}

void DeclarePaired(CLI::App& app, BenchFlags* flags) {
  app.add_option("--against", flags->against,
                 "another fencepost program: its runs beside this one's, pair by pair; "
                 "exit code 1 if this one is slower");
  AddRepeatable(app, "--this-property", &flags->this_properties,
                "--against: key=value of this program's runs only (repeatable)");
  AddRepeatable(app, "--against-property", &flags->against_properties,
                "--against: key=value of the other's runs only (repeatable)");
  app.add_option("--min-pairs", flags->paired.min_pairs, "--against: of each cell (default 15)");
  app.add_option("--max-pairs", flags->paired.max_pairs, "--against: of each cell (default 30)");
  app.add_option("--turn", flags->paired.turn_ms,
                 "--against: milliseconds that a run of a pair goes on before the other does "
                 "(default 5; 0: whole runs, one after the other)");
  app.add_option("--threshold", flags->paired.threshold,
                 "--against: enough pairs once the interval of the median log-ratio is narrower "
                 "(default 0.04)");
  app.add_option("--alpha", flags->paired.alpha,
                 "--against: level of the verdicts, over all cells together (default 0.01)");
}

}  // namespace

void DeclareBenchFlags(CLI::App& app, BenchFlags* flags) {
  app.add_option("--engines", flags->engines,
                 "engines, separated by commas: NAME or NAME:DURABILITY")
      ->delimiter(',');
  app.add_option("--workloads", flags->workloads, "property files, separated by commas")
      ->delimiter(',');
  app.add_option("--threads", flags->threads, "numbers of threads (also -threads)")->delimiter(',');
  app.add_option("--placements", flags->placements, "of default, tmpfs, disk")->delimiter(',');
  AddRepeatable(app, "-p,--property", &flags->properties, "key=value for every run (repeatable)");
  app.add_option("--repeats", flags->repeats, "runs of each cell (default 3)");
  app.add_option("--seconds", flags->seconds, "length of a run instead of operationcount");
  app.add_option("--records", flags->records, "recordcount of every workload");
  app.add_option("--seed", flags->seed,
                 "seed of the operations and of the order of the runs (default 1)");
  app.add_option("--out", flags->out, "folder of the results (default results/<bench_id>)");
  app.add_flag("--relaxed-load", flags->relaxed_load,
               "load at the weakest durability, then one Sync");
  app.add_flag("--unequal-durability", flags->unequal_durability,
               "compare engines that promise different things");
}

Result<BenchFlags> ParseBenchFlags(const std::vector<std::string>& words) {
  CLI::App app;
  BenchFlags flags;
  DeclareBenchFlags(app, &flags);
  RETURN_IF_ERROR(ParseWords(app, words));
  return flags;
}

std::function<ExitCode()> DeclareBench(CLI::App& app, const Arguments& arguments) {
  auto flags = std::make_shared<BenchFlags>();
  DeclareBenchFlags(app, flags.get());
  app.add_flag("--json", flags->json, "print the report as JSON instead of a table");
  DeclarePaired(app, flags.get());
  CLI::Option* resume =
      app.add_option("--resume", flags->resume, "go on with the bench in this folder");
  for (CLI::Option* option : app.get_options()) {
    if (option != resume && option != app.get_help_ptr() && option->get_name() != "--json") {
      resume->excludes(option);
    }
  }
  // Of a campaign, which divides a bench by its cells.
  app.add_option("--cell", flags->cell, "--resume: only the runs of this cell, and no report")
      ->needs(resume)
      ->group("");
  app.add_flag("--collect", flags->collect, "--resume: report what is there, and run nothing")
      ->needs(resume)
      ->group("");
  return [flags, &app, &arguments] {
    if (Status status = CheckHeeded(app, *flags); !status.ok()) return ReportError(status);
    if (!flags->against.empty()) return RunPairedBench(*flags, arguments);
    return BenchCommand(*flags, arguments).Execute();
  };
}

}  // namespace fencepost
