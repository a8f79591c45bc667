// SPDX-License-Identifier: BSD-3-Clause
// fencepost check: a program, or an engine's workload, under our pmemcheck.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "engines/engine_table.h"
#include "faultinject/explore/scratch_folder.h"
#include "harness/annotated_source.h"
#include "harness/commands/command.h"
#include "harness/engine_setup.h"
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
  int sched_seed = 0;
  bool json = false;
  bool annotate = false;
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

// Valgrind would take a word that is no option for the program, and another tool for this one.
Status CheckToolOption(const std::string& option) {
  const bool is_option = option.size() > 1 && option[0] == '-' && option != "--";
  if (is_option && !option.starts_with("--tool=")) return Status::Ok();
  return Status::InvalidArgument(
      fmt::format("--tool-option={}: not an option of pmemcheck or Valgrind", option));
}

// This program again, loading and running the workload on the engine.
Result<std::vector<std::string>> EngineProgram(const CheckRequest& request) {
  ASSIGN_OR_RETURN(const EngineRow* const row, FindEngineOrCanary(request.words.front()));
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
  // Latencies under Valgrind would only mislead.
  program.insert(program.end(), {"-p", "exportfile=/dev/null"});
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
  if (request.sched_seed != 0) {
    options.push_back(fmt::format("--sched-seed={}", request.sched_seed));
    options.push_back("--fair-sched=yes");
  }
  options.insert(options.end(), request.tool_options.begin(), request.tool_options.end());
  return options;
}

// An engine is to be clean: whatever is found is a violation, but for what libpmemobj does of its
// own accord.
std::vector<std::string> EngineToolOptions(const ValgrindTool& tool) {
  std::vector<std::string> options = {
      "--flush-check=yes",
      fmt::format("--error-exitcode={}", static_cast<int>(ExitCode::kViolation))};
  if (!tool.library.empty()) {
    options.push_back("--suppressions=" + (tool.library / "libpmemobj.supp").string());
  }
  return options;
}

Result<nlohmann::json> ReadToolReport(const fs::path& path) {
  std::ifstream in(path);
  nlohmann::json report = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (report.is_discarded()) {
    return Status::Internal(fmt::format("{}: pmemcheck left no report", path.string()));
  }
  return report;
}

// The program's report, and under "others" those of the processes that it forked, or that it was
// before an exec.
Result<nlohmann::json> GatherReports(const fs::path& folder, int pid) {
  const fs::path own = folder / fmt::format("report.{}", pid);
  std::vector<fs::path> others;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const bool is_report = entry.path().filename().string().starts_with("report.");
    if (is_report && entry.path() != own) others.push_back(entry.path());
  }
  std::sort(others.begin(), others.end());
  ASSIGN_OR_RETURN(nlohmann::json report, ReadToolReport(own));
  for (const fs::path& path : others) {
    ASSIGN_OR_RETURN(nlohmann::json other, ReadToolReport(path));
    report["others"].push_back(std::move(other));
  }
  return report;
}

Status PrintReport(const CheckRequest& request, const fs::path& folder, int pid) {
  ASSIGN_OR_RETURN(nlohmann::json report, GatherReports(folder, pid));
  if (request.json) {
    fmt::print("{}\n", report.dump(1));
    return Status::Ok();
  }
  // One source, whichever process ran it.
  for (const nlohmann::json& other : report.value("others", nlohmann::json::array())) {
    for (const nlohmann::json& site : other.at("sites")) report["sites"].push_back(site);
  }
  fmt::print("{}", AnnotateSource(report));
  return Status::Ok();
}

// Where this process is needed after the program's end. What a run under Valgrind measures is of no
// use: an engine's results are thrown away.
ExitCode RunAndReport(const CheckRequest& request, const ValgrindTool& tool,
                      std::vector<std::string> options, std::vector<std::string> program,
                      bool is_program) {
  // For what is read and thrown away after the run.
  const Result<ScratchFolder> folder = ScratchFolder::Make(fs::temp_directory_path());
  if (!folder.ok()) return ReportError(folder.status());
  const std::string scratch = folder->path().string();
  const bool wants_report = request.json || request.annotate;
  if (wants_report) options.push_back("--report-file=" + scratch + "/report.%p");
  if (!is_program) {
    program.insert(program.end(), {"--results", scratch});
    const std::vector<std::string> more = EngineToolOptions(tool);
    options.insert(options.begin(), more.begin(), more.end());
  }
  const Result<EndedProgram> ended = RunUnder(tool, options, program);
  if (!ended.ok()) return ReportError(ended.status());
  // Without a report after a usage error the tool has said why.
  const bool is_usage_error = ended->exit_code == static_cast<int>(ExitCode::kUsage) &&
                              !fs::exists(fmt::format("{}/report.{}", scratch, ended->pid));
  if (wants_report && !is_usage_error) {
    if (const Status status = PrintReport(request, scratch, ended->pid); !status.ok())
      return ReportError(status);
  }
  return static_cast<ExitCode>(ended->exit_code);
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
  for (const std::string& option : request.tool_options) {
    if (const Status status = CheckToolOption(option); !status.ok()) return ReportError(status);
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
  if (is_program && !request.json && !request.annotate) {
    return ReportError(ExecUnder(*tool, ToolOptions(request), *program));
  }
  return RunAndReport(request, *tool, ToolOptions(request), std::move(program).value(), is_program);
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
  app.add_option("--sched-seed", request->sched_seed,
                 "hand over between threads at seeded events; default 0: Valgrind's own order")
      ->check(CLI::Range(0, 0x7fffffff));
  auto* json = app.add_flag("--json", request->json,
                            "print the report as JSON, after what the program prints");
  app.add_flag("--annotate", request->annotate,
               "print the source with each line's stores, bytes, flushes and fences")
      ->excludes(json);
  app.add_flag("--print-env", request->print_env, "print what `valgrind --tool=pmemcheck` needs");
  const bool is_program = std::find(arguments.begin(), arguments.end(), "--") != arguments.end();
  return [request, is_program] { return Check(*request, is_program); };
}

}  // namespace fencepost
