// SPDX-License-Identifier: BSD-3-Clause
// Images of a real file system: an engine runs in a guest whose disk is recorded; contents that the
// disk may have had at a power cut are rebuilt from the log, mounted in another guest, and what the
// engine then recovers is judged against what its client had been told by then.
//
// Not covered: what DiskStates does not cover. Crashes in the recovery from a crash.
#ifndef FENCEPOST_HARNESS_VM_IMAGE_CAMPAIGN_H_
#define FENCEPOST_HARNESS_VM_IMAGE_CAMPAIGN_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/crash/crash_replay.h"
#include "harness/crash/engine_recording.h"
#include "harness/vm/guest_host.h"

namespace fencepost {

struct ImageSettings {
  GuestSettings guest;        // disk_mib: of the file system
  std::string mount_options;  // of the file system
  uint64_t images = 500;      // distinct ones that are recovered from
  uint64_t seed = 1;
  uint64_t sector_bytes = 512;  // of the disk: never torn
  double timeout_s = 10;        // of a recovery
  unsigned operations_after = 12;
  bool quiet = false;
};

// kUnsupported for an engine or a workload that images cannot be made of.
Status CheckImageSubject(const CrashSubject& subject);

// REQUIRES: CheckImageSubject. The report, to be written into `folder`, where the recorded disk is
// kept if anything was found.
Result<nlohmann::json> RunImages(const CrashSubject& subject, const std::filesystem::path& folder,
                                 const ImageSettings& settings,
                                 const std::vector<std::string>& command);

// Builds the image of a violation once more from the disk that was kept, and recovers from it in a
// guest; `keep`: writes it into that folder and stops.
Result<ExitCode> ReplayImage(const ReplayRequest& request, const nlohmann::json& report,
                             const nlohmann::json& violation, GuestSettings guest);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VM_IMAGE_CAMPAIGN_H_
