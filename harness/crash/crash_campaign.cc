// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "harness/crash/crash_report.h"
#include "harness/crash/engine_judge.h"
#include "harness/crash/engine_recording.h"
#include "harness/crash/engine_recovery.h"
#include "harness/crash/engine_tracer.h"
#include "harness/crash/file_campaign.h"
#include "harness/crash/file_recording.h"
#include "harness/crash/mutations.h"
#include "harness/crash/open_campaign.h"
#include "harness/crash/part_json.h"
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
  if (operation.writes.empty()) return fmt::format("operation {}: defragment", operation.id);
  if (operation.writes.size() != 1) {
    return fmt::format("operation {}: batch of {}", operation.id, operation.writes.size());
  }
  const KeyWrite& write = operation.writes.front();
  if (operation.replaces) {
    return fmt::format("operation {}: put {} = {} where it is {}", operation.id, write.key,
                       *write.value, *operation.replaces);
  }
  return write.value
             ? fmt::format("operation {}: put {} = {}", operation.id, write.key, *write.value)
             : fmt::format("operation {}: delete {}", operation.id, write.key);
}

// For want of space or support; that another value was there is the answer of a compare-and-put.
bool WasRefused(const HistoryOp& operation) {
  return operation.end != kNever && operation.outcome == HistoryOp::Outcome::kRefused &&
         !operation.replaces;
}

// A run that was refused what it asked for has little to lose: who reads "passed" should know.
std::vector<std::string> RemarksOn(const History& history) {
  uint64_t writes = 0, acknowledged = 0, refused = 0, failed = 0;
  for (const HistoryOp& operation : history.operations) {
    const bool returned = operation.end != kNever;
    const bool writes_something =
        operation.kind == HistoryOp::Kind::kWrite && !operation.writes.empty();
    writes += writes_something ? 1 : 0;
    refused += WasRefused(operation) ? 1 : 0;
    failed += returned && operation.outcome == HistoryOp::Outcome::kUnknown ? 1 : 0;
    const bool done = returned && operation.outcome == HistoryOp::Outcome::kDone;
    acknowledged += writes_something && done ? 1 : 0;
  }
  std::vector<std::string> remarks;
  if (acknowledged == 0) {
    remarks.push_back(fmt::format(
        "None of the run's {} writes was acknowledged: there was nothing to lose.", writes));
  }
  if (refused + failed > 0) {
    remarks.push_back(
        fmt::format("Of the run's {} operations the engine refused {} and failed in {}, without "
                    "any crash.",
                    history.operations.size(), refused, failed));
  }
  return remarks;
}

bool AnyRefused(const History& history) {
  return std::any_of(history.operations.begin(), history.operations.end(), WasRefused);
}

std::function<std::string(uint64_t)> Describer(std::shared_ptr<const History> history) {
  std::unordered_map<uint64_t, const HistoryOp*> by_id;
  for (const HistoryOp& operation : history->operations) by_id[operation.id] = &operation;
  return [history = std::move(history), by_id = std::move(by_id)](uint64_t id) {
    const auto found = by_id.find(id);
    return found == by_id.end() ? fmt::format("operation {}", id)
                                : DescribeOperation(*found->second);
  };
}

