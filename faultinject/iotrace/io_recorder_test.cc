// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/io_recorder.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <map>

#include "faultinject/iotrace/io_test_util.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kVolatile = {"lock.mdb", "*-shm"};

RecordedRun RecordScenario(const IoTestFolder& folder, const std::string& name,
                           const std::string& number = "0") {
  return Record(folder, {IO_PROGRAM, name, number}, {.volatile_names = kVolatile});
}

// Each scenario of testprogram/ does what it should, and its trace makes what it left.
class IoScenario : public ::testing::TestWithParam<const char*> {};

TEST_P(IoScenario, IsReplayedByteForByte) {
  const IoTestFolder folder;
  PutFile(folder.root() / "there", "before");
  const RecordedRun run = RecordScenario(folder, GetParam());
  EXPECT_EQ(run.exit_status, 0);
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  IoTrace trace = run.Open();
  const Status verified = VerifyReplay(run.initial, &trace);
  EXPECT_TRUE(verified.ok()) << verified.message();
  EXPECT_GT(trace.events(), 3U);
}

INSTANTIATE_TEST_SUITE_P(All, IoScenario,
                         ::testing::Values("plain", "proved", "synchronous", "direct", "copies",
                                           "appends", "lengths", "allocations", "long", "threads",
                                           "names", "rename-over", "unlinked", "unnamed",
                                           "openings", "outside", "volatile", "processes",
                                           "signals", "io_uring", "interrupted",
                                           "exit-while-writing", "killed", "mapped",
                                           "mapped-until-exit", "mapped-parts", "made-writable",
                                           "mapped-by-processes", "mapped-sparse", "mapped-holes",
                                           "mapped-many", "mapped-besides", "mapped-unlinked"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Of the operations that were begun, those that did not end.
std::vector<uint64_t> CutShort(const std::vector<IoEvent>& events) {
  std::vector<uint64_t> open;
  for (const IoEvent& event : events) {
    if (event.kind == IoEvent::Kind::kOperationBegin) open.push_back(event.id);
    if (event.kind == IoEvent::Kind::kOperationEnd) std::erase(open, event.id);
  }
  return open;
}

TEST(IoRecorder, TheKthStoreIntoAHoleOfAMappingFindsNoRoom) {
  for (const uint64_t at : {1U, 2U, 3U}) {
    SCOPED_TRACE(at);
    const IoTestFolder folder;
    const RecordedRun run = Record(folder, {IO_PROGRAM, "mapped-holes", "0"},
                                   {.fault = {.kind = IoFault::Kind::kSigbus, .at = at}});
    ASSERT_TRUE(run.finished.ok()) << run.finished.message();
    IoTrace trace = run.Open();
    const Status verified = VerifyReplay(run.initial, &trace);
    EXPECT_TRUE(verified.ok()) << verified.message();
    const std::string left = GetFile(folder.root() / "mapped");
    EXPECT_EQ(run.fault_was_played, at < 3);
    EXPECT_EQ(left.substr(100, 10) == "first hole", at > 1);
    EXPECT_EQ(left.substr(8192, 7) == "no hole", at > 1);
    EXPECT_EQ(left.substr(16384, 11) == "second hole", at > 2);
    if (at == 3) {  // there are two
      EXPECT_EQ(run.exit_status, 0);
      continue;
    }
    EXPECT_TRUE(WIFSIGNALED(run.exit_status) && WTERMSIG(run.exit_status) == SIGBUS);
    EXPECT_EQ(CutShort(run.Events()), std::vector<uint64_t>{at});
  }
}

// Threads and processes that make random calls on the same few files.
TEST(IoRecorder, RandomProgramsAreReplayedByteForByte) {
  constexpr int kSeeds = 40;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const IoTestFolder folder;
    const RecordedRun run = RecordScenario(folder, "random", std::to_string(seed));
    ASSERT_EQ(run.exit_status, 0) << IO_PROGRAM << " random " << seed;
    ASSERT_TRUE(run.finished.ok())
        << IO_PROGRAM << " random " << seed << ": " << run.finished.message();
    IoTrace trace = run.Open();
    const Status verified = VerifyReplay(run.initial, &trace);
    ASSERT_TRUE(verified.ok()) << verified.message();
  }
}

TEST(IoRecorder, KillIsReplayedOrSaidToHaveBeenInsideACall) {
  int replayed = 0;
  constexpr int kSeeds = 25;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const IoTestFolder folder;
    const RecordedRun run = RecordScenario(folder, "killed-while-writing", std::to_string(seed));
    ASSERT_EQ(run.exit_status, 0);
    replayed += run.finished.ok() ? 1 : 0;
    if (run.finished.ok()) continue;
    EXPECT_THAT(std::string(run.finished.message()),
                HasSubstr("a process died between a call and its event"));
  }
  EXPECT_GT(replayed, 0);
}

struct Refusal {
  const char* scenario;
  const char* reason;
};

class IoRefusal : public ::testing::TestWithParam<Refusal> {};

