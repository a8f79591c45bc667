// SPDX-License-Identifier: BSD-3-Clause
// The one list of subcommands. A command is one file here and one row in command_table.cc.
#ifndef FENCEPOST_HARNESS_COMMANDS_COMMAND_H_
#define FENCEPOST_HARNESS_COMMANDS_COMMAND_H_

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "harness/exit_code.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fencepost {

// The words of the command line, as the user wrote them: for manifests.
using Arguments = std::vector<std::string>;

struct Command {
  std::string_view name;
  std::string_view summary;
  // Declares the command's options on `app`; what it returns runs the command once they are parsed.
  std::function<ExitCode()> (*declare)(CLI::App& app, const Arguments& arguments);
  bool hidden = false;  // started by the program itself
};

std::span<const Command> Commands();

// Prints "fencepost: <message>" on standard error and gives the exit code for a status:
// kInterrupted after a Ctrl-C, kHarness for an internal error, kUsage for everything else.
ExitCode ReportError(const Status& status);

// The words behind a command, for the options that `app` declares. kInvalidArgument says what is
// wrong with them.
Status ParseWords(CLI::App& app, const std::vector<std::string>& words);

// An option that may be given more than once, with exactly one value each time: `-p a=1 cmap` must
// not swallow the engine.
CLI::Option* AddRepeatable(CLI::App& app, const std::string& names,
                           std::vector<std::string>* values, const std::string& help);

std::function<ExitCode()> DeclareEngines(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareLoad(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareRun(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareBench(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareSuite(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareCampaign(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareCampaignWorker(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareCompare(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareRerun(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareResample(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareCheck(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareCrash(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareCrashClient(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareRecoveryClient(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareRecord(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareExplore(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareDoctor(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareMedia(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareVm(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareVmGuest(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareTrace(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareReport(CLI::App& app, const Arguments& arguments);
std::function<ExitCode()> DeclareProperties(CLI::App& app, const Arguments& arguments);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_COMMAND_H_
