// SPDX-License-Identifier: BSD-3-Clause
// fencepost resample: how often suites made of measured pairs alarm where nothing differs, and how
// often they find a slowdown that was injected. For scripts/regression_power.sh.
#include "harness/stats/resample.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "harness/commands/command.h"
#include "harness/report/stored_results.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

using Json = nlohmann::json;

struct ResampleFlags {
  std::vector<std::string> equal, slow;
  size_t suites = 100;
  PairedSettings settings;
  std::string results = "results";
  bool json = false;
};

// Adds the log-ratios of a comparison's cells to one side of the pools.
Status AddPairs(const std::string& name, const std::string& results,
                std::vector<double> PairPool::*side, std::map<std::string, PairPool>* pools) {
  ASSIGN_OR_RETURN(const auto folder, FindResult(name, results));
  ASSIGN_OR_RETURN(const Json document,
                   ReadDocument(folder, "comparison.json", "fencepost.comparison/1"));
  if (!document.value("paired", false)) {
    return Status::InvalidArgument(fmt::format("{}: is not paired", folder.string()));
  }
  for (const Json& cell : document.at("cells")) {
    const Json& base = cell.at("base");
    const std::string key =
        fmt::format("{} {} {} thr {}", base.at("engine").get<std::string>(),
                    base.at("workload").get<std::string>(), base.at("threads").get<unsigned>(),
                    base.at("medium").get<std::string>());
    PairPool& pool = (*pools)[key];
    pool.name = key;
    for (const Json& pair : cell.at("paired").at("pairs")) {
      (pool.*side).push_back(pair.at("log_ratio").get<double>());
    }
  }
  return Status::Ok();
}

Result<std::vector<PairPool>> ReadPools(const ResampleFlags& flags) {
  std::map<std::string, PairPool> pools;
  for (const std::string& name : flags.equal) {
    RETURN_IF_ERROR(AddPairs(name, flags.results, &PairPool::equal, &pools));
  }
  for (const std::string& name : flags.slow) {
    RETURN_IF_ERROR(AddPairs(name, flags.results, &PairPool::slow, &pools));
  }
  std::vector<PairPool> list;
  for (auto& [key, pool] : pools) {
    const size_t slow = pool.slow.size();
    if (pool.equal.size() < flags.settings.min_pairs ||
        (slow > 0 && slow < flags.settings.min_pairs)) {
      return Status::InvalidArgument(
          fmt::format("{}: {} equal pairs and {} slow ones; at least {} are needed", key,
                      pool.equal.size(), slow, flags.settings.min_pairs));
    }
    list.push_back(std::move(pool));
  }
  return list;
}

Json CountJson(const SuiteCount& count) {
  if (count.suites == 0) return nullptr;
  return {{"suites", count.suites}, {"found", count.found}, {"mean_pairs", count.mean_pairs}};
}

Json ResultJson(const std::vector<PairPool>& pools, const ResampleResult& result,
                const PairedSettings& settings) {
  Json cells = Json::array();
  for (size_t i = 0; i < pools.size(); ++i) {
    const PairPool& pool = pools[i];
    Json cell = {{"cell", pool.name},
                 {"equal_pairs", pool.equal.size()},
                 {"slow_pairs", pool.slow.size()},
                 {"equal_ratio", std::exp(Median(pool.equal))},
                 {"equal_log_ratio_mad", MedianAbsoluteDeviation(pool.equal)},
                 {"slow_ratio", nullptr},
                 {"slow", CountJson(result.slow[i])},
                 {"slow_in_order", CountJson(result.slow_in_order[i])}};
    if (!pool.slow.empty()) cell["slow_ratio"] = std::exp(Median(pool.slow));
    cells.push_back(std::move(cell));
  }
  return {{"min_pairs", settings.min_pairs},
          {"max_pairs", settings.max_pairs},
          {"threshold", settings.threshold},
          {"alpha", settings.alpha},
          {"seed", settings.seed},
          {"equal", CountJson(result.equal)},
          {"equal_in_order", CountJson(result.equal_in_order)},
          {"cells", std::move(cells)}};
}

