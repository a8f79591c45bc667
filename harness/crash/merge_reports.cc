// SPDX-License-Identifier: BSD-3-Clause
// Puts the reports of one recording's parts together, and those of a campaign's schedules.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "faultinject/explore/files/file_strategies.h"
#include "faultinject/explore/strategies.h"
#include "harness/crash/crash_report.h"

namespace fencepost {
namespace {

using nlohmann::json;

// What may differ in the reports of one campaign.
constexpr const char* kOwnSettings[] = {"shard", "timeout_s"};
constexpr const char* kOwnRecording[] = {"path"};
// What is added up.
constexpr const char* kSums[] = {"states",        "recoveries",    "traced_recoveries",
                                 "nested_points", "nested_states", "nested_recoveries",
                                 "outcomes",      "verdicts",      "failed_verdicts"};

Status CheckBelong(const json& first, const json& other) {
  if (first["domain"] != other["domain"]) {
    return Status::InvalidArgument(
        "the reports do not belong together: one is of memory, one of files");
  }
  for (const auto& [name, value] : first["settings"].items()) {
    const bool own =
        std::find(std::begin(kOwnSettings), std::end(kOwnSettings), name) != std::end(kOwnSettings);
    if (!own && other["settings"][name] != value) {
      return Status::InvalidArgument(
          fmt::format("the reports do not belong together: {} is {} and {}", name, value.dump(),
                      other["settings"][name].dump()));
    }
  }
  if (first["schedules"] != other["schedules"]) {
    return Status::InvalidArgument(
        fmt::format("the reports do not belong together, or one was stopped before its last "
                    "schedule: schedules is {} and {}",
                    first["schedules"].dump(), other["schedules"].dump()));
  }
  if (first["subject"] != other["subject"]) {
    return Status::InvalidArgument(
        "the reports do not belong together: they are of different engines, workloads, programs or "
        "ways to recover (\"subject\")");
  }
  bool same = first["explored"]["crash_points"] == other["explored"]["crash_points"];
  json recording = first["recording"], other_recording = other["recording"];
  for (const char* name : kOwnRecording) {
    recording.erase(name);
    other_recording.erase(name);
  }
  same &= recording == other_recording;
  if (same) return Status::Ok();
  return Status::InvalidArgument(fmt::format("the reports are of different recordings: {} and {}",
                                             first["recording"]["path"].get<std::string>(),
                                             other["recording"]["path"].get<std::string>()));
}

uint64_t Number(const json& explored, const char* name) { return explored[name].get<uint64_t>(); }

// The crash points that a report explored: from `begin` up to `end`.
struct Part {
  uint64_t begin = 0;
  uint64_t end = 0;
};

Part PartOf(const json& explored) {
  const uint64_t end = explored["next_point"].is_null() ? Number(explored, "crash_points")
                                                        : Number(explored, "next_point");
  const uint64_t points = Number(explored, "explored_points");
  return {end - std::min(points, end), end};
}

bool OfSeveralSchedules(const json& report) {
  return report["schedules"]["distinct"].get<uint64_t>() > 1;
}

// Whether the strategy tries every state.
bool IsExhaustive(const json& report) {
  const std::string name = report["settings"]["strategy"].get<std::string>();
  if (report["domain"] == "files") {
    const Result<FileStrategy> strategy = ParseFileStrategy(name);
    return strategy.ok() && strategy->exhaustive();
  }
  const Result<Strategy> strategy = ParseStrategy(name);
  return strategy.ok() && strategy->exhaustive();
}

// Each begins where the one before ended, and the first at the first crash point.
Status CheckParts(const std::vector<json>& reports) {
  uint64_t next = 0;
  for (const json& report : reports) {
    const Part part = PartOf(report["explored"]);
    if (part.begin != next) {
      return Status::InvalidArgument(
          fmt::format("one part ends at crash point {}, and the next begins at {}: parts are given "
                      "in order, each once",
                      next, part.begin));
    }
    next = part.end;
  }
  return Status::Ok();
}

Status CheckShards(const std::vector<json>& reports) {
  std::set<uint64_t> shards;
  for (const json& report : reports) {
    if (!shards.insert(report["settings"]["shard"].get<uint64_t>()).second) {
      return Status::InvalidArgument("a shard is among the reports twice");
    }
    if (!OfSeveralSchedules(report) && PartOf(report["explored"]).begin != 0) {
      return Status::InvalidArgument("a shard lacks its first part: put its parts together first");
    }
  }
  return Status::Ok();
}

// log10(10^a + 10^b), of fields that are null for nothing.
json AddLog10(const json& a, const json& b) {
  if (a.is_null() || b.is_null()) return a.is_null() ? b : a;
  const double large = std::max(a.get<double>(), b.get<double>());
  const double small = std::min(a.get<double>(), b.get<double>());
  return large + std::log10(1 + std::pow(10, small - large));
}

void AddUp(const std::vector<json>& reports, json* merged) {
  json& explored = (*merged)["explored"];
  json& assumptions = (*merged)["assumptions"];
  uint64_t not_minimised = 0;
  double seconds = 0;
  bool lines_cut = false;
  for (const char* name : kSums) explored[name] = uint64_t{0};
  for (const json& report : reports) {
    const json& part = report["explored"];
    for (const char* name : kSums) {
      explored[name] = explored[name].get<uint64_t>() + Number(part, name);
    }
    seconds += part["seconds"].get<double>();
    lines_cut |= part["lines_cut"].get<bool>();
    not_minimised += report.value("groups_not_minimised", uint64_t{0});
    for (const json& assumption : report["assumptions"]) {
      if (std::find(assumptions.begin(), assumptions.end(), assumption) == assumptions.end()) {
        assumptions.push_back(assumption);
      }
    }
  }
  explored["seconds"] = seconds;
  explored["lines_cut"] = lines_cut;
  (*merged)["groups_not_minimised"] = not_minimised;
}

// Parts of one shard: their crash points are different ones.
void JoinParts(const std::vector<json>& reports, json* explored) {
  uint64_t points = 0, mixed_lines = 0;
  json raw_states = nullptr;
  for (const json& report : reports) {
    const json& part = report["explored"];
    points += Number(part, "explored_points");
    mixed_lines += Number(part, "mixed_lines");
    raw_states = AddLog10(raw_states, part["log10_explored_raw_states"]);
  }
  const json& last = reports.back()["explored"];
  (*explored)["explored_points"] = points;
  (*explored)["mixed_lines"] = mixed_lines;
  (*explored)["log10_explored_raw_states"] = std::move(raw_states);
  (*explored)["stopped"] = last["stopped"];
  (*explored)["next_point"] = last["next_point"];
}

// Shards: they go through the same crash points, of which those are explored that all have.
void JoinShards(const std::vector<json>& reports, uint64_t shards, json* explored) {
  const auto fewest =
      std::min_element(reports.begin(), reports.end(), [](const json& a, const json& b) {
        return Number(a["explored"], "explored_points") < Number(b["explored"], "explored_points");
      });
  for (const char* name : {"explored_points", "mixed_lines", "log10_explored_raw_states"}) {
    (*explored)[name] = (*fewest)["explored"][name];
  }
  (*explored)["stopped"] = nullptr;
  // Which of them would go on?
  (*explored)["next_point"] = nullptr;
  for (const json& report : reports) {
    if (!report["explored"]["stopped"].is_null()) {
      (*explored)["stopped"] = report["explored"]["stopped"];
    }
  }
  if (reports.size() < shards) {
    (*explored)["stopped"] = fmt::format("{} of {} shards are here", reports.size(), shards);
  }
}

json MergeViolations(const std::vector<json>& reports, const std::filesystem::path& folder) {
  json list = json::array();
  std::map<std::string, size_t> entries;
  for (const json& report : reports) {
    for (const json& violation : report["violations"]) {
      const auto [found, is_new] = entries.try_emplace(CauseOf(violation), list.size());
      if (is_new) {
        list.push_back(violation);
        NameViolation(list.size(), folder, &list.back());
        continue;
      }
      json& entry = list[found->second];
      entry["occurrences"] =
          entry["occurrences"].get<uint64_t>() + violation["occurrences"].get<uint64_t>();
    }
  }
  return list;
}

// The same fields of all, added.
void Sum(const std::vector<json>& reports, const char* object, const char* name, json* merged) {
  uint64_t sum = 0;
  for (const json& report : reports) sum += Number(report[object], name);
  (*merged)[object][name] = sum;
}

void SumLog10(const std::vector<json>& reports, const char* name, json* explored) {
  json sum = nullptr;
  for (const json& report : reports) sum = AddLog10(sum, report["explored"][name]);
  (*explored)[name] = std::move(sum);
}

}  // namespace

json MergeSchedules(const std::vector<json>& reports, const ScheduleCounts& schedules,
                    const std::string& stopped, const std::filesystem::path& folder) {
  json merged = reports.front();
  merged["schedules"] = {
      {"asked", schedules.asked}, {"recorded", schedules.recorded}, {"distinct", reports.size()}};
  AddUp(reports, &merged);
  for (const auto& [name, value] : reports.front()["recording"].items()) {
    if (value.is_number()) Sum(reports, "recording", name.c_str(), &merged);
  }
  for (const char* name : {"crash_points", "explored_points", "mixed_lines"}) {
    Sum(reports, "explored", name, &merged);
  }
  json& explored = merged["explored"];
  SumLog10(reports, "log10_raw_states", &explored);
  SumLog10(reports, "log10_explored_raw_states", &explored);
  explored["every_state"] =
      stopped.empty() && std::all_of(reports.begin(), reports.end(), [](const json& report) {
        return report["explored"]["every_state"].get<bool>();
      });
  explored["stopped"] = stopped.empty() ? json(nullptr) : json(stopped);
  explored["next_point"] = nullptr;
  if (reports.size() > 1) {
    for (json& assumption : merged["assumptions"]) {
      if (assumption != kOneInterleaving) continue;
      assumption =
          fmt::format("The {} interleavings that were recorded; stores are visible in trace order.",
                      reports.size());
    }
  }
  merged["violations"] = MergeViolations(reports, folder);
  merged["verdict"] = CrashVerdict(merged);
  return merged;
}

Result<json> MergeReports(const std::vector<json>& reports, const std::filesystem::path& folder) {
  const json& first = reports.front();
  for (const json& report : reports) RETURN_IF_ERROR(CheckBelong(first, report));
  // One shard in parts, or each of several shards once.
  const json& shard = first["settings"]["shard"];
  const bool in_parts = std::all_of(reports.begin(), reports.end(), [&](const json& report) {
    return report["settings"]["shard"] == shard;
  });
  if (in_parts && OfSeveralSchedules(first)) {
    return Status::InvalidArgument(
        "a campaign of several schedules has no parts, and these are of one shard");
  }
  RETURN_IF_ERROR(in_parts ? CheckParts(reports) : CheckShards(reports));

  json merged = first;
  merged["run_id"] = folder.filename().string();
  merged["mutations"] = nullptr;  // of one part only
  AddUp(reports, &merged);
  json& explored = merged["explored"];
  const auto shards = first["settings"]["shards"].get<uint64_t>();
  if (in_parts) {
    JoinParts(reports, &explored);
  } else {
    JoinShards(reports, shards, &explored);
  }
  const bool complete =
      explored["stopped"].is_null() && explored["explored_points"] == explored["crash_points"];
  if (!in_parts && complete) {
    merged["settings"]["shard"] = 0;
    merged["settings"]["shards"] = 1;
  }
  explored["every_state"] = complete && merged["settings"]["shards"] == 1 && IsExhaustive(first) &&
                            !explored["lines_cut"].get<bool>();
  merged["violations"] = MergeViolations(reports, folder);
  merged["verdict"] = CrashVerdict(merged);
  return merged;
}

}  // namespace fencepost
