// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/io_trace.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "faultinject/iotrace/io_test_util.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;
using Kind = IoEvent::Kind;

std::vector<IoEvent> OfKind(const std::vector<IoEvent>& events, Kind kind) {
  std::vector<IoEvent> found;
  std::copy_if(events.begin(), events.end(), std::back_inserter(found),
               [kind](const IoEvent& event) { return event.kind == kind; });
  return found;
}

RecordedRun RecordShell(const IoTestFolder& folder, const std::string& command) {
  return Record(folder, {"/bin/sh", "-c", command});
}

TEST(IoTrace, WritesSayWhereTheyLanded) {
  const IoTestFolder folder;
  const RecordedRun run = Record(folder, {IO_PROGRAM, "plain"});
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  std::vector<std::pair<uint64_t, size_t>> places;
  std::vector<bool> appended;
  for (const IoEvent& event : OfKind(run.Events(), Kind::kWrite)) {
    places.emplace_back(event.offset, event.data.size());
    appended.push_back(event.appended);
  }
  const std::vector<std::pair<uint64_t, size_t>> expected = {
      {0, 1000}, {1000, 500}, {5000, 6}, {100, 13}, {113, 30}, {7000, 30}, {8000, 30}, {143, 30}};
  EXPECT_EQ(places, expected);
  EXPECT_EQ(appended, (std::vector<bool>{true, true, false, false, false, false, false, false}));
}

TEST(IoTrace, SyncsHaveABeginAnEndAndAScope) {
  const IoTestFolder folder;
  const RecordedRun run = Record(folder, {IO_PROGRAM, "synchronous"});
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  const std::vector<IoEvent> events = run.Events();
  std::vector<IoEvent::Scope> scopes;
  for (const IoEvent& end : OfKind(events, Kind::kSyncEnd)) {
    ASSERT_LT(end.begin, events.size());
    const IoEvent& begin = events[end.begin];
    EXPECT_EQ(begin.kind, Kind::kSyncBegin);
    EXPECT_EQ(begin.inode, end.inode);
    EXPECT_EQ(begin.scope, end.scope);
    EXPECT_FALSE(end.failed);
    scopes.push_back(end.scope);
    if (end.scope != IoEvent::Scope::kRange) continue;
    // Of the write before it, and the proof between them.
    const IoEvent& write = events[end.begin - 2];
    EXPECT_EQ(write.kind, Kind::kWrite);
    EXPECT_EQ(write.offset, end.offset);
    EXPECT_EQ(write.data.size(), end.length);
  }
  using Scope = IoEvent::Scope;
  EXPECT_EQ(scopes, (std::vector<Scope>{Scope::kRange, Scope::kRange, Scope::kRange, Scope::kRange,
                                        Scope::kRange, Scope::kRange, Scope::kRange, Scope::kNone,
                                        Scope::kAll, Scope::kAll}));
}

TEST(IoTrace, AppendsOfTwoProcessesDoNotOverlap) {
  const IoTestFolder folder;
  const RecordedRun run = Record(folder, {IO_PROGRAM, "appends"});
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  uint64_t end = 0;
  std::set<uint32_t> threads;
  for (const IoEvent& event : OfKind(run.Events(), Kind::kWrite)) {
    EXPECT_EQ(event.offset, end);
    EXPECT_TRUE(event.appended);
    end += event.data.size();
    threads.insert(event.thread);
  }
  EXPECT_EQ(end, 3U * (200 * 37 + 6));
  EXPECT_EQ(threads.size(), 3U);
}

TEST(IoTrace, NamesAreOfInodes) {
  const IoTestFolder folder;
  PutFile(folder.root() / "old", "there");
  const RecordedRun run = RecordShell(folder, "echo x > new; mv new old; ln old two; rm old");
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  std::vector<IoEvent> names;
  for (const IoEvent& event : run.Events()) {
    if (event.kind <= Kind::kExchange) names.push_back(event);
  }
  ASSERT_EQ(names.size(), 4U);
  const InodeId old = run.initial.inode(kRootInode).entries.at("old");
  EXPECT_EQ(names[0].kind, Kind::kCreate);
  EXPECT_EQ(names[0].name, "new");
  const InodeId made = names[0].inode;
  EXPECT_EQ(names[1].kind, Kind::kRename);
  EXPECT_EQ(names[1].inode, made);
  EXPECT_EQ(names[1].to_name, "old");
  EXPECT_EQ(names[1].replaced, old);
  EXPECT_EQ(names[2].kind, Kind::kLink);
  EXPECT_EQ(names[2].inode, made);
  EXPECT_EQ(names[2].name, "two");
  EXPECT_EQ(names[3].kind, Kind::kRemove);
  EXPECT_EQ(names[3].inode, made);
}

TEST(IoTrace, MappedStoresAreWritesOfWhatDiffers) {
  const IoTestFolder folder;
  const RecordedRun run = Record(folder, {IO_PROGRAM, "mapped"});
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  const std::vector<IoEvent> events = run.Events();
  std::vector<std::string> stores;
  for (const IoEvent& event : OfKind(events, Kind::kWrite)) {
    if (event.mapped) stores.push_back(event.data);
  }
  EXPECT_EQ(stores, (std::vector<std::string>{"first", "over a page's end", "second", "third",
                                              "under a write", "to be cut off", "at the end"}));
  // Before the end of the operation that made it, and before the sync that covers it.
  const auto first =
      std::find_if(events.begin(), events.end(), [](const IoEvent& event) { return event.mapped; });
  const auto sync = std::find_if(events.begin(), events.end(), [](const IoEvent& event) {
    return event.kind == Kind::kSyncBegin;
  });
  EXPECT_LT(first, sync);
  EXPECT_EQ(sync->scope, IoEvent::Scope::kRange);
  EXPECT_EQ(sync->length, 16U * 4096);
}

