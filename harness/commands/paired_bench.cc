// SPDX-License-Identifier: BSD-3-Clause
// A round takes one pair of every cell that has not enough of them yet, cells in random order. The
// two runs of a pair take turns, or follow each other; which is first is drawn. Each run is a
// process of its own.
#include "harness/commands/paired_bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>

#include "faultinject/explore/scratch_folder.h"
#include "harness/commands/bench_child.h"
#include "harness/commands/paired_children.h"
#include "harness/interrupt.h"
#include "harness/report/comparison.h"
#include "harness/report/provenance.h"
#include "harness/report/stored_results.h"
#include "harness/run_files.h"
#include "harness/stats/draws.h"
#include "harness/stats/noise.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Status CheckSettings(const PairedSettings& settings) {
  constexpr size_t kMaxPairs = 1'000;
  constexpr double kMinTurnMs = 0.1, kMaxTurnMs = 60'000;
  if (settings.min_pairs < 2 || settings.max_pairs < settings.min_pairs ||
      settings.max_pairs > kMaxPairs) {
    return Status::InvalidArgument(
        fmt::format("--min-pairs={} --max-pairs={}: must be 2 <= min <= max <= {}",
                    settings.min_pairs, settings.max_pairs, kMaxPairs));
  }
  if (!(settings.threshold > 0)) {
    return Status::InvalidArgument(
        fmt::format("--threshold={}: must be greater than 0", settings.threshold));
  }
  if (!(settings.alpha > 0 && settings.alpha < 1)) {
    return Status::InvalidArgument(
        fmt::format("--alpha={}: must be between 0 and 1", settings.alpha));
  }
  if (settings.turn_ms != 0 &&
      !(settings.turn_ms >= kMinTurnMs && settings.turn_ms <= kMaxTurnMs)) {
    return Status::InvalidArgument(fmt::format("--turn={}: must be 0, or between {} and {}",
                                               settings.turn_ms, kMinTurnMs, kMaxTurnMs));
  }
  return Status::Ok();
}

constexpr size_t kBase = 0, kTest = 1;
// The summaries of a pair's runs; nothing where a run did not come to its end.
using Sides = std::array<std::optional<Json>, 2>;

class PairedBench {
 public:
  PairedBench(const BenchFlags& flags, const Arguments& arguments)
      : flags_(flags),
        arguments_(arguments),
        progress_(stderr, ProgressModeFor(stderr, false)),
        runner_(&progress_, ExpectedRunSeconds(flags)),
        draws_(flags.seed) {}

  ExitCode Execute();

 private:
  Status Plan();
  Status FindOther();
  Status ProbeOther(std::string_view engine, const fs::path& folder);
  Result<bool> OtherTakesTurns() const;
  Status SettleTurns();
  Status Probe();
  Status RunAll();
  Status RunRound();
  Status RunPair(size_t cell);
  Status RunSidesInTurns(size_t cell, const ComparedPair& pair, Sides* sides);
  Status RunSides(size_t cell, const ComparedPair& pair, Sides* sides);
  PairedChild SideOf(size_t cell, size_t side, const ComparedPair& pair) const;
  Result<std::optional<Json>> SummaryOf(size_t cell, size_t side, ChildRun run);
  std::string What(size_t cell) const;
  Status Finish();
  double Fraction(size_t cell, double within) const;
  size_t Pairs() const;

  const BenchFlags& flags_;
  const Arguments& arguments_;
  Progress progress_;
  ChildRunner runner_;
  Draws draws_;
  fs::path other_;
  fs::path folder_;
  std::vector<Cell> cells_;
  Comparison comparison_;  // its cells are those of cells_
  std::vector<RunInOrder> ran_;
  double in_turns_s_ = 0;  // that the pairs took, if they took turns
  bool violated_ = false;
};

