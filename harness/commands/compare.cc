// SPDX-License-Identifier: BSD-3-Clause
// fencepost compare A B: two benches or two runs that were made at different times. Unpaired: it
// prints ratios and effect sizes, and guarantees nothing.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <tuple>

#include "harness/commands/command.h"
#include "harness/report/comparison.h"
#include "harness/report/provenance.h"
#include "harness/report/stored_results.h"

namespace fencepost {
namespace {

using Json = nlohmann::json;

struct CompareFlags {
  std::string base, test;
  std::string results = "results";
  bool unequal_durability = false;
  bool json = false;
};

// Cells of this name are compared with each other. Not the durability: that it differs is found.
auto KeyOf(const StoredCell& cell) {
  const Json& summary = cell.summaries.front();
  return std::tuple(summary["workload"].get<std::string>(), summary["engine"].get<std::string>(),
                    summary["threads"].get<unsigned>(), summary["medium"].get<std::string>(),
                    summary["phase"].get<std::string>());
}

std::string KeyText(const StoredCell& cell) {
  const auto& [workload, engine, threads, medium, phase] = KeyOf(cell);
  return fmt::format("{} {} {} thr on {}{}", engine, workload, threads, medium,
                     phase == "run" ? "" : ", " + phase);
}

ComparedCell Compared(const StoredCell& base, const StoredCell& test) {
  ComparedCell cell;
  cell.base = MakeComparedRuns(base.summaries);
  cell.test = MakeComparedRuns(test.summaries);
  if (base.placement == test.placement) cell.placement = base.placement;
  return cell;
}

// Pairs up the cells; what has no counterpart is named.
Status Match(const StoredRuns& base, const StoredRuns& test, Comparison* comparison) {
  // One of either side: that they are different engines, say, is what the user wants to know.
  if (base.cells.size() == 1 && test.cells.size() == 1) {
    comparison->cells.push_back(Compared(base.cells.front(), test.cells.front()));
    return Status::Ok();
  }
  std::vector<bool> taken(test.cells.size(), false);
  const auto alone = [&](const StoredCell& cell, const std::string& where) {
    comparison->warnings.push_back(fmt::format("only in {}: {}", where, KeyText(cell)));
  };
  for (const StoredCell& cell : base.cells) {
    size_t found = 0;
    // Several classes of one engine: the same class, if it is there, else the first that is left.
    size_t best = test.cells.size();
    for (; found < test.cells.size(); ++found) {
      if (taken[found] || KeyOf(test.cells[found]) != KeyOf(cell)) continue;
      const bool same =
          test.cells[found].summaries.front()["durability"] == cell.summaries.front()["durability"];
      if (same || best == test.cells.size()) best = found;
      if (same) break;
    }
    if (best == test.cells.size()) {
      alone(cell, comparison->base.label);
      continue;
    }
    taken[best] = true;
    comparison->cells.push_back(Compared(cell, test.cells[best]));
  }
  for (size_t i = 0; i < test.cells.size(); ++i) {
    if (!taken[i]) alone(test.cells[i], comparison->test.label);
  }
  if (!comparison->cells.empty()) return Status::Ok();
  return Status::InvalidArgument(fmt::format(
      "{} and {} have no cell in common ({}; {})", comparison->base.label, comparison->test.label,
      KeyText(base.cells.front()), KeyText(test.cells.front())));
}

Result<Comparison> MakeComparison(const CompareFlags& flags) {
  Comparison comparison;
  ASSIGN_OR_RETURN(const auto base_folder, FindResult(flags.base, flags.results));
  ASSIGN_OR_RETURN(const auto test_folder, FindResult(flags.test, flags.results));
  if (base_folder == test_folder) {
    return Status::InvalidArgument(
        fmt::format("{} and {} are the same folder", flags.base, flags.test));
  }
  ASSIGN_OR_RETURN(const StoredRuns base, ReadStoredRuns(base_folder));
  ASSIGN_OR_RETURN(const StoredRuns test, ReadStoredRuns(test_folder));
  comparison.base = {flags.base, base.manifest, {}};
  comparison.test = {flags.test, test.manifest, {}};
  for (const StoredRuns* runs : {&base, &test}) {
    comparison.warnings.insert(comparison.warnings.end(), runs->remarks.begin(),
                               runs->remarks.end());
  }
  RETURN_IF_ERROR(Match(base, test, &comparison));
  const Status comparable = CheckComparable(comparison);
  comparison.unequal_durability = !comparable.ok();
  if (!flags.unequal_durability) RETURN_IF_ERROR(comparable);
  for (const std::string& difference :
       EnvironmentDifferences(base.manifest, test.manifest, "base", "test")) {
    comparison.warnings.push_back("not the same: " + difference);
  }
  const auto seed = [](const StoredRuns& runs) {
    return runs.manifest.contains("seed") ? runs.manifest["seed"].dump() : "unknown";
  };
  if (seed(base) != seed(test)) {
    comparison.warnings.push_back(
        fmt::format("not the same: seed: base {}, test {}", seed(base), seed(test)));
  }
  Evaluate(&comparison);
  return comparison;
}

ExitCode Compare(const CompareFlags& flags, const Arguments& arguments) {
  const Result<Comparison> comparison = MakeComparison(flags);
  if (!comparison.ok()) return ReportError(comparison.status());
  if (flags.json) {
    fmt::print("{}\n", ComparisonJson(*comparison, "compare", arguments)
                           .dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}", ComparisonTable(*comparison));
  }
  if (comparison->unequal_durability) {
    fmt::print(stderr,
               "fencepost: warning: durability differs between the sides; see its column\n");
  }
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareCompare(CLI::App& app, const Arguments& arguments) {
  auto flags = std::make_shared<CompareFlags>();
  app.add_option("base", flags->base, "a run or a bench: its folder, or its id below --results")
      ->required();
  app.add_option("test", flags->test, "another one; ratios are of this over base")->required();
  app.add_option("--results", flags->results, "where ids are looked for (default results/)");
  app.add_flag("--unequal-durability", flags->unequal_durability,
               "compare runs that promise different things");
  app.add_flag("--json", flags->json, "print a comparison.json instead of a table");
  return [flags, &arguments] { return Compare(*flags, arguments); };
}

}  // namespace fencepost
