// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/image_campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "harness/crash/ended_run.h"
#include "harness/crash/ended_run_report.h"
#include "harness/crash/engine_judge.h"
#include "harness/crash/report_parts.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/vm/disk_recording.h"
#include "harness/vm/image_guest.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

// The guest of a campaign or of a replay.
GuestSettings ForImages(GuestSettings guest, uint64_t disk_mib) {
  guest.for_images = true;
  guest.disk_mib = disk_mib + kMarksMib;
  return guest;
}

json PrepareRequest(const DiskRecording& recording, const EndedRun& run, double timeout_s,
                    unsigned operations_after) {
  return {{"do", "images"},
          {"subject", json::parse(std::ifstream(recording.folder / "engine.json"))},
          {"fs", recording.file_system},
          {"options", recording.mount_options},
          {"timeout_s", timeout_s},
          {"operations", operations_after},
          {"may_be_full", run.MayBeFull()}};
}

// What is wrong with an image at a crash point.
std::vector<Finding> JudgeImage(EngineJudge* judge, const RecoveredImage& image,
                                const std::string& file_system, const CrashPoint& point) {
  std::vector<Finding> findings = JudgeMount(image, file_system);
  if (image.mount.empty() && image.failure.empty()) {
    const std::vector<Finding> of_engine = judge->Verdict(point, image.outcome);
    findings.insert(findings.end(), of_engine.begin(), of_engine.end());
  }
  return findings;
}

Result<ExitCode> KeepImage(DiskStates* states, const DiskImage& image, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  const fs::path path = folder / "disk.img";
  std::ofstream out(path, std::ios::binary);
  states->Show(image, [&](const DiskContents& contents) {
    out.write(contents.bytes.data(), static_cast<std::streamsize>(contents.bytes.size()));
  });
  out.close();
  if (!out) return Status::IoError(fmt::format("write: {}", path.string()));
  fmt::print("{}\n", path.string());
  return ExitCode::kPass;
}

class Campaign {
 public:
  Campaign(const CrashSubject& subject, fs::path folder, const ImageSettings& settings,
           const std::vector<std::string>& command, GuestHost host)
      : subject_(subject),
        folder_(std::move(folder)),
        settings_(settings),
        command_(command),
        host_(std::move(host)) {}

  Result<json> Run() {
    const fs::path recorded = host_.scratch() / "recording";
    std::error_code error;
    fs::create_directories(recorded, error);
    Progress progress(stderr, ProgressModeFor(stderr, settings_.quiet));
    progress.Update(0, "recording a run");
    ASSIGN_OR_RETURN(recording_,
                     DiskRecording::Record(&host_, subject_, settings_.mount_options,
                                           (host_.disk_mib() - kMarksMib) << 20, recorded));
    record_boot_s_ = host_.last_boot_s();
    ASSIGN_OR_RETURN(const EndedRun run, EndedRun::Read(subject_, recorded));
    ASSIGN_OR_RETURN(DiskStates states,
                     StatesOf(recording_, host_.disk_log(), run, settings_.sector_bytes));
    CountRaw(&states);
    ImageGuest guest(
        &host_, PrepareRequest(recording_, run, settings_.timeout_s, settings_.operations_after),
        settings_.timeout_s);
    progress.Update(0, "booting a guest that recovers");
    RETURN_IF_ERROR(guest.Start());
    EngineJudge judge(run.history(), run.plan().options.durability, settings_.timeout_s);
    const Status status = Explore(&states, &guest, &judge, &progress);
    progress.Clear();
    if (!status.ok() && !(Interrupted() && !recovered_.empty())) return status;
    return Report(run, states, guest);
  }

 private:
  // How a kind of finding shows with the least that is missing.
  struct Shown {
    Finding finding;
    DiskImage image;
    uint64_t occurrences = 0;
  };

  void CountRaw(DiskStates* states) {
    double most = 0;
    std::vector<double> powers;
    for (size_t point = 0; point < states->points(); ++point) {
      states->Seek(point);
      uint64_t sectors = 0;
      for (const uint64_t entry : states->Undecided()) {
        sectors += states->log().entries()[entry].sectors;
      }
      powers.push_back(static_cast<double>(sectors) * std::log10(2.0));
      most = std::max(most, powers.back());
    }
    double sum = 0;
    for (const double power : powers) sum += std::pow(10, power - most);
    log10_raw_ = most + std::log10(sum);
  }

