// SPDX-License-Identifier: BSD-3-Clause
// Workers as the tasks of a job array.
//
// Asked of Slurm: sbatch, squeue, scancel. No accounting database is needed: what the tasks have
// done is in the campaign's folder, and a job that the controller no longer lists has ended.
// Invariants: a job's number is in its launch's folder before anything else is done, so that a
//   campaign that was killed finds what it has left running.
// Source: sbatch(1), squeue(1), scancel(1) of Slurm 22.05.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>
#include <utility>

#include "harness/campaign/backend.h"
#include "harness/child_process.h"
#include "harness/interrupt.h"
#include "harness/run_files.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

struct Answer {
  int exit_code = 0;
  std::string text;  // standard output and error
};

// Runs a command of Slurm's, from wherever it is installed.
Result<Answer> Ask(std::vector<std::string> words) {
  words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$@\" >&2", "sh"});
  ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(words));
  constexpr std::chrono::seconds kPatience{60};
  const auto begin = std::chrono::steady_clock::now();
  while (!child.WaitFor(100)) {
    if (std::chrono::steady_clock::now() - begin < kPatience) continue;
    return Status::IoError(fmt::format("{}: does not answer within a minute", words[4]));
  }
  return Answer{child.exit_code(), child.error_text()};
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string Quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

class SlurmBackend : public Backend {
 public:
  explicit SlurmBackend(BackendFlags flags) : flags_(std::move(flags)) {}

  Status Check() override {
    for (const char* program : {"sbatch", "squeue", "scancel"}) {
      ASSIGN_OR_RETURN(const Answer found,
                       Ask({"/bin/sh", "-c", fmt::format("command -v {}", program)}));
      if (found.exit_code == 0) continue;
      return Status::Unsupported(fmt::format(
          "--backend=slurm: there is no {} here (scripts/setup.sh --slurm, or --backend=local)",
          program));
    }
    ASSIGN_OR_RETURN(const Answer queue, Ask({"squeue", "--noheader"}));
    if (queue.exit_code == 0) return Status::Ok();
    return Status::Unsupported(
        fmt::format("--backend=slurm: Slurm does not answer: {}", FirstLine(queue.text)));
  }

  Status EndLeftover(const fs::path& folder) override {
    std::ifstream file(folder / "job");
    if (!(file >> job_)) return Status::Ok();
    Cancel();
    return Status::Ok();
  }

  Status Start(const Launch& launch) override {
    logs_ = launch.folder;
    std::string script = "#!/bin/sh\nexec";
    for (const std::string& word : launch.words) script += " " + Quoted(word);
    script += " \"$SLURM_ARRAY_TASK_ID\"\n";
    const fs::path path = logs_ / "task.sh";
    RETURN_IF_ERROR(WriteFileAtomically(path, script));
    std::vector<std::string> words = {
        "sbatch", "--parsable",
        // Tries are counted here, and a part is never written twice
        // at once.
        "--no-requeue", "--ntasks=1", fmt::format("--array=0-{}", launch.workers - 1),
        "--job-name=" + launch.name, "--chdir=" + fs::current_path().string(),
        "--output=" + (logs_ / "task-%a.log").string()};
    if (launch.exclusive) words.emplace_back("--exclusive");
    words.insert(words.end(), flags_.options.begin(), flags_.options.end());
    words.push_back(path.string());
    ASSIGN_OR_RETURN(const Answer answer, Ask(words));
    // "12", or "12;cluster"; a warning may come before it.
    for (std::istringstream lines(answer.text); std::getline(lines, job_);) {
      if (!job_.empty() && std::isdigit(static_cast<unsigned char>(job_[0])) != 0) break;
      job_.clear();
    }
    job_ = job_.substr(0, job_.find(';'));
    if (answer.exit_code != 0 || job_.empty()) {
      job_.clear();
      return Status::InvalidArgument(
          fmt::format("--backend=slurm: Slurm refuses: {}", FirstLine(answer.text)));
    }
    return WriteFileAtomically(logs_ / "job", job_ + "\n");
  }

  Result<bool> Wait() override {
    constexpr std::chrono::milliseconds kTurn{50};
    constexpr int kTurnsAQuery = 20;
    for (int turn = 0; turn < kTurnsAQuery && !Interrupted(); ++turn) {
      std::this_thread::sleep_for(kTurn);
    }
    return Ended();
  }

  std::string Describe() const override {
    if (states_.empty()) return "submitted";
    std::vector<std::string> words;
    for (const auto& [state, count] : states_) words.push_back(fmt::format("{} {}", count, state));
    return fmt::format("{}", fmt::join(words, ", "));
  }

  void Cancel() override {
    if (job_.empty()) return;
    (void)Ask({"scancel", job_});
    constexpr std::chrono::seconds kPatience{60};
    const auto begin = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - begin < kPatience) {
      const Result<bool> ended = Ended();
      if (!ended.ok() || *ended) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }

  std::string Complaint() const override {
    std::error_code error;
    std::map<std::string, std::string> complaints;
    for (const auto& entry : fs::directory_iterator(logs_, error)) {
      if (entry.path().extension() != ".log") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        constexpr std::string_view kPrefix = "fencepost: ";
        if (!line.starts_with(kPrefix)) continue;
        complaints.emplace(entry.path().string(), line.substr(kPrefix.size()));
      }
    }
    return complaints.empty() ? "" : complaints.begin()->second;
  }

 private:
  // Whether the controller lists the job no more. It may be away for a while.
  Result<bool> Ended() {
    ASSIGN_OR_RETURN(const Answer answer,
                     Ask({"squeue", "--noheader", "--array", "--format=%T %r", "--jobs=" + job_}));
    states_.clear();
    if (answer.exit_code == 0) {
      failures_ = 0;
      bool any = false;
      std::istringstream lines(answer.text);
      for (std::string state, reason; lines >> state && std::getline(lines, reason);) {
        any = true;
        std::transform(state.begin(), state.end(), state.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const bool waits = state == "pending" && reason != " None";
        ++states_[waits ? fmt::format("{} ({})", state, reason.substr(1)) : state];
      }
      return !any;
    }
    if (answer.text.find("Invalid job id") != std::string::npos) return true;
    constexpr int kMostFailures = 60;
    if (++failures_ < kMostFailures) return false;
    return Status::IoError(fmt::format("squeue: {}", FirstLine(answer.text)));
  }

  const BackendFlags flags_;
  fs::path logs_;
  std::string job_;
  std::map<std::string, int> states_;
  int failures_ = 0;
};

}  // namespace

std::unique_ptr<Backend> MakeSlurmBackend(const BackendFlags& flags) {
  return std::make_unique<SlurmBackend>(flags);
}

}  // namespace fencepost
