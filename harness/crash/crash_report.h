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

// An assumption of every report of one recording.
inline constexpr const char* kOneInterleaving =
    "The one interleaving that was recorded; stores are visible in trace order.";

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
  unsigned depth = 1;
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

// Whether anything was judged that a crash left: a run that ended before it was killed shows
// nothing.
bool AnythingJudged(const nlohmann::json& report);

// The verdict in one word: "violated", "incomplete" (nothing was found, and not all was looked at),
// "passed".
std::string CrashVerdict(const nlohmann::json& report);
// Whether it is of runs that were ended at drawn instants, a process or a whole machine: no states
// of a model, and a store that each of them left.
bool IsOfKills(const nlohmann::json& report);

// Of a report of crashes that a model gives, what follows from recording, settings and seed alone:
// equal, byte for byte, however many processes have explored. Left out: when, where and by which
// command the report was made, how long it took, and how many recoveries were executed for it,
// which depends on what a process had executed before. Null for other reports.
nlohmann::json VerdictPart(const nlohmann::json& report);

// Reads crash.json of a folder. kInvalidArgument if there is none, kCorrupt if it is no report.
Result<nlohmann::json> ReadReport(const std::filesystem::path& folder);

// What makes two violations one: the lines of source whose stores had to survive, whatever a client
// saw of it (one missing flush loses a new pair and shows an old value of another); where none had
// to, what went wrong and the place of the crash.
std::string CauseOf(const nlohmann::json& violation);

// Makes it the n-th violation of the report in `folder`: its id, and the command that replays it.
void NameViolation(size_t n, const std::filesystem::path& folder, nlohmann::json* violation);

// How many schedules of a campaign there were to be, and how many were recorded and looked at.
struct ScheduleCounts {
  uint64_t asked = 1;
  uint64_t recorded = 1;
};

// The reports of distinct schedules of one campaign as its report, for `folder`; of those that were
// recorded the others had come out as one of these. Counts are added; an outcome that two schedules
// saw counts twice. `stopped`: why there are no more; empty if there are none to come. REQUIRES: at
// least one report, each of another recording, all with the first one's settings.
nlohmann::json MergeSchedules(const std::vector<nlohmann::json>& reports,
                              const ScheduleCounts& schedules, const std::string& stopped,
                              const std::filesystem::path& folder);

// Reports of the same recordings put together, for `folder`: those of shards, or of a campaign that
// was stopped and the one that went on, in this order. Counts are added; an outcome that two parts
// saw counts twice. kInvalidArgument if they do not belong together, or something is there twice.
// A campaign of several schedules has no parts, only shards.
// REQUIRES: at least one, each as ReadReport gave it.
Result<nlohmann::json> MergeReports(const std::vector<nlohmann::json>& reports,
                                    const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_REPORT_H_
