// SPDX-License-Identifier: BSD-3-Clause
// fencepost bench: a matrix of engines x workloads x threads x placements x repeats.
//
// Each run is a process of its own (`fencepost run`), so that memory, CPU time, I/O and libpmem's
// view of the medium belong to it alone. Runs of one repeat are in random order, from the seed.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <set>

#include "harness/child_process.h"
#include "harness/commands/bench_matrix.h"
#include "harness/commands/command.h"
#include "harness/environment.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/run_files.h"
#include "harness/run_request.h"
#include "harness/session.h"

namespace fencepost {
namespace {

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
  bool relaxed_load = false;
  bool unequal_durability = false;
  bool json = false;
};

class BenchCommand {
 public:
  BenchCommand(const BenchFlags& flags, const Arguments& arguments)
      : flags_(flags), arguments_(arguments), progress_(stderr, ProgressModeFor(stderr, false)) {}

  ExitCode Execute();

 private:
  Status Plan();
  Status PlanCell(const std::string& engine, const std::string& file, const std::string& threads,
                  Placement placement);
  WorkloadFlags FlagsOf(const std::string& file, const std::string& threads,
                        const std::string& durability) const;
  Status MakeFolder();
  Status RunAll();
  Status RunOne(const RunOrder& next, double fraction_begin, double fraction_end);
  std::vector<std::string> ChildWords(const Cell& cell, const std::string& run_id,
                                      unsigned repeat) const;
  Status WriteReport() const;
  std::string Table() const;

  const BenchFlags& flags_;
  const Arguments& arguments_;
  Progress progress_;
  std::vector<Cell> cells_;
  std::vector<RunOrder> order_;
  std::filesystem::path folder_;
  double seconds_per_run_ = 5;
  bool violated_ = false;
};

// The first line of a program's complaints, without its name.
std::string FirstError(const std::string& text) {
  std::istringstream lines(text);
  constexpr std::string_view kPrefix = "fencepost: ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(kPrefix) && !line.starts_with("fencepost: warning")) {
      return line.substr(kPrefix.size());
    }
  }
  return text.substr(0, text.find('\n'));
}

WorkloadFlags BenchCommand::FlagsOf(const std::string& file, const std::string& threads,
                                    const std::string& durability) const {
  WorkloadFlags flags;
  flags.files = {file};
  flags.properties = flags_.properties;
  if (!durability.empty()) flags.properties.push_back("engine.durability=" + durability);
  if (!flags_.records.empty()) flags.properties.push_back("recordcount=" + flags_.records);
  if (flags_.relaxed_load) flags.properties.push_back("fencepost.load=relaxed");
  flags.properties.insert(flags.properties.begin(), fmt::format("fencepost.seed={}", flags_.seed));
  flags.threads = threads;
  flags.seconds = flags_.seconds;
  return flags;
}

// `engine` is a name, or "name:durability".
Status BenchCommand::PlanCell(const std::string& engine, const std::string& file,
                              const std::string& threads, Placement placement) {
  const size_t colon = engine.find(':');
  const std::string name = engine.substr(0, colon);
  const std::string durability = colon == std::string::npos ? "" : engine.substr(colon + 1);
  ASSIGN_OR_RETURN(const RunPlan plan,
                   MakeRunPlan(FlagsOf(file, threads, durability), name, placement, "bench"));
  const EngineRow& row = *plan.row;
  // A persistent-memory engine has one place; asking for another would measure it twice.
  if (placement == Placement::kTmpfs && row.capabilities.persistent_memory &&
      flags_.placements.size() > 1) {
    return Status::Ok();
  }
  if (NeedsLoad(*plan.spec)) RETURN_IF_ERROR(CheckPhase(*plan.spec, Phase::kLoad));
  RETURN_IF_ERROR(CheckPhase(*plan.spec, Phase::kRun));
  Cell cell;
  cell.row = &row;
  cell.workload_file = file;
  cell.workload = plan.spec->name;
  cell.threads = plan.spec->threads;
  cell.placement = placement;
  cell.durability = plan.options.durability;
  if (row.capabilities.stores_data) {
    ASSIGN_OR_RETURN(cell.medium, MediumOf(plan.options.path));
  }
  cell.asked_durability = durability;
  cell.skipped = SkipReason(row, *plan.spec);
  cells_.push_back(std::move(cell));
  return Status::Ok();
}

Status BenchCommand::Plan() {
  for (const std::string& property : flags_.properties) {
    if (property.starts_with("engine.path=")) {
      return Status::InvalidArgument("engine.path: bench makes a folder of its own for each run");
    }
  }
  if (flags_.repeats == 0) return Status::InvalidArgument("--repeats must be at least 1");
  for (const std::string& file : flags_.workloads) {
    for (const std::string& threads : flags_.threads) {
      for (const std::string& name : flags_.placements) {
        const std::optional<Placement> placement = PlacementFromName(name);
        if (!placement) {
          return Status::InvalidArgument(
              fmt::format("--placements={}: must be of default, tmpfs and disk", name));
        }
        for (const std::string& engine : flags_.engines) {
          RETURN_IF_ERROR(PlanCell(engine, file, threads, *placement));
        }
      }
    }
  }
  if (!flags_.unequal_durability) RETURN_IF_ERROR(CheckEqualDurability(cells_));
  std::set<std::string> names;
  for (const Cell& cell : cells_) {
    if (!names.insert(cell.Name()).second) {
      return Status::InvalidArgument(fmt::format("{} is in the matrix twice", cell.Name()));
    }
  }
  order_ = InterleavedOrder(cells_, flags_.repeats, flags_.seed);
  return Status::Ok();
}

