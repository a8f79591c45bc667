// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_tracer.h"

#include <fmt/format.h>

#include "harness/crash/engine_recovery.h"
#include "harness/crash/trace_markers.h"
#include "harness/interrupt.h"

namespace fencepost {

namespace fs = std::filesystem;

Result<fs::path> EngineTracer::Trace(const std::vector<std::string>& paths) {
  const fs::path trace = scratch_.path() / "trace", log = scratch_.path() / "log";
  ASSIGN_OR_RETURN(const EndedProgram ended,
                   RunUnder(tool_, {"--trace-file=" + trace.string(), "--log-file=" + log.string()},
                            {fs::read_symlink("/proc/self/exe").string(), "recovery-client",
                             recording_.string(), paths.front()}));
  if (Interrupted()) return Status::Internal("interrupted");
  if (ended.exit_code != 0) {
    return Status::Unsupported(
        fmt::format("a recovery ended with exit code {} when it was traced (--depth=1 goes "
                    "without)",
                    ended.exit_code));
  }
  return trace;
}

Status RunRecoveryClient(const CrashSubject& subject, const fs::path& path) {
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  EngineRecovery recovery(*plan.row, plan.options, UseAfterwards{.operations = 0});
  MarkOperationBegin(1);
  recovery.RecoverOnly({path.string()}, /*context=*/{});
  MarkOperationEnd(1);
  return Status::Ok();
}

}  // namespace fencepost
