// SPDX-License-Identifier: BSD-3-Clause
// For tests that explore files: runs as text, with operations in them; and a made-up store.
//
// The store has a file CURRENT with the name of its log in it; the log has records of four equal
// letters, 'a' for operation 1, 'b' for 2, ... Once it begins a new log with all that it has, and
// goes over to it by renaming a new CURRENT over the old one.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_TEST_UTIL_H_

#include <fmt/format.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/explore_test_util.h"
#include "faultinject/explore/files/file_explorer.h"
#include "faultinject/model/posix/posix_test_util.h"

namespace fencepost {

// Statements as of ProgramText, and
//     op 1; ack 1          operation 1 begins; is acknowledged
//     proof a              a kContent of a file
class FileProgram {
 public:
  // `setup` leaves what is durable before the run.
  explicit FileProgram(const std::string& setup) {
    text_.Run(setup);
    initial_ = text_.tree();
    seen_ = text_.events().size();
    number_.resize(seen_);
  }

  FileProgram& Run(const std::string& program) {
    std::istringstream statements(program);
    for (std::string statement; std::getline(statements, statement, ';');) {
      std::istringstream words(statement);
      std::string word;
      IoEvent event;
      if (!(words >> word)) continue;
      if (word == "op" || word == "ack") {
        words >> event.id;
        event.kind = word == "op" ? IoEvent::Kind::kOperationBegin : IoEvent::Kind::kOperationEnd;
        events_.push_back(event);
      } else if (word == "proof") {
        event.kind = IoEvent::Kind::kContent;
        event.inode = 1;
        events_.push_back(event);
      } else {
        text_.Run(statement);
        TakeNew();
      }
    }
    return *this;
  }

  const FileTree& initial() const { return initial_; }
  const std::vector<IoEvent>& events() const { return events_; }
  FileRun run() const {
    const Result<IoSurvey> survey = SurveyIo(events_);
    CHECK_OK(survey.status());
    return {.initial = initial_, .events = events_, .survey = *survey};
  }

 private:
  // With the numbers that they have here.
  void TakeNew() {
    for (; seen_ < text_.events().size(); ++seen_) {
      IoEvent event = text_.events()[seen_];
      number_.push_back(events_.size());
      const bool is_sync =
          event.kind == IoEvent::Kind::kSyncBegin || event.kind == IoEvent::Kind::kSyncEnd;
      if (is_sync) event.begin = number_[event.begin];
      events_.push_back(std::move(event));
    }
  }

  ProgramText text_;
  FileTree initial_;
  size_t seen_ = 0;
  std::vector<uint64_t> number_;  // here, by the number in `text_`
  std::vector<IoEvent> events_;
};

// -- the store

// Where the store syncs; each may be left out.
enum class StoreSync { kNone, kLog, kNewLog, kNewCurrent, kNewNames, kRename, kLogAfterwards };
inline constexpr StoreSync kStoreSyncs[] = {StoreSync::kLog,        StoreSync::kNewLog,
                                            StoreSync::kNewCurrent, StoreSync::kNewNames,
                                            StoreSync::kRename,     StoreSync::kLogAfterwards};
inline const char* NameOf(StoreSync sync) {
  constexpr const char* kNames[] = {"none",      "log",    "new log",       "new CURRENT",
                                    "new names", "rename", "log afterwards"};
  return kNames[static_cast<int>(sync)];
}

inline FileRun RunStore(StoreSync missing = StoreSync::kNone) {
  FileProgram program("create CURRENT; write CURRENT 0 log1; create log1");
  const auto sync = [&](StoreSync which, const std::string& statement) {
    if (which != missing) program.Run(statement);
  };
  program.Run("op 1; append log1 aaaa");
  sync(StoreSync::kLog, "fdatasync log1");
  program.Run("ack 1; op 2; append log1 bbbb");
  sync(StoreSync::kLog, "fdatasync log1");
  program.Run("ack 2; op 3; create log2; append log2 aaaabbbb");
  sync(StoreSync::kNewLog, "fsync log2");
  program.Run("create new; append new log2");
  sync(StoreSync::kNewCurrent, "fsync new");
  sync(StoreSync::kNewNames, "fsync .");
  program.Run("rename new CURRENT");
  sync(StoreSync::kRename, "fsync .");
  program.Run("unlink log1; append log2 cccc");
  sync(StoreSync::kLogAfterwards, "fdatasync log2");
  program.Run("ack 3; op 4; append log2 dddd");
  sync(StoreSync::kLogAfterwards, "fdatasync log2");
  program.Run("ack 4");
  return program.run();
}

// The answer: how many records there are, or what is broken.
inline std::string RecoverStore(const std::filesystem::path& folder) {
  const auto read = [&](const std::string& name) -> std::string {
    std::ifstream in(folder / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  };
  const std::string current = read("CURRENT");
  if (current != "log1" && current != "log2") return "broken CURRENT";
  if (!std::filesystem::exists(folder / current)) return "no " + current;
  const std::string log = read(current);
  int records = 0;
  while (log.substr(std::min(log.size(), static_cast<size_t>(records) * 4), 4) ==
         std::string(4, static_cast<char>('a' + records))) {
    ++records;
  }
  return std::to_string(records);
}

// What is acknowledged is there, and nothing that has not begun.
inline std::vector<Finding> StoreVerdict(const FileRun& run, const CrashPoint& point,
                                         const Outcome& outcome) {
  const auto finding = [&](const char* kind, const std::string& allowed) {
    return std::vector<Finding>{{.kind = kind,
                                 .subject = {},
                                 .message = outcome.answer,
                                 .allowed = allowed,
                                 .found = outcome.answer}};
  };
  if (outcome.end != Outcome::End::kAnswered) return finding("crash", "an answer");
  if (outcome.answer.find_first_not_of("0123456789") != std::string::npos) {
    return finding("broken", "a store");
  }
  uint64_t acknowledged = 0, begun = 0;
  for (const auto& [id, span] : run.survey.operations) {
    if (span.begin < point.event) begun = std::max(begun, id);
    if (span.end < point.event) acknowledged = std::max(acknowledged, id);
  }
  const uint64_t records = std::stoull(outcome.answer);
  const std::string allowed = fmt::format("{} to {}", acknowledged, begun);
  if (records < acknowledged) return finding("lost", allowed);
  if (records > begun) return finding("phantom", allowed);
  return {};
}

inline FunctionRecoverer StoreRecoverer() {
  return FunctionRecoverer([](const std::vector<std::string>& paths, const std::string&) {
    return RecoverStore(paths.front());
  });
}

inline FileExploreOptions OptionsOf(const FileSystemRow& row, const std::string& strategy) {
  FileExploreOptions options;
  options.file_system = &row;
  // A record has two sectors, where they may be torn.
  options.model.sector_bytes = row.sector_bytes == 512 ? 2 : 4;
  options.model.block_bytes = 4;
  const auto parsed = ParseFileStrategy(strategy);
  CHECK_OK(parsed.status());
  options.strategy = *parsed;
  return options;
}

inline FileExploreOptions PosixOptionsOf(const std::string& strategy) {
  return OptionsOf(**FindFileSystem("posix"), strategy);
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_FILE_TEST_UTIL_H_
