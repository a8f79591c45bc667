// SPDX-License-Identifier: BSD-3-Clause
// A recording made from pmemcheck's store log and the file that the run began with, for users of
// pmreorder. Nothing says what the run left: such a recording is explored unverified.
#ifndef FENCEPOST_HARNESS_CRASH_LOG_RECORDING_H_
#define FENCEPOST_HARNESS_CRASH_LOG_RECORDING_H_

#include <filesystem>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// Makes `folder` with the trace, copies of the images, and recording.json. An image belongs to the
// file of the log that has its name, or to the only one. kInvalidArgument if an image belongs to
// none, a file of the log has none, or is mapped beyond its image's end; kCorrupt if the log is
// malformed.
Status RecordLog(const std::string& log, const std::vector<std::string>& images,
                 const std::filesystem::path& folder);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_LOG_RECORDING_H_
