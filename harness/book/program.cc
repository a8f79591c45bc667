// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "harness/exit_code.h"
#include "harness/interrupt.h"

namespace fencepost {
namespace {

ExitCode CodeOf(const Status& status) {
  if (status.ok()) return Interrupted() ? ExitCode::kInterrupted : ExitCode::kPass;
  if (status.code() == StatusCode::kCorrupt) return ExitCode::kViolation;
  return status.code() == StatusCode::kInternal ? ExitCode::kHarness : ExitCode::kUsage;
}

}  // namespace

int RunProgram(CLI::App& app, int argc, char** argv, FunctionRef<Status()> run) {
  CatchInterrupts();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "{}: {} (--help shows what there is)\n", app.get_name(), error.what());
    return static_cast<int>(ExitCode::kUsage);
  }
  const Status status = run();
  if (!status.ok()) fmt::print(stderr, "{}: {}\n", app.get_name(), status.message());
  return static_cast<int>(CodeOf(status));
}

}  // namespace fencepost
