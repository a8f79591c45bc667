// SPDX-License-Identifier: BSD-3-Clause
// fencepost: argument parsing only. What a subcommand does is in commands/.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include "harness/build_info.h"
#include "harness/commands/command.h"
#include "harness/interrupt.h"
#include "harness/ycsb_flags.h"

namespace fencepost {
namespace {

bool IsCommand(std::string_view word) {
  return std::any_of(Commands().begin(), Commands().end(),
                     [&](const Command& command) { return command.name == word; });
}

ExitCode Main(const Arguments& arguments) {
  CLI::App app("Fencepost: performance and crash consistency of embedded key-value stores",
               "fencepost");
  app.set_version_flag("--version", fmt::format("fencepost {}", GetBuildInfo().version));
  app.require_subcommand(1);
  std::function<ExitCode()> chosen;
  for (const Command& command : Commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    if (command.hidden) sub->group("");
    std::function<ExitCode()> run = command.declare(*sub, arguments);
    sub->callback([&chosen, run] { chosen = run; });
  }
  if (arguments.size() > 1 && !arguments[1].starts_with('-') && !IsCommand(arguments[1])) {
    return ReportError(Status::InvalidArgument(
        fmt::format("no command '{}'; fencepost --help shows what there is", arguments[1])));
  }
  Result<Arguments> rewritten = RewriteYcsbFlags({arguments.begin() + 1, arguments.end()});
  if (!rewritten.ok()) return ReportError(rewritten.status());
  try {
    // CLI11 wants the words last first.
    app.parse(Arguments(rewritten->rbegin(), rewritten->rend()));
  } catch (const CLI::Success& help) {
    app.exit(help);
    return ExitCode::kPass;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "fencepost: {} (fencepost --help shows what there is)\n", error.what());
    return ExitCode::kUsage;
  }
  return chosen();
}

}  // namespace
}  // namespace fencepost

int main(int argc, char** argv) {
  fencepost::CatchInterrupts();
  fencepost::EndWithParent();
  try {
    return static_cast<int>(fencepost::Main({argv, argv + argc}));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fencepost: internal error: %s\n", error.what());
    return static_cast<int>(fencepost::ExitCode::kHarness);
  }
}
