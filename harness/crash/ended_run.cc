// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/ended_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>

#include "harness/oracle/history_file.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Result<History> ReadLines(const CrashSubject& subject, const fs::path& folder, uint64_t* lines) {
  OpSpans spans;
  std::ifstream in(folder / "history.jsonl");
  uint64_t number = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) {
    const json parsed = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!parsed.is_object()) return Status::Corrupt("the history of a run is damaged");
    ++number;
    if (parsed.contains("end")) {
      spans[parsed["end"].get<uint64_t>()].end = number;
    } else if (parsed.contains("id")) {
      spans[parsed["id"].get<uint64_t>()].begin = number;
    }
  }
  *lines = number;
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  ASSIGN_OR_RETURN(History history, ReadHistory(folder / "history.jsonl", spans));
  history.initial = LoadedContents(*plan.spec);
  return history;
}

}  // namespace

Durability AfterProcessDeath(Durability durability) {
  switch (durability) {
    case Durability::kPowerFail:
    case Durability::kPrefix:
    case Durability::kProcessCrash:
      return Durability::kPowerFail;
    case Durability::kBuffered:
      return Durability::kBuffered;
    case Durability::kNone:
      break;
  }
  return Durability::kNone;
}

Status CopyStore(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::remove_all(to, error);
  fs::copy(from, to, fs::copy_options::recursive, error);
  return error ? Status::IoError(fmt::format("copy: {}, {}", error.message(), to.string()))
               : Status::Ok();
}

Result<ChildProcess> StartClient(const CrashSubject& subject, const fs::path& store,
                                 const fs::path& history) {
  std::error_code error;
  fs::remove_all(history, error);
  fs::create_directories(history, error);
  RETURN_IF_ERROR(subject.Write(history));
  ASSIGN_OR_RETURN(ChildProcess run,
                   ChildProcess::Start({fs::read_symlink("/proc/self/exe").string(), "crash-client",
                                        history.string(), store.string()}));
  const fs::path lines = history / "history.jsonl";
  while (!run.WaitFor(0)) {
    if (fs::exists(lines, error) && fs::file_size(lines, error) > 0) break;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return run;
}

Result<EndedRun> EndedRun::Read(const CrashSubject& subject, const fs::path& folder) {
  EndedRun run;
  ASSIGN_OR_RETURN(run.plan_, subject.Plan());
  ASSIGN_OR_RETURN(History history, ReadLines(subject, folder, &run.lines_));
  run.history_ = std::make_unique<const History>(std::move(history));
  return run;
}

bool EndedRun::MayBeFull() const {
  return std::any_of(history_->operations.begin(), history_->operations.end(),
                     [](const HistoryOp& operation) {
                       return operation.end != kNever && !operation.replaces &&
                              operation.outcome == HistoryOp::Outcome::kRefused;
                     });
}

std::unordered_map<uint64_t, OperationSpan> EndedRun::Operations() const {
  std::unordered_map<uint64_t, OperationSpan> operations;
  for (const HistoryOp& operation : history_->operations) {
    operations[operation.id] = {operation.begin, operation.end};
  }
  return operations;
}

uint64_t EndedRun::CountAnswered() const {
  return static_cast<uint64_t>(
      std::count_if(history_->operations.begin(), history_->operations.end(),
                    [](const HistoryOp& operation) { return operation.end != kNever; }));
}

}  // namespace fencepost
