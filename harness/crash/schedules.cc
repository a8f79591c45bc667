// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/schedules.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "harness/crash/crash_report.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/recording_content.h"
#include "harness/interrupt.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

Result<uint64_t> ContentOfFolder(const fs::path& folder) {
  // Two runs on files are never the same to the byte (times, unique names): each is explored.
  if (FileRecording::IsIn(folder)) return std::hash<std::string>{}(folder.string());
  ASSIGN_OR_RETURN(const CrashSubject subject, CrashSubject::Read(folder));
  ASSIGN_OR_RETURN(const Recording recording, Recording::Read(folder));
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(recording.trace_path().string()));
  ASSIGN_OR_RETURN(const TraceSurvey survey, SurveyTrace(&trace));
  ASSIGN_OR_RETURN(const History history, ReadEngineHistory(subject, folder, survey));
  return ContentOf(&trace, history);
}

// What is left of budgets that hold for all schedules together. Time runs from the first Limit():
// the first recording is not counted, as in a campaign of one.
class Budget {
 public:
  explicit Budget(const ExploreOptions& whole) : whole_(whole) {}

  void Take(const json& report) {
    recoveries_ += report["explored"]["recoveries"].get<uint64_t>();
    violations_ += report["violations"].size() + report["groups_not_minimised"].get<uint64_t>();
  }

  // Why no more is to be explored; empty while there is something left of each.
  std::string UsedUp() const {
    if (recoveries_ >= whole_.max_states) {
      return fmt::format("the budget of {} recoveries was used up", whole_.max_states);
    }
    if (whole_.max_seconds > 0 && Seconds() >= whole_.max_seconds) {
      return fmt::format("the budget of {:.6g} s was used up", whole_.max_seconds);
    }
    if (whole_.stop_after > 0 && violations_ >= whole_.stop_after) {
      return "enough violations were found";
    }
    return Interrupted() ? "interrupted" : "";
  }

  // REQUIRES: not used up.
  void Limit(CampaignSettings* settings) {
    Limit(&settings->explore);
    settings->files.max_states = settings->explore.max_states;
    settings->files.max_seconds = settings->explore.max_seconds;
    settings->files.stop_after = settings->explore.stop_after;
  }

 private:
  void Limit(ExploreOptions* options) {
    if (!begin_) begin_ = Clock::now();
    constexpr double kLittle = 1e-3;  // 0 would be no limit
    if (options->max_states != UINT64_MAX) options->max_states -= recoveries_;
    if (options->max_seconds > 0) {
      options->max_seconds = std::max(options->max_seconds - Seconds(), kLittle);
    }
    if (options->stop_after > 0) options->stop_after -= violations_;
  }

  double Seconds() const {
    return begin_ ? std::chrono::duration<double>(Clock::now() - *begin_).count() : 0;
  }

  const ExploreOptions whole_;
  std::optional<Clock::time_point> begin_;
  uint64_t recoveries_ = 0;
  uint64_t violations_ = 0;
};

}  // namespace

Result<uint64_t> ChooseSchedules(uint64_t asked, unsigned threads) {
  constexpr uint64_t kDefault = 20;
  if (threads > 1) return asked > 0 ? asked : kDefault;
  if (asked <= 1) return uint64_t{1};
  return Status::InvalidArgument(fmt::format(
      "--schedules={}: one thread has one order only (-threads N, threadcount=N)", asked));
}

uint32_t SchedSeed(uint64_t seed, uint64_t schedule, unsigned threads) {
  if (threads == 1) return 0;
  const uint64_t both[] = {seed, schedule};
  return static_cast<uint32_t>(XXH3_64bits(both, sizeof(both)) % INT32_MAX) + 1;
}

fs::path RecordingFolder(const fs::path& result, uint64_t schedule) {
  return result / (schedule == 0 ? "recording" : fmt::format("recording-{}", schedule + 1));
}

uint64_t CountRecordings(const fs::path& result) {
  uint64_t count = 1;
  std::error_code ignored;
  while (count < kMostSchedules && fs::is_directory(RecordingFolder(result, count), ignored)) {
    ++count;
  }
  return count;
}

Schedules RecordedSchedules(const fs::path& folder) {
  return {.asked = CountRecordings(folder), .recording = [folder](uint64_t schedule) {
            return Result<fs::path>(RecordingFolder(folder, schedule));
          }};
}

Result<std::vector<uint64_t>> DistinctSchedules(const fs::path& folder) {
  std::vector<uint64_t> distinct;
  std::set<uint64_t> contents;
  const uint64_t count = CountRecordings(folder);
  for (uint64_t i = 0; i < count; ++i) {
    if (count > 1) {
      ASSIGN_OR_RETURN(const uint64_t content, ContentOfFolder(RecordingFolder(folder, i)));
      if (!contents.insert(content).second) continue;
    }
    distinct.push_back(i);
  }
  return distinct;
}

Result<json> ExploreSchedules(const Schedules& schedules, const fs::path& folder,
                              const CampaignSettings& settings,
                              const std::vector<std::string>& command) {
  return ReportSchedules(
      schedules, folder, settings,
      [&](uint64_t /*schedule*/, const fs::path& recording, const CampaignSettings& rest) {
        return RunCampaign(recording, folder, EngineParts(recording, rest), rest, command);
      });
}

Result<json> ReportSchedules(const Schedules& schedules, const fs::path& folder,
                             const CampaignSettings& settings, const ReportOnSchedule& report_on) {
  std::vector<json> reports;
  std::set<uint64_t> contents;
  std::string stopped;
  uint64_t recorded = 0;
  Budget budget(settings.explore);
  for (uint64_t i = 0; i < schedules.asked && stopped.empty(); ++i) {
    const Result<fs::path> recording = schedules.recording(i);
    if (!recording.ok() && Interrupted() && !reports.empty()) {
      stopped = "interrupted";
      break;
    }
    RETURN_IF_ERROR(recording.status());
    ++recorded;
    if (schedules.asked > 1) {
      ASSIGN_OR_RETURN(const uint64_t content, ContentOfFolder(*recording));
      if (!contents.insert(content).second) continue;
    }
    CampaignSettings rest = settings;
    budget.Limit(&rest);
    if (schedules.asked > 1)
      rest.label = fmt::format("schedule {} of {}, ", i + 1, schedules.asked);
    ASSIGN_OR_RETURN(json report, report_on(i, *recording, rest));
    budget.Take(report);
    const json& ended = report["explored"]["stopped"];
    if (!ended.is_null() || i + 1 < schedules.asked) stopped = budget.UsedUp();
    if (stopped.empty() && !ended.is_null()) stopped = ended.get<std::string>();
    reports.push_back(std::move(report));
  }
  if (schedules.asked == 1) return std::move(reports.front());
  return MergeSchedules(reports, {schedules.asked, recorded}, stopped, folder);
}

}  // namespace fencepost