// What must be known of a trace that is not whole.
std::string Unproved() {
  return "The recorded program was killed: that the trace is whole up to then could not be "
         "verified.";
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
    const UseAfterwards afterwards = {.operations = settings.operations_after,
                                      .may_be_full = AnyRefused(*history)};
    EngineOptions options = plan.options;
    std::map<std::string, std::string> tuning = options.tuning.values();
    const bool was_direct =
        tuning.erase("direct") > 0 && DomainOf(*plan.row) == CrashDomain::kFiles;
    if (was_direct) options.tuning = Tuning(subject.engine, tuning);
    const std::string created_as = subject.creation ? kCreatedStore : "";
    parts.recoverer = std::make_unique<EngineRecovery>(*plan.row, options, afterwards, created_as);
    if (settings.depth > 1) {
      ASSIGN_OR_RETURN(const ValgrindTool tool, FindPmemcheck(""));
      ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
      parts.tracer = std::make_unique<EngineTracer>(tool, recording, std::move(scratch));
    }
    parts.judge =
        std::make_unique<EngineJudge>(*history, plan.options.durability, settings.pool.timeout_s);
    parts.describe_operation = Describer(history);
    parts.remarks = RemarksOn(*history);
    if (subject.creation) parts.remarks.emplace_back("The run made the store and loaded it.");
    if (was_direct) {
      parts.remarks.emplace_back(
          "Recoveries read through the page cache: crash images lie on a tmpfs.");
    }
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

ExploreHooks HooksOf(Progress* progress, const std::string& label, bool tells) {
  ExploreHooks hooks = {.progress = {}, .interrupted = Interrupted};
  if (!tells) return hooks;
  hooks.progress = [=](const ExploreProgress& now) {
    progress->Update(now.fraction, fmt::format("{}crashing: {} recoveries, {} violations", label,
                                               now.recoveries, now.groups));
  };
  return hooks;
}

namespace {

// Of crashes in memory.
class MemoryCampaign : public OpenCampaign {
 public:
  MemoryCampaign(Recording recording, TraceFile trace, TraceSurvey survey, CampaignParts parts,
                 CampaignSettings settings)
      : recording_(std::move(recording)),
        trace_(std::move(trace)),
        survey_(std::move(survey)),
        parts_(std::move(parts)),
        settings_(std::move(settings)),
        options_(settings_.explore),
        remarks_(parts_.remarks),
        progress_(stderr, ProgressModeFor(stderr, settings_.quiet)) {
    if (!recording_.finished) remarks_.push_back(Unproved());
    options_.tracer = parts_.tracer.get();
    // The time is each site's then, and of what was not explored to its end no site can be tried.
    if (settings_.mutate) options_.max_seconds = 0;
  }

  Result<json> Run(const ReportFor& report) override;
  Result<uint64_t> CountUnits() override;
  Status ExploreParts(const DocumentDealer& dealer) override;
  Result<json> ReportOf(const std::vector<json>& parts, const ReportFor& report) override;

 private:
  void SayRemarks();
  Result<ExploreResult> ExploreAll(const PartDealerOf<CrashState>* dealer, bool tells);
  Result<json> Report(ExploreResult result, const ReportFor& report);

  const Recording recording_;
  TraceFile trace_;
  const TraceSurvey survey_;
  const CampaignParts parts_;
  const CampaignSettings settings_;
  ExploreOptions options_;
  std::vector<std::string> remarks_;
  Progress progress_;
};

void MemoryCampaign::SayRemarks() {
  if (trace_.truncated()) progress_.Print(trace_.TruncationRemark());
  for (const std::string& remark : remarks_) progress_.Print(remark);
}

Result<ExploreResult> MemoryCampaign::ExploreAll(const PartDealerOf<CrashState>* dealer,
                                                 bool tells) {
  options_.dealer = dealer;
  return Explore(recording_, &trace_, survey_, options_, settings_.pool, parts_.recoverer.get(),
                 parts_.judge.get(), HooksOf(&progress_, settings_.label, tells));
}

Result<json> MemoryCampaign::Run(const ReportFor& report) {
  SayRemarks();
  Result<ExploreResult> explored = ExploreAll(nullptr, /*tells=*/true);
  if (explored.status().code() == StatusCode::kUnsupported && settings_.fallback) {
    remarks_.push_back(fmt::format("Strategy {} in place of {}: {}", settings_.fallback->name,
                                   options_.strategy.name, explored.status().message()));
    progress_.Print(remarks_.back());
    options_.strategy = *settings_.fallback;
    options_.tracer = nullptr;
    explored = ExploreAll(nullptr, /*tells=*/true);
  }
  RETURN_IF_ERROR(explored.status());
  return Report(std::move(*explored), report);
}

Result<uint64_t> MemoryCampaign::CountUnits() {
  const auto none = CountingDealer<CrashState>();
  ASSIGN_OR_RETURN(const ExploreResult result, ExploreAll(&none, /*tells=*/false));
  return result.units;
}

Status MemoryCampaign::ExploreParts(const DocumentDealer& dealer) {
  const PartDealerOf<CrashState> parts = {
      .next = dealer.next, .take = [&dealer](const UnitRange& units, ExplorePart part) {
        return dealer.take(units, PartJson(part));
      }};
  return ExploreAll(&parts, /*tells=*/false).status();
}

Result<json> MemoryCampaign::ReportOf(const std::vector<json>& parts, const ReportFor& report) {
  ExplorePart whole;
  for (const json& document : parts) {
    ASSIGN_OR_RETURN(ExplorePart part, MemoryPartOf(document));
    whole.Join(std::move(part));
  }
  SayRemarks();
  return Report(ResultOf(std::move(whole), options_.strategy), report);
}

Result<json> MemoryCampaign::Report(ExploreResult result, const ReportFor& wanted) {
  if (trace_.truncated() && result.stopped.empty()) {
    // Not a pass: what the run did after the cut was not seen.
    result.stopped = trace_.TruncationRemark();
    result.next_point = result.crash_points;
    result.every_state = false;
  }
  std::vector<FindingGroup> groups = ChooseGroups(result.groups, settings_.max_violations);
  if (!groups.empty()) progress_.Update(1, "minimising what failed");
  ASSIGN_OR_RETURN(
      const std::vector<MinimalViolation> violations,
      Minimize(recording_, &trace_, survey_, options_, settings_.pool, parts_.recoverer.get(),
               parts_.judge.get(), std::move(groups), settings_.max_minimising, Interrupted));
  progress_.Clear();

  const CrashContext context = {
      .folder = wanted.folder,
      .command = wanted.command,
      .subject = parts_.subject,
      .recording = fs::absolute(recording_.folder).lexically_normal().string(),
      .trace_bytes = trace_.bytes(),
      .survey = &survey_,
      .options = &options_,
      .timeout_s = settings_.pool.timeout_s,
      .depth = options_.tracer != nullptr ? 2u : 1u,
      .replay_verified = recording_.finished,
      .from_log = !recording_.log.empty(),
      .describe_operation = parts_.describe_operation,
      .remarks = remarks_};
  ASSIGN_OR_RETURN(json report, CrashJson(context, &trace_, result, violations));
  if (settings_.mutate) {
    CampaignSettings used = settings_;
    used.explore.strategy = options_.strategy;
    ASSIGN_OR_RETURN(report["mutations"],
                     Mutate(report, recording_, &trace_, survey_, used, parts_, &progress_));
    progress_.Clear();
  }
  return report;
}

}  // namespace

Result<std::unique_ptr<OpenCampaign>> OpenCampaign::Open(const fs::path& recording_folder,
                                                         const MakeParts& make_parts,
                                                         const CampaignSettings& settings) {
  if (FileRecording::IsIn(recording_folder)) {
    return OpenFileCampaign(recording_folder, make_parts, settings);
  }
  ASSIGN_OR_RETURN(Recording recording, Recording::Read(recording_folder));
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(recording.trace_path().string()));
  RETURN_IF_ERROR(VerifyReplay(recording, &trace));
  ASSIGN_OR_RETURN(TraceSurvey survey, SurveyTrace(&trace));
  ASSIGN_OR_RETURN(CampaignParts parts, make_parts(survey));
  return std::unique_ptr<OpenCampaign>(std::make_unique<MemoryCampaign>(
      std::move(recording), std::move(trace), std::move(survey), std::move(parts), settings));
}

Result<json> RunCampaign(const fs::path& recording, const fs::path& folder,
                         const MakeParts& make_parts, const CampaignSettings& settings,
                         const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(const std::unique_ptr<OpenCampaign> campaign,
                   OpenCampaign::Open(recording, make_parts, settings));
  return campaign->Run({folder, command});
}

ExitCode ExitCodeOf(const json& report) {
  if (!report["violations"].empty() && CrashVerdict(report) != "informational") {
    return ExitCode::kViolation;
  }
  // A verdict without a look at anything would be the worst of all.
  return AnythingJudged(report) ? ExitCode::kPass : ExitCode::kHarness;
}

}  // namespace fencepost