Status BenchCommand::MakeFolder() {
  if (flags_.out.empty()) {
    ASSIGN_OR_RETURN(const RunDirectory made,
                     CreateRunDirectory("results", std::time(nullptr), "bench"));
    folder_ = made.path;
    return Status::Ok();
  }
  folder_ = flags_.out;
  std::error_code error;
  if (std::filesystem::exists(folder_ / "bench.json", error)) {
    return Status::InvalidArgument(fmt::format("--out={}: there is a bench already", flags_.out));
  }
  std::filesystem::create_directories(folder_, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), flags_.out));
  return Status::Ok();
}

std::vector<std::string> BenchCommand::ChildWords(const Cell& cell, const std::string& run_id,
                                                  unsigned repeat) const {
  std::vector<std::string> words = {"/proc/self/exe",
                                    "run",
                                    std::string(cell.row->name),
                                    "--load",
                                    "--quiet",
                                    "--results",
                                    folder_.string(),
                                    "--run-id",
                                    run_id,
                                    "--scratch",
                                    fmt::format("{}-{}", folder_.filename().string(), run_id),
                                    "--repeat",
                                    fmt::format("{}", repeat),
                                    "--placement",
                                    std::string(PlacementName(cell.placement))};
  const WorkloadFlags flags =
      FlagsOf(cell.workload_file, fmt::format("{}", cell.threads), cell.asked_durability);
  for (const std::string& file : flags.files) words.insert(words.end(), {"-P", file});
  for (const std::string& property : flags.properties) words.insert(words.end(), {"-p", property});
  words.push_back("--threads=" + flags.threads);
  if (!flags.seconds.empty()) words.push_back("--seconds=" + flags.seconds);
  return words;
}

Status BenchCommand::RunOne(const RunOrder& next, double fraction_begin, double fraction_end) {
  Cell& cell = cells_[next.cell];
  const std::string run_id = fmt::format("{}-r{}", cell.Name(), next.repeat);
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(ChildWords(cell, run_id, next.repeat)));
  const std::string what =
      fmt::format("{}, repeat {} of {}", cell.Name(), next.repeat + 1, flags_.repeats);
  while (!child.WaitFor(200)) {
    const double done = std::min(elapsed_s() / seconds_per_run_, 1.0);
    progress_.Update(fraction_begin + done * (fraction_end - fraction_begin), what);
  }
  seconds_per_run_ = 0.5 * seconds_per_run_ + 0.5 * elapsed_s();
  std::ifstream file(folder_ / run_id / "summary.json");
  nlohmann::json summary = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!summary.is_discarded()) cell.summaries.push_back(std::move(summary));
  if (child.exit_code() != 0 && !Interrupted()) {
    if (cell.failed.empty()) cell.failed = FirstError(child.error_text());
    violated_ |= child.exit_code() == static_cast<int>(ExitCode::kViolation);
    progress_.Print(fmt::format("{}: {}", cell.Name(), FirstError(child.error_text())));
  }
  return Status::Ok();
}

Status BenchCommand::RunAll() {
  const double count = static_cast<double>(order_.size());
  for (size_t i = 0; i < order_.size() && !Interrupted(); ++i) {
    const double at = static_cast<double>(i);
    RETURN_IF_ERROR(RunOne(order_[i], at / count, (at + 1) / count));
  }
  return Status::Ok();
}

Status BenchCommand::WriteReport() const {
  nlohmann::json order = nlohmann::json::array(), cells = nlohmann::json::array();
  for (const RunOrder& next : order_) {
    order.push_back(fmt::format("{}-r{}", cells_[next.cell].Name(), next.repeat));
  }
  for (const Cell& cell : cells_) cells.push_back(CellJson(cell));
  const nlohmann::json report = {{"schema", "fencepost.bench/1"},
                                 {"bench_id", folder_.filename().string()},
                                 {"created_utc", UtcTimestamp()},
                                 {"command", arguments_},
                                 {"seed", flags_.seed},
                                 {"partial", Interrupted()},
                                 {"unequal_durability", !CheckEqualDurability(cells_).ok()},
                                 {"relaxed_load", flags_.relaxed_load},
                                 {"order", std::move(order)},
                                 {"cells", std::move(cells)}};
  if (flags_.json) fmt::print("{}\n", report.dump(2));
  return WriteFileAtomically(folder_ / "bench.json", report.dump(2) + "\n");
}

std::string BenchCommand::Table() const {
  std::string out = MatrixTable(cells_) + "\n" + FloorLine(cells_);
  if (flags_.relaxed_load) {
    out +=
        "loads: relaxed (each engine's weakest durability, then one Sync); runs at the column's\n";
  }
  return out;
}

ExitCode BenchCommand::Execute() {
  if (Status status = Plan(); !status.ok()) return ReportError(status);
  if (Status status = MakeFolder(); !status.ok()) return ReportError(status);
  if (Status status = RunAll(); !status.ok()) return ReportError(status);
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

}  // namespace

std::function<ExitCode()> DeclareBench(CLI::App& app, const Arguments& arguments) {
  auto flags = std::make_shared<BenchFlags>();
  app.add_option("--engines", flags->engines,
                 "engines, separated by commas: NAME or NAME:DURABILITY")
      ->required()
      ->delimiter(',');
  app.add_option("--workloads", flags->workloads, "property files, separated by commas")
      ->required()
      ->delimiter(',');
  app.add_option("--threads", flags->threads, "numbers of threads (also -threads)")->delimiter(',');
  app.add_option("--placements", flags->placements, "of default, tmpfs, disk")->delimiter(',');
  app.add_option("-p,--property", flags->properties, "key=value for every run (repeatable)")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
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
  app.add_flag("--json", flags->json, "print the report as JSON instead of a table");
  return [flags, &arguments] { return BenchCommand(*flags, arguments).Execute(); };
}

}  // namespace fencepost
