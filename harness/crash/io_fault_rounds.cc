// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/io_fault_rounds.h"

#include <fmt/format.h>

#include "harness/crash/crash_report.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/schedules.h"
#include "harness/interrupt.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr IoFaultRow kFaults[] = {
    {"write-eio", "the k-th write fails with EIO", IoFault::Kind::kWriteEio},
    {"write-enospc", "the k-th write or fallocate fails with ENOSPC", IoFault::Kind::kWriteEnospc},
    {"short-write", "the k-th write of several bytes writes half of them",
     IoFault::Kind::kShortWrite},
    {"sync-eio", "the k-th sync fails with EIO, and those after it do not",
     IoFault::Kind::kSyncEio},
    {"sigbus", "the k-th store into a hole of a file that is mapped finds no room (SIGBUS)",
     IoFault::Kind::kSigbus},
};

}  // namespace

std::span<const IoFaultRow> IoFaults() { return kFaults; }

Result<json> RunIoFaultRounds(const CrashSubject& subject, const IoFaultRow& fault, uint64_t rounds,
                              const fs::path& folder, const CampaignSettings& settings,
                              const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const FileEngineRecorder recorder, FileEngineRecorder::Make(subject, folder));
  std::vector<json> reports;
  std::string stopped;
  for (uint64_t k = 1; k <= rounds && stopped.empty(); ++k) {
    if (Interrupted()) {
      stopped = "interrupted";
      break;
    }
    const fs::path recording = RecordingFolder(folder, k - 1);
    fs::create_directories(recording);
    ASSIGN_OR_RETURN(const bool played, recorder.Record(recording, {.kind = fault.kind, .at = k}));
    if (!played) {
      // The run has no k-th such call: that is all there are.
      std::error_code ignored;
      fs::remove_all(recording, ignored);
      break;
    }
    CampaignSettings labelled = settings;
    labelled.label = fmt::format("{} {}, ", fault.name, k);
    ASSIGN_OR_RETURN(json report, RunCampaign(recording, folder, EngineParts(recording, labelled),
                                              labelled, command));
    report["settings"]["fault"] = std::string(fault.name);
    if (!report["explored"]["stopped"].is_null()) {
      stopped = report["explored"]["stopped"].get<std::string>();
    }
    reports.push_back(std::move(report));
  }
  if (reports.empty()) {
    return Status::InvalidArgument(
        fmt::format("--fault={}: the run does nothing that could fail so", fault.name));
  }
  // How many there would have been is not known where it was stopped.
  const uint64_t asked = stopped.empty() ? reports.size() : rounds;
  return MergeSchedules(reports, {asked, reports.size()}, stopped, folder);
}

}  // namespace fencepost
