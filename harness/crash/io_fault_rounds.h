// SPDX-License-Identifier: BSD-3-Clause
// A disk that fails: for each k, a run of an engine is recorded in which the k-th write or sync is
// answered by a fault, and the power goes out at every crash point of it.
//
// What the engine acknowledged must be there all the same, after the fault or in spite of it; what
// it refused must not; what failed with an error may be.
//
// Not covered: reads that fail; more than one fault in a run.
#ifndef FENCEPOST_HARNESS_CRASH_IO_FAULT_ROUNDS_H_
#define FENCEPOST_HARNESS_CRASH_IO_FAULT_ROUNDS_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "faultinject/iotrace/io_fault.h"
#include "harness/crash/crash_campaign.h"
#include "harness/crash/engine_recording.h"

namespace fencepost {

struct IoFaultRow {
  std::string_view name;
  std::string_view description;  // one line
  IoFault::Kind kind = IoFault::Kind::kNone;
};
std::span<const IoFaultRow> IoFaults();

// One report of all k up to `rounds`, or to the last that the run comes to, for `folder`, where
// each k has its recording. kInternal if a run is ended by a signal.
Result<nlohmann::json> RunIoFaultRounds(const CrashSubject& subject, const IoFaultRow& fault,
                                        uint64_t rounds, const std::filesystem::path& folder,
                                        const CampaignSettings& settings,
                                        const std::vector<std::string>& command);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_IO_FAULT_ROUNDS_H_
