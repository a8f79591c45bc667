// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/recording_content.h"

#include <gtest/gtest.h>

#include <functional>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

constexpr uint64_t kBase = TestRun::kBase;

uint64_t Content(const std::function<void(TestRun*)>& steps, const History& history = {}) {
  TestRun run;
  steps(&run);
  run.Finish();
  Result<TraceFile> trace = TraceFile::Open(run.recording()->trace_path().string());
  CHECK_OK(trace);
  const Result<uint64_t> content = ContentOf(&*trace, history);
  CHECK_OK(content);
  return *content;
}

// Two threads store, one of them makes both lines its affair.
void Steps(TestRun* run) {
  run->Begin(1);
  run->Store8(0, 1, 1);
  run->Store8(64, 2, 2);
  run->Flush(0, 1, FPT_FLUSH_CLWB, 1);
  run->Fence(1);
  run->End(1);
}

TEST(RecordingContent, TheSameEventsInAnotherFolderAreTheSame) {
  EXPECT_EQ(Content(Steps), Content(Steps));
}

TEST(RecordingContent, TheOrderOfTwoThreadsCounts) {
  EXPECT_NE(Content(Steps), Content([](TestRun* run) {
              run->Begin(1);
              run->Store8(64, 2, 2);
              run->Store8(0, 1, 1);
              run->Flush(0, 1, FPT_FLUSH_CLWB, 1);
              run->Fence(1);
              run->End(1);
            }));
}

TEST(RecordingContent, EachFactOfAnEventCounts) {
  const uint64_t plain = Content([](TestRun* run) { run->Store8(0, 1); });
  const std::pair<const char*, std::function<void(TestRun*)>> others[] = {
      {"value", [](TestRun* run) { run->Store8(0, 2); }},
      {"place", [](TestRun* run) { run->Store8(8, 1); }},
      {"thread", [](TestRun* run) { run->Store8(0, 1, 2); }},
      {"width", [](TestRun* run) { run->Store(0, std::string("\1\0\0\0", 4)); }},
      {"around the cache",
       [](TestRun* run) { run->Store(0, std::string("\1\0\0\0\0\0\0\0", 8), FPT_STORE_NT); }},
      {"a flush after it",
       [](TestRun* run) {
         run->Store8(0, 1);
         run->Flush(0);
       }},
      {"an operation before it",
       [](TestRun* run) {
         run->Begin(1);
         run->Store8(0, 1);
       }},
  };
  for (const auto& [what, steps] : others) EXPECT_NE(Content(steps), plain) << what;
}

TEST(RecordingContent, AFenceCountsIfItsThreadHasSomethingToDrain) {
  const auto with = [](bool flushed, uint32_t fenced_by) {
    return Content([=](TestRun* run) {
      run->Store8(0, 1, 1);
      if (flushed) run->Flush(0, 1, FPT_FLUSH_CLWB, 1);
      if (fenced_by != 0) run->Fence(fenced_by, FPT_FENCE_LOCKED);
    });
  };
  EXPECT_EQ(with(false, 1), with(false, 0)) << "a thread that takes a lock";
  EXPECT_EQ(with(true, 2), with(true, 0)) << "another thread's flush";
  EXPECT_NE(with(true, 1), with(true, 0));
}

TEST(RecordingContent, TheSecondFenceInARowDrainsNothing) {
  const auto fences = [](int count) {
    return Content([=](TestRun* run) {
      run->Store8(0, 1);
      run->Flush(0);
      for (int i = 0; i < count; ++i) run->Fence();
    });
  };
  EXPECT_EQ(fences(2), fences(1));
}

TEST(RecordingContent, WhereTheFileIsMappedAndWhoCalledDoNotCount) {
  const auto at = [](uint64_t base, uint32_t stack) {
    return Content([=](TestRun* run) {
      fpt_map(run->writer(), 1, TestRun::kFile, base, 4096, 0, FPT_MAP_FOUND);
      const uint64_t value = 1;
      fpt_store(run->writer(), 1, base, &value, sizeof(value), 0, stack);
    });
  };
  EXPECT_EQ(at(2 * kBase, 0), at(3 * kBase, 5));
}

HistoryOp ReadOf(uint64_t id, std::optional<std::string> found) {
  HistoryOp read{.id = id, .kind = HistoryOp::Kind::kRead};
  read.key = "k";
  read.found = std::move(found);
  return read;
}

TEST(RecordingContent, WhatWasAnsweredCounts) {
  const uint64_t absent = Content(Steps, {{}, {ReadOf(1, std::nullopt)}});
  EXPECT_NE(absent, Content(Steps, {{}, {ReadOf(1, "v1")}}));
  EXPECT_NE(absent, Content(Steps, {{}, {ReadOf(1, "")}}));
  HistoryOp refused = ReadOf(1, std::nullopt);
  refused.outcome = HistoryOp::Outcome::kRefused;
  EXPECT_NE(absent, Content(Steps, {{}, {refused}}));
  HistoryOp write{.id = 1, .writes = {{"k", "v1"}}};
  const uint64_t one = Content(Steps, {{}, {write}});
  write.writes[0].value = "v2";
  EXPECT_NE(Content(Steps, {{}, {write}}), one);
}

TEST(RecordingContent, InWhichOrderTheHistoryWasWrittenDownDoesNotCount) {
  const HistoryOp one = ReadOf(1, "v1"), two = ReadOf(2, "v2");
  EXPECT_EQ(Content(Steps, {{}, {one, two}}), Content(Steps, {{}, {two, one}}));
}

}  // namespace
}  // namespace fencepost
