// SPDX-License-Identifier: BSD-3-Clause
// Puts the reports of one recording's parts together.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>

#include "harness/crash/crash_report.h"

namespace fencepost {
namespace {

using nlohmann::json;

// What must be equal in the reports of one campaign.
constexpr const char* kSameSettings[] = {"strategy", "seed", "tearing", "eadr", "shards"};
// What is added up.
constexpr const char* kSums[] = {"states",   "recoveries",      "outcomes",
                                 "verdicts", "failed_verdicts", "seconds"};

Status CheckBelong(const json& first, const json& other) {
  for (const char* name : kSameSettings) {
    if (first["settings"][name] != other["settings"][name]) {
      return Status::InvalidArgument(
          fmt::format("the reports do not belong together: {} is {} and {}", name,
                      first["settings"][name].dump(), other["settings"][name].dump()));
    }
  }
  for (const char* name : {"events", "stores", "trace_bytes"}) {
    if (first["recording"][name] != other["recording"][name]) {
      return Status::InvalidArgument(
          fmt::format("the reports are of different recordings: {} and {}",
                      first["recording"]["path"].get<std::string>(),
                      other["recording"]["path"].get<std::string>()));
    }
  }
  return Status::Ok();
}

// One cause, one entry: what went wrong, and where the missing stores were made.
std::string CauseOf(const json& violation) {
  std::set<std::string> places;
  for (const json& missing : violation["missing"]) {
    for (const json& store : missing["stores"]) places.insert(store["where"].get<std::string>());
  }
  if (places.empty()) places.insert(violation["crash_point"]["where"].dump());
  std::string cause = violation["kind"].get<std::string>();
  for (const std::string& place : places) cause += "\n" + place;
  return cause;
}

json MergeViolations(const std::vector<json>& reports) {
  json list = json::array();
  std::map<std::string, size_t> entries;
  for (const json& report : reports) {
    for (const json& violation : report["violations"]) {
      const auto [found, is_new] = entries.try_emplace(CauseOf(violation), list.size());
      if (is_new) {
        list.push_back(violation);
        list.back()["id"] = fmt::format("V{}", list.size());
        continue;
      }
      json& entry = list[found->second];
      entry["occurrences"] =
          entry["occurrences"].get<uint64_t>() + violation["occurrences"].get<uint64_t>();
    }
  }
  return list;
}

}  // namespace

Result<json> MergeReports(const std::vector<json>& reports) {
  json merged = reports.front();
  std::set<uint64_t> shards;
  json& explored = merged["explored"];
  for (const char* name : kSums) explored[name] = json(0);
  uint64_t points = 0, fewest = UINT64_MAX;
  bool lines_cut = false;
  for (const json& report : reports) {
    RETURN_IF_ERROR(CheckBelong(reports.front(), report));
    const json& part = report["explored"];
    for (const char* name : kSums) {
      explored[name] = name == std::string_view("seconds")
                           ? json(explored[name].get<double>() + part[name].get<double>())
                           : json(explored[name].get<uint64_t>() + part[name].get<uint64_t>());
    }
    shards.insert(report["settings"]["shard"].get<uint64_t>());
    points += part["explored_points"].get<uint64_t>();
    fewest = std::min(fewest, part["explored_points"].get<uint64_t>());
    lines_cut |= part["lines_cut"].get<bool>();
  }
  const auto whole = merged["settings"]["shards"].get<uint64_t>();
  // One shard in parts, or each of several shards once.
  const bool in_parts = shards.size() == 1;
  if (!in_parts && shards.size() != reports.size()) {
    return Status::InvalidArgument("a shard is among the reports twice");
  }
  const json& last = reports.back()["explored"];
  explored["explored_points"] = in_parts ? points : fewest;
  explored["lines_cut"] = lines_cut;
  if (in_parts) {
    explored["stopped"] = last["stopped"];
    explored["next_point"] = last["next_point"];
  } else if (shards.size() < whole) {
    explored["stopped"] = fmt::format("{} of {} shards are here", shards.size(), whole);
  } else {
    for (const json& report : reports) {
      if (!report["explored"]["stopped"].is_null())
        explored["stopped"] = report["explored"]["stopped"];
    }
  }
  const bool complete =
      explored["stopped"].is_null() && explored["explored_points"] == explored["crash_points"];
  if (!in_parts && complete) {
    merged["settings"]["shard"] = 0;
    merged["settings"]["shards"] = 1;
  }
  explored["every_state"] = complete && merged["settings"]["strategy"] == "all" && !lines_cut;
  if (complete) explored["log10_explored_raw_states"] = explored["log10_raw_states"];
  merged["violations"] = MergeViolations(reports);
  merged["verdict"] = CrashVerdict(merged);
  return merged;
}

}  // namespace fencepost
