// SPDX-License-Identifier: BSD-3-Clause
// Traces how an engine recovers, under the tool.
//
// The program under the tool is started once, and forks for each recovery: most of the time of a
// short run under Valgrind is its start.
#ifndef FENCEPOST_HARNESS_CRASH_ENGINE_TRACER_H_
#define FENCEPOST_HARNESS_CRASH_ENGINE_TRACER_H_

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/recovery_script.h"
#include "faultinject/explore/scratch_folder.h"
#include "harness/crash/engine_recording.h"
#include "harness/valgrind_tool.h"

namespace fencepost {

class EngineTracer : public RecoveryTracer {
 public:
  // `recording`: the folder that says which engine it is.
  EngineTracer(ValgrindTool tool, std::filesystem::path recording, ScratchFolder scratch)
      : tool_(std::move(tool)), recording_(std::move(recording)), scratch_(std::move(scratch)) {}

  Result<std::filesystem::path> Trace(const std::vector<std::string>& paths) override;

 private:
  const ValgrindTool tool_;
  const std::filesystem::path recording_;
  const ScratchFolder scratch_;
  std::optional<ToolServer> server_;
};

// In the traced process: for each line of standard input, which is the path of the engine's store,
// a child recovers as operation 1. Answers "PID EXITCODE".
Status RunRecoveryClient(const CrashSubject& subject);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_ENGINE_TRACER_H_