TEST_P(IoRefusal, IsSaidAtTheEndAndByTheTrace) {
  const IoTestFolder folder;
  std::filesystem::copy(IO_PROGRAM_STATIC, folder.root() / "static");
  const RecordedRun run =
      Record(folder, {IO_PROGRAM, GetParam().scenario}, {.log_bytes_max = 8 << 20});
  EXPECT_EQ(run.finished.code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(run.finished.message()), HasSubstr(GetParam().reason));
  const Result<IoTrace> trace = IoTrace::Open(run.trace_path);
  ASSERT_FALSE(trace.ok());
  EXPECT_EQ(trace.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(trace.message()), HasSubstr(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    All, IoRefusal,
    ::testing::Values(Refusal{"io_submit", "io_submit: aio"},
                      Refusal{"attributes", "blocks of a traced file: to"},
                      Refusal{"moved-in", "moved into the folder from outside"},
                      Refusal{"linked-in", "a link in the folder to a file outside"},
                      Refusal{"pipe", "a pipe, socket or device was made in the folder: pipe"},
                      Refusal{"static", "./static ran without the recorder's library"},
                      Refusal{"without-environment", "/bin/true ran without"},
                      Refusal{"much", "the log is full"}),
    [](const auto& tested) {
      std::string name = tested.param.scenario;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(IoRecorder, ProgramThatIsStaticIsRefused) {
  const IoTestFolder folder;
  const RecordedRun run = Record(folder, {IO_PROGRAM_STATIC});
  EXPECT_EQ(run.finished.code(), StatusCode::kUnsupported);
  EXPECT_THAT(std::string(run.finished.message()), HasSubstr("did not load"));
}

// Somebody who is not recorded.
TEST(IoRecorder, ChangeThatNobodyRecordedIsFound) {
  using Change = void (*)(const std::filesystem::path& root);
  const std::map<std::string, Change> changes = {
      {"there holds other bytes", [](const auto& root) { PutFile(root / "there", "BEFORE"); }},
      {"there is 7 bytes long, not 6",
       [](const auto& root) { PutFile(root / "there", "before!"); }},
      {"no event made new", [](const auto& root) { PutFile(root / "new", ""); }},
      {"no event removed /there",
       [](const auto& root) { std::filesystem::remove(root / "there"); }},
  };
  for (const auto& [message, change] : changes) {
    const IoTestFolder folder;
    PutFile(folder.root() / "there", "before");
    Result<IoRecorder> recorder =
        IoRecorder::Start({.root = folder.root(), .folder = folder.trace_folder()});
    ASSERT_TRUE(recorder.ok()) << recorder.message();
    EXPECT_EQ(RunProgram({IO_PROGRAM, "plain"}, folder.root(), recorder->Environment()), 0);
    change(folder.root());
    const Status finished = recorder->Finish();
    EXPECT_EQ(finished.code(), StatusCode::kCorrupt);
    EXPECT_THAT(std::string(finished.message()), HasSubstr(message));
    EXPECT_FALSE(IoTrace::Open(recorder->trace_path()).ok());
  }
}

TEST(IoRecorder, NothingButTheTraceIsLeft) {
  const IoTestFolder folder;
  const RecordedRun run = RecordScenario(folder, "plain");
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.trace_folder())) {
    names.push_back(entry.path().filename());
  }
  EXPECT_EQ(names, std::vector<std::string>{"trace"});
  {
    const Result<IoRecorder> unfinished =
        IoRecorder::Start({.root = folder.root(), .folder = folder.trace_folder()});
    EXPECT_TRUE(unfinished.ok()) << unfinished.message();
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.trace_folder()));
}

TEST(IoRecorder, WhatCannotBeRecordedIsRefusedAtTheStart) {
  const IoTestFolder folder;
  const auto start = [&](const std::filesystem::path& root, const std::filesystem::path& to) {
    return IoRecorder::Start({.root = root, .folder = to}).status().code();
  };
  EXPECT_EQ(start(folder.root() / "absent", folder.trace_folder()), StatusCode::kInvalidArgument);
  EXPECT_EQ(start(folder.root(), folder.root() / "in"), StatusCode::kInvalidArgument);
  PutFile(folder.root() / "file", "");
  EXPECT_EQ(start(folder.root() / "file", folder.trace_folder()), StatusCode::kInvalidArgument);
  ASSERT_EQ(mkfifo((folder.root() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(start(folder.root(), folder.trace_folder()), StatusCode::kUnsupported);
}

bool HasProgram(const char* name) {
  return WEXITSTATUS(std::system((std::string("command -v ") + name + " > /dev/null").c_str())) ==
         0;
}

// A program that was not written here.
TEST(IoRecorder, SqliteIsReplayedInEveryJournalMode) {
  if (!HasProgram("sqlite3")) GTEST_SKIP() << "sqlite3 is not installed";
  for (const std::string mode : {"delete", "truncate", "persist", "wal"}) {
    for (const std::string synchronous : {"full", "normal", "off"}) {
      const IoTestFolder folder;
      const std::string script = "PRAGMA synchronous=" + synchronous +
                                 ";PRAGMA journal_mode=" + mode +
                                 ";CREATE TABLE t(a,b);"
                                 "INSERT INTO t VALUES(1,hex(randomblob(3000)));"
                                 "BEGIN;INSERT INTO t VALUES(2,hex(randomblob(30000)));COMMIT;"
                                 "DELETE FROM t WHERE a=1;VACUUM;";
      const RecordedRun run =
          Record(folder, {"sqlite3", "db", script}, {.volatile_names = kVolatile});
      EXPECT_EQ(run.exit_status, 0);
      ASSERT_TRUE(run.finished.ok()) << mode << ' ' << synchronous << ' ' << run.finished.message();
      const std::vector<IoEvent> events = run.Events();
      const auto syncs = std::count_if(events.begin(), events.end(), [](const IoEvent& event) {
        return event.kind == IoEvent::Kind::kSyncEnd;
      });
      if (synchronous == "off") {
        EXPECT_EQ(syncs, 0) << mode;
      } else {
        EXPECT_GT(syncs, 0) << mode << ' ' << synchronous;
      }
    }
  }
}

}  // namespace
}  // namespace fencepost
