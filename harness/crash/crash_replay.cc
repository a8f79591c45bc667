// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_replay.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>

#include "faultinject/explore/scratch_folder.h"
#include "harness/crash/crash_campaign.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/file_campaign.h"
#include "harness/crash/flip_rounds.h"
#include "harness/crash/kill_rounds.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Result<std::string> ParseHex(const std::string& text) {
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Status::Corrupt("crash.json: bytes of the state are damaged");
  }
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoul(text.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

Result<LineBytes> ParseLine(const std::string& text) {
  ASSIGN_OR_RETURN(const std::string parsed, ParseHex(text));
  LineBytes bytes{};
  if (parsed.size() != bytes.size()) {
    return Status::Corrupt("crash.json: a line of the state is damaged");
  }
  std::copy(parsed.begin(), parsed.end(), bytes.begin());
  return bytes;
}

Result<json> FindViolation(const json& report, const std::string& id) {
  for (const json& violation : report["violations"]) {
    if (violation["id"] == id) return violation;
  }
  return Status::InvalidArgument(
      fmt::format("there is no violation {}; the report has {}", id, report["violations"].size()));
}

// Everything that it takes to recover from one state.
struct Scene {
  Recording recording;
  std::optional<TraceFile> trace;
  TraceSurvey survey;
  ImageSet images;
  CrashPoint point;
  CrashState state;
  CampaignParts parts;
  double timeout_s = 0;
};

Status SetScene(const json& report, const json& violation, Scene* scene) {
  const fs::path folder = violation["recording"].get<std::string>();
  ASSIGN_OR_RETURN(scene->recording, Recording::Read(folder));
  ASSIGN_OR_RETURN(TraceFile trace, TraceFile::Open(scene->recording.trace_path().string()));
  scene->trace.emplace(std::move(trace));
  ASSIGN_OR_RETURN(scene->survey, SurveyTrace(&*scene->trace));
  ASSIGN_OR_RETURN(scene->images, InitialImages(scene->recording, &*scene->trace));
  const json& settings = report["settings"];
  const Px86Options options = {
      .tearing = settings["tearing"] == "8" ? Tearing::kEightBytes : Tearing::kLine,
      .eadr = settings["eadr"].get<bool>()};
  TraceWalk walk(&*scene->trace, scene->survey, options, &scene->images);
  ASSIGN_OR_RETURN(scene->point, walk.Seek(violation["crash_point"]["index"].get<uint64_t>()));
  for (const json& line : violation["state"]) {
    LineState& state = scene->state[{line["file"].get<uint32_t>(), line["line"].get<uint64_t>()}];
    ASSIGN_OR_RETURN(state.bytes, ParseLine(line["bytes"].get<std::string>()));
  }
  CampaignSettings campaign;
  campaign.pool.timeout_s = scene->timeout_s = settings["timeout_s"].get<double>();
  const json& subject = report["subject"];
  const bool is_engine = subject.contains("engine");
  if (is_engine) campaign.operations_after = subject.value("operations_after", 0u);
  const MakeParts make = is_engine ? EngineParts(folder, campaign)
                                   : ProgramParts(subject.value("recover", ""),
                                                  subject.value("checker", ""), {}, campaign);
  ASSIGN_OR_RETURN(scene->parts, make(scene->survey));
  return Status::Ok();
}

// This command again, with a debugger in front of it.
Status ExecUnderDebugger(const ReplayRequest& request) {
  std::istringstream in(request.debugger);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  words.insert(words.end(), {fs::read_symlink("/proc/self/exe").string(), "crash", "replay",
                             request.folder, request.id, "--in-process"});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  return Status::InvalidArgument(
      fmt::format("--debugger='{}': {}", request.debugger, std::strerror(errno)));
}

Result<Outcome> RecoverHere(Scene* scene, const std::string& context) {
  ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make(kMemoryRoot));
  ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                   WriteImages(scene->images, scene->state, scratch.path()));
  return Outcome{.answer = scene->parts.recoverer->Recover(paths, context), .complaint = {}};
}

