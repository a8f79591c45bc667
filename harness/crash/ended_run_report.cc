// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/ended_run_report.h"

#include <utility>

#include "harness/crash/crash_report.h"
#include "harness/crash/report_parts.h"

namespace fencepost {
namespace {

using nlohmann::json;

std::string Lexically(const std::filesystem::path& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

}  // namespace

json EndedRunViolation(const Finding& finding, const EndedRun& run, RunEnd end,
                       const std::filesystem::path& kept) {
  json entry = FindingJson(finding);
  const uint64_t event = end.event.value_or(run.Point().event);
  entry.update({{"occurrences", end.occurrences},
                {"recording", Lexically(kept)},
                {"crash_point",
                 {{"index", end.index},
                  {"event", event},
                  {"before", std::move(end.before)},
                  {"where", std::move(end.where)},
                  {"stack", json::array()},
                  {"operations", OperationsAt(event, run.Operations(), {})}}},
                {"second_crash", nullptr},
                {"missing", json::array()},
                {"state", std::move(end.state)},
                {"timeline", json::array()},
                {"minimal", true},
                {"minimised_by", 0u}});
  return entry;
}

json EndedRunsReport(const CrashSubject& subject, const RunPlan& plan,
                     const std::filesystem::path& folder, const std::vector<std::string>& command,
                     EndedRuns runs) {
  json report = ReportHead(folder, command, runs.domain,
                           {{"engine", subject.engine},
                            {"version", plan.row->version()},
                            {"durability", DurabilityName(plan.options.durability)},
                            {"workload", subject.workload},
                            {"properties", subject.properties},
                            {"operations_after", runs.operations_after}});
  runs.recorded["path"] = Lexically(runs.recording);
  json settings = {
      {"strategy", runs.fault}, {"fault", runs.fault}, {"seed", runs.seed},          {"shard", 0u},
      {"shards", 1u},           {"depth", 1u},         {"timeout_s", runs.timeout_s}};
  settings.update(runs.settings);
  report.update({{"recording", std::move(runs.recorded)},
                 {"schedules", {{"asked", 1u}, {"recorded", 1u}, {"distinct", 1u}}},
                 {"settings", std::move(settings)},
                 {"explored", std::move(runs.explored)},
                 {"assumptions", std::move(runs.assumptions)},
                 {"violations", MergeByCause(std::move(runs.violations), folder)},
                 {"mutations", nullptr}});
  report["groups_not_minimised"] = 0u;
  report["verdict"] = CrashVerdict(report);
  return report;
}

}  // namespace fencepost