TEST(IoTrace, MappedStoresComeBeforeASyncOfAnotherFile) {
  const IoTestFolder folder;
  const RecordedRun run = Record(folder, {IO_PROGRAM, "mapped-besides"});
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  std::vector<Kind> kinds;
  for (const IoEvent& event : run.Events()) {
    if (event.kind == Kind::kWrite || event.kind == Kind::kSyncBegin) kinds.push_back(event.kind);
  }
  EXPECT_EQ(kinds, (std::vector<Kind>{Kind::kWrite, Kind::kSyncBegin}));
}

TEST(IoTrace, VolatileFilesHaveNamesAndNoContents) {
  const IoTestFolder folder;
  const RecordedRun run =
      Record(folder, {IO_PROGRAM, "volatile"}, {.volatile_names = {"lock.mdb", "*-shm"}});
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  IoTrace trace = run.Open();
  EXPECT_TRUE(trace.IsVolatile("lock.mdb"));
  EXPECT_TRUE(trace.IsVolatile("db-shm"));
  EXPECT_FALSE(trace.IsVolatile("data.mdb"));
  const Result<FileTree> tree = Replay(run.initial, &trace);
  ASSERT_TRUE(tree.ok()) << tree.message();
  const auto& entries = tree->inode(kRootInode).entries;
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(tree->inode(entries.at("lock.mdb")).content.bytes(), 0U);
  EXPECT_EQ(tree->inode(entries.at("data.mdb")).content.bytes(), 8192U);
}

// What a recorder that misses a call would write.
TEST(IoTrace, AnyOmittedChangeIsRefused) {
  for (const char* scenario : {"proved", "rename-over"}) {
    const IoTestFolder folder;
    const RecordedRun run = Record(folder, {IO_PROGRAM, scenario});
    ASSERT_TRUE(run.finished.ok()) << run.finished.message();
    const std::vector<IoEvent> events = run.Events();
    IoTrace trace = run.Open();
    for (uint64_t number = 0; number < events.size(); ++number) {
      if (events[number].kind >= Kind::kSyncBegin) continue;
      trace.DropForTest(number);
      const Status verified = VerifyReplay(run.initial, &trace);
      EXPECT_EQ(verified.code(), StatusCode::kCorrupt) << scenario << ", event " << number;
      EXPECT_THAT(std::string(verified.message()), HasSubstr("the trace is not complete: event"));
    }
  }
}

TEST(IoTrace, OtherStartIsRefused) {
  const IoTestFolder folder;
  PutFile(folder.root() / "there", "before");
  const RecordedRun run = RecordShell(folder, "echo x >> there");
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  IoTrace trace = run.Open();
  EXPECT_TRUE(VerifyReplay(run.initial, &trace).ok());
  EXPECT_FALSE(VerifyReplay(FileTree(), &trace).ok());
  FileTree other = run.initial;
  other.mutable_inode(1).content.Write(0, "B");
  const Status verified = VerifyReplay(other, &trace);
  EXPECT_THAT(std::string(verified.message()), HasSubstr("there held other bytes"));
}

TEST(IoTrace, CutShortAtAnyLengthIsRefused) {
  const IoTestFolder folder;
  const RecordedRun run = RecordShell(folder, "echo one > a; mv a b; echo two > c");
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  const std::string whole = GetFile(run.trace_path);
  const auto cut = folder.trace_folder() / "cut";
  for (size_t bytes = 0; bytes < whole.size(); bytes += bytes < 4000 ? 97 : 1) {
    PutFile(cut, whole.substr(0, bytes));
    const Result<IoTrace> trace = IoTrace::Open(cut);
    ASSERT_FALSE(trace.ok()) << bytes;
    EXPECT_EQ(trace.status().code(), StatusCode::kCorrupt);
  }
  PutFile(cut, whole + "x");
  EXPECT_FALSE(IoTrace::Open(cut).ok());
}

TEST(IoTrace, DamageIsFound) {
  const IoTestFolder folder;
  const RecordedRun run = RecordShell(folder, "echo one > a; mv a b; echo two > c");
  ASSERT_TRUE(run.finished.ok()) << run.finished.message();
  const std::string whole = GetFile(run.trace_path);
  const auto damaged = folder.trace_folder() / "damaged";
  constexpr size_t kHeaderUsed = 2096;  // sizeof(LogHeader): behind it lie zeros
  for (size_t at = 0; at < whole.size(); ++at) {
    if (at >= kHeaderUsed && at < 4096) continue;
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 4);
    PutFile(damaged, bytes);
    Result<IoTrace> trace = IoTrace::Open(damaged);
    if (!trace.ok()) continue;
    EXPECT_FALSE(VerifyReplay(run.initial, &*trace).ok()) << at;
  }
}

}  // namespace
}  // namespace fencepost
