// SPDX-License-Identifier: BSD-3-Clause
// fencepost engines [ENGINE]: the table of engines, or one engine's tuning.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engines/canaries/canary_table.h"
#include "engines/engine_table.h"
#include "harness/commands/command.h"
#include "harness/engine_setup.h"
#include "harness/text_table.h"

namespace fencepost {
namespace {

struct EnginesOptions {
  std::string engine;
  bool json = false;
  bool names = false;
  bool canaries = false;
};

std::string Durabilities(const EngineRow& row) {
  std::string out;
  for (Durability durability : row.durabilities) {
    out += fmt::format("{}{}", out.empty() ? "" : ", ", DurabilityName(durability));
  }
  return out;
}

const char* KindOfMedium(const EngineRow& row) {
  if (row.capabilities.persistent_memory) return "pmem";
  return row.capabilities.stores_data ? "files" : "none";
}

nlohmann::json EngineJson(const EngineRow& row) {
  const Capabilities& can = row.capabilities;
  nlohmann::json options = nlohmann::json::array();
  for (const OptionSpec& option : row.options) {
    options.push_back({{"name", fmt::format("{}.{}", row.name, option.name)},
                       {"type", option.type},
                       {"default", option.default_value},
                       {"meaning", option.meaning}});
  }
  nlohmann::json durabilities = nlohmann::json::array();
  for (Durability durability : row.durabilities) durabilities.push_back(DurabilityName(durability));
  return {{"name", row.name},
          {"description", row.description},
          {"version", row.version()},
          {"ordered", can.ordered},
          {"atomic_batch", can.atomic_batch},
          {"audit", can.audit},
          {"compare_and_put", can.compare_and_put},
          {"defragment", can.defragment},
          {"stores_data", can.stores_data},
          {"persistent_memory", can.persistent_memory},
          {"min_key_bytes", can.min_key_bytes},
          {"max_key_bytes", can.max_key_bytes},
          {"max_value_bytes", can.max_value_bytes},
          {"durabilities", std::move(durabilities)},
          {"options", std::move(options)}};
}

void PrintTable() {
  TextTable table({{"engine"},
                   {"version"},
                   {"scans"},
                   {"batches"},
                   {"medium"},
                   {"durability"},
                   {"what it is"}});
  for (const EngineRow& row : Engines()) {
    const Capabilities& can = row.capabilities;
    table.AddRow({std::string(row.name), row.version(), can.ordered ? "yes" : "-",
                  can.atomic_batch ? "atomic" : "-", KindOfMedium(row), Durabilities(row),
                  std::string(row.description)});
  }
  fmt::print("{}", table.Render());
}

void PrintOne(const EngineRow& row) {
  fmt::print("{}: {} ({})\ndurability: {}\n", row.name, row.description, row.version(),
             Durabilities(row));
  if (row.options.empty()) return;
  TextTable table({{"option"}, {"type"}, {"default"}, {"meaning"}});
  for (const OptionSpec& option : row.options) {
    table.AddRow({fmt::format("{}.{}", row.name, option.name), std::string(option.type),
                  std::string(option.default_value), std::string(option.meaning)});
  }
  fmt::print("\n{}", table.Render());
}

// The stores with known bugs, a line or an object a bug.
void PrintCanaries(bool as_json) {
  TextTable table({{"canary"}, {"bug"}, {"class"}, {"known as"}, {"what"}});
  nlohmann::json out = nlohmann::json::array();
  for (const Planting& planting : Plantings()) {
    const std::string bug_class(1, planting.bug_class);
    table.AddRow({std::string(planting.structure), std::string(planting.bug), bug_class,
                  std::string(planting.row), std::string(planting.what)});
    out.push_back({{"structure", planting.structure},
                   {"bug", planting.bug},
                   {"class", bug_class},
                   {"row", planting.row},
                   {"medium", KindOfMedium(*FindEngineOrCanary(planting.structure).value())},
                   {"what", planting.what}});
  }
  fmt::print("{}", as_json ? out.dump(2) + "\n" : table.Render());
}

ExitCode RunEngines(const EnginesOptions& options) {
  if (options.canaries) {
    PrintCanaries(options.json);
    return ExitCode::kPass;
  }
  std::vector<const EngineRow*> rows;
  if (options.engine.empty()) {
    for (const EngineRow& row : Engines()) rows.push_back(&row);
  } else {
    const Result<const EngineRow*> row = FindEngineOrCanary(options.engine);
    if (!row.ok()) return ReportError(row.status());
    rows.push_back(*row);
  }
  if (options.names) {
    for (const EngineRow* row : rows) fmt::print("{}\n", row->name);
  } else if (options.json) {
    nlohmann::json out = nlohmann::json::array();
    for (const EngineRow* row : rows) out.push_back(EngineJson(*row));
    fmt::print("{}\n", out.dump(2));
  } else if (options.engine.empty()) {
    PrintTable();
  } else {
    PrintOne(*rows.front());
  }
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareEngines(CLI::App& app, const Arguments&) {
  auto options = std::make_shared<EnginesOptions>();
  app.add_option("engine", options->engine, "show this engine's tuning");
  app.add_flag("--json", options->json, "as JSON");
  app.add_flag("--names", options->names, "names only, one a line");
  app.add_flag("--canaries", options->canaries,
               "the stores with known bugs that `check` and `crash` must catch");
  return [options] { return RunEngines(*options); };
}

}  // namespace fencepost
