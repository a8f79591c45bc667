// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_recording.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>

#include "harness/crash/crash_client.h"
#include "harness/crash/engine_recovery.h"
#include "harness/interrupt.h"
#include "harness/session.h"
#include "workloads/replay_file.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Everything that is written during the run must be in memory that the tracer sees.

fs::path HistoryPath(const fs::path& folder) { return folder / "history.jsonl"; }
fs::path LoadedPool(const ScratchFolder& scratch) { return scratch.path() / "loaded"; }

// The last lines of a log, after a line break; empty if there are none.
std::string LogTail(const fs::path& path) {
  constexpr size_t kLines = 10;
  std::deque<std::string> lines;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() > kLines) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += "\n" + line;
  return text;
}

// Makes the recording's image, which is equal to that of `first`, the same file; best effort.
void ShareImage(const fs::path& first, const Recording& recording) {
  const fs::path image = recording.folder / recording.files.front().initial;
  fs::path link = image;
  link += ".link";
  std::error_code error;
  fs::create_hard_link(first / recording.files.front().initial, link, error);
  if (!error) fs::rename(link, image, error);
}

}  // namespace

StoreContents LoadedContents(const WorkloadSpec& spec) {
  StoreContents contents;
  for (uint64_t i = 0; i < spec.insert_count; ++i) {
    contents[KeyOf(spec, spec.insert_start + i)] = VersionToken(1);
  }
  return contents;
}

Status LoadEngine(const RunPlan& plan, const fs::path& path) {
  EngineOptions options = plan.options;
  options.path = path;
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, OpenEngine(*plan.row, options));
  CrashClient client(*plan.spec, engine.get(), /*writer=*/nullptr);
  RETURN_IF_ERROR(client.Run(Phase::kLoad));
  RecoveredStore loaded;
  RETURN_IF_ERROR(ReadStore(*engine, &loaded));
  if (!loaded.faults.empty() || loaded.contents != LoadedContents(*plan.spec)) {
    return Status::Corrupt(
        fmt::format("{}: does not hold what was loaded, without any crash", plan.row->name));
  }
  return engine->Close();
}

CrashDomain DomainOf(const EngineRow& row) {
  return row.capabilities.persistent_memory ? CrashDomain::kMemory : CrashDomain::kFiles;
}

Result<RunPlan> CrashSubject::Plan() const {
  WorkloadFlags flags;
  for (const auto& [name, value] : properties) {
    flags.properties.push_back(fmt::format("{}={}", name, value));
  }
  ASSIGN_OR_RETURN(RunPlan plan, MakeRunPlan(flags, engine, Placement::kTmpfs, /*leaf=*/"crash"));
  if (!plan.options.modelled_medium.empty()) {
    return plan.properties->Error("medium",
                                  "models how long things take: a crash asks what is left");
  }
  plan.spec->name = workload;
  if (!plan.row->capabilities.stores_data) {
    return Status::Unsupported(fmt::format("{}: stores nothing that a crash could take", engine));
  }
  RETURN_IF_ERROR(CheckCrashWorkload(*plan.spec));
  if (creation && DomainOf(*plan.row) != CrashDomain::kFiles) {
    return Status::Unsupported(
        fmt::format("{}: creation is explored of engines that keep their data in files", engine));
  }
  RETURN_IF_ERROR(CheckPhase(*plan.spec, creation ? Phase::kLoad : Phase::kRun));
  if (const std::string reason = SkipReason(*plan.row, *plan.spec); !reason.empty()) {
    return Status::Unsupported(reason);
  }
  return plan;
}

Status CrashSubject::Write(const fs::path& folder) const {
  const fs::path path = folder / "engine.json";
  std::ofstream out(path);
  out << json{{"engine", engine},
              {"workload", workload},
              {"properties", properties},
              {"creation", creation}}
             .dump(1)
      << "\n";
  out.close();
  return out ? Status::Ok() : Status::IoError(fmt::format("write: {}", path.string()));
}

Result<CrashSubject> CrashSubject::Read(const fs::path& folder) {
  const fs::path path = folder / "engine.json";
  std::ifstream in(path);
  if (!in) return Status::InvalidArgument(fmt::format("{}: records no engine", folder.string()));
  try {
    const json all = json::parse(in);
    return CrashSubject{all.at("engine").get<std::string>(), all.at("workload").get<std::string>(),
                        all.at("properties").get<std::map<std::string, std::string>>(),
                        all.value("creation", false)};
  } catch (const std::exception& error) {
    return Status::Corrupt(fmt::format("{}: {}", path.string(), error.what()));
  }
}

