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
#include "harness/crash/part_json.h"
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

// Of crashes in files.
class FilesCampaign : public OpenCampaign {
 public:
  FilesCampaign(FileRecording recording, FileRun run, CampaignParts parts,
                CampaignSettings settings)
      : recording_(std::move(recording)),
        run_(std::move(run)),
        parts_(std::move(parts)),
        settings_(std::move(settings)),
        options_(settings_.files),
        progress_(stderr, ProgressModeFor(stderr, settings_.quiet)) {}

  Result<json> Run(const ReportFor& report) override {
    SayRemarks();
    ASSIGN_OR_RETURN(FileExploreResult result, ExploreAll(nullptr, /*tells=*/true));
    return Report(std::move(result), report);
  }

  Result<uint64_t> CountUnits() override {
    const auto none = CountingDealer<FileCrashState>();
    ASSIGN_OR_RETURN(const FileExploreResult result, ExploreAll(&none, /*tells=*/false));
    return result.units;
  }

  Status ExploreParts(const DocumentDealer& dealer) override {
    const PartDealerOf<FileCrashState> parts = {
        .next = dealer.next,
        .take = [&dealer](const UnitRange& units, const FileExplorePart& part) {
          return dealer.take(units, PartJson(part));
        }};
    options_.unwatched = {};
    return ExploreAll(&parts, /*tells=*/false).status();
  }

  Result<json> ReportOf(const std::vector<json>& parts, const ReportFor& report) override {
    FileExplorePart whole;
    for (const json& document : parts) {
      ASSIGN_OR_RETURN(FileExplorePart part, FilePartOf(document));
      whole.Join(std::move(part));
    }
    SayRemarks();
    return Report(ResultOf(std::move(whole), options_.strategy), report);
  }

 private:
  void SayRemarks() {
    for (const std::string& remark : parts_.remarks) progress_.Print(remark);
  }

  Result<FileExploreResult> ExploreAll(const PartDealerOf<FileCrashState>* dealer, bool tells) {
    options_.dealer = dealer;
    return ExploreFiles(run_, options_, settings_.pool, parts_.recoverer.get(), parts_.judge.get(),
                        HooksOf(&progress_, settings_.label, tells));
  }

  Result<json> Report(FileExploreResult result, const ReportFor& wanted) {
    std::vector<FileFindingGroup> groups = ChooseGroups(result.groups, settings_.max_violations);
    if (!groups.empty()) progress_.Update(1, "minimising what failed");
    ASSIGN_OR_RETURN(
        const std::vector<FileMinimalViolation> violations,
        MinimizeFiles(run_, options_, settings_.pool, parts_.recoverer.get(), parts_.judge.get(),
                      std::move(groups), settings_.max_minimising, Interrupted));
    progress_.Clear();
    return FileCrashJson({.folder = wanted.folder,
                          .command = wanted.command,
                          .subject = parts_.subject,
                          .recording = fs::absolute(recording_.folder).lexically_normal().string(),
                          .trace_bytes = SizeOf(recording_.trace_path()),
                          .run = &run_,
                          .options = &options_,
                          .timeout_s = settings_.pool.timeout_s,
                          .describe_operation = parts_.describe_operation,
                          .remarks = parts_.remarks},
                         result, violations);
  }

  const FileRecording recording_;
  const FileRun run_;
  const CampaignParts parts_;
  const CampaignSettings settings_;
  FileExploreOptions options_;
  Progress progress_;
};

}  // namespace

Result<std::unique_ptr<OpenCampaign>> OpenFileCampaign(const fs::path& recording_folder,
                                                       const MakeParts& make_parts,
                                                       const CampaignSettings& settings) {
  ASSIGN_OR_RETURN(FileRecording recording, FileRecording::Read(recording_folder));
  ASSIGN_OR_RETURN(FileRun run, LoadFileRun(recording));
  const TraceSurvey operations = {.operations = run.survey.operations};
  ASSIGN_OR_RETURN(CampaignParts parts, make_parts(operations));
  return std::unique_ptr<OpenCampaign>(std::make_unique<FilesCampaign>(
      std::move(recording), std::move(run), std::move(parts), settings));
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
