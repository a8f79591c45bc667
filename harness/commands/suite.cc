// SPDX-License-Identifier: BSD-3-Clause
// fencepost suite FILE: the steps of a suite, each a process of `bench` or `crash`, one after
// another.
//
// What is done is in DIR/suite.json after each step, so a suite that was stopped, by Ctrl-C or by a
// crash, goes on where it was (--out DIR): a finished step is not run again, a bench goes on with
// its next run, a campaign of crashes begins anew. A violation does not stop it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "harness/child_process.h"
#include "harness/commands/command.h"
#include "harness/commands/suite_check.h"
#include "harness/interrupt.h"
#include "harness/progress.h"
#include "harness/report/stored_results.h"
#include "harness/run_files.h"
#include "harness/suite/suite_file.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

struct SuiteFlags {
  std::string file;
  std::string out;
  bool list = false;
};

// What is known of a step: in suite.json as null, or the exit code with which it ended.
struct StepState {
  std::optional<int> exit_code;
  double wall_s = 0;

  // An end that says something of the subject; everything else is tried again.
  bool done() const {
    return exit_code == static_cast<int>(ExitCode::kPass) ||
           exit_code == static_cast<int>(ExitCode::kViolation);
  }
};

std::string TextOf(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Of a bench's report: why the first cell that failed did; empty: none did.
std::string FailedCell(const nlohmann::json& report) {
  for (const nlohmann::json& cell : report.value("cells", nlohmann::json::array())) {
    if (cell.value("failed", nlohmann::json()).is_string()) {
      return fmt::format("{} {}: {}", cell["engine"].get<std::string>(),
                         cell["workload"].get<std::string>(), cell["failed"].get<std::string>());
    }
  }
  return "";
}

class SuiteCommand {
 public:
  SuiteCommand(const SuiteFlags& flags, const Arguments& arguments)
      : flags_(flags), arguments_(arguments), progress_(stderr, ProgressModeFor(stderr, false)) {}
  ~SuiteCommand() {
    if (lock_ >= 0) close(lock_);
  }
  SuiteCommand(const SuiteCommand&) = delete;
  SuiteCommand& operator=(const SuiteCommand&) = delete;

  ExitCode Execute();

 private:
  void List() const;
  Status OpenFolder();
  bool TakeLock() const;
  Status TakeUp(const nlohmann::json& before);
  Status RunStep(size_t index);
  std::vector<std::string> Words(const SuiteStep& step) const;
  double StepFraction(const SuiteStep& step, double elapsed_s) const;
  double DoneSeconds(size_t index, double elapsed_s) const;
  void ShowProgress(size_t index, double elapsed_s);
  Status Save() const;
  nlohmann::json StepsJson() const;
  std::string Result(const SuiteStep& step, const StepState& state) const;
  ExitCode Conclude();

  const SuiteFlags& flags_;
  const Arguments& arguments_;
  Progress progress_;
  Suite suite_;
  fs::path folder_;
  int lock_ = -1;
  std::string created_utc_;
  std::vector<StepState> states_;
  // Of this call: what a suite that was stopped had done before says nothing of how fast it goes.
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::optional<double> done_before_s_;
};

void SuiteCommand::List() const {
  fmt::print("{}\n", suite_.title);
  for (const SuiteStep& step : suite_.steps) {
    fmt::print("  {}: {} run{}, about {}\n", step.name, step.runs, step.runs == 1 ? "" : "s",
               FormatDuration(step.expected_s));
  }
}

// The steps as they were asked for: a suite goes on only where these are the same.
nlohmann::json SuiteCommand::StepsJson() const {
  nlohmann::json steps = nlohmann::json::array();
  for (size_t i = 0; i < suite_.steps.size(); ++i) {
    const StepState& state = states_[i];
    steps.push_back({{"name", suite_.steps[i].name},
                     {"command", suite_.steps[i].command},
                     {"arguments", suite_.steps[i].words},
                     {"exit_code",
                      state.exit_code ? nlohmann::json(*state.exit_code) : nlohmann::json(nullptr)},
                     {"wall_s", state.wall_s}});
  }
  return steps;
}

Status SuiteCommand::Save() const {
  const nlohmann::json report = {
      {"schema", "fencepost.suite/1"}, {"suite_id", folder_.filename().string()},
      {"created_utc", created_utc_},   {"command", arguments_},
      {"suite", suite_.name},          {"title", suite_.title},
      {"steps", StepsJson()}};
  return WriteFileAtomically(folder_ / "suite.json", report.dump(2) + "\n");
}

Status SuiteCommand::TakeUp(const nlohmann::json& before) {
  const auto refuse = [&](const std::string& why) {
    return Status::InvalidArgument(fmt::format("--out={}: {}", flags_.out, why));
  };
  try {
    if (before.at("schema") != "fencepost.suite/1") return refuse("a suite of another version");
    nlohmann::json steps = before.at("steps");
    std::vector<StepState> states;
    for (nlohmann::json& step : steps) {
      StepState& state = states.emplace_back();
      if (!step.at("exit_code").is_null()) state.exit_code = step.at("exit_code").get<int>();
      state.wall_s = step.at("wall_s").get<double>();
      step["exit_code"] = nullptr;
      step["wall_s"] = 0.0;
    }
    if (steps != StepsJson()) {
      return refuse(fmt::format(
          "was begun with other steps than {} has now, or from another folder", flags_.file));
    }
    created_utc_ = before.at("created_utc").get<std::string>();
    states_ = std::move(states);
  } catch (const nlohmann::json::exception&) {
    return refuse("its suite.json cannot be read");
  }
  return Status::Ok();
}

// The step of a suite that was killed ends early by itself, and is waited for.
bool SuiteCommand::TakeLock() const {
  constexpr std::chrono::seconds kPatience{15}, kSayAfter{1};
  const auto begin = std::chrono::steady_clock::now();
  bool said = false;
  while (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (Interrupted() || waited > kPatience) return false;
    if (waited > kSayAfter && !std::exchange(said, true)) {
      fmt::print(stderr, "waiting for what runs in {} to end\n", folder_.string());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

Status SuiteCommand::OpenFolder() {
  states_.resize(suite_.steps.size());
  created_utc_ = UtcTimestamp();
  std::error_code error;
  if (flags_.out.empty()) {
    ASSIGN_OR_RETURN(const RunDirectory made,
                     CreateRunDirectory("results", std::time(nullptr), "suite-" + suite_.name));
    folder_ = made.path;
  } else {
    folder_ = flags_.out;
    fs::create_directories(folder_, error);
    if (error) return Status::IoError(fmt::format("mkdir: {}: {}", error.message(), flags_.out));
  }
  // Inherited by the steps: one that outlives this process keeps the folder.
  lock_ = open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
  if (lock_ < 0 || !TakeLock()) {
    return Status::InvalidArgument(
        fmt::format("{}: another suite runs in this folder", folder_.string()));
  }
  if (fs::exists(folder_ / "suite.json", error)) {
    RETURN_IF_ERROR(TakeUp(ReadObject(folder_ / "suite.json")));
  } else if (!fs::is_empty(folder_, error)) {
    return Status::InvalidArgument(
        fmt::format("--out={}: is not empty, and holds no suite", flags_.out));
  }
  return Save();
}

std::vector<std::string> SuiteCommand::Words(const SuiteStep& step) const {
  const fs::path folder = folder_ / step.name;
  std::vector<std::string> words = {"/proc/self/exe", step.command};
  std::error_code error;
  if (step.command == "bench" && fs::exists(folder / "plan.json", error)) {
    words.insert(words.end(), {"--resume", folder.string()});
    return words;
  }
  words.insert(words.end(), step.words.begin(), step.words.end());
  if (step.command == "bench") {
    words.insert(words.end(), {"--out", folder.string()});
  } else {
    fs::remove_all(folder, error);  // what a campaign that was stopped has left
    words.insert(words.end(), {"--quiet", "--results", folder.string()});
  }
  return words;
}

// Of a bench the share of its runs that have ended; of anything else only the time tells.
double SuiteCommand::StepFraction(const SuiteStep& step, double elapsed_s) const {
  constexpr double kMostByTime = 0.95;
  if (step.command != "bench") return std::min(kMostByTime, elapsed_s / step.expected_s);
  uint64_t ended = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / step.name, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with("-load") && fs::exists(entry.path() / "summary.json", error)) ++ended;
  }
  return std::min(1.0, static_cast<double>(ended) / static_cast<double>(step.runs));
}

// Of the time that all steps were expected to take, that of what is done.
double SuiteCommand::DoneSeconds(size_t index, double elapsed_s) const {
  double done_s = 0;
  for (size_t i = 0; i < suite_.steps.size(); ++i) {
    if (states_[i].done()) done_s += suite_.steps[i].expected_s;
  }
  const SuiteStep& step = suite_.steps[index];
  return done_s + step.expected_s * StepFraction(step, elapsed_s);
}

void SuiteCommand::ShowProgress(size_t index, double elapsed_s) {
  // Before so much is done the expectation is nearer than the rate.
  constexpr double kEnoughS = 5;
  double total_s = 0;
  for (const SuiteStep& step : suite_.steps) total_s += step.expected_s;
  const double done_s = DoneSeconds(index, elapsed_s);
  const double since_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  const double done_since_s = done_s - *done_before_s_;
  const double pace = done_since_s > kEnoughS ? since_s / done_since_s : 1;
  progress_.Update(
      done_s / total_s,
      fmt::format("step {} of {}: {}", index + 1, suite_.steps.size(), suite_.steps[index].name),
      (total_s - done_s) * pace);
}

Status SuiteCommand::RunStep(size_t index) {
  const auto begin = std::chrono::steady_clock::now();
  const SuiteStep& step = suite_.steps[index];
  ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(Words(step)));
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  if (!done_before_s_) done_before_s_ = DoneSeconds(index, 0);
  bool passed_on = false;
  while (!child.WaitFor(500)) {
    if (Interrupted() && !std::exchange(passed_on, true)) child.Interrupt();
    ShowProgress(index, elapsed_s());
  }
  StepState& state = states_[index];
  state.wall_s += elapsed_s();
  if (Interrupted()) return Save();  // the step's end says nothing: it is to be gone on with
  state.exit_code = child.exit_code();
  if (!state.done()) {
    const std::string cell = FailedCell(ReadObject(folder_ / step.name / "bench.json"));
    const std::string why = cell.empty() ? child.FirstError() : cell;
    progress_.Print(fmt::format(
        "{}: {}", step.name, why.empty() ? fmt::format("ended with {}", child.exit_code()) : why));
  }
  return Save();
}

// What a step has come to: a bench's table, a campaign's verdict.
std::string SuiteCommand::Result(const SuiteStep& step, const StepState& state) const {
  if (!state.exit_code) return "not finished\n";
  const fs::path folder = folder_ / step.name;
  if (step.command == "bench") {
    const std::string table = TextOf(folder / "table.txt");
    return table.empty() ? fmt::format("failed (exit code {})\n", *state.exit_code) : table;
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const nlohmann::json report = ReadObject(entry.path() / "crash.json");
    if (report.contains("verdict")) {
      return fmt::format("{} ({})\n", report["verdict"].get<std::string>(), entry.path().string());
    }
  }
  return fmt::format("failed (exit code {})\n", *state.exit_code);
}

ExitCode SuiteCommand::Conclude() {
  size_t violated = 0, failed = 0, left = 0, with_results = 0;
  int worst = 0;
  fmt::print("{}\n", suite_.title);
  for (size_t i = 0; i < suite_.steps.size(); ++i) {
    const StepState& state = states_[i];
    fmt::print("\n{}\n{}", suite_.steps[i].name, Result(suite_.steps[i], state));
    with_results += state.done();
    if (!state.exit_code) {
      ++left;
    } else if (!state.done()) {
      ++failed;
      worst = std::max(worst, *state.exit_code);
    } else if (*state.exit_code != 0) {
      ++violated;
    }
  }
  if (with_results > 0) fmt::print("\nAs a page: fencepost report {}\n", folder_.string());
  progress_.Finish(fmt::format("{} steps, {} violated, {} failed, {} not finished: {}",
                               suite_.steps.size(), violated, failed, left, folder_.string()));
  if (left > 0) {
    fmt::print(stderr, "fencepost: to go on: fencepost suite {} --out {}\n", flags_.file,
               folder_.string());
    return ExitCode::kInterrupted;
  }
  if (violated > 0) return ExitCode::kViolation;
  if (failed == 0) return ExitCode::kPass;
  return worst == static_cast<int>(ExitCode::kUsage) ? ExitCode::kUsage : ExitCode::kHarness;
}

ExitCode SuiteCommand::Execute() {
  auto suite = ReadSuite(flags_.file);
  if (!suite.ok()) return ReportError(suite.status());
  suite_ = std::move(*suite);
  if (Status status = CheckSteps(suite_, flags_.file); !status.ok()) return ReportError(status);
  if (flags_.list) {
    List();
    return ExitCode::kPass;
  }
  if (Status status = OpenFolder(); !status.ok()) return ReportError(status);
  for (size_t i = 0; i < suite_.steps.size() && !Interrupted(); ++i) {
    if (states_[i].done()) continue;
    if (Status status = RunStep(i); !status.ok()) return ReportError(status);
  }
  return Conclude();
}

}  // namespace

std::function<ExitCode()> DeclareSuite(CLI::App& app, const Arguments& arguments) {
  auto flags = std::make_shared<SuiteFlags>();
  app.add_option("file", flags->file, "a suite, e.g. scripts/suites/quick.toml")->required();
  app.add_option("--out", flags->out,
                 "folder of the results (default results/<suite_id>); a suite that was stopped "
                 "there goes on");
  app.add_flag("--list", flags->list, "print the steps, and run nothing");
  return [flags, &arguments] { return SuiteCommand(*flags, arguments).Execute(); };
}

}  // namespace fencepost
