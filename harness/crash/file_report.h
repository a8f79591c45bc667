// SPDX-License-Identifier: BSD-3-Clause
// crash.json of a run that keeps its data in files: the same report, of other pieces.
#ifndef FENCEPOST_HARNESS_CRASH_FILE_REPORT_H_
#define FENCEPOST_HARNESS_CRASH_FILE_REPORT_H_

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "faultinject/explore/files/file_minimize.h"

namespace fencepost {

struct FileCrashContext {
  std::filesystem::path folder;  // the report's own
  std::vector<std::string> command;
  nlohmann::json subject;
  std::string recording;  // path of its folder
  uint64_t trace_bytes = 0;
  const FileRun* run = nullptr;
  const FileExploreOptions* options = nullptr;
  double timeout_s = 0;
  std::function<std::string(uint64_t id)> describe_operation;  // may be null
  std::vector<std::string> remarks = {};
};

// Violations with one cause are one entry.
nlohmann::json FileCrashJson(const FileCrashContext& context, const FileExploreResult& result,
                             const std::vector<FileMinimalViolation>& violations);

// What `crash_point.state` of a violation holds, read again. kCorrupt.
Result<FileCrashState> ParseFileState(const nlohmann::json& state);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_FILE_REPORT_H_
