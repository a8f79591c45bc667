// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_story.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "faultinject/trace/trace_test_util.h"
#include "harness/crash/crash_report.h"

namespace fencepost {
namespace {

using testing::HasSubstr;

constexpr uint64_t kBase = 0x10000;
constexpr uint32_t kPutStack = 1, kFlushStack = 2, kFenceStack = 3, kLibraryStack = 4;

// A trace of one mapped file; each call is an event, and gives its number.
class Tracing {
 public:
  Tracing() {
    fpt_file(w(), 1, "/dev/shm/pool");
    fpt_map(w(), 1, 1, kBase, 1 << 20, 0, FPT_MAP_FOUND);
    Frame(0x10, "Put", "store.c", 12, "/bin/store");
    Frame(0x20, "Persist", "store.c", 20, "/bin/store");
    Frame(0x30, "Drain", "store.c", 30, "/bin/store");
    Frame(0x40, "pmem_flush", "pmem.c", 99, "/usr/lib/x86_64-linux-gnu/libpmem.so.1");
    Frame(0x50, "memcpy", "memcpy.S", 7, "/lib/libc.so.6");
    Stack(kPutStack, {0x50, 0x10});
    Stack(kFlushStack, {0x40, 0x20, 0x10});
    Stack(kFenceStack, {0x30});
    Stack(kLibraryStack, {0x40, 0x50});
  }

  uint64_t Store(uint64_t line, uint32_t flags = 0, uint32_t thread = 1) {
    const uint64_t value = 7;
    fpt_store(w(), thread, kBase + line * 64, &value, sizeof(value), flags, kPutStack);
    return Last();
  }
  uint64_t Flush(uint64_t line, fpt_flush_kind kind = FPT_FLUSH_CLWB, uint32_t thread = 1) {
    fpt_flush(w(), thread, kBase + line * 64, 64, kind, kFlushStack);
    return Last();
  }
  uint64_t Fence(uint32_t thread = 1) {
    fpt_fence(w(), thread, FPT_FENCE_SFENCE, kFenceStack);
    return Last();
  }
  uint64_t Begin(uint64_t operation) {
    fpt_op_begin(w(), 1, operation);
    return Last();
  }
  uint64_t End(uint64_t operation) {
    fpt_op_end(w(), 1, operation);
    return Last();
  }

  // Finishes the trace.
  TraceFile& File() {
    if (!file_) {
      disk_.emplace(memory_.Finish());
      file_.emplace(std::move(TraceFile::Open(disk_->path()).value()));
    }
    return *file_;
  }

 private:
  fpt_writer* w() { return memory_.writer(); }
  uint64_t Last() { return fpt_writer_events(w()) - 1; }
  void Frame(uint64_t address, const char* function, const char* source, uint32_t line,
             const char* object) {
    fpt_frame(w(), address, function, source, line, object);
  }
  void Stack(uint32_t id, const std::vector<uint64_t>& addresses) {
    fpt_stack(w(), id, addresses.data(), static_cast<uint32_t>(addresses.size()));
  }

