// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/bench_plan.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "harness/run_files.h"
#include "harness/session.h"

namespace fencepost {
namespace {

using nlohmann::json;

WorkloadFlags FlagsOf(const BenchFlags& bench, const std::string& file, const std::string& threads,
                      const std::string& durability) {
  WorkloadFlags flags;
  flags.files = {file};
  flags.properties = bench.properties;
  if (!durability.empty()) flags.properties.push_back("engine.durability=" + durability);
  if (!bench.records.empty()) flags.properties.push_back("recordcount=" + bench.records);
  if (bench.relaxed_load) flags.properties.push_back("fencepost.load=relaxed");
  flags.properties.insert(flags.properties.begin(), fmt::format("fencepost.seed={}", bench.seed));
  flags.threads = threads;
  flags.seconds = bench.seconds;
  return flags;
}

// What none of the cells that were given it reads: a property of one engine is none of the others'.
class UnreadByAll {
 public:
  void Add(const Properties& properties) {
    std::set<std::string> unread;
    for (const auto& [name, entry] : properties.Unread()) unread.insert(name);
    for (const auto& [name, entry] : properties.entries()) {
      read_[{name, entry.origin}] |= !unread.contains(name);
    }
  }
  void Warn() const {
    for (const auto& [given, read] : read_) {
      if (!read) WarnOfUnread(given.first, given.second);
    }
  }