// As in a campaign: whatever the recovery does, this process lives to tell.
Result<Outcome> RecoverInChild(Scene* scene, const std::string& context) {
  std::optional<Outcome> outcome;
  ASSIGN_OR_RETURN(const std::unique_ptr<RecoveryPool> pool,
                   RecoveryPool::Start({.workers = 1, .timeout_s = scene->timeout_s},
                                       &scene->images, scene->parts.recoverer.get(),
                                       [&](uint64_t /*job*/, Outcome came) { outcome = came; }));
  RETURN_IF_ERROR(pool->Submit(/*job=*/0, scene->state, context));
  while (!outcome) RETURN_IF_ERROR(pool->Drain());
  return *outcome;
}

// What the recovery after a second crash finds, against what the one before it had answered.
Result<std::vector<Finding>> ContradictionsOf(const json& second, const Scene& scene,
                                              const Outcome& outcome) {
  if (second.is_null() || !second["ended"].get<bool>()) return std::vector<Finding>{};
  ASSIGN_OR_RETURN(const std::string answer, ParseHex(second["first_answer"].get<std::string>()));
  const Outcome first{.answer = answer, .complaint = {}};
  return scene.parts.judge->Contradictions(first, outcome);
}

Result<ExitCode> KeepImages(const Scene& scene, const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return Status::InvalidArgument(fmt::format("--keep={}: {}", folder, error.message()));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                   WriteImages(scene.images, scene.state, folder));
  for (const std::string& path : paths) fmt::print("{}\n", path);
  return ExitCode::kPass;
}

}  // namespace

Result<ExitCode> ReplayViolation(const ReplayRequest& request) {
  if (!request.debugger.empty() && !request.keep.empty()) {
    return Status::InvalidArgument("--keep recovers from nothing: it goes without --debugger");
  }
  ASSIGN_OR_RETURN(const json report, ReadReport(request.folder));
  ASSIGN_OR_RETURN(const json violation, FindViolation(report, request.id));
  if (report["domain"] == "disk") {
    if (!request.debugger.empty() || request.in_process) {
      return Status::InvalidArgument(
          "an image of a disk is recovered from in a guest: --debugger and --in-process do not "
          "reach there");
    }
    CHECK(request.in_guest != nullptr);
    return request.in_guest(request, report, violation);
  }
  if (!request.debugger.empty()) return ExecUnderDebugger(request);
  if (IsOfKills(report)) return ReplayKilled(request, report, violation);
  if (report["domain"] == "medium") return ReplayFlipped(request, report, violation);
  if (report["domain"] == "files") return ReplayFileViolation(request, report, violation);
  Scene scene;
  RETURN_IF_ERROR(SetScene(report, violation, &scene));
  if (!request.keep.empty()) return KeepImages(scene, request.keep);
  fmt::print("{}: crash point {}, before {} (event {})\n", request.id, scene.point.index,
             CrashPointName(scene.point.before), scene.point.event);
  // What follows may end the process.
  std::fflush(stdout);
  const std::string context = scene.parts.judge->Context(scene.point);
  ASSIGN_OR_RETURN(const Outcome outcome, request.in_process ? RecoverHere(&scene, context)
                                                             : RecoverInChild(&scene, context));
  std::vector<Finding> findings = scene.parts.judge->Verdict(scene.point, outcome);
  ASSIGN_OR_RETURN(const std::vector<Finding> contradictions,
                   ContradictionsOf(violation["second_crash"], scene, outcome));
  findings.insert(findings.end(), contradictions.begin(), contradictions.end());
  return ShownAgain(findings, violation);
}

ExitCode ShownAgain(const std::vector<Finding>& findings, const json& violation) {
  bool again = false;
  for (const Finding& finding : findings) {
    fmt::print("{}: {}\n", finding.kind, finding.message);
    again |= finding.kind == violation["kind"];
  }
  fmt::print("{}\n", again ? "the violation shows again" : "the violation does not show");
  return again ? ExitCode::kViolation : ExitCode::kPass;
}

}  // namespace fencepost