  MemoryTrace memory_;
  std::optional<TemporaryFile> disk_;
  std::optional<TraceFile> file_;
};

// A crash before `event`, for which the store of `store` to this line was missing.
MinimalViolation Missing(uint64_t line, uint64_t store, uint64_t event, bool non_temporal = false) {
  MinimalViolation violation;
  violation.group.finding = {"lost", "user1", "key user1 is lost", "v2", "absent"};
  violation.group.point = {.index = 1, .event = event, .before = CrashPoint::Before::kFence};
  violation.group.occurrences = 1;
  MissingLine missing{.line = {1, line}};
  missing.stores = {{.event = store,
                     .thread = 1,
                     .stack = kPutStack,
                     .offset = line * 64,
                     .bytes = 8,
                     .non_temporal = non_temporal}};
  violation.missing = {missing};
  return violation;
}

Story StoryOf(Tracing& tracing, const MinimalViolation& violation, bool requests_count = false) {
  Result<std::vector<Story>> stories = TellStories(&tracing.File(), requests_count, {violation});
  CHECK_OK(stories);
  return stories->at(0);
}

// The report's words on what should have made the line durable.
std::string CoverText(Tracing& tracing, const MinimalViolation& violation) {
  TraceSurvey survey;
  survey.by_instruction = true;
  const ExploreOptions options;
  CrashContext context;
  context.folder = "/results/x";
  context.survey = &survey;
  context.options = &options;
  Result<nlohmann::json> report = CrashJson(context, &tracing.File(), {}, {violation});
  CHECK_OK(report);
  return (*report)["violations"][0]["missing"][0]["cover"];
}

std::vector<std::string> Whats(const Story& story) {
  std::vector<std::string> whats;
  for (const StoryEvent& event : story.timeline) whats.push_back(event.what);
  return whats;
}

TEST(CrashStory, AnUnflushedStoreHasNoCover) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  tracing.Flush(4);
  const uint64_t crash = tracing.Fence();
  const MinimalViolation violation = Missing(3, store, crash);
  const Story story = StoryOf(tracing, violation);
  ASSERT_EQ(story.covers.size(), 1u);
  EXPECT_FALSE(story.covers[0].flush || story.covers[0].fence);
  EXPECT_EQ(CoverText(tracing, violation), "no flush of its line follows, up to the end");
}

TEST(CrashStory, AFlushBeforeTheStoreIsNotItsCover) {
  Tracing tracing;
  tracing.Flush(3);
  const uint64_t store = tracing.Store(3);
  const uint64_t crash = tracing.Fence();
  EXPECT_FALSE(StoryOf(tracing, Missing(3, store, crash)).covers[0].flush);
}

TEST(CrashStory, AFlushWithoutAFenceBeforeTheCrashIsNamedWithTheFenceThatComesAfter) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  const uint64_t flush = tracing.Flush(3);
  tracing.Fence(/*thread=*/2);
  const uint64_t crash = tracing.Fence();
  const MinimalViolation violation = Missing(3, store, crash);
  const Cover cover = StoryOf(tracing, violation).covers[0];
  ASSERT_TRUE(cover.flush && cover.fence);
  EXPECT_TRUE(cover.flushed_before);
  EXPECT_EQ(cover.flush->event, flush);
  EXPECT_EQ(cover.fence->event, crash) << "not the fence of another thread";
  EXPECT_EQ(CoverText(tracing, violation),
            "flushed at Persist (store.c:20) (thread 1), not fenced; the first fence that drains "
            "it, Drain (store.c:30), comes after the crash");
}

TEST(CrashStory, AFlushThatNoFenceEverDrainsIsSaidSo) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  tracing.Flush(3);
  const uint64_t crash = tracing.Fence(/*thread=*/2);
  EXPECT_THAT(CoverText(tracing, Missing(3, store, crash)),
              HasSubstr("not fenced; no fence drains it, up to the end"));
}

TEST(CrashStory, AFlushAfterTheCrashIsTooLate) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  tracing.Flush(4);
  const uint64_t crash = tracing.Fence();
  tracing.Flush(3);
  tracing.Fence();
  const MinimalViolation violation = Missing(3, store, crash);
  EXPECT_FALSE(StoryOf(tracing, violation).covers[0].flushed_before);
  EXPECT_EQ(CoverText(tracing, violation),
            "not flushed before the crash; the first flush of its line, Persist (store.c:20), "
            "comes after");
}

TEST(CrashStory, ANonTemporalStoreWaitsForAFenceOnly) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3, FPT_STORE_NT);
  const uint64_t crash = tracing.Fence();
  EXPECT_THAT(CoverText(tracing, Missing(3, store, crash, /*non_temporal=*/true)),
              testing::StartsWith("a non-temporal store, held by no flush; the first fence that "
                                  "drains it, Drain (store.c:30)"));
}