 private:
  std::map<std::pair<std::string, std::string>, bool> read_;  // by name and place
};

// `engine` is a name, or "name:durability".
Status PlanCell(const BenchFlags& bench, const std::string& engine, const std::string& file,
                const std::string& threads, Placement placement, UnreadByAll* unread,
                std::vector<Cell>* cells) {
  const size_t colon = engine.find(':');
  const std::string name = engine.substr(0, colon);
  const std::string durability = colon == std::string::npos ? "" : engine.substr(colon + 1);
  ASSIGN_OR_RETURN(const RunPlan plan, MakeRunPlan(FlagsOf(bench, file, threads, durability), name,
                                                   placement, "bench"));
  unread->Add(*plan.properties);
  const EngineRow& row = *plan.row;
  // A persistent-memory engine has one place; asking for another would measure it twice.
  if (placement == Placement::kTmpfs && row.capabilities.persistent_memory &&
      bench.placements.size() > 1) {
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
  cells->push_back(std::move(cell));
  return Status::Ok();
}

Status CheckFlags(const BenchFlags& flags) {
  for (const auto* properties :
       {&flags.properties, &flags.this_properties, &flags.against_properties}) {
    for (const std::string& property : *properties) {
      if (property.starts_with("engine.path=")) {
        return Status::InvalidArgument("engine.path: bench makes a folder of its own for each run");
      }
      // What MakeRunPlan does not see is checked here.
      RETURN_IF_ERROR(Properties().Set(property));
    }
  }
  if (flags.repeats == 0) return Status::InvalidArgument("--repeats must be at least 1");
  return Status::Ok();
}

// A workload file may hold bytes that are no UTF-8.
std::string JsonText(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<std::vector<Cell>> PlanCells(const BenchFlags& flags) {
  RETURN_IF_ERROR(CheckFlags(flags));
  std::vector<Cell> cells;
  UnreadByAll unread;
  for (const std::string& file : flags.workloads) {
    for (const std::string& threads : flags.threads) {
      for (const std::string& name : flags.placements) {
        const std::optional<Placement> placement = PlacementFromName(name);
        if (!placement) {
          return Status::InvalidArgument(
              fmt::format("--placements={}: must be of default, tmpfs and disk", name));
        }
        for (const std::string& engine : flags.engines) {
          RETURN_IF_ERROR(PlanCell(flags, engine, file, threads, *placement, &unread, &cells));
        }
      }
    }
  }
  if (!flags.unequal_durability) RETURN_IF_ERROR(CheckEqualDurability(cells));
  std::set<std::string> names;
  for (const Cell& cell : cells) {
    if (!names.insert(cell.Name()).second) {
      return Status::InvalidArgument(fmt::format("{} is in the matrix twice", cell.Name()));
    }
  }
  unread.Warn();
  return cells;
}

Result<std::filesystem::path> MakeBenchFolder(const BenchFlags& flags, const std::string& what,
                                              const std::string& document) {
  if (flags.out.empty()) {
    ASSIGN_OR_RETURN(const RunDirectory made,
                     CreateRunDirectory("results", std::time(nullptr), what));
    return made.path;
  }
  std::filesystem::path folder = flags.out;
  if (!folder.has_filename()) folder = folder.parent_path();  // a slash at its end
  std::error_code error;
  if (std::filesystem::exists(folder / document, error)) {
    return Status::InvalidArgument(
        fmt::format("--out={}: there is a {} already", flags.out, document));
  }
  std::filesystem::create_directories(folder, error);
  if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), flags.out));
  return folder;
}

std::vector<std::string> LoadAndRunWords(const std::string& program, std::string_view engine,
                                         const std::filesystem::path& folder,
                                         const std::string& run_id) {
  return {program,
          "run",
          std::string(engine),
          "--load",
          "--quiet",
          "--results",
          folder.string(),
          "--run-id",
          run_id,
          "--scratch",
          fmt::format("{}-{}", folder.filename().string(), run_id)};
}

std::vector<std::string> RunWords(const std::string& program, const BenchFlags& flags,
                                  const Cell& cell, const std::filesystem::path& folder,
                                  const std::string& run_id, unsigned repeat,
                                  const std::vector<std::string>& more_properties) {
  std::vector<std::string> words = LoadAndRunWords(program, cell.row->name, folder, run_id);
  words.insert(words.end(), {"--repeat", fmt::format("{}", repeat), "--placement",
                             std::string(PlacementName(cell.placement))});
  WorkloadFlags run =
      FlagsOf(flags, cell.workload_file, fmt::format("{}", cell.threads), cell.asked_durability);
  run.properties.insert(run.properties.end(), more_properties.begin(), more_properties.end());
  AppendWords(run, &words);
  return words;
}

Result<json> BenchSettingsJson(const BenchFlags& flags) {
  json workloads = json::array();
  for (const std::string& file : flags.workloads) {
    Properties properties;
    RETURN_IF_ERROR(properties.LoadFile(file));
    workloads.push_back({{"path", file}, {"text", properties.files().front().text}});
  }
  return json{
      {"engines", flags.engines},           {"workload_files", std::move(workloads)},
      {"threads", flags.threads},           {"placements", flags.placements},
      {"properties", flags.properties},     {"repeats", flags.repeats},
      {"seconds", flags.seconds},           {"records", flags.records},
      {"relaxed_load", flags.relaxed_load}, {"unequal_durability", flags.unequal_durability}};
}

double ExpectedRunSeconds(const BenchFlags& flags) {
  constexpr double kLoadSeconds = 0.5;
  constexpr double kOfSoManyOperations = 5;
  const double asked = std::strtod(flags.seconds.c_str(), nullptr);
  return asked > 0 ? asked + kLoadSeconds : kOfSoManyOperations;
}

Status WritePlan(const std::filesystem::path& folder, const BenchFlags& flags) {
  ASSIGN_OR_RETURN(json settings, BenchSettingsJson(flags));
  const json plan = {
      {"schema", "fencepost.plan/1"}, {"seed", flags.seed}, {"settings", std::move(settings)}};
  return WriteFileAtomically(folder / "plan.json", JsonText(plan));
}

Status ReadPlan(const std::filesystem::path& folder, BenchFlags* flags) {
  const std::filesystem::path path = folder / "plan.json";
  std::ifstream file(path);
  if (!file) {
    return Status::InvalidArgument(
        fmt::format("--resume={}: there is no plan.json, so no bench", folder.string()));
  }
  json settings;
  try {
    const json plan = json::parse(file);
    if (plan.at("schema") != "fencepost.plan/1") {
      return Status::InvalidArgument(fmt::format("{}: a plan of another version", path.string()));
    }
    plan.at("seed").get_to(flags->seed);
    settings = plan.at("settings");
    settings.at("engines").get_to(flags->engines);
    for (const json& workload : settings.at("workload_files")) {
      flags->workloads.push_back(workload.at("path").get<std::string>());
    }
    settings.at("threads").get_to(flags->threads);
    settings.at("placements").get_to(flags->placements);
    settings.at("properties").get_to(flags->properties);
    settings.at("repeats").get_to(flags->repeats);
    settings.at("seconds").get_to(flags->seconds);
    settings.at("records").get_to(flags->records);
    settings.at("relaxed_load").get_to(flags->relaxed_load);
    settings.at("unequal_durability").get_to(flags->unequal_durability);
  } catch (const json::exception& error) {
    return Status::InvalidArgument(fmt::format("{}: {}", path.string(), error.what()));
  }
  // The runs that have ended were of the workloads as they were then.
  ASSIGN_OR_RETURN(const json now, BenchSettingsJson(*flags));
  if (json::parse(JsonText(now)) != settings) {
    return Status::InvalidArgument(fmt::format(
        "--resume={}: a workload file has changed since the bench was begun", folder.string()));
  }
  return Status::Ok();
}

}  // namespace fencepost