std::string CountText(const SuiteCount& count) {
  return count.suites == 0 ? "-" : fmt::format("{} of {}", count.found, count.suites);
}

void PrintTable(const std::vector<PairPool>& pools, const ResampleResult& result,
                const PairedSettings& settings) {
  using Align = TextTable::Align;
  fmt::print("suites of {} cells, {} to {} pairs each (threshold {:g}), alpha {:g} after Holm\n\n",
             pools.size(), settings.min_pairs, settings.max_pairs, settings.threshold,
             settings.alpha);
  fmt::print(
      "equal builds: {} drawn suites alarm ({:.1f} pairs a cell); in order of measuring {}\n",
      CountText(result.equal), result.equal.mean_pairs, CountText(result.equal_in_order));
  TextTable table({{"cell slowed down, all others equal"},
                   {"pool: equal pairs", Align::kRight},
                   {"MAD", Align::kRight},
                   {"slow pairs", Align::kRight},
                   {"their ratio", Align::kRight},
                   {"found, drawn", Align::kRight},
                   {"found, in order", Align::kRight}});
  for (size_t i = 0; i < pools.size(); ++i) {
    const PairPool& pool = pools[i];
    table.AddRow({pool.name, fmt::format("{}", pool.equal.size()),
                  fmt::format("{:.1f} %", MedianAbsoluteDeviation(pool.equal) * 100),
                  fmt::format("{}", pool.slow.size()),
                  pool.slow.empty() ? "-" : fmt::format("{:.3f}", std::exp(Median(pool.slow))),
                  CountText(result.slow[i]), CountText(result.slow_in_order[i])});
  }
  fmt::print("\n{}", table.Render());
  fmt::print(
      "\ndrawn: whole pairs from the measured pool, with replacement. in order: the pool cut into "
      "successive suites.\nMAD: median absolute deviation of the log-ratios of equal builds.\n");
}

ExitCode RunResample(const ResampleFlags& flags) {
  if (flags.settings.min_pairs < 2 || flags.settings.max_pairs < flags.settings.min_pairs ||
      flags.settings.max_pairs > 1000 || !(flags.settings.threshold > 0) ||
      !(flags.settings.alpha > 0 && flags.settings.alpha < 1)) {
    return ReportError(Status::InvalidArgument(
        "must be: 2 <= --min-pairs <= --max-pairs <= 1000, --threshold > 0, 0 < --alpha < 1"));
  }
  const Result<std::vector<PairPool>> pools = ReadPools(flags);
  if (!pools.ok()) return ReportError(pools.status());
  const ResampleResult result = Resample(*pools, flags.suites, flags.settings);
  if (flags.json) {
    fmt::print("{}\n", ResultJson(*pools, result, flags.settings).dump(2));
  } else {
    PrintTable(*pools, result, flags.settings);
  }
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareResample(CLI::App& app, const Arguments&) {
  auto flags = std::make_shared<ResampleFlags>();
  app.add_option("--equal", flags->equal, "paired benches of a build against itself (folders)")
      ->required();
  app.add_option("--slow", flags->slow, "paired benches against itself slowed down, by cell");
  app.add_option("--suites", flags->suites, "how many to draw (default 100)");
  app.add_option("--seed", flags->settings.seed, "of what is drawn (default 1)");
  app.add_option("--min-pairs", flags->settings.min_pairs, "of each cell (default 15)");
  app.add_option("--max-pairs", flags->settings.max_pairs, "of each cell (default 30)");
  app.add_option("--threshold", flags->settings.threshold, "as of bench --against (default 0.04)");
  app.add_option("--alpha", flags->settings.alpha, "as of bench --against (default 0.01)");
  app.add_option("--results", flags->results, "where ids are looked for (default results/)");
  app.add_flag("--json", flags->json, "print JSON instead of a table");
  return [flags] { return RunResample(*flags); };
}

}  // namespace fencepost
