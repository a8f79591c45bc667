// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/report_parts.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "harness/build_info.h"
#include "harness/crash/crash_report.h"
#include "harness/run_files.h"

namespace fencepost {

using nlohmann::json;

json ReportHead(const std::filesystem::path& folder, const std::vector<std::string>& command,
                const std::string& domain, const json& subject) {
  return {{"schema", "fencepost.crash/1"},
          {"run_id", folder.filename().string()},
          {"created_utc", UtcTimestamp()},
          {"command", command},
          {"fencepost_version", GetBuildInfo().version},
          {"commit", GetBuildInfo().commit},
          {"domain", domain},
          {"subject", subject}};
}

json OperationsAt(uint64_t event, const std::unordered_map<uint64_t, OperationSpan>& operations,
                  const std::function<std::string(uint64_t)>& describe) {
  uint64_t acknowledged = 0;
  std::map<uint64_t, uint64_t> under_way;  // by begin
  for (const auto& [id, span] : operations) {
    if (span.end < event) {
      ++acknowledged;
    } else if (span.begin < event) {
      under_way[span.begin] = id;
    }
  }
  json list = json::array();
  for (const auto& [begin, id] : under_way) {
    list.push_back(
        {{"id", id}, {"what", describe ? describe(id) : fmt::format("operation {}", id)}});
  }
  return {{"acknowledged", acknowledged}, {"under_way", std::move(list)}};
}

json FindingJson(const Finding& finding) {
  return {{"kind", finding.kind},
          {"subject", finding.subject},
          {"message", finding.message},
          {"allowed", finding.allowed},
          {"found", finding.found}};
}

json Log10Json(double log10) { return std::isfinite(log10) ? json(log10) : json(nullptr); }

json ExploredRuns(uint64_t planned, uint64_t made, uint64_t outcomes, uint64_t failed,
                  const std::string& stopped, double seconds) {
  return {{"crash_points", planned},
          {"explored_points", made},
          {"log10_raw_states", nullptr},
          {"log10_explored_raw_states", nullptr},
          {"states", made},
          {"recoveries", made},
          {"traced_recoveries", 0u},
          {"nested_points", 0u},
          {"nested_states", 0u},
          {"nested_recoveries", 0u},
          {"outcomes", outcomes},
          {"verdicts", made},
          {"failed_verdicts", failed},
          {"mixed_lines", 0u},
          {"every_state", false},
          {"lines_cut", false},
          {"stopped", stopped.empty() ? json(nullptr) : json(stopped)},
          {"next_point", nullptr},
          {"seconds", seconds}};
}

json MergeByCause(std::vector<json> violations, const std::filesystem::path& folder) {
  json list = json::array();
  std::map<std::string, size_t> entry_of_cause;
  for (json& violation : violations) {
    const auto [found, is_new] = entry_of_cause.try_emplace(CauseOf(violation), list.size());
    if (is_new) {
      NameViolation(list.size() + 1, folder, &violation);
      list.push_back(std::move(violation));
    } else {
      json& first = list[found->second];
      first["occurrences"] =
          first["occurrences"].get<uint64_t>() + violation["occurrences"].get<uint64_t>();
    }
  }
  return list;
}

}  // namespace fencepost