TEST(CrashStory, ARequestIsNoFlushWhereTheProgramFlushesByInstruction) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  tracing.Flush(3, FPT_FLUSH_REQUEST);
  const uint64_t crash = tracing.Fence();
  const MinimalViolation violation = Missing(3, store, crash);
  EXPECT_FALSE(StoryOf(tracing, violation, /*requests_count=*/false).covers[0].flush);
  EXPECT_TRUE(StoryOf(tracing, violation, /*requests_count=*/true).covers[0].flush);
}

TEST(CrashStory, TheTimelineIsInOrderWithTheCrashInItsPlace) {
  Tracing tracing;
  tracing.Begin(17);
  const uint64_t store = tracing.Store(3);
  tracing.Store(9);  // of no interest
  tracing.Flush(3);
  const uint64_t crash = tracing.Fence();
  tracing.End(17);
  const Story story = StoryOf(tracing, Missing(3, store, crash));
  EXPECT_THAT(Whats(story),
              testing::ElementsAre("operation 17 begins", "store", "flush clwb", "crash",
                                   "fence sfence", "operation 17 is acknowledged"));
  for (size_t i = 1; i < story.timeline.size(); ++i) {
    EXPECT_LE(story.timeline[i - 1].event, story.timeline[i].event);
  }
  EXPECT_EQ(story.timeline[1].line, 0u);
  EXPECT_EQ(story.timeline[1].bytes, 8u);
}

TEST(CrashStory, ACrashAtTheEndIsTheLastOfTheTimeline) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  const Story story = StoryOf(tracing, Missing(3, store, store + 1));
  EXPECT_THAT(Whats(story), testing::ElementsAre("store", "crash"));
}

TEST(CrashStory, ALongTimelineKeepsTheMissingStoreAndIsBounded) {
  Tracing tracing;
  const uint64_t store = tracing.Store(3);
  uint64_t crash = 0;
  for (uint64_t i = 0; i < 500; ++i) {
    tracing.Begin(i);
    if (i == 400) crash = tracing.Fence();
    tracing.End(i);
  }
  const Story story = StoryOf(tracing, Missing(3, store, crash));
  EXPECT_LE(story.timeline.size(), 50u);
  EXPECT_EQ(story.timeline.front().event, store);
  EXPECT_EQ(story.timeline[1].event > crash - 100, true) << "the rest is what came last";
}

TEST(CrashStory, MoreMissingStoresThanATimelineHoldsAreBoundedToo) {
  Tracing tracing;
  MinimalViolation violation = Missing(3, tracing.Store(3), 0);
  for (int i = 0; i < 300; ++i) {
    MissingStore store = violation.missing[0].stores[0];
    store.event = tracing.Store(3);
    violation.missing[0].stores.push_back(store);
  }
  violation.group.point.event = tracing.Fence();
  EXPECT_LE(StoryOf(tracing, violation).timeline.size(), 50u);
}

TEST(CrashStory, EachViolationHasItsOwnStory) {
  Tracing tracing;
  const uint64_t first = tracing.Store(3);
  const uint64_t second = tracing.Store(4);
  tracing.Flush(4);
  const uint64_t crash = tracing.Fence();
  Result<std::vector<Story>> stories =
      TellStories(&tracing.File(), false, {Missing(3, first, crash), Missing(4, second, crash)});
  ASSERT_TRUE(stories.ok());
  EXPECT_FALSE((*stories)[0].covers[0].flush);
  EXPECT_TRUE((*stories)[1].covers[0].flush);
}

TEST(WhereOf, IsTheInnermostLineOfTheProgramItself) {
  Tracing tracing;
  tracing.Store(1);
  TraceFile& trace = tracing.File();
  ASSERT_TRUE(trace.ForEach([](const fpt_event&) {}).ok());
  EXPECT_EQ(WhereOf(trace, kPutStack), "Put (store.c:12)") << "not libc's memcpy";
  EXPECT_EQ(WhereOf(trace, kFlushStack), "Persist (store.c:20)") << "not libpmem's flush";
  EXPECT_EQ(WhereOf(trace, kLibraryStack), "pmem_flush (pmem.c:99)") << "where there is no other";
  EXPECT_EQ(WhereOf(trace, 0), "unknown");
}

}  // namespace
}  // namespace fencepost