Status PairedBench::Plan() {
  RETURN_IF_ERROR(CheckSettings(flags_.paired));
  BenchFlags own = flags_;
  own.properties.insert(own.properties.end(), flags_.this_properties.begin(),
                        flags_.this_properties.end());
  ASSIGN_OR_RETURN(cells_, PlanCells(own));
  comparison_.paired = true;
  comparison_.settings = flags_.paired;
  comparison_.settings.seed = flags_.seed;
  comparison_.unequal_durability = !CheckEqualDurability(cells_).ok();
  comparison_.base = {flags_.against, Json::object(), flags_.against_properties};
  comparison_.test = {"this build", ProvenanceJson(), flags_.this_properties};
  for (const Cell& cell : cells_) {
    ComparedRuns runs;
    runs.engine = cell.row->name;
    runs.workload = cell.workload;
    runs.threads = cell.threads;
    runs.medium = cell.MediumLabel();
    runs.durability = DurabilityName(cell.durability);
    ComparedCell compared;
    compared.base = compared.test = std::move(runs);
    compared.placement = PlacementName(cell.placement);
    compared.skipped = cell.skipped;
    comparison_.cells.push_back(std::move(compared));
  }
  ASSIGN_OR_RETURN(comparison_.bench, BenchSettingsJson(flags_));
  comparison_.bench["against"] = flags_.against;
  comparison_.bench["this_properties"] = flags_.this_properties;
  comparison_.bench["against_properties"] = flags_.against_properties;
  return FindOther();
}

Status PairedBench::FindOther() {
  std::error_code error;
  const auto refuse = [&](std::string_view what) {
    return Status::InvalidArgument(fmt::format("--against={}: {}", flags_.against, what));
  };
  if (!fs::exists(flags_.against, error)) return refuse("no such file");
  if (!fs::is_regular_file(flags_.against, error)) return refuse("is no file");
  if (access(flags_.against.c_str(), X_OK) != 0) return refuse("is not executable");
  other_ = fs::absolute(flags_.against, error);
  return Status::Ok();
}

// One small run of the other program: whether it is a fencepost, has the engine, and leaves what we
// can read.
Status PairedBench::ProbeOther(std::string_view engine, const fs::path& folder) {
  const auto refuse = [&](const std::string& what) {
    return Status::InvalidArgument(fmt::format("--against={}: {}", flags_.against, what));
  };
  const std::string run_id = fmt::format("probe-{}", engine);
  WorkloadFlags small;
  small.properties = {"recordcount=100", "operationcount=100", "fencepost.floor=false"};
  small.properties.insert(small.properties.end(), flags_.against_properties.begin(),
                          flags_.against_properties.end());
  std::vector<std::string> words = LoadAndRunWords(other_.string(), engine, folder, run_id);
  AppendWords(small, &words);
  constexpr int kTimeoutMs = 60'000;
  // Quiet: what is refused is refused in one line.
  Progress quiet(stderr, ProgressMode::kQuiet);
  ChildRunner runner(&quiet, ExpectedRunSeconds(flags_));
  const Result<ChildRun> run = runner.Run(
      words, folder / run_id, fmt::format("asking {}", flags_.against), 0, 1, kTimeoutMs);
  if (!run.ok()) return refuse(std::string(run.message()));
  if (!run->error.empty()) return refuse(run->error);
  if (!run->summary) return refuse("it leaves no summary.json, as a fencepost does");
  const Json manifest = ReadObject(folder / run_id / "manifest.json");
  const Json own_schemas = {"fencepost.summary/1", "fencepost.manifest/1"};
  const Json schemas = {run->summary->value("schema", "none"), manifest.value("schema", "none")};
  if (schemas != own_schemas) {
    return refuse(fmt::format("its results have another schema: {}, here {}", schemas.dump(),
                              own_schemas.dump()));
  }
  comparison_.base.manifest = manifest;
  return Status::Ok();
}

// An older build does not know the word: what it says of it tells.
Result<bool> PairedBench::OtherTakesTurns() const {
  const std::string wrong = "none";
  ASSIGN_OR_RETURN(ChildProcess child,
                   ChildProcess::Start({other_.string(), "run", std::string(cells_[0].row->name),
                                        "--turns", wrong}));
  while (!child.WaitFor(200)) {
  }
  return child.FirstError().starts_with("--turns=" + wrong);
}