  // Pass after pass over the crash points, an image at each, until there are enough, or no pass
  // finds another.
  Status Explore(DiskStates* states, ImageGuest* guest, EngineJudge* judge, Progress* progress) {
    constexpr uint64_t kIdleRounds = 4;  // of as many draws as there are points
    const uint64_t points = states->points();
    uint64_t idle = 0;
    for (uint64_t pass = 0; recovered_.size() < settings_.images && idle < kIdleRounds * points;
         ++pass) {
      const size_t before = recovered_.size();
      const uint64_t wanted = std::min(points, settings_.images - before);
      for (uint64_t i = 0; i < wanted; ++i) {
        if (Interrupted()) return Status::IoError("interrupted");
        // As many as are wanted, evenly; each pass begins somewhere else.
        const uint64_t point = (i * points / wanted + pass) % points;
        RETURN_IF_ERROR(Judge(states, pass * points + point, guest, judge));
        progress->Update(
            static_cast<double>(recovered_.size()) / static_cast<double>(settings_.images),
            fmt::format("images: {}, {} kinds of violation", recovered_.size(), shown_.size()));
      }
      idle = recovered_.size() == before ? idle + wanted : 0;
    }
    return Status::Ok();
  }

  Status Judge(DiskStates* states, uint64_t number, ImageGuest* guest, EngineJudge* judge) {
    const auto begin = Clock::now();
    states->Seek(number % states->points());
    const DiskImage image = states->Draw(settings_.seed, number);
    const DiskDigest digest = states->Digest(image);
    ++drawn_;
    seen_points_.insert(image.point);
    auto found = recovered_.find(digest);
    const uint64_t event = states->lines_before(image.point) + 1;
    if (found != recovered_.end() && !judged_.emplace(digest, event).second) return Status::Ok();
    if (found == recovered_.end()) {
      Result<RecoveredImage> recovered = Status::IoError("none");
      states->Show(image,
                   [&](const DiskContents& contents) { recovered = guest->Recover(contents); });
      RETURN_IF_ERROR(recovered.status());
      found = recovered_.emplace(digest, *std::move(recovered)).first;
      judged_.emplace(digest, event);
      answers_.insert(found->second.outcome.answer);
    }
    const std::vector<Finding> findings = JudgeImage(judge, found->second, recording_.file_system,
                                                     {.index = image.point, .event = event});
    failed_ += findings.empty() ? 0 : 1;
    std::set<std::string> kinds;
    for (const Finding& finding : findings) {
      if (kinds.insert(finding.kind).second) Note(finding, image);
    }
    seconds_ += std::chrono::duration<double>(Clock::now() - begin).count();
    return Status::Ok();
  }

  void Note(const Finding& finding, const DiskImage& image) {
    const auto [found, is_new] = shown_.try_emplace(finding.kind, Shown{finding, image, 0});
    Shown& shown = found->second;
    ++shown.occurrences;
    const auto missing = [](const DiskImage& of) { return of.lost() + of.torn(); };
    if (!is_new && missing(image) < missing(shown.image)) {
      shown.finding = finding;
      shown.image = image;
    }
  }

  Result<json> Report(const EndedRun& run, const DiskStates& states, const ImageGuest& guest) {
    fs::path kept = folder_;
    if (!shown_.empty()) {
      kept = folder_ / "recording";
      RETURN_IF_ERROR(recording_.Keep(host_.disk_log(), states.log().log_bytes(), kept));
    }
    std::vector<json> violations;
    for (const auto& [kind, shown] : shown_) {
      const DiskImage& image = shown.image;
      violations.push_back(EndedRunViolation(
          shown.finding, run,
          {.index = image.point,
           .before = states.entries_before(image.point) == states.log().entries().size() ? "the end"
                     : states.log().entries()[states.entries_before(image.point)].Is(kLogFlush)
                         ? "a flush"
                         : "a write",
           .state = {{"image", image.number},
                     {"entries", states.entries_before(image.point)},
                     {"undecided_writes", image.survived.size()},
                     {"lost_writes", image.lost()},
                     {"torn_writes", image.torn()}},
           .occurrences = shown.occurrences,
           .event = states.lines_before(image.point) + 1},
          kept));
    }
    json settings = host_.Facts();
    settings["strategy"] = "images";
    settings["sector_bytes"] = settings_.sector_bytes;
    settings["mount_options"] = recording_.mount_options;
    settings["disk_mib"] = recording_.disk_bytes >> 20;
    return EndedRunsReport(
        subject_, run.plan(), folder_, command_,
        {.domain = "disk",
         .fault = "power-loss",
         .seed = settings_.seed,
         .timeout_s = settings_.timeout_s,
         .operations_after = settings_.operations_after,
         .recording = kept,
         .recorded = Recorded(run, states, guest),
         .settings = std::move(settings),
         .explored = Explored(states),
         .assumptions = {"A disk keeps what was written before a flush that it has answered; of "
                         "what came since, every sector may be there or not.",
                         "Writes that were under way when a flush came were covered by it."},
         .violations = std::move(violations)});
  }

