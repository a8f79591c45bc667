// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/trace_walk.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

using Before = CrashPoint::Before;
using Points = std::vector<std::pair<uint64_t, Before>>;

// One walk, with all that it needs.
struct Walk {
  explicit Walk(const TestRun& run, const Px86Options& options = {})
      : trace(run.Trace()),
        survey(*SurveyTrace(&trace)),
        images(*InitialImages(*const_cast<TestRun&>(run).recording(), &trace)),
        walk(&trace, survey, options, &images) {}

  Points All() {
    Points points;
    while (const auto point = walk.Next()) {
      EXPECT_EQ(point->index, points.size());
      points.emplace_back(point->event, point->before);
    }
    EXPECT_TRUE(walk.status().ok());
    EXPECT_FALSE(walk.Next().has_value());
    return points;
  }

  TraceFile trace;
  TraceSurvey survey;
  ImageSet images;
  TraceWalk walk;
};

uint64_t EndOf(TestRun& run) { return fpt_writer_events(run.writer()); }

TEST(TraceWalk, AFenceIsACrashPointIfItsThreadHasSomethingToDrain) {
  TestRun run;
  run.Fence();
  run.Store8(0, 1);
  run.Fence();
  run.Flush(0);
  run.Fence(2);  // flushed by another thread
  const uint64_t drains = run.Fence(1);
  run.Fence(1);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{drains, Before::kFence}, {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, AFenceDrainsNonTemporalStores) {
  TestRun run;
  run.Store(0, std::string(8, 'n'), FPT_STORE_NT, /*thread=*/2);
  run.Fence(1);
  const uint64_t drains = run.Fence(2, FPT_FENCE_LOCKED);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{drains, Before::kFence}, {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, DrainingWhatWasThereAlreadyIsNone) {
  TestRun run;
  run.Store8(0, 0);
  run.Persist(0);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, ClflushAndMsyncAreCrashPointsWhereSomethingIsUndecided) {
  TestRun run;
  run.Store8(0, 1, /*thread=*/2);
  run.Store8(128, 1);
  run.Flush(64, 1, FPT_FLUSH_CLFLUSH);
  const uint64_t clflush = run.Flush(0, 1, FPT_FLUSH_CLFLUSH);
  run.Flush(0, 1, FPT_FLUSH_CLFLUSH);
  run.Sync(0, 128);
  const uint64_t sync = run.Sync(0, 4096);
  run.Sync(0, 4096);
  run.Finish();
  EXPECT_EQ(
      Walk(run).All(),
      (Points{{clflush, Before::kClflush}, {sync, Before::kSync}, {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, OperationsAreCrashPointsOnlyAfterNews) {
  TestRun run;
  const uint64_t first = run.Begin(1);
  run.Begin(2);  // nothing since
  run.End(1);
  const uint64_t after_end = run.Begin(3);
  run.Store8(0, 1);
  const uint64_t after_store = run.Begin(4);
  run.Flush(0);
  const uint64_t fence = run.Fence();
  run.Begin(5);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{first, Before::kOperation},
                                     {after_end, Before::kOperation},
                                     {after_store, Before::kOperation},
                                     {fence, Before::kFence},
                                     {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, AChangeOfSizeIsACrashPoint) {
  TestRun run;
  run.Write(0, 64, FPT_WRITE_PWRITE);
  run.Write(0, 4096, FPT_WRITE_ALLOCATE);
  run.Write(4096, 0, FPT_WRITE_TRUNCATE);  // to the size that it has
  run.Write(0, 8192, FPT_WRITE_ZERO);
  const uint64_t grows = run.Write(4096, 100, FPT_WRITE_PWRITE);
  const uint64_t allocates = run.Write(0, 8192, FPT_WRITE_ALLOCATE);
  const uint64_t cuts = run.Write(4096, 0, FPT_WRITE_TRUNCATE);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{grows, Before::kResize},
                                     {allocates, Before::kResize},
                                     {cuts, Before::kResize},
                                     {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, WithEadrEveryStoreIsACrashPointAndFlushesAreNot) {
  TestRun run;
  const uint64_t one = run.Store8(0, 1);
  run.Persist(0);
  const uint64_t two = run.Store(64, std::string(8, 'n'), FPT_STORE_NT);
  const uint64_t fence = run.Fence();
  const uint64_t write = run.Write(0, 8, FPT_WRITE_PWRITE);
  run.Finish();
  EXPECT_EQ(Walk(run, {.eadr = true}).All(), (Points{{one, Before::kStore},
                                                     {two, Before::kStore},
                                                     {fence, Before::kFence},
                                                     {write, Before::kStore},
                                                     {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, RequestsCountWhereNothingFlushesByInstruction) {
  TestRun run;
  run.Store8(0, 1);
  run.Flush(0, 8, FPT_FLUSH_REQUEST);
  const uint64_t fence = run.Fence(1, FPT_FENCE_REQUEST);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{fence, Before::kFence}, {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, RequestsAreHintsWhereSomethingFlushesByInstruction) {
  TestRun run;
  run.Store8(0, 1);
  run.Flush(0, 8, FPT_FLUSH_REQUEST);
  run.Fence(1, FPT_FENCE_REQUEST);
  run.Fence(1, FPT_FENCE_SFENCE);
  run.Flush(0, 8, FPT_FLUSH_CLWB);
  run.Fence(1, FPT_FENCE_REQUEST);
  const uint64_t fence = run.Fence(1, FPT_FENCE_SFENCE);
  run.Finish();
  EXPECT_EQ(Walk(run).All(), (Points{{fence, Before::kFence}, {EndOf(run), Before::kEnd}}));
}

TEST(TraceWalk, AFileMappedAtTwoAddressesIsOne) {
  TestRun run;
  const uint64_t elsewhere = TestRun::kBase + 0x100000;
  fpt_map(run.writer(), 1, TestRun::kFile, elsewhere, 2048, 1024, FPT_MAP_FOUND);
  run.Store8(1024 + 64, 5);
  fpt_flush(run.writer(), 1, elsewhere + 64, 8, FPT_FLUSH_CLWB, 0);
  const uint64_t fence = run.Fence();
  run.Finish();
  Walk walk(run);
  EXPECT_EQ(walk.All(), (Points{{fence, Before::kFence}, {EndOf(run), Before::kEnd}}));
  EXPECT_EQ(walk.images.files().at(TestRun::kFile).bytes[1024 + 64], 5);
  EXPECT_TRUE(walk.walk.model().lines().empty());
}

TEST(TraceWalk, TheModelHasSeenExactlyTheEventsBefore) {
  TestRun run;
  run.Store8(0, 1);
  run.Flush(0);
  run.Fence();
  run.Store8(64, 2);
  run.Finish();
  Walk walk(run);
  ASSERT_TRUE(walk.walk.Next().has_value());
  EXPECT_EQ(walk.images.files().at(1).bytes[0], 0);
  EXPECT_EQ(walk.walk.model().lines().size(), 1u);
  ASSERT_TRUE(walk.walk.Next().has_value());
  EXPECT_EQ(walk.images.files().at(1).bytes[0], 1);
  EXPECT_EQ(walk.walk.model().lines().begin()->first.number, 1u);
}

TEST(TraceWalk, SeekGoesToAPointAheadOrSaysHowManyThereAre) {
  TestRun run;
  run.Store8(0, 1);
  run.Persist(0);
  run.Store8(0, 2);
  run.Flush(0);
  const uint64_t second = run.Fence();
  run.Finish();
  Walk walk(run);
  const Result<CrashPoint> point = walk.walk.Seek(1);
  ASSERT_TRUE(point.ok());
  EXPECT_EQ(point->event, second);
  const Result<CrashPoint> none = walk.walk.Seek(7);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("the trace has 3"), std::string::npos)
      << none.status().message();
}

TEST(TraceWalk, APointNamesTheEventsThreadAndStack) {
  TestRun run;
  run.Store(0, "x", 0, 3);
  run.Flush(0, 1, FPT_FLUSH_CLWB, 3);
  run.Fence(3, FPT_FENCE_SFENCE, 17);
  run.Finish();
  Walk walk(run);
  const auto point = walk.walk.Next();
  ASSERT_TRUE(point.has_value());
  EXPECT_EQ(point->thread, 3u);
  EXPECT_EQ(point->stack, 17u);
}

TEST(TraceWalk, WhatIsStoredOutsideOfMappingsIsCounted) {
  TestRun run;
  run.Store(4090, std::string(10, 'x'));
  fpt_flush(run.writer(), 1, 0, UINT64_MAX, FPT_FLUSH_CLWB, 0);  // as a confused program asks for
  run.Finish();
  Walk walk(run);
  EXPECT_EQ(walk.survey.unmapped_bytes, 4u);
  EXPECT_EQ(walk.All().size(), 1u);
  EXPECT_EQ(walk.images.files().at(1).bytes[4095], 0);  // undecided to the end
}

TEST(TraceWalk, MemoryThatIsNoFileIsLeftOut) {
  TestRun run;
  const uint64_t variable = 0x7000;
  fpt_map(run.writer(), 1, kNoFile, variable, 64, 0, FPT_MAP_REQUEST);
  fpt_store(run.writer(), 1, variable, "x", 1, 0, 0);
  fpt_flush(run.writer(), 1, variable, 1, FPT_FLUSH_CLWB, 0);
  run.Fence();
  run.Finish();
  Walk walk(run);
  EXPECT_EQ(walk.survey.unmapped_bytes, 1u);
  EXPECT_EQ(walk.All().size(), 1u);
  EXPECT_TRUE(walk.walk.model().lines().empty());
}

TEST(TraceWalk, ASurveyRefusesWhatDoesNotFitTogether) {
  const auto survey = [](const std::function<void(TestRun&)>& events) {
    TestRun run;
    events(run);
    const std::vector<uint8_t> bytes = [&] {
      run.Finish();
      const std::string text = ReadFile(run.recording()->trace_path());
      return std::vector<uint8_t>(text.begin(), text.end());
    }();
    TraceFile trace = run.Trace();
    return SurveyTrace(&trace).status();
  };
  EXPECT_TRUE(survey([](TestRun& run) {
                run.Begin(1);
                run.End(1);
              }).ok());
  EXPECT_EQ(survey([](TestRun& run) {
              run.Begin(1);
              run.Begin(1);
            }).code(),
            StatusCode::kCorrupt);
  EXPECT_TRUE(survey([](TestRun& run) {
                fpt_map(run.writer(), 1, kNoFile, 0x1000, 64, 0, FPT_MAP_REQUEST);
              }).ok());
  EXPECT_EQ(survey([](TestRun& run) { run.End(1); }).code(), StatusCode::kCorrupt);
  EXPECT_EQ(survey([](TestRun& run) {
              fpt_map(run.writer(), 1, 9, 0x1000, 64, 0, FPT_MAP_FOUND);
            }).code(),
            StatusCode::kCorrupt);
}

}  // namespace
}  // namespace fencepost
