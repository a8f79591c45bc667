// SPDX-License-Identifier: BSD-3-Clause
// fencepost record, fencepost explore: crash exploration of any program, with its own checker.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/commands/command.h"
#include "harness/commands/crash_options.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/log_recording.h"
#include "harness/run_files.h"
#include "harness/valgrind_tool.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct RecordRequest {
  std::vector<std::string> words;  // the program and its arguments
  std::string output;
  std::vector<std::string> images;
  std::vector<std::string> pmem_globs;
  std::string valgrind;
  std::string io;                           // record files below it, not memory
  std::vector<std::string> volatile_names;  // of those
};

Status PrepareFolder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "recording.json", error)) {
    return Status::InvalidArgument(
        fmt::format("-o {}: holds a recording already", folder.string()));
  }
  fs::create_directories(folder, error);
  if (error) {
    return Status::InvalidArgument(fmt::format("-o {}: {}", folder.string(), error.message()));
  }
  return Status::Ok();
}

// Which files the trace maps, beyond those that the user named: they began empty.
Status AddNewFiles(Recording* recording) {
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(recording->trace_path().string()));
  std::vector<std::string> paths;
  RETURN_IF_ERROR(trace.ForEach([&](const fpt_event& event) {
    if (event.kind == FPT_FILE) paths.emplace_back(View(event.text));
  }));
  for (const std::string& path : paths) {
    const bool known = std::any_of(recording->files.begin(), recording->files.end(),
                                   [&](const RecordedFile& file) { return file.path == path; });
    if (!known) recording->files.push_back({.path = path});
  }
  return Status::Ok();
}

// What the program does to the files below a directory.
Result<ExitCode> RecordIo(const RecordRequest& request) {
  if (!request.images.empty() || !request.pmem_globs.empty() || !request.valgrind.empty()) {
    return Status::InvalidArgument("--io goes without --image, --pmem and --valgrind");
  }
  std::error_code error;
  if (!fs::is_directory(request.io, error)) {
    return Status::InvalidArgument(fmt::format("--io={}: is no directory", request.io));
  }
  ASSIGN_OR_RETURN(const fs::path program, FindProgram(request.words.front()));
  RETURN_IF_ERROR(PrepareFolder(request.output));
  std::vector<std::string> words = request.words;
  words.front() = program.string();
  ASSIGN_OR_RETURN(const FileRecording recording,
                   RecordFiles(fs::absolute(request.output), request.io, words,
                               request.volatile_names, {}, ChildProcess::Streams::kShared));
  fmt::print(stderr, "{}", recording.complaint);
  ASSIGN_OR_RETURN(const FileRun run, LoadFileRun(recording));
  fmt::print(stderr, "recorded {} writes and {} syncs below {}: {}\n", run.survey.writes,
             run.survey.syncs, request.io, request.output);
  return static_cast<ExitCode>(recording.exit_code);
}

Result<ExitCode> Record(const RecordRequest& request) {
  if (request.words.empty()) {
    return Status::InvalidArgument("record needs -- and a program (fencepost record --help)");
  }
  if (!request.io.empty()) return RecordIo(request);
  if (!request.volatile_names.empty()) {
    return Status::InvalidArgument("--volatile goes with --io");
  }
  ASSIGN_OR_RETURN(const ValgrindTool tool, FindPmemcheck(request.valgrind));
  ASSIGN_OR_RETURN(const fs::path program, FindProgram(request.words.front()));
  RETURN_IF_ERROR(PrepareFolder(request.output));
  Recording recording{.folder = fs::absolute(request.output)};
  for (const std::string& image : request.images) RETURN_IF_ERROR(recording.AddFile(image));
  recording.command = request.words;
  std::vector<std::string> words = request.words, options;
  words.front() = program.string();
  options.push_back("--trace-file=" + recording.trace_path().string());
  options.push_back("--log-file=" + (recording.folder / "pmemcheck.log").string());
  for (const std::string& glob : request.pmem_globs) options.push_back("--pmem=" + glob);
  setenv("PMEM_IS_PMEM_FORCE", "1", /*overwrite=*/1);
  fmt::print(
      stderr,
      "fencepost: PMEM_IS_PMEM_FORCE=1 is set, so that libpmem flushes and fences as it does "
      "on persistent memory\n");
  ASSIGN_OR_RETURN(const EndedProgram ended, RunUnder(tool, options, words));
  const int code = ended.exit_code;
  RETURN_IF_ERROR(AddNewFiles(&recording));
  // A program that was killed may have left its files in any state: the trace is all there is.
  constexpr int kKilled = 128;
  if (code < kKilled) RETURN_IF_ERROR(recording.Finish());
  RETURN_IF_ERROR(recording.Write());
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(recording.trace_path().string()));
  RETURN_IF_ERROR(VerifyReplay(recording, &trace));
  fmt::print(stderr, "recorded {} events of {} files: {}\n", trace.events(), recording.files.size(),
             request.output);
  return static_cast<ExitCode>(code);
}