  json Recorded(const EndedRun& run, const DiskStates& states, const ImageGuest& guest) const {
    uint64_t writes = 0, flushes = 0, bytes = 0;
    for (const WriteLogEntry& entry : states.log().entries()) {
      const bool of_disk = entry.sector * states.log().sector_bytes() < recording_.disk_bytes;
      writes += entry.writes() && of_disk ? 1 : 0;
      bytes += entry.writes() && of_disk ? entry.data.size() : 0;
      flushes += entry.Is(kLogFlush) ? 1 : 0;
    }
    std::vector<double> boots = guest.boot_s();
    boots.push_back(record_boot_s_);
    std::sort(boots.begin(), boots.end());
    return {{"operations", run.CountAnswered()},
            {"writes", writes},
            {"bytes_written", bytes},
            {"flushes", flushes},
            {"boots", boots.size()},
            {"boot_s_p50", boots[boots.size() / 2]},
            {"guest_restarts", guest.restarts()},
            {"run_s", recording_.run_s}};
  }

  json Explored(const DiskStates& states) const {
    json explored = ExploredRuns(states.points(), seen_points_.size(), answers_.size(), failed_,
                                 Interrupted() ? "interrupted" : "", seconds_);
    explored.update({{"states", drawn_},
                     {"recoveries", recovered_.size()},
                     {"verdicts", judged_.size()},
                     {"log10_raw_states", Log10Json(log10_raw_)}});
    return explored;
  }

  const CrashSubject& subject_;
  const fs::path folder_;
  const ImageSettings& settings_;
  const std::vector<std::string>& command_;
  GuestHost host_;
  DiskRecording recording_;
  double record_boot_s_ = 0, seconds_ = 0, log10_raw_ = 0;
  uint64_t drawn_ = 0, failed_ = 0;
  std::set<size_t> seen_points_;
  std::map<DiskDigest, RecoveredImage> recovered_;
  std::set<std::pair<DiskDigest, uint64_t>> judged_;  // at which place of the history
  std::set<std::string> answers_;
  std::map<std::string, Shown> shown_;  // by kind
};

}  // namespace

Status CheckImageSubject(const CrashSubject& subject) {
  if (subject.properties.contains("fencepost.trace_file")) {
    return Status::Unsupported("vm images draws its operations: it replays no trace file");
  }
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  if (DomainOf(*plan.row) == CrashDomain::kFiles) return Status::Ok();
  return Status::Unsupported(fmt::format(
      "{}: images are of disks, for engines that keep their data in files", subject.engine));
}

Result<json> RunImages(const CrashSubject& subject, const fs::path& folder,
                       const ImageSettings& settings, const std::vector<std::string>& command) {
  ASSIGN_OR_RETURN(GuestHost host,
                   GuestHost::Make(ForImages(settings.guest, settings.guest.disk_mib)));
  return Campaign(subject, folder, settings, command, std::move(host)).Run();
}

Result<ExitCode> ReplayImage(const ReplayRequest& request, const json& report,
                             const json& violation, GuestSettings guest_settings) {
  const fs::path kept = violation["recording"].get<std::string>();
  ASSIGN_OR_RETURN(const CrashSubject subject, CrashSubject::Read(kept));
  ASSIGN_OR_RETURN(const DiskRecording recording, DiskRecording::Read(kept));
  ASSIGN_OR_RETURN(const EndedRun run, EndedRun::Read(subject, kept));
  ASSIGN_OR_RETURN(DiskStates states, StatesOf(recording, recording.kept_log(), run,
                                               report["settings"]["sector_bytes"].get<uint64_t>()));
  const uint64_t number = violation["state"]["image"].get<uint64_t>();
  const uint64_t seed = report["settings"]["seed"].get<uint64_t>();
  states.Seek(number % states.points());
  const DiskImage image = states.Draw(seed, number);
  if (!request.keep.empty()) return KeepImage(&states, image, request.keep);
  fmt::print("{}: image {} of seed {}: {} writes that no flush covers, {} lost and {} torn\n",
             request.id, number, seed, image.survived.size(), image.lost(), image.torn());
  std::fflush(stdout);
  guest_settings.file_system = recording.file_system;
  ASSIGN_OR_RETURN(GuestHost host,
                   GuestHost::Make(ForImages(guest_settings, recording.disk_bytes >> 20)));
  const double timeout_s = report["settings"]["timeout_s"].get<double>();
  ImageGuest guest(
      &host,
      PrepareRequest(recording, run, timeout_s, report["subject"].value("operations_after", 0u)),
      timeout_s);
  RETURN_IF_ERROR(guest.Start());
  Result<RecoveredImage> recovered = Status::IoError("none");
  states.Show(image, [&](const DiskContents& contents) { recovered = guest.Recover(contents); });
  RETURN_IF_ERROR(recovered.status());
  EngineJudge judge(run.history(), run.plan().options.durability, timeout_s);
  return ShownAgain(
      JudgeImage(&judge, *recovered, recording.file_system,
                 {.index = image.point, .event = states.lines_before(image.point) + 1}),
      violation);
}

}  // namespace fencepost
