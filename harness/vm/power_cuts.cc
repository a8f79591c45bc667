// SPDX-License-Identifier: BSD-3-Clause
#include "harness/vm/power_cuts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "harness/crash/crash_report.h"
#include "harness/crash/ended_run.h"
#include "harness/crash/ended_run_report.h"
#include "harness/crash/engine_judge.h"
#include "harness/crash/report_parts.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/vm/guest_images.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::array<std::pair<std::string_view, Cut>, 4> kCuts{{{"kill", Cut::kKill},
                                                                 {"freeze", Cut::kFreeze},
                                                                 {"panic", Cut::kPanic},
                                                                 {"recovery", Cut::kRecovery}}};
// Of requests that take seconds at most.
constexpr double kCutRequestSeconds = 120;
// Of a whole run that is not ended.
constexpr double kRunSeconds = 600;
constexpr const char* kShare = "/share";

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void SleepFor(double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  while (Clock::now() < end && !Interrupted()) {
    const double left = std::chrono::duration<double>(end - Clock::now()).count();
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(left, 0.05)));
  }
}

class Rounds {
 public:
  Rounds(const CrashSubject& subject, fs::path folder, const PowerCutSettings& settings,
         const std::vector<std::string>& command, GuestHost host)
      : subject_(subject),
        folder_(std::move(folder)),
        settings_(settings),
        command_(command),
        host_(std::move(host)) {}

  Result<json> Run() {
    ASSIGN_OR_RETURN(plan_, subject_.Plan());
    RETURN_IF_ERROR(subject_.Write(host_.scratch()));
    subject_json_ = json::parse(std::ifstream(host_.scratch() / "engine.json"));
    const auto begin = Clock::now();
    RETURN_IF_ERROR(PowerOn());
    RETURN_IF_ERROR(Ask({{"do", "format"}, {"fs", host_.file_system()}}).status());
    RETURN_IF_ERROR(Mount());
    RETURN_IF_ERROR(MeasureWholeRun());
    Progress progress(stderr, ProgressModeFor(stderr, settings_.quiet));
    std::mt19937_64 random(settings_.seed);
    for (uint64_t i = 0; i < settings_.rounds && !Interrupted(); ++i) {
      std::uniform_real_distribution<double> share(0, 1);
      const double first = share(random), second = share(random);
      const Status status = Round(i, settings_.cuts[i % settings_.cuts.size()], first, second);
      if (Interrupted()) break;
      RETURN_IF_ERROR(status);
      progress.Update(static_cast<double>(i + 1) / static_cast<double>(settings_.rounds),
                      fmt::format("cutting the power: {} violations", violations_.size()));
    }
    progress.Clear();
    machine_.reset();
    seconds_ = SecondsSince(begin);
    if (rounds_ == 0) return Status::Internal("interrupted");
    return Report();
  }

 private:
  Result<json> Ask(const json& request, double timeout_s = kCutRequestSeconds) {
    return AskGuest(*machine_, request, timeout_s);
  }

  Status PowerOn() {
    machine_.reset();
    ASSIGN_OR_RETURN(VirtualMachine booted,
                     host_.Boot({.share = folder_, .history = history_file()}));
    machine_.emplace(std::move(booted));
    boot_s_.push_back(host_.last_boot_s());
    return Status::Ok();
  }

  Status Mount() { return Ask({{"do", "mount"}, {"fs", host_.file_system()}}).status(); }

  fs::path history_file() const { return host_.scratch() / "port"; }
  fs::path round_folder() const { return host_.scratch() / "round"; }

  uint64_t HistoryBytes() const {
    std::error_code error;
    const uintmax_t bytes = fs::file_size(history_file(), error);
    return error ? 0 : bytes;
  }

