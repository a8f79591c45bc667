// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_campaign.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/crash/crash_report.h"
#include "harness/crash/engine_judge.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/engine_recovery.h"
#include "harness/crash/program_recovery.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string DescribeOperation(const HistoryOp& operation) {
  switch (operation.kind) {
    case HistoryOp::Kind::kRead:
      return fmt::format("operation {}: get {}", operation.id, operation.key);
    case HistoryOp::Kind::kReadAll:
      return fmt::format("operation {}: read all", operation.id);
    case HistoryOp::Kind::kSync:
      return fmt::format("operation {}: sync", operation.id);
    case HistoryOp::Kind::kWrite:
      break;
  }
  if (operation.writes.size() != 1) {
    return fmt::format("operation {}: batch of {}", operation.id, operation.writes.size());
  }
  const KeyWrite& write = operation.writes.front();
  return write.value
             ? fmt::format("operation {}: put {} = {}", operation.id, write.key, *write.value)
             : fmt::format("operation {}: delete {}", operation.id, write.key);
}

}  // namespace

MakeParts EngineParts(const fs::path& recording, const CampaignSettings& settings) {
  return [recording, settings](const TraceSurvey& survey) -> Result<CampaignParts> {
    ASSIGN_OR_RETURN(const CrashSubject subject, CrashSubject::Read(recording));
    ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
    ASSIGN_OR_RETURN(History read, ReadEngineHistory(subject, recording, survey));
    auto history = std::make_shared<const History>(std::move(read));
    CampaignParts parts;
    parts.subject = {{"engine", subject.engine},
                     {"version", plan.row->version()},
                     {"durability", DurabilityName(plan.options.durability)},
                     {"workload", subject.workload},
                     {"properties", subject.properties},
                     {"operations_after", settings.operations_after}};
    parts.recoverer =
        std::make_unique<EngineRecovery>(*plan.row, plan.options, settings.operations_after);
    parts.judge =
        std::make_unique<EngineJudge>(*history, plan.options.durability, settings.pool.timeout_s);
    parts.describe_operation = [history](uint64_t id) {
      for (const HistoryOp& operation : history->operations) {
        if (operation.id == id) return DescribeOperation(operation);
      }
      return fmt::format("operation {}", id);
    };
    parts.history = std::move(history);
    return parts;
  };
}

MakeParts ProgramParts(const std::string& command, const std::string& checker,
                       const std::vector<std::string>& program, const CampaignSettings& settings) {
  return [=](const TraceSurvey& survey) -> Result<CampaignParts> {
    CampaignParts parts;
    parts.subject = {{"program", program}, {"recover", command}, {"checker", checker}};
    if (!command.empty()) {
      ASSIGN_OR_RETURN(parts.recoverer, CommandRecovery::Make(command));
    } else {
      ASSIGN_OR_RETURN(parts.recoverer, LibraryRecovery::Make(checker));
    }
    parts.judge = std::make_unique<ProgramJudge>(survey, settings.pool.timeout_s);
    return parts;
  };
}

Result<json> RunCampaign(const fs::path& recording_folder, const fs::path& folder,
                         const MakeParts& make_parts, const CampaignSettings& settings,
                         const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const Recording recording, Recording::Read(recording_folder));
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(recording.trace_path().string()));
  RETURN_IF_ERROR(VerifyReplay(recording, &trace));
  ASSIGN_OR_RETURN(const TraceSurvey survey, SurveyTrace(&trace));
  ASSIGN_OR_RETURN(const CampaignParts parts, make_parts(survey));

  Progress progress(stderr, ProgressModeFor(stderr, settings.quiet));
  if (trace.truncated()) progress.Print(trace.TruncationRemark());
  const ExploreHooks hooks = {
      .progress =
          [&](const ExploreProgress& now) {
            progress.Update(now.fraction, fmt::format("crashing: {} recoveries, {} violations",
                                                      now.recoveries, now.groups));
          },
      .interrupted = Interrupted};
  ASSIGN_OR_RETURN(ExploreResult result,
                   Explore(recording, &trace, survey, settings.explore, settings.pool,
                           parts.recoverer.get(), parts.judge.get(), hooks));
  std::vector<FindingGroup> groups = result.groups;
  if (groups.size() > settings.max_violations) groups.resize(settings.max_violations);
  if (!groups.empty()) progress.Update(1, "minimising what failed");
  ASSIGN_OR_RETURN(
      const std::vector<MinimalViolation> violations,
      Minimize(recording, &trace, survey, settings.explore, settings.pool, parts.recoverer.get(),
               parts.judge.get(), std::move(groups), settings.max_minimising, Interrupted));
  progress.Clear();

  const CrashContext context = {
      .folder = folder,
      .command = command,
      .subject = parts.subject,
      .recording = fs::absolute(recording_folder).lexically_normal().string(),
      .trace_bytes = trace.bytes(),
      .survey = &survey,
      .options = &settings.explore,
      .timeout_s = settings.pool.timeout_s,
      .replay_verified = recording.finished,
      .from_log = !recording.log.empty(),
      .describe_operation = parts.describe_operation};
  ASSIGN_OR_RETURN(json report, CrashJson(context, &trace, result, violations));
  report["groups_not_minimised"] = result.groups.size() - violations.size();
  return report;
}

ExitCode ExitCodeOf(const json& report) {
  if (!report["violations"].empty()) return ExitCode::kViolation;
  // A verdict without a look at anything would be the worst of all.
  return report["explored"]["verdicts"].get<uint64_t>() > 0 ? ExitCode::kPass : ExitCode::kHarness;
}

}  // namespace fencepost
