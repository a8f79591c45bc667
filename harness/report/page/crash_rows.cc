// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/crash_rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

using nlohmann::json;

std::string Plural(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", Grouped(static_cast<double>(count)), noun, count == 1 ? "" : "s");
}

void SetVerdict(CrashRow& row) {
  const std::string verdict = row.report["verdict"];
  const json& explored = row.report["explored"];
  if (verdict == "violated") {
    row.word = Plural(row.report["violations"].size(), "violation");
    row.style = "bad";
  } else if (verdict == "passed") {
    const bool every = explored["every_state"] && row.report["domain"] != "process" &&
                       row.report["domain"] != "machine" && row.report["settings"]["shards"] == 1;
    row.word = every ? "proved" : "passed";
    row.style = "good";
  } else {
    row.word = verdict;
    row.style = verdict == "incomplete" ? "open" : "note";
  }
}

std::vector<std::string> Limits(const json& report) {
  const json &explored = report["explored"], &settings = report["settings"];
  std::vector<std::string> said;
  const bool passed = report["verdict"] == "passed";
  if (report["domain"] == "process") {
    said.push_back("At another instant a kill may leave something else.");
  } else if (report["domain"] == "machine") {
    said.push_back("At another instant a power cut may leave something else.");
  } else if (report["domain"] == "disk") {
    said.push_back("Of what a disk may hold, some was drawn.");
  } else if (passed && !explored["every_state"]) {
    said.push_back("The strategy does not try every state that the model allows.");
  }
  if (!explored["stopped"].is_null()) {
    said.push_back(fmt::format("It ended early: {}.", explored["stopped"].get<std::string>()));
  }
  if (explored["explored_points"] != explored["crash_points"]) {
    said.push_back(fmt::format("{} of {} were {}.", explored["explored_points"].get<uint64_t>(),
                               Plural(explored["crash_points"], "crash point"),
                               report["domain"] == "disk" ? "tried" : "explored to the end"));
  }
  if (settings["shards"] != 1) {
    said.push_back(
        fmt::format("This is shard {} of {}, from 0: the others were not recovered here.",
                    settings["shard"].get<uint64_t>(), settings["shards"].get<uint64_t>()));
  }
  if (explored["verdicts"] == 0) said.push_back("Not one outcome was judged.");
  if (explored["lines_cut"]) said.push_back("A line had too many states to try each.");
  if (report["schedules"]["asked"] > 1) {
    said.push_back(fmt::format("{} of the threads: this says nothing of others.",
                               Plural(report["schedules"]["distinct"], "distinct schedule")));
  }
  if (const uint64_t more = report["groups_not_minimised"]; more > 0) {
    said.push_back(
        fmt::format("{} of findings had no place in the report.", Plural(more, "further group")));
  }
  return said;
}

}  // namespace

bool IsPromiseFree(const std::string& setting) { return setting == "pool_bytes"; }

CrashRow MakeCrashRow(const json& report) {
  CrashRow row;
  row.report = report;
  const json& subject = report["subject"];
  row.is_engine = subject.contains("engine");
  if (row.is_engine) {
    row.engine = subject["engine"];
    row.durability = subject["durability"];
    row.workload = subject["workload"];
    const std::string prefix = row.engine + ".";
    std::vector<std::string> settings;
    for (const auto& [name, value] : subject["properties"].items()) {
      if (!name.starts_with(prefix) || IsPromiseFree(name.substr(prefix.size()))) continue;
      settings.push_back(name.substr(prefix.size()) + "=" + value.get<std::string>());
    }
    row.settings = fmt::format("{}", fmt::join(settings, ", "));
  } else {
    const json& program = subject["program"];
    row.engine = program.empty() ? "a program" : program[0].get<std::string>();
  }
  const json& settings = report["settings"];
  row.fault = settings["fault"];
  if (report["domain"] == "memory") {
    row.model = settings["eadr"] ? "Px86, eADR" : "Px86";
  } else if (report["domain"] == "files") {
    row.model = settings["file_system"];
  } else if (report["domain"] == "disk") {
    row.model = "disk, " + settings["file_system"].get<std::string>();
  } else if (report["domain"] == "machine") {
    row.model = "machine, " + settings["file_system"].get<std::string>();
  } else {
    row.model = "process";
  }
  SetVerdict(row);
  row.limits = Limits(report);
  return row;
}

}  // namespace fencepost::page