struct ExploreRequest {
  std::string recording;
  std::string log;  // in its place
  std::vector<std::string> images;
  std::string recover;
  std::string checker;
  CrashFlags crash;
};

Result<json> ExploreInto(const fs::path& folder, const ExploreRequest& request,
                         const CampaignSettings& settings, const Arguments& arguments) {
  // What a log becomes stays with the report: its violations are replayed from there.
  const fs::path recorded =
      request.log.empty() ? fs::path(request.recording) : folder / "recording";
  if (!request.log.empty()) {
    RETURN_IF_ERROR(RecordLog(request.log, request.images, recorded));
  }
  std::vector<std::string> program;
  if (FileRecording::IsIn(recorded)) {
    ASSIGN_OR_RETURN(const FileRecording recording, FileRecording::Read(recorded));
    program = recording.command;
  } else {
    ASSIGN_OR_RETURN(const Recording recording, Recording::Read(recorded));
    program = recording.command;
  }
  return RunCampaign(recorded, folder,
                     ProgramParts(request.recover, request.checker, program, settings), settings,
                     arguments);
}

ExitCode ExploreProgram(const ExploreRequest& request, const Arguments& arguments) {
  if (request.recover.empty() == request.checker.empty()) {
    return ReportError(Status::InvalidArgument(
        "explore needs --recover='program {image}' or --checker=library.so:function"));
  }
  if (request.recording.empty() == request.log.empty()) {
    return ReportError(Status::InvalidArgument(
        "explore needs a recording, or --log=FILE of pmemcheck and the --image it began with"));
  }
  if (request.log.empty() != request.images.empty()) {
    return ReportError(Status::InvalidArgument("--log and --image go together"));
  }
  const bool in_files = request.log.empty() && FileRecording::IsIn(request.recording);
  const Result<CampaignSettings> settings =
      MakeSettings(request.crash, in_files ? CrashDomain::kFiles : CrashDomain::kMemory);
  if (!settings.ok()) return ReportError(settings.status());
  const Result<RunDirectory> made =
      CreateRunDirectory(request.crash.results, std::time(nullptr), "explore");
  if (!made.ok()) return ReportError(made.status());
  const Result<json> report = ExploreInto(made->path, request, *settings, arguments);
  if (!report.ok()) {
    std::error_code ignored;
    fs::remove_all(made->path, ignored);
    return ReportError(report.status());
  }
  return PublishReport(*report, made->path, request.crash);
}

}  // namespace

std::function<ExitCode()> DeclareRecord(CLI::App& app, const Arguments& /*arguments*/) {
  auto request = std::make_shared<RecordRequest>();
  app.add_option("words", request->words, "-- and a program with its arguments");
  app.add_option("-o,--output", request->output, "the folder to make")->required();
  app.add_option("--io", request->io,
                 "record what the program does to the files below this directory: writes and "
                 "syncs, in place of stores and flushes");
  app.add_option("--volatile", request->volatile_names,
                 "with --io: names of files, with * and ?, whose contents no crash matters to; "
                 "repeatable")
      ->allow_extra_args(false);
  app.add_option("--image", request->images,
                 "a persistent file that is there before the run; repeatable")
      ->allow_extra_args(false);
  app.add_option("--pmem", request->pmem_globs,
                 "shared mappings of files like this glob are persistent memory; repeatable")
      ->allow_extra_args(false);
  app.add_option("--valgrind", request->valgrind, "a Valgrind that has a pmemcheck of its own");
  return [request] {
    const Result<ExitCode> code = Record(*request);
    return code.ok() ? *code : ReportError(code.status());
  };
}

std::function<ExitCode()> DeclareExplore(CLI::App& app, const Arguments& arguments) {
  auto request = std::make_shared<ExploreRequest>();
  app.add_option("recording", request->recording, "a folder made by fencepost record");
  app.add_option("--log", request->log,
                 "instead of a recording: a store log of pmemcheck (--log-stores=yes)");
  app.add_option("--image", request->images,
                 "with --log: a copy of the file that the log registers, from before the run; "
                 "repeatable")
      ->allow_extra_args(false);
  app.add_option("--recover", request->recover,
                 "a command with {image} in it (of --io: the directory): exit code 0 if it is "
                 "consistent");
  app.add_option("--checker", request->checker,
                 "library.so:function, int f(const char* image): 0 if it is consistent");
  DeclareCrashFlags(app, &request->crash);
  return [request, &arguments] { return ExploreProgram(*request, arguments); };
}

}  // namespace fencepost
