// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/file_campaign.h"

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <utility>

#include "faultinject/explore/files/file_minimize.h"
#include "faultinject/explore/files/tree_folder.h"
#include "faultinject/explore/files/tree_pool.h"
#include "faultinject/explore/scratch_folder.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/file_report.h"
#include "harness/interrupt.h"
#include "harness/progress.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

uint64_t SizeOf(const fs::path& path) {
  std::error_code ignored;
  const uintmax_t bytes = fs::file_size(path, ignored);
  return ignored ? 0 : bytes;
}

// What a violation needs to be seen again.
struct FileScene {
  FileRun run;
  TraceSurvey operations;
  FileExploreOptions options;
  CampaignParts parts;
  CrashPoint point;
  FileTree tree;
  double timeout_s = 0;
};

Status SetScene(const json& report, const json& violation, FileScene* scene) {
  const fs::path folder = violation["recording"].get<std::string>();
  ASSIGN_OR_RETURN(const FileRecording recording, FileRecording::Read(folder));
  ASSIGN_OR_RETURN(scene->run, LoadFileRun(recording));
  const json& settings = report["settings"];
  ASSIGN_OR_RETURN(scene->options.file_system,
                   FindFileSystem(settings["file_system"].get<std::string>()));
  scene->options.model = {.sector_bytes = settings["sector_bytes"].get<uint64_t>(),
                          .tearing = settings["tearing"].get<bool>()};
  PosixModel model(*scene->options.file_system, scene->options.model, scene->run.initial);
  FileWalk walk(scene->run.events, &model);
  ASSIGN_OR_RETURN(scene->point, walk.Seek(violation["crash_point"]["index"].get<uint64_t>()));
  ASSIGN_OR_RETURN(const FileCrashState state, ParseFileState(violation["state"]));
  if (!model.Allows(state)) {
    return Status::Corrupt("crash.json: the model does not allow the state");
  }
  scene->tree = model.Build(state);
  CampaignSettings campaign;
  campaign.pool.timeout_s = scene->timeout_s = settings["timeout_s"].get<double>();
  const json& subject = report["subject"];
  const bool is_engine = subject.contains("engine");
  if (is_engine) campaign.operations_after = subject.value("operations_after", 0u);
  const MakeParts make = is_engine ? EngineParts(folder, campaign)
                                   : ProgramParts(subject.value("recover", ""),
                                                  subject.value("checker", ""), {}, campaign);
  scene->operations.operations = scene->run.survey.operations;
  ASSIGN_OR_RETURN(scene->parts, make(scene->operations));
  return Status::Ok();
}

// As in a campaign: whatever the recovery does, this process lives to tell.
Result<Outcome> RecoverInChild(const FileScene& scene, const std::string& context) {
  std::optional<Outcome> outcome;
  ASSIGN_OR_RETURN(
      const std::unique_ptr<TreePool> pool,
      TreePool::Start({.workers = 1, .timeout_s = scene.timeout_s}, scene.parts.recoverer.get(),
                      [&](uint64_t /*job*/, Outcome came) { outcome = came; }));
  RETURN_IF_ERROR(pool->Submit(/*job=*/0, scene.tree, context));
  while (!outcome) RETURN_IF_ERROR(pool->Drain());
  return *outcome;
}

Result<Outcome> RecoverHere(const FileScene& scene, const std::string& context) {
  ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
  const fs::path folder = scratch.path() / "store";
  RETURN_IF_ERROR(MakeFolderHold(scene.tree, folder));
  return Outcome{.answer = scene.parts.recoverer->Recover({folder.string()}, context),
                 .complaint = {}};
}

}  // namespace

Result<json> RunFileCampaign(const fs::path& recording_folder, const fs::path& folder,
                             const MakeParts& make_parts, const CampaignSettings& settings,
                             const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const FileRecording recording, FileRecording::Read(recording_folder));
  ASSIGN_OR_RETURN(const FileRun run, LoadFileRun(recording));
  const TraceSurvey operations = {.operations = run.survey.operations};
  ASSIGN_OR_RETURN(const CampaignParts parts, make_parts(operations));
  Progress progress(stderr, ProgressModeFor(stderr, settings.quiet));
  for (const std::string& remark : parts.remarks) progress.Print(remark);
  const ExploreHooks hooks = {
      .progress =
          [&](const ExploreProgress& now) {
            progress.Update(now.fraction, fmt::format("{}crashing: {} recoveries, {} violations",
                                                      settings.label, now.recoveries, now.groups));
          },
      .interrupted = Interrupted};
  ASSIGN_OR_RETURN(const FileExploreResult result,
                   ExploreFiles(run, settings.files, settings.pool, parts.recoverer.get(),
                                parts.judge.get(), hooks));
  std::vector<FileFindingGroup> groups = ChooseGroups(result.groups, settings.max_violations);
  if (!groups.empty()) progress.Update(1, "minimising what failed");
  Recoverer* const minimiser =
      parts.minimiser != nullptr ? parts.minimiser.get() : parts.recoverer.get();
  ASSIGN_OR_RETURN(const std::vector<FileMinimalViolation> violations,
                   MinimizeFiles(run, settings.files, settings.pool, minimiser, parts.judge.get(),
                                 std::move(groups), settings.max_minimising, Interrupted));
  progress.Clear();
  return FileCrashJson({.folder = folder,
                        .command = command,
                        .subject = parts.subject,
                        .recording = fs::absolute(recording_folder).lexically_normal().string(),
                        .trace_bytes = SizeOf(recording.trace_path()),
                        .run = &run,
                        .options = &settings.files,
                        .timeout_s = settings.pool.timeout_s,
                        .describe_operation = parts.describe_operation,
                        .remarks = parts.remarks},
                       result, violations);
}

Result<ExitCode> ReplayFileViolation(const ReplayRequest& request, const json& report,
                                     const json& violation) {
  FileScene scene;
  RETURN_IF_ERROR(SetScene(report, violation, &scene));
  if (!request.keep.empty()) {
    RETURN_IF_ERROR(MakeFolderHold(scene.tree, request.keep));
    fmt::print("{}\n", request.keep);
    return ExitCode::kPass;
  }
  fmt::print("{}: crash point {}, before {} (event {})\n", request.id, scene.point.index,
             CrashPointName(scene.point.before), scene.point.event);
  // What follows may end the process.
  std::fflush(stdout);
  const std::string context = scene.parts.judge->Context(scene.point);
  ASSIGN_OR_RETURN(const Outcome outcome, request.in_process ? RecoverHere(scene, context)
                                                             : RecoverInChild(scene, context));
  return ShownAgain(scene.parts.judge->Verdict(scene.point, outcome), violation);
}

}  // namespace fencepost
