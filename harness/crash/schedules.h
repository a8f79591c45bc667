// SPDX-License-Identifier: BSD-3-Clause
// Schedules: a workload of several threads is recorded again and again, each time with another
// interleaving, and all recordings are explored as one campaign.
//
// A schedule is recorded when it is its turn, so a campaign that has found enough records no more.
// One that came out as an earlier one did is not explored again.
#ifndef FENCEPOST_HARNESS_CRASH_SCHEDULES_H_
#define FENCEPOST_HARNESS_CRASH_SCHEDULES_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/crash/crash_campaign.h"

namespace fencepost {

inline constexpr uint64_t kMostSchedules = 10000;

// How many there are if nobody says: 1 for one thread, which has one order only. kInvalidArgument
// if more than that are asked for. `asked`: 0 if nobody says.
Result<uint64_t> ChooseSchedules(uint64_t asked, unsigned threads);

// pmemcheck's --sched-seed for a schedule, from 0, of a campaign with this seed: never 0, which
// would leave the order to Valgrind. One thread: always 0.
uint32_t SchedSeed(uint64_t seed, uint64_t schedule, unsigned threads);

// Where a schedule's recording is in a result's folder: "recording", "recording-2", ...
std::filesystem::path RecordingFolder(const std::filesystem::path& result, uint64_t schedule);
// How many of them there are, without a gap. The first one counts as there: who reads it will say
// what is wrong with it.
uint64_t CountRecordings(const std::filesystem::path& result);

struct Schedules {
  uint64_t asked = 1;
  // The recording of a schedule: is called in their order, each once, and makes it if need be.
  std::function<Result<std::filesystem::path>(uint64_t schedule)> recording;
};

// Those of an earlier run.
Schedules RecordedSchedules(const std::filesystem::path& folder);

// Of a folder's schedules the first of each that came out alike: these are explored.
Result<std::vector<uint64_t>> DistinctSchedules(const std::filesystem::path& folder);

// Makes the report of one recording: RunCampaign, unless somebody else explores.
using ReportOnSchedule = std::function<Result<nlohmann::json>(
    uint64_t schedule, const std::filesystem::path& recording, const CampaignSettings& settings)>;

// Explores an engine's schedules; budgets of `settings` are for all of them together. The report
// is to be written into `folder`. Errors as RunCampaign; those of a recording that an interrupt cut
// short end the campaign only if nothing has been explored before it.
Result<nlohmann::json> ExploreSchedules(const Schedules& schedules,
                                        const std::filesystem::path& folder,
                                        const CampaignSettings& settings,
                                        const std::vector<std::string>& command);
// The same, with reports of others.
Result<nlohmann::json> ReportSchedules(const Schedules& schedules,
                                       const std::filesystem::path& folder,
                                       const CampaignSettings& settings,
                                       const ReportOnSchedule& report_on);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_SCHEDULES_H_
