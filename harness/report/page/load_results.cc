// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/load_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "harness/exit_code.h"
#include "harness/report/page/embedded_files.h"
#include "harness/report/page/schema_check.h"

namespace fencepost::page {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The document `name`.json in `folder`, valid by the schema of that name.
Result<json> ReadDocument(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / (name + ".json");
  std::ifstream in(path);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    return Status::InvalidArgument(fmt::format("{}: cannot be read, or is empty", path.string()));
  }
  json document = json::parse(text.str(), nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    return Status::Corrupt(fmt::format("{}: is no JSON, or is cut", path.string()));
  }
  const json schema = json::parse(EmbeddedFile(name + ".schema.json"));
  // Said first, since of another version everything else may be wrong too.
  const json& version = schema["properties"]["schema"]["const"];
  if (!document.is_object() || document.value("schema", json()) != version) {
    return Status::Corrupt(fmt::format("{}: is no {}", path.string(), version.get<std::string>()));
  }
  if (Status status = CheckSchema(schema, document); !status.ok()) {
    return Status::Corrupt(fmt::format("{}: {}", path.string(), status.message()));
  }
  return document;
}

Result<LoadedRun> ReadRun(const fs::path& folder) {
  LoadedRun run{.folder = folder, .summary = {}, .manifest = {}};
  ASSIGN_OR_RETURN(run.summary, ReadDocument(folder, "summary"));
  ASSIGN_OR_RETURN(run.manifest, ReadDocument(folder, "manifest"));
  if (run.manifest.contains(json::json_pointer("/machine/cpu/emulated")) &&
      run.manifest["machine"]["cpu"]["emulated"] == true) {
    return Status::InvalidArgument(fmt::format(
        "{}: was run on an emulated processor, whose times are no measurement", folder.string()));
  }
  const json& engine = run.manifest["engine"];
  if (run.summary["run_id"] != run.manifest["run_id"] || run.summary["engine"] != engine["name"] ||
      run.summary["durability"] != engine["durability"]) {
    return Status::Corrupt(
        fmt::format("{}: summary.json and manifest.json are not of one run", folder.string()));
  }
  return run;
}

Result<LoadedBench> ReadBench(const fs::path& folder) {
  LoadedBench bench{.folder = folder, .report = {}, .cell_runs = {}};
  ASSIGN_OR_RETURN(bench.report, ReadDocument(folder, "bench"));
  size_t index = 0;
  for (const json& cell : bench.report["cells"]) {
    std::vector<LoadedRun> runs;
    for (const json& run_id : cell["repeats"]) {
      // A name that leads out of the folder is a name of nothing that a bench has left.
      const std::string name = run_id;
      if (name == "." || name == "..") {
        return Status::Corrupt(
            fmt::format("{}/bench.json: /cells/{}/repeats: {}", folder.string(), index, name));
      }
      ASSIGN_OR_RETURN(LoadedRun run, ReadRun(folder / name));
      for (const char* field : {"engine", "workload", "threads", "medium", "durability"}) {
        if (run.summary[field] != cell[field]) {
          return Status::Corrupt(fmt::format("{}/bench.json: /cells/{}/{}: {} here, {} in {}",
                                             folder.string(), index, field, cell[field].dump(),
                                             run.summary[field].dump(), name));
        }
      }
      runs.push_back(std::move(run));
    }
    bench.cell_runs.push_back(std::move(runs));
    ++index;
  }
  return bench;
}

// The run folders that a bench has taken.
std::set<fs::path> FoldersOf(const LoadedResults& results) {
  std::set<fs::path> folders;
  for (const LoadedBench& bench : results.benches) {
    for (const std::vector<LoadedRun>& runs : bench.cell_runs) {
      for (const LoadedRun& run : runs) folders.insert(fs::weakly_canonical(run.folder));
    }
  }
  return folders;
}

// What the steps of a suite have left, in their order; those without, or that were stopped, are
// named in `unfinished`. `document`: "suite" or "campaign".
Result<std::vector<fs::path>> ResultsOfSteps(const fs::path& folder, const std::string& document,
                                             std::vector<std::string>* unfinished) {
  ASSIGN_OR_RETURN(const json suite, ReadDocument(folder, document));
  std::vector<fs::path> found;
  std::error_code error;
  for (const json& step : suite["steps"]) {
    const fs::path name =
        step["name"].get<std::string>();  // by the schema one that leads nowhere else
    const json& code = step["exit_code"];
    if (code.is_null()) {
      unfinished->push_back(fmt::format("{}, step {}: not finished",
                                        suite["suite"].get<std::string>(), name.string()));
    } else if (code != static_cast<int>(ExitCode::kPass) &&
               code != static_cast<int>(ExitCode::kViolation)) {
      unfinished->push_back(fmt::format("{}, step {}: failed (exit code {})",
                                        suite["suite"].get<std::string>(), name.string(),
                                        code.get<int>()));
    }
    if (fs::exists(folder / name / "bench.json", error)) {
      found.push_back(folder / name);
    } else {
      for (const fs::path& place : {folder / name, folder / name / "whole"}) {
        for (const auto& entry : fs::directory_iterator(place, error)) {
          if (fs::exists(entry.path() / "crash.json", error)) found.push_back(entry.path());
        }
      }
    }
  }
  if (found.empty()) {
    return Status::InvalidArgument(
        fmt::format("{}: no step of this {} has come to a result", folder.string(), document));
  }
  return found;
}

}  // namespace

Result<LoadedResults> LoadResults(const std::vector<std::string>& folders) {
  LoadedResults results;
  std::set<fs::path> seen;
  std::vector<fs::path> all;
  for (const std::string& name : folders) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      return Status::InvalidArgument(fmt::format("{}: no such folder", name));
    }
    bool has_steps = false;
    for (const char* document : {"suite", "campaign"}) {
      if (!fs::exists(fs::path(name) / fmt::format("{}.json", document), error)) continue;
      ASSIGN_OR_RETURN(const std::vector<fs::path> steps,
                       ResultsOfSteps(name, document, &results.unfinished_steps));
      all.insert(all.end(), steps.begin(), steps.end());
      has_steps = true;
    }
    if (!has_steps) {
      all.emplace_back(name);
    }
  }
  for (const fs::path& folder : all) {
    std::error_code error;
    if (!seen.insert(fs::weakly_canonical(folder, error)).second) continue;
    if (fs::exists(folder / "bench.json", error)) {
      ASSIGN_OR_RETURN(LoadedBench bench, ReadBench(folder));
      results.benches.push_back(std::move(bench));
    } else if (fs::exists(folder / "summary.json", error)) {
      ASSIGN_OR_RETURN(LoadedRun run, ReadRun(folder));
      results.runs.push_back(std::move(run));
    } else if (fs::exists(folder / "crash.json", error)) {
      LoadedCampaign campaign{.folder = folder, .report = {}};
      ASSIGN_OR_RETURN(campaign.report, ReadDocument(folder, "crash"));
      results.campaigns.push_back(std::move(campaign));
    } else {
      return Status::InvalidArgument(
          fmt::format("{}: is no result: it has no bench.json, summary.json, crash.json or "
                      "suite.json",
                      folder.string()));
    }
  }
  const std::set<fs::path> taken = FoldersOf(results);
  std::erase_if(results.runs, [&](const LoadedRun& run) {
    return taken.contains(fs::weakly_canonical(run.folder));
  });
  return results;
}

}  // namespace fencepost::page