Status PairedBench::Probe() {
  ASSIGN_OR_RETURN(const ScratchFolder made, ScratchFolder::Make(fs::temp_directory_path()));
  std::set<std::string_view> engines;
  for (const Cell& cell : cells_) engines.insert(cell.row->name);
  Status status;
  for (const std::string_view engine : engines) {
    if (status.ok()) status = ProbeOther(engine, made.path());
  }
  RETURN_IF_ERROR(status);
  return SettleTurns();
}

// Whether the runs take turns, which not all of them can.
Status PairedBench::SettleTurns() {
  if (comparison_.settings.turn_ms <= 0) return Status::Ok();
  std::string reason;
  for (const auto* properties :
       {&flags_.properties, &flags_.this_properties, &flags_.against_properties}) {
    for (const std::string& property : *properties) {
      if (property.starts_with("medium=")) reason = "a modelled medium goes on in between";
    }
  }
  if (reason.empty()) {
    ASSIGN_OR_RETURN(const bool takes_turns, OtherTakesTurns());
    if (!takes_turns) reason = "the other build knows none";
  }
  if (reason.empty()) return Status::Ok();
  comparison_.settings.turn_ms = 0;
  comparison_.warnings.push_back(
      fmt::format("no turns, but whole runs, one after the other: {}", reason));
  progress_.Print("warning: " + comparison_.warnings.back());
  return Status::Ok();
}

double PairedBench::Fraction(size_t cell, double within) const {
  double done = 0, all = 0;
  for (size_t i = 0; i < cells_.size(); ++i) {
    const ComparedCell& compared = comparison_.cells[i];
    if (!compared.skipped.empty()) continue;
    const bool ended = !compared.failed.empty();
    // As if every cell took all its pairs: less time may be needed, more is not.
    all += static_cast<double>(flags_.paired.max_pairs);
    done += ended ? static_cast<double>(flags_.paired.max_pairs)
                  : static_cast<double>(compared.pairs.size());
    if (i == cell) done += within;
  }
  return all > 0 ? std::min(1.0, done / all) : 1;
}

// Of all cells, so far.
size_t PairedBench::Pairs() const {
  size_t pairs = 0;
  for (const ComparedCell& compared : comparison_.cells) pairs += compared.pairs.size();
  return pairs;
}

std::string PairedBench::What(size_t index) const {
  return fmt::format("{}, pair {} of {} to {}", cells_[index].Name(),
                     comparison_.cells[index].pairs.size() + 1, flags_.paired.min_pairs,
                     flags_.paired.max_pairs);
}

PairedChild PairedBench::SideOf(size_t index, size_t side, const ComparedPair& pair) const {
  const bool base = side == kBase;
  const std::string& run_id = base ? pair.base_run : pair.test_run;
  return {RunWords(base ? other_.string() : "/proc/self/exe", flags_, cells_[index], folder_,
                   run_id, static_cast<unsigned>(comparison_.cells[index].pairs.size()),
                   base ? flags_.against_properties : flags_.this_properties),
          folder_ / run_id};
}

// The summary of a run that came to its end; nothing if it did not.
Result<std::optional<Json>> PairedBench::SummaryOf(size_t index, size_t side, ChildRun run) {
  ComparedCell& compared = comparison_.cells[index];
  const std::string name = side == kBase ? "--against=" + flags_.against : "this build";
  violated_ |= run.violated;
  if (!run.error.empty()) {
    compared.failed = fmt::format("{}: {}", name, run.error);
    // Of what does not run at all, nothing can be learned by going on.
    if (compared.pairs.empty() && !run.violated) return Status::InvalidArgument(compared.failed);
    return std::optional<Json>();
  }
  if (!run.summary || run.summary->value("partial", true)) {
    if (!Interrupted()) compared.failed = fmt::format("{}: no whole summary.json", name);
    return std::optional<Json>();
  }
  if (run.summary->value("throughput_ops_per_s", 0.0) <= 0) {
    compared.failed = fmt::format("{}: no operation was executed", name);
    return std::optional<Json>();
  }
  return std::move(run.summary);
}

