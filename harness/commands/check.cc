// SPDX-License-Identifier: BSD-3-Clause
// fencepost check: a program, or an engine's workload, under our pmemcheck.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "engines/engine_table.h"
#include "harness/commands/command.h"
#include "harness/valgrind_tool.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

struct CheckRequest {
  std::vector<std::string> words;  // the program and its arguments, or one engine
  std::vector<std::string> workload_files;
  std::vector<std::string> properties;
  std::vector<std::string> pmem_globs;
  std::vector<std::string> tool_options;
  std::string trace;
  std::string valgrind;
  int error_exit_code = 0;
  bool print_env = false;
};

ExitCode PrintEnvironment(const ValgrindTool& tool) {
  // Words for `env`, or to be exported.
  if (!tool.library.empty()) fmt::print("VALGRIND_LIB={}\n", tool.library.string());
  fmt::print("PMEM_IS_PMEM_FORCE=1\n");
  return ExitCode::kPass;
}

// A path that the tool could not write would be known only after the program has run.
Status CheckWritable(const std::string& trace) {
  const fs::path folder = fs::absolute(trace).parent_path();
  if (!fs::is_directory(folder) || access(folder.c_str(), W_OK) != 0) {
    return Status::InvalidArgument(fmt::format("--trace={}: the folder is not writable", trace));
  }
  if (fs::is_directory(trace)) {
    return Status::InvalidArgument(fmt::format("--trace={}: is a folder", trace));
  }
  return Status::Ok();
}

// This program again, loading and running the workload on the engine.
Result<std::vector<std::string>> EngineProgram(const CheckRequest& request) {
  ASSIGN_OR_RETURN(const EngineRow* const row, FindEngine(request.words.front()));
  if (!row->capabilities.persistent_memory) {
    return Status::InvalidArgument(fmt::format(
        "{}: keeps nothing in persistent memory; pmemcheck has nothing to check", row->name));
  }
  if (request.workload_files.empty()) {
    return Status::InvalidArgument("check ENGINE needs a workload: -P workloads/crash-mixed");
  }
  std::vector<std::string> program = {fs::read_symlink("/proc/self/exe").string(), "run",
                                      std::string(row->name), "-load", "--quiet"};
  for (const std::string& file : request.workload_files)
    program.insert(program.end(), {"-P", file});
  for (const std::string& text : request.properties) program.insert(program.end(), {"-p", text});
  return program;
}

Result<std::vector<std::string>> UserProgram(const CheckRequest& request) {
  ASSIGN_OR_RETURN(const fs::path program, FindProgram(request.words.front()));
  std::vector<std::string> words = request.words;
  words.front() = program.string();
  return words;
}

std::vector<std::string> ToolOptions(const CheckRequest& request) {
  std::vector<std::string> options;
  for (const std::string& glob : request.pmem_globs) options.push_back("--pmem=" + glob);
  if (!request.trace.empty())
    options.push_back("--trace-file=" + fs::absolute(request.trace).string());
  if (request.error_exit_code != 0) {
    options.push_back(fmt::format("--error-exitcode={}", request.error_exit_code));
  }
  options.insert(options.end(), request.tool_options.begin(), request.tool_options.end());
  return options;
}

// An engine is to be clean: whatever is found is a violation, but for what libpmemobj does of its
// own accord. What a run under Valgrind measures is of no use: its results are thrown away.
ExitCode CheckEngine(const ValgrindTool& tool, std::vector<std::string> options,
                     std::vector<std::string> program) {
  options.insert(options.begin(),
                 {"--flush-check=yes",
                  fmt::format("--error-exitcode={}", static_cast<int>(ExitCode::kViolation))});
  if (!tool.library.empty()) {
    options.insert(options.begin(),
                   "--suppressions=" + (tool.library / "libpmemobj.supp").string());
  }
  std::string results = (fs::temp_directory_path() / "fencepost-check-XXXXXX").string();
  if (mkdtemp(results.data()) == nullptr) {
    return ReportError(Status::IoError(fmt::format("mkdtemp: {}", results)));
  }
  program.insert(program.end(), {"--results", results});
  const Result<int> code = RunUnder(tool, options, program);
  std::error_code error;
  fs::remove_all(results, error);
  return code.ok() ? static_cast<ExitCode>(*code) : ReportError(code.status());
}

ExitCode Check(const CheckRequest& request, bool is_program) {
  const Result<ValgrindTool> tool = FindPmemcheck(request.valgrind);
  if (!tool.ok()) return ReportError(tool.status());
  if (request.print_env) return PrintEnvironment(*tool);
  if (request.words.empty()) {
    return ReportError(Status::InvalidArgument(
        "check needs an engine, or -- and a program (fencepost check --help)"));
  }
  if (!request.trace.empty()) {
    if (const Status status = CheckWritable(request.trace); !status.ok())
      return ReportError(status);
  }
  if (!is_program && request.words.size() > 1) {
    return ReportError(Status::InvalidArgument(
        fmt::format("'{}' after the engine; a program comes after --", request.words[1])));
  }
  auto program = is_program ? UserProgram(request) : EngineProgram(request);
  if (!program.ok()) return ReportError(program.status());
  setenv("PMEM_IS_PMEM_FORCE", "1", /*overwrite=*/1);
  fmt::print(
      stderr,
      "fencepost: PMEM_IS_PMEM_FORCE=1 is set, so that libpmem flushes and fences as it does "
      "on persistent memory\n");
  if (is_program) return ReportError(ExecUnder(*tool, ToolOptions(request), *program));
  return CheckEngine(*tool, ToolOptions(request), std::move(program).value());
}

}  // namespace

std::function<ExitCode()> DeclareCheck(CLI::App& app, const Arguments& arguments) {
  auto request = std::make_shared<CheckRequest>();
  app.add_option("words", request->words, "ENGINE, or -- and a program with its arguments");
  app.add_option("--workload", request->workload_files, "workload file, for an engine")
      ->allow_extra_args(false);
  app.add_option("--property", request->properties, "key=value, for an engine")
      ->allow_extra_args(false);
  app.add_option("--pmem", request->pmem_globs,
                 "shared mappings of files like this glob are persistent memory; repeatable")
      ->allow_extra_args(false);
  app.add_option("--trace", request->trace,
                 "write a binary trace of all events; %p is the process");
  app.add_option("--tool-option", request->tool_options,
                 "an option of the tool or of Valgrind, e.g. --tool-option=--flush-check=yes")
      ->allow_extra_args(false);
  app.add_option("--error-exitcode", request->error_exit_code,
                 "exit code if anything is found; default 0: the program's own")
      ->check(CLI::Range(0, 255));
  app.add_option("--valgrind", request->valgrind, "a Valgrind that has a pmemcheck of its own");
  app.add_flag("--print-env", request->print_env, "print what `valgrind --tool=pmemcheck` needs");
  const bool is_program = std::find(arguments.begin(), arguments.end(), "--") != arguments.end();
  return [request, is_program] { return Check(*request, is_program); };
}

}  // namespace fencepost