  // Makes the store anew and starts the run; comes back once its first operation has begun. False
  // if it had ended by then.
  Status StartRun() {
    RETURN_IF_ERROR(Ask({{"do", "load"}, {"subject", subject_json_}}).status());
    history_begin_ = HistoryBytes();
    RETURN_IF_ERROR(machine_->Send(json{{"do", "client"}}.dump()));
    const auto begin = Clock::now();
    while (HistoryBytes() == history_begin_) {
      if (Interrupted()) return Status::IoError("interrupted");
      if (SecondsSince(begin) > kCutRequestSeconds) {
        return Status::IoError("the run in the guest does not begin its first operation");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Status::Ok();
  }

  Status MeasureWholeRun() {
    RETURN_IF_ERROR(StartRun());
    const auto begin = Clock::now();
    ASSIGN_OR_RETURN(const json ended, AwaitAnswer(*machine_, kRunSeconds));
    if (ended.at("exit") != 0) {
      return Status::IoError(fmt::format("the run that was not ended ended with exit code {}",
                                         ended.at("exit").get<int>()));
    }
    whole_run_s_ = SecondsSince(begin);
    return Status::Ok();
  }

  // The history of this round's run, in the folder where EndedRun reads it.
  Status KeepHistory() {
    std::error_code error;
    fs::remove_all(round_folder(), error);
    fs::create_directories(round_folder(), error);
    RETURN_IF_ERROR(subject_.Write(round_folder()));
    std::ifstream in(history_file(), std::ios::binary);
    in.seekg(static_cast<std::streamoff>(history_begin_));
    std::ofstream out(round_folder() / "history.jsonl", std::ios::binary);
    out << in.rdbuf();
    out.close();
    return out ? Status::Ok() : Status::IoError("write: " + round_folder().string());
  }

  Status EndMachine(Cut cut) {
    constexpr double kStandstillSeconds = 0.2, kPanicSeconds = 60;
    if (cut == Cut::kPanic) {
      RETURN_IF_ERROR(machine_->Send(json{{"do", "panic"}}.dump()));
      if (!machine_->AwaitEnd(kPanicSeconds)) {
        return Status::IoError("the guest was to panic, and did not");
      }
    }
    if (cut == Cut::kFreeze) {
      machine_->Freeze();
      SleepFor(kStandstillSeconds);
    }
    machine_->Kill();
    return Status::Ok();
  }

  // Whether the run had not come to its end when the machine was ended.
  static Result<bool> WasUnderWay(VirtualMachine& machine) {
    const Result<std::string> line = machine.Receive(0, {});
    if (!line.ok() && !machine.running()) return line.status();
    if (!line.ok()) return true;
    const json ended = json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (ended.is_object() && ended.value("exit", 1) == 0) return false;
    return Status::IoError("the run in the guest failed before the power was cut: " + *line);
  }

  Status Round(uint64_t number, Cut cut, double share, double second_share) {
    RETURN_IF_ERROR(StartRun());
    SleepFor(whole_run_s_ * share);
    ASSIGN_OR_RETURN(const bool under_way, WasUnderWay(*machine_));
    RETURN_IF_ERROR(EndMachine(cut));
    ++rounds_;
    ++rounds_of_[std::string(CutName(cut))];
    under_way_ += under_way ? 1 : 0;
    RETURN_IF_ERROR(KeepHistory());
    ASSIGN_OR_RETURN(const EndedRun ended, EndedRun::Read(subject_, round_folder()));
    json request = {{"do", "recover"},
                    {"subject", subject_json_},
                    {"may_be_full", ended.MayBeFull()},
                    {"operations", settings_.operations_after},
                    {"timeout_s", settings_.timeout_s},
                    {"keep", true}};
    if (cut == Cut::kRecovery) {
      RETURN_IF_ERROR(PowerOn());
      // It does not use the store on: that would not be in the history that the next one is judged
      // by. From the mount, which plays the journals back, to the end of the recovery.
      RETURN_IF_ERROR(machine_->Send(json{{"do", "mount"}, {"fs", host_.file_system()}}.dump()));
      json first = request;
      first.update({{"operations", 0u}, {"keep", false}});
      RETURN_IF_ERROR(machine_->Send(first.dump()));
      SleepFor(recovery_s_ * second_share);
      machine_->Kill();
    }
    RETURN_IF_ERROR(PowerOn());
    const auto begin = Clock::now();
    RETURN_IF_ERROR(Mount());
    ASSIGN_OR_RETURN(const json answer, Ask(request, settings_.timeout_s + kCutRequestSeconds));
    recovery_s_ = SecondsSince(begin);
    ASSIGN_OR_RETURN(const Outcome outcome, ParseGuestOutcome(answer));
    return Judge(number, cut, ended, outcome);
  }

  Status Judge(uint64_t number, Cut cut, const EndedRun& ended, const Outcome& outcome) {
    EngineJudge judge(ended.history(), plan_.options.durability, settings_.timeout_s);
    const std::vector<Finding> findings = judge.Verdict(ended.Point(), outcome);
    answers_.insert(outcome.answer);
    operations_ += ended.CountAnswered();
    if (findings.empty()) return Status::Ok();
    ++failed_;
    const fs::path kept = folder_ / fmt::format("round-{}", number + 1);
    std::error_code ignored;
    fs::create_directories(kept, ignored);
    RETURN_IF_ERROR(CopyStore(round_folder(), kept / "history"));
    RETURN_IF_ERROR(Ask({{"do", "share"}, {"path", kShare}}).status());
    RETURN_IF_ERROR(
        Ask({{"do", "keep"}, {"path", fmt::format("{}/round-{}/store", kShare, number + 1)}})
            .status());
    for (const Finding& finding : findings) {
      const std::string before = fmt::format("a {}", cut == Cut::kRecovery ? "kill" : CutName(cut));
      violations_.push_back(
          EndedRunViolation(finding, ended, {.index = number, .before = before}, kept));
    }
    return Status::Ok();
  }

  json Report() const {
    std::vector<double> boots = boot_s_;
    std::sort(boots.begin(), boots.end());
    return EndedRunsReport(
        subject_, plan_, folder_, command_,
        {.domain = "machine",
         .fault = "power-cut",
         .seed = settings_.seed,
         .timeout_s = settings_.timeout_s,
         .operations_after = settings_.operations_after,
         .recording = folder_,
         .recorded = {{"rounds", rounds_},
                      {"killed", under_way_},
                      {"operations", operations_},
                      {"by_cut", rounds_of_},
                      {"boots", boots.size()},
                      {"boot_s_p50", boots[boots.size() / 2]},
                      {"run_s", whole_run_s_}},
         .settings = host_.Facts(),
         .explored = ExploredRuns(settings_.rounds, rounds_, answers_.size(), failed_,
                                  rounds_ < settings_.rounds ? "interrupted" : "", seconds_),
         .assumptions = {"The machine's memory was lost, with its page cache; what its processor "
                         "had stored to the NVDIMM was there, flushed or not, and so was what had "
                         "reached its disk.",
                         fmt::format("In {} of {} rounds the power was cut before the run had "
                                     "ended.",
                                     under_way_, rounds_)},
         .violations = violations_});
  }

  const CrashSubject& subject_;
  const fs::path folder_;
  const PowerCutSettings& settings_;
  const std::vector<std::string>& command_;
  GuestHost host_;
  std::optional<VirtualMachine> machine_;
  RunPlan plan_;
  json subject_json_;
  uint64_t history_begin_ = 0;  // of this round, in the port's file
  double whole_run_s_ = 0, recovery_s_ = 1;
  uint64_t rounds_ = 0, under_way_ = 0, failed_ = 0, operations_ = 0;
  std::map<std::string, uint64_t> rounds_of_;
  double seconds_ = 0;
  std::vector<double> boot_s_;
  std::set<std::string> answers_;
  std::vector<json> violations_;
};

}  // namespace

std::string_view CutName(Cut cut) {
  return std::find_if(kCuts.begin(), kCuts.end(),
                      [cut](const auto& row) { return row.second == cut; })
      ->first;
}

Result<std::vector<Cut>> ParseCuts(std::string_view text) {
  std::vector<Cut> cuts;
  if (text == "all") {
    for (const auto& [name, cut] : kCuts) cuts.push_back(cut);
    return cuts;
  }
  const auto refuse = [&] {
    return Status::InvalidArgument(fmt::format(
        "--cut={}: must be all, or of kill, freeze, panic and recovery, each once", text));
  };
  for (std::string_view left = text;;) {
    const size_t comma = left.find(',');
    const auto found = std::find_if(kCuts.begin(), kCuts.end(), [&](const auto& row) {
      return row.first == left.substr(0, comma);
    });
    if (found == kCuts.end() || std::count(cuts.begin(), cuts.end(), found->second) > 0) {
      return refuse();
    }
    cuts.push_back(found->second);
    if (comma == std::string_view::npos) return cuts;
    left.remove_prefix(comma + 1);
  }
}

Result<json> RunPowerCuts(const CrashSubject& subject, const fs::path& folder,
                          const PowerCutSettings& settings,
                          const std::vector<std::string>& command) {
  if (subject.properties.contains("fencepost.trace_file")) {
    return Status::Unsupported("vm crash draws its operations: it replays no trace file");
  }
  ASSIGN_OR_RETURN(GuestHost host, GuestHost::Make(settings.guest));
  return Rounds(subject, folder, settings, command, std::move(host)).Run();
}

}  // namespace fencepost
