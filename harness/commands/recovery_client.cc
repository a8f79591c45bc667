// SPDX-License-Identifier: BSD-3-Clause
// The traced process of a crash inside recovery.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "harness/commands/command.h"
#include "harness/crash/engine_tracer.h"

namespace fencepost {

std::function<ExitCode()> DeclareRecoveryClient(CLI::App& app, const Arguments& /*arguments*/) {
  auto folder = std::make_shared<std::string>();
  app.add_option("folder", *folder, "the recording")->required();
  return [folder] {
    const Result<CrashSubject> subject = CrashSubject::Read(*folder);
    if (!subject.ok()) return ReportError(subject.status());
    const Status status = RunRecoveryClient(*subject);
    return status.ok() ? ExitCode::kPass : ReportError(status);
  };
}

}  // namespace fencepost