Result<CrashSubject> MakeCrashSubject(const WorkloadFlags& flags, const std::string& engine,
                                      bool creation) {
  ASSIGN_OR_RETURN(const RunPlan plan, MakeRunPlan(flags, engine, Placement::kTmpfs, "crash"));
  WarnOfUnread(*plan.properties);
  CrashSubject subject{engine, plan.spec->name, {}, creation};
  for (const auto& [name, entry] : plan.properties->entries()) {
    subject.properties[name] = entry.value;
  }
  // Whoever explores the recording again may do so from elsewhere, and must find the same file.
  if (const ReplayFile* file = plan.spec->replay_file.get()) {
    subject.properties["fencepost.trace_file"] = fs::absolute(file->path()).string();
    subject.properties["fencepost.trace_xxh3"] = file->file_xxh3_text();
  }
  if (subject.properties.contains("engine.path")) {
    return Status::InvalidArgument("engine.path: a crash run makes a pool of its own");
  }
  // Each state costs a comparison of the pool: a large one, mostly empty, would only cost time.
  const std::string pool_bytes = fmt::format("{}.pool_bytes", engine);
  const bool has_pool =
      std::any_of(plan.row->options.begin(), plan.row->options.end(),
                  [](const OptionSpec& option) { return option.name == "pool_bytes"; });
  if (has_pool && !subject.properties.contains(pool_bytes)) {
    const SizeHint& hint = plan.options.size_hint;
    constexpr uint64_t kMebibyte = 1 << 20;
    const uint64_t mebibytes = 8 + 4 * hint.pairs * (hint.key_bytes + hint.value_bytes) / kMebibyte;
    subject.properties[pool_bytes] = fmt::format("{}M", mebibytes);
  }
  RETURN_IF_ERROR(subject.Plan().status());
  return subject;
}

EngineRecorder::EngineRecorder(CrashSubject subject, ValgrindTool tool, ScratchFolder scratch,
                               unsigned threads)
    : subject_(std::move(subject)),
      tool_(std::move(tool)),
      scratch_(std::move(scratch)),
      threads_(threads) {}

Result<EngineRecorder> EngineRecorder::Make(const CrashSubject& subject, const ValgrindTool& tool) {
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  ASSIGN_OR_RETURN(ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
  RETURN_IF_ERROR(LoadEngine(plan, LoadedPool(scratch)));
  return EngineRecorder(subject, tool, std::move(scratch), plan.spec->threads);
}

Status EngineRecorder::Record(const fs::path& folder, uint32_t sched_seed,
                              const fs::path& first) const {
  const fs::path pool = scratch_.path() / "pool";
  std::error_code error;
  fs::copy_file(LoadedPool(scratch_), pool, fs::copy_options::overwrite_existing, error);
  if (error) return Status::IoError(fmt::format("copy: {}: {}", pool.string(), error.message()));
  RETURN_IF_ERROR(subject_.Write(folder));
  Recording recording{.folder = folder};
  RETURN_IF_ERROR(recording.AddFile(pool));
  if (folder != first) ShareImage(first, recording);
  recording.command = {fs::read_symlink("/proc/self/exe").string(), "crash-client", folder.string(),
                       pool.string()};
  std::vector<std::string> options = {"--trace-file=" + recording.trace_path().string(),
                                      "--log-file=" + (folder / "pmemcheck.log").string()};
  if (sched_seed != 0) {
    options.push_back(fmt::format("--sched-seed={}", sched_seed));
    options.push_back("--fair-sched=yes");
  }
  const Result<EndedProgram> ended = RunUnder(tool_, options, recording.command);
  RETURN_IF_ERROR(ended.status());
  if (Interrupted()) return Status::Internal("interrupted");
  if (ended->exit_code != 0) {
    // The folder goes when this fails: what its log says is said here.
    return Status::Internal(fmt::format("the traced run ended with exit code {}{}",
                                        ended->exit_code, LogTail(folder / "pmemcheck.log")));
  }
  RETURN_IF_ERROR(recording.Finish());
  return recording.Write();
}

Status RunCrashClient(const CrashSubject& subject, const fs::path& path, const fs::path& folder,
                      const HistoryWriter::AfterLine& after_line) {
  ASSIGN_OR_RETURN(RunPlan plan, subject.Plan());
  plan.options.path = path;
  plan.options.create_if_missing = subject.creation;
  ASSIGN_OR_RETURN(HistoryWriter writer, HistoryWriter::Create(HistoryPath(folder), after_line));
  ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, OpenEngine(*plan.row, plan.options));
  RETURN_IF_ERROR(subject.creation
                      ? CrashClient(*plan.spec, engine.get(), &writer).Run(Phase::kLoad)
                      : RunCrashClients(*plan.spec, engine.get(), &writer));
  return engine->Close();
}

Result<History> ReadEngineHistory(const CrashSubject& subject, const fs::path& folder,
                                  const TraceSurvey& survey) {
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  OpSpans spans;
  for (const auto& [id, span] : survey.operations) spans[id] = {span.begin, span.end};
  bool cut = false;
  ASSIGN_OR_RETURN(History history, ReadHistory(HistoryPath(folder), spans, &cut));
  if (cut) {
    return Status::Corrupt(fmt::format("{}: ends in mid-line", HistoryPath(folder).string()));
  }
  if (!subject.creation) history.initial = LoadedContents(*plan.spec);
  return history;
}

}  // namespace fencepost
