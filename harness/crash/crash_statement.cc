// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_statement.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

namespace fencepost {
namespace {

using nlohmann::json;

uint64_t Count(const json& object, const char* name) { return object[name].get<uint64_t>(); }

std::string Counted(uint64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string StatesText(const json& report) {
  const json& explored = report["explored"];
  const std::string raw = PowerOfTen(explored["log10_raw_states"]);
  if (report["settings"]["strategy"] != "reads") {
    return fmt::format("{} that the model allows, each was recovered and judged", raw);
  }
  return fmt::format(
      "{} that the model allows; recovery tells {} apart: of each, one was recovered and judged",
      raw, Counted(Count(explored, "states"), "set"));
}

std::string DepthText(const json& report) {
  const json& explored = report["explored"];
  if (Count(report["settings"], "depth") < 2) return "1: no crash inside a recovery was tried";
  return fmt::format(
      "2: {} of recoveries were crashed in turn, at {}: {} judged, {} recoveries executed for them",
      Counted(Count(explored, "traced_recoveries"), "kind"),
      Counted(Count(explored, "nested_points"), "point"),
      Counted(Count(explored, "nested_states"), "set"), Count(explored, "nested_recoveries"));
}

std::string SchedulesText(const json& report) {
  const json& schedules = report["schedules"];
  if (Count(schedules, "asked") == 1)
    return "the one that was recorded; of others this says nothing";
  return fmt::format("{} recorded, {} distinct; of others this says nothing",
                     Count(schedules, "recorded"), Count(schedules, "distinct"));
}

}  // namespace

std::string PowerOfTen(const json& log10) {
  if (log10.is_null()) return "0";
  const auto power = log10.get<double>();
  constexpr double kExact = 6;
  if (power < kExact) return fmt::format("{:.0f}", std::pow(10, power));
  double exponent = std::floor(power);
  double digits = std::pow(10, power - exponent);
  // 9.96 would be written as 10.0.
  if (digits >= 9.95) {
    digits = 1;
    ++exponent;
  }
  return fmt::format("{:.1f}e+{:.0f}", digits, exponent);
}

std::string StatementOf(const json& report) {
  const json& explored = report["explored"];
  const std::string strategy = report["settings"]["strategy"].get<std::string>();
  if (report["domain"] == "machine") {
    return "no violation in these rounds; at another instant a power cut may leave something "
           "else\n";
  }
  if (report["domain"] == "disk") {
    return fmt::format("no violation in {} at {}; a disk may hold many others\n",
                       Counted(Count(explored, "recoveries"), "image"),
                       Counted(Count(explored, "explored_points"), "crash point"));
  }
  if (report["domain"] == "process") {
    return "no violation in these runs; at another instant a kill may leave something else\n";
  }
  if (report["domain"] == "medium") {
    return fmt::format(
        "no violation: of {} no wrong or lost pair came; other bits may do otherwise\n",
        Counted(Count(explored, "verdicts"), "flipped bit"));
  }
  if (!explored["every_state"].get<bool>()) {
    return fmt::format("no violation in the states that `{}` tries; it does not try all\n",
                       strategy);
  }
  std::string text = fmt::format(
      "PROVED of what was recorded: whatever a crash leaves, at any of its {}, the history allows "
      "what recovery finds\n",
      Counted(Count(explored, "crash_points"), "crash point"));
  const auto line = [&text](const char* name, const std::string& said) {
    text += fmt::format("  {:<11}{}\n", name, said);
  };
  line("states", StatesText(report));
  line("recoveries", fmt::format("{} executed, {}, {}", Count(explored, "recoveries"),
                                 Counted(Count(explored, "outcomes"), "distinct outcome"),
                                 Counted(Count(explored, "verdicts"), "verdict")));
  line("depth", DepthText(report));
  line("schedules", SchedulesText(report));
  const char* name = "assumed";
  for (const json& assumption : report["assumptions"]) {
    line(name, assumption.get<std::string>());
    name = "";
  }
  return text;
}

}  // namespace fencepost
