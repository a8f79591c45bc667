// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/file_recording.h"

#include <fmt/format.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "faultinject/explore/scratch_folder.h"
#include "faultinject/iotrace/io_recorder.h"
#include "faultinject/iotrace/io_trace.h"
#include "faultinject/iotrace/replay_check.h"
#include "harness/interrupt.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFiles = "files";

fs::path JsonPath(const fs::path& folder) { return folder / "recording.json"; }

Status Copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  return error ? Status::IoError(fmt::format("copy: {}, {}", error.message(), to.string()))
               : Status::Ok();
}

}  // namespace

Status FileRecording::Write() const {
  std::ofstream out(JsonPath(folder));
  out << json{{"domain", kFiles},
              {"root", root},
              {"command", command},
              {"volatile_names", volatile_names},
              {"exit_code", exit_code}}
             .dump(1)
      << "\n";
  out.close();
  return out ? Status::Ok() : Status::IoError(fmt::format("write: {}", JsonPath(folder).string()));
}

bool FileRecording::IsIn(const fs::path& folder) {
  std::ifstream in(JsonPath(folder));
  const json all = json::parse(in, nullptr, /*allow_exceptions=*/false);
  return all.is_object() && all.value("domain", json()) == kFiles;
}

Result<FileRecording> FileRecording::Read(const fs::path& folder) {
  std::ifstream in(JsonPath(folder));
  if (!in) return Status::InvalidArgument(fmt::format("{}: holds no recording", folder.string()));
  try {
    const json all = json::parse(in);
    return FileRecording{.folder = folder,
                         .root = all.at("root").get<std::string>(),
                         .command = all.at("command").get<std::vector<std::string>>(),
                         .volatile_names = all.at("volatile_names").get<std::vector<std::string>>(),
                         .exit_code = all.at("exit_code").get<int>()};
  } catch (const std::exception& error) {
    return Status::Corrupt(fmt::format("{}: {}", JsonPath(folder).string(), error.what()));
  }
}

Result<FileRecording> RecordFiles(const fs::path& folder, const fs::path& root,
                                  const std::vector<std::string>& command,
                                  const std::vector<std::string>& volatile_names,
                                  const IoFault& fault, ChildProcess::Streams streams) {
  FileRecording recording{.folder = folder,
                          .root = fs::absolute(root).lexically_normal().string(),
                          .command = command,
                          .volatile_names = volatile_names};
  RETURN_IF_ERROR(Copy(root, recording.initial_path()));
  ASSIGN_OR_RETURN(
      IoRecorder recorder,
      IoRecorder::Start(
          {.root = root, .folder = folder, .volatile_names = volatile_names, .fault = fault}));
  ASSIGN_OR_RETURN(ChildProcess program,
                   ChildProcess::Start(command, recorder.Environment(), streams));
  while (!program.WaitFor(100)) {
    if (Interrupted()) return Status::Internal("interrupted");
  }
  // Said first: a program that the recorder had to stop has no better reason.
  RETURN_IF_ERROR(recorder.Finish());
  recording.exit_code = program.exit_code();
  recording.complaint = program.error_text();
  recording.fault_was_played = recorder.fault_was_played();
  RETURN_IF_ERROR(recording.Write());
  return recording;
}

Result<FileRun> LoadFileRun(const FileRecording& recording) {
  ASSIGN_OR_RETURN(IoTrace trace, IoTrace::Open(recording.trace_path()));
  FileRun run;
  ASSIGN_OR_RETURN(run.initial, FileTree::Read(recording.initial_path()));
  RETURN_IF_ERROR(VerifyReplay(run.initial, &trace));
  trace.Rewind();
  IoEvent event;
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, trace.Next(&event));
    if (!more) break;
    run.events.push_back(std::move(event));
  }
  ASSIGN_OR_RETURN(run.survey, SurveyIo(run.events));
  return run;
}

Result<FileEngineRecorder> FileEngineRecorder::Make(const CrashSubject& subject,
                                                    const fs::path& disk) {
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
  if (subject.creation) return FileEngineRecorder(subject, std::move(scratch));
  const Status loaded = LoadEngine(plan, scratch.path() / "loaded");
  if (loaded.code() != StatusCode::kUnsupported) {
    RETURN_IF_ERROR(loaded);
    return FileEngineRecorder(subject, std::move(scratch));
  }
  // Such as O_DIRECT, which a tmpfs may not have.
  ASSIGN_OR_RETURN(ScratchFolder on_disk, ScratchFolder::Make(disk));
  RETURN_IF_ERROR(LoadEngine(plan, on_disk.path() / "loaded"));
  return FileEngineRecorder(subject, std::move(on_disk));
}

Result<bool> FileEngineRecorder::Record(const fs::path& folder, const IoFault& fault) const {
  const fs::path root = scratch_.path() / "run";
  const fs::path store = subject_.creation ? root / kCreatedStore : root;
  std::error_code error;
  fs::remove_all(root, error);
  fs::create_directory(root, error);
  if (!subject_.creation) {
    // With its holes: a copy by the C++ library has none.
    ASSIGN_OR_RETURN(const FileTree loaded, FileTree::Read(scratch_.path() / "loaded"));
    RETURN_IF_ERROR(loaded.WriteTo(root));
  }
  RETURN_IF_ERROR(subject_.Write(folder));
  ASSIGN_OR_RETURN(const RunPlan plan, subject_.Plan());
  const std::vector<std::string> volatile_names(plan.row->volatile_files.begin(),
                                                plan.row->volatile_files.end());
  ASSIGN_OR_RETURN(const FileRecording recording,
                   RecordFiles(folder, root,
                               {fs::read_symlink("/proc/self/exe").string(), "crash-client",
                                folder.string(), store.string()},
                               volatile_names, fault));
  constexpr int kFirstSignal = 128;
  const bool may_die = fault.kind == IoFault::Kind::kSigbus;
  const bool may_fail =
      recording.fault_was_played && (recording.exit_code < kFirstSignal ||
                                     (may_die && recording.exit_code == kFirstSignal + SIGBUS));
  if (recording.exit_code == 0 || may_fail) return recording.fault_was_played;
  return Status::Internal(fmt::format("the recorded run ended with exit code {}: {}",
                                      recording.exit_code, recording.complaint));
}

}  // namespace fencepost
