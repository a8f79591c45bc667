// SPDX-License-Identifier: BSD-3-Clause
// crash.json and what the terminal shows: what was explored, and what was found. The schema is
// results/schema/crash.schema.json.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_REPORT_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_REPORT_H_

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "faultinject/explore/minimize.h"

namespace fencepost {

// What a report is about.
struct CrashContext {
  std::filesystem::path folder;  // the report's own
  std::vector<std::string> command;
  nlohmann::json subject;  // "engine" and its facts, or "program" and its words
  std::string recording;   // path of its folder
  uint64_t trace_bytes = 0;
  const TraceSurvey* survey = nullptr;
  const ExploreOptions* options = nullptr;
  double timeout_s = 0;
  // Replaying the trace was compared with what the run left.
  bool replay_verified = true;
  bool from_log = false;  // the trace was made from a store log
  // What an operation was: "update user17 = v3". May be null.
  std::function<std::string(uint64_t id)> describe_operation;
  std::vector<std::string> remarks = {};  // what else has to be believed or known
};

// Violations with one cause are one entry. Reads the trace for the timelines.
Result<nlohmann::json> CrashJson(const CrashContext& context, TraceFile* trace,
                                 const ExploreResult& result,
                                 const std::vector<MinimalViolation>& violations);

// For the terminal. `path` is where crash.json went.
std::string CrashText(const nlohmann::json& report, const std::string& path);

// The verdict in one word: "violated", "incomplete" (nothing was found, and not all was looked at),
// "passed".
std::string CrashVerdict(const nlohmann::json& report);

// Reads crash.json of a folder. kInvalidArgument if there is none, kCorrupt if it is no report.
Result<nlohmann::json> ReadReport(const std::filesystem::path& folder);

// What makes two violations one: the lines of source whose stores had to survive, whatever a client
// saw of it (one missing flush loses a new pair and shows an old value of another); where none had
// to, what went wrong and the place of the crash.
std::string CauseOf(const nlohmann::json& violation);

// Makes it the n-th violation of the report in `folder`: its id, and the command that replays it.
void NameViolation(size_t n, const std::filesystem::path& folder, nlohmann::json* violation);

// Reports of one recording put together, for `folder`: those of shards, or of a campaign that was
// stopped and the one that went on, in this order. Counts are added; an outcome that two parts saw
// counts twice. kInvalidArgument if they do not belong together, or something is there twice.
// REQUIRES: at least one, each as ReadReport gave it.
Result<nlohmann::json> MergeReports(const std::vector<nlohmann::json>& reports,
                                    const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_REPORT_H_