Status PairedBench::RunSidesInTurns(size_t index, const ComparedPair& pair, Sides* sides) {
  const auto begin = std::chrono::steady_clock::now();
  const auto took_s = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double expected_s =
      Pairs() == 0 ? 2 * ExpectedRunSeconds(flags_) : in_turns_s_ / static_cast<double>(Pairs());
  const double of_all = Fraction(index, 1) - Fraction(index, 0);
  const auto tick = [&] {
    const double fraction = Fraction(index, std::min(1.0, took_s() / expected_s));
    progress_.Update(fraction, What(index), (1 - fraction) / of_all * expected_s);
  };
  ASSIGN_OR_RETURN(auto runs,
                   RunInTurns({SideOf(index, kBase, pair), SideOf(index, kTest, pair)},
                              pair.base_first ? kBase : kTest, comparison_.settings.turn_ms, tick));
  in_turns_s_ += took_s();
  for (const size_t side : {kBase, kTest}) {
    if (!runs[side]) continue;
    ASSIGN_OR_RETURN((*sides)[side], SummaryOf(index, side, std::move(*runs[side])));
  }
  std::string& failed = comparison_.cells[index].failed;
  const bool both = (*sides)[kBase] && (*sides)[kTest];
  if (!both && failed.empty() && !Interrupted()) failed = "a run ended without taking its turns";
  return Status::Ok();
}

Status PairedBench::RunSides(size_t index, const ComparedPair& pair, Sides* sides) {
  for (const size_t side : {pair.base_first ? kBase : kTest, pair.base_first ? kTest : kBase}) {
    const PairedChild child = SideOf(index, side, pair);
    ASSIGN_OR_RETURN(ChildRun run, runner_.Run(child.words, child.folder, What(index),
                                               Fraction(index, 0), Fraction(index, 0.5)));
    ASSIGN_OR_RETURN((*sides)[side], SummaryOf(index, side, std::move(run)));
    if (!(*sides)[side]) return Status::Ok();
  }
  return Status::Ok();
}

Status PairedBench::RunPair(size_t index) {
  ComparedCell& compared = comparison_.cells[index];
  ComparedPair pair;
  pair.base_first = (draws_.Bits() & 1) != 0;
  const std::string stem = fmt::format("{}-p{}", cells_[index].Name(), compared.pairs.size());
  pair.base_run = stem + "-base";
  pair.test_run = stem + "-test";
  Sides sides;
  RETURN_IF_ERROR(comparison_.settings.turn_ms > 0 ? RunSidesInTurns(index, pair, &sides)
                                                   : RunSides(index, pair, &sides));
  auto& [base, test] = sides;
  if (!base || !test) return Status::Ok();
  const double base_ops = (*base)["throughput_ops_per_s"].get<double>();
  const double test_ops = (*test)["throughput_ops_per_s"].get<double>();
  pair.log_ratio = std::log(test_ops / base_ops);
  if (comparison_.settings.turn_ms > 0) {
    // What disturbs one side disturbs the other: that is one observation.
    ran_.push_back({2 * index, std::sqrt(base_ops * test_ops)});
  } else {
    // A series a side: one that is slower must not look like a drift.
    ran_.push_back({2 * index + (pair.base_first ? 0 : 1), pair.base_first ? base_ops : test_ops});
    ran_.push_back({2 * index + (pair.base_first ? 1 : 0), pair.base_first ? test_ops : base_ops});
  }
  compared.base.medium = (*base)["medium"].get<std::string>();
  compared.test.medium = (*test)["medium"].get<std::string>();
  compared.base.durability = (*base)["durability"].get<std::string>();
  compared.test.durability = (*test)["durability"].get<std::string>();
  if (!flags_.unequal_durability) RETURN_IF_ERROR(CheckComparable(comparison_));
  compared.base.summaries.push_back(std::move(*base));
  compared.test.summaries.push_back(std::move(*test));
  compared.pairs.push_back(pair);
  return Status::Ok();
}

