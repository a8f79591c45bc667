// SPDX-License-Identifier: BSD-3-Clause
// What the reports of crashes in memory and in files have in common.
#ifndef FENCEPOST_HARNESS_CRASH_REPORT_PARTS_H_
#define FENCEPOST_HARNESS_CRASH_REPORT_PARTS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "faultinject/explore/judge.h"

namespace fencepost {

// Which campaign, of what. `domain`: where the data was, "memory" or "files".
nlohmann::json ReportHead(const std::filesystem::path& folder,
                          const std::vector<std::string>& command, const std::string& domain,
                          const nlohmann::json& subject);

// Which operations had been acknowledged before an event, and which were under way.
nlohmann::json OperationsAt(uint64_t event,
                            const std::unordered_map<uint64_t, OperationSpan>& operations,
                            const std::function<std::string(uint64_t)>& describe);

// What was found, of a group: kind, subject, message, allowed, found.
nlohmann::json FindingJson(const Finding& finding);

// A power of ten; null for none.
nlohmann::json Log10Json(double log10);

// `explored` of runs that each end in one state, recovered and judged once: so many were to be
// made, so many were. `stopped`: why not all; empty: they were.
nlohmann::json ExploredRuns(uint64_t planned, uint64_t made, uint64_t outcomes, uint64_t failed,
                            const std::string& stopped, double seconds);

// Violations with one cause become one entry, with all their occurrences; each gets its name.
nlohmann::json MergeByCause(std::vector<nlohmann::json> violations,
                            const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_REPORT_PARTS_H_
