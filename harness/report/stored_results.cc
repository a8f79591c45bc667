// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/stored_results.h"

#include <fmt/format.h>

#include <fstream>

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kSummary = "fencepost.summary/1";
constexpr std::string_view kManifest = "fencepost.manifest/1";
constexpr std::string_view kBench = "fencepost.bench/1";

// What every reader of a summary takes for granted; the rest is looked for field by field.
Status CheckSummary(const json& summary, const fs::path& folder) {
  const auto has = [&](const char* field, bool (json::*is)() const noexcept) {
    return summary.contains(field) && (summary[field].*is)();
  };
  const bool whole = has("run_id", &json::is_string) && has("engine", &json::is_string) &&
                     has("workload", &json::is_string) && has("threads", &json::is_number) &&
                     has("medium", &json::is_string) && has("durability", &json::is_string) &&
                     has("phase", &json::is_string) && has("partial", &json::is_boolean) &&
                     has("kinds", &json::is_object) &&
                     has("throughput_ops_per_s", &json::is_number);
  if (whole) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("{}: is no whole summary of a run", (folder / "summary.json").string()));
}

Result<json> ReadSummary(const fs::path& folder) {
  ASSIGN_OR_RETURN(json summary, ReadDocument(folder, "summary.json", kSummary));
  RETURN_IF_ERROR(CheckSummary(summary, folder));
  return summary;
}

Result<StoredRuns> ReadRun(const fs::path& folder) {
  StoredRuns runs;
  ASSIGN_OR_RETURN(json summary, ReadSummary(folder));
  ASSIGN_OR_RETURN(runs.manifest, ReadDocument(folder, "manifest.json", kManifest));
  if (runs.manifest.contains(json::json_pointer("/machine/cpu/emulated")) &&
      runs.manifest["machine"]["cpu"]["emulated"] == true) {
    return Status::InvalidArgument(fmt::format(
        "{}: was run on an emulated processor, whose times are no measurement", folder.string()));
  }
  if (summary["partial"].get<bool>()) {
    return Status::InvalidArgument(
        fmt::format("{}: was ended early; there is no whole run in it", folder.string()));
  }
  StoredCell cell;
  cell.placement = runs.manifest.value("placement", "default");
  cell.summaries.push_back(std::move(summary));
  runs.cells.push_back(std::move(cell));
  return runs;
}

Result<StoredRuns> ReadBench(const fs::path& folder) {
  StoredRuns runs;
  ASSIGN_OR_RETURN(const json bench, ReadDocument(folder, "bench.json", kBench));
  if (!bench.contains("cells") || !bench["cells"].is_array()) {
    return Status::InvalidArgument(
        fmt::format("{}: has no cells", (folder / "bench.json").string()));
  }
  for (const json& found : bench["cells"]) {
    StoredCell cell;
    cell.placement = found.value("placement", "default");
    for (const json& run_id : found.value("repeats", json::array())) {
      const fs::path run = folder / run_id.get<std::string>();
      ASSIGN_OR_RETURN(json summary, ReadSummary(run));
      if (runs.manifest.is_null()) {
        ASSIGN_OR_RETURN(runs.manifest, ReadDocument(run, "manifest.json", kManifest));
      }
      if (!summary["partial"].get<bool>()) cell.summaries.push_back(std::move(summary));
    }
    if (!cell.summaries.empty()) {
      runs.cells.push_back(std::move(cell));
      continue;
    }
    runs.remarks.push_back(fmt::format("{}: {} {} {} thr has no whole run", folder.string(),
                                       found.value("engine", ""), found.value("workload", ""),
                                       found.value("threads", 0)));
  }
  if (runs.cells.empty()) {
    return Status::InvalidArgument(fmt::format("{}: has no whole run", folder.string()));
  }
  return runs;
}

}  // namespace

Result<fs::path> FindResult(const std::string& name, const std::string& results) {
  std::error_code error;
  for (const fs::path& folder : {fs::path(name), fs::path(results) / name}) {
    if (!name.empty() && fs::is_directory(folder, error)) {
      // Its last part is the id: no slash at the end, no dot.
      const fs::path normal = fs::absolute(folder, error).lexically_normal();
      return normal.has_filename() ? normal : normal.parent_path();
    }
  }
  return Status::InvalidArgument(
      fmt::format("{}: no such folder, here or in {}", name.empty() ? "''" : name, results));
}

json ReadObject(const fs::path& path) {
  std::ifstream file(path);
  json found = json::parse(file, nullptr, /*allow_exceptions=*/false);
  return found.is_object() ? found : json::object();
}

Result<json> ReadDocument(const fs::path& folder, const std::string& document,
                          std::string_view schema) {
  const fs::path path = folder / document;
  std::ifstream file(path);
  if (!file) return Status::InvalidArgument(fmt::format("{}: cannot be read", path.string()));
  json found = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!found.is_object()) {
    return Status::InvalidArgument(fmt::format("{}: is no JSON object", path.string()));
  }
  const json name = found.contains("schema") ? found["schema"] : json("none");
  if (name != json(schema)) {
    return Status::InvalidArgument(fmt::format("{}: its schema is {}, and must be \"{}\"",
                                               path.string(), name.dump(), schema));
  }
  return found;
}

Result<StoredRuns> ReadStoredRuns(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "bench.json", error)) return ReadBench(folder);
  if (fs::exists(folder / "summary.json", error)) return ReadRun(folder);
  return Status::InvalidArgument(
      fmt::format("{}: has neither bench.json nor summary.json", folder.string()));
}

}  // namespace fencepost