// One pair of every cell that needs more. Cells in random order, so that none always comes first.
Status PairedBench::RunRound() {
  std::vector<size_t> order(cells_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draws_.Index(i)]);
  for (const size_t index : order) {
    const ComparedCell& compared = comparison_.cells[index];
    if (Interrupted()) return Status::Ok();
    if (!compared.skipped.empty() || !compared.failed.empty()) continue;
    std::vector<double> log_ratios;
    for (const ComparedPair& pair : compared.pairs) log_ratios.push_back(pair.log_ratio);
    if (EnoughPairs(log_ratios, comparison_.settings)) continue;
    RETURN_IF_ERROR(RunPair(index));
  }
  return Status::Ok();
}

Status PairedBench::RunAll() {
  const NoiseBefore before = MeasureNoise();
  for (const std::string& warning : NoiseWarnings(before)) progress_.Print("warning: " + warning);
  const std::optional<CpuTimes> begin_times = ReadCpuTimes();
  const auto begin = std::chrono::steady_clock::now();
  for (size_t pairs = SIZE_MAX; pairs != Pairs() && !Interrupted();) {
    pairs = Pairs();
    RETURN_IF_ERROR(RunRound());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const NoiseDuring during = JudgeRuns(ran_, begin_times, ReadCpuTimes(), took.count());
  comparison_.noise = NoiseJson(before, during);
  for (const Json& warning : comparison_.noise["warnings"]) {
    comparison_.warnings.push_back(warning.get<std::string>());
  }
  return Status::Ok();
}

Status PairedBench::Finish() {
  comparison_.partial = Interrupted();
  comparison_.unequal_durability |= !CheckComparable(comparison_).ok();
  for (const std::string& difference : EnvironmentDifferences(
           comparison_.base.manifest, comparison_.test.manifest, "base", "test")) {
    // That the builds differ is the point, and stands above the table.
    if (!difference.starts_with("commit") && !difference.starts_with("uncommitted")) {
      comparison_.warnings.push_back("not the same: " + difference);
    }
  }
  Evaluate(&comparison_);
  const Json report = ComparisonJson(comparison_, folder_.filename().string(), arguments_);
  const std::string text = report.dump(2, ' ', false, Json::error_handler_t::replace);
  RETURN_IF_ERROR(WriteFileAtomically(folder_ / "comparison.json", text + "\n"));
  const std::string table = ComparisonTable(comparison_);
  RETURN_IF_ERROR(WriteFileAtomically(folder_ / "table.txt", table));
  progress_.Finish(fmt::format("{} runs in {}", 2 * Pairs(), folder_.string()));
  fmt::print("{}", flags_.json ? text + "\n" : table);
  return Status::Ok();
}

ExitCode PairedBench::Execute() {
  if (Status status = Plan(); !status.ok()) return ReportError(status);
  if (Status status = Probe(); !status.ok()) return ReportError(status);
  Result<fs::path> folder = MakeBenchFolder(flags_, "paired", "comparison.json");
  if (!folder.ok()) return ReportError(folder.status());
  folder_ = std::move(*folder);
  if (Status status = RunAll(); !status.ok()) {
    progress_.Clear();
    // Of a bench that came to nothing, nothing is left in results/.
    std::error_code ignored;
    if (flags_.out.empty() && Pairs() <= 1) fs::remove_all(folder_, ignored);
    return ReportError(status);
  }
  if (Status status = Finish(); !status.ok()) return ReportError(status);
  if (violated_) return ExitCode::kViolation;
  if (Interrupted()) return ExitCode::kInterrupted;
  if (comparison_.regressions() > 0) return ExitCode::kViolation;
  const bool failed = std::any_of(comparison_.cells.begin(), comparison_.cells.end(),
                                  [](const ComparedCell& cell) { return !cell.failed.empty(); });
  return failed ? ExitCode::kUsage : ExitCode::kPass;
}

}  // namespace

ExitCode RunPairedBench(const BenchFlags& flags, const Arguments& arguments) {
  return PairedBench(flags, arguments).Execute();
}

}  // namespace fencepost
