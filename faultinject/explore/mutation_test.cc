// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/mutation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "faultinject/explore/explorer_test_util.h"

namespace fencepost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kOther = 128;  // a line that nothing stores to

// Stacks of a program whose flushes and fences all go through its Persist, or libpmem.
enum Line : uint32_t { kFlushValue = 10, kFenceValue, kFlushFlag, kFenceFlag, kFlushOther };

void DefineStacks(TestRun& run) {
  constexpr uint64_t kLibpmem = 1, kHelper = 2, kMain = 3;
  fpt_frame(run.writer(), kLibpmem, "pmem_flush", "pmem.c", 99, "/usr/lib/libpmem.so.1");
  fpt_frame(run.writer(), kHelper, "Persist(void*)", "/src/store.c", 5, "/bin/store");
  fpt_frame(run.writer(), kMain, "main", "/src/main.c", 4, "/bin/store");
  for (uint32_t line = kFlushValue; line <= kFlushOther; ++line) {
    fpt_frame(run.writer(), line, "Put(int)", "/src/store.c", line, "/bin/store");
    const uint64_t addresses[] = {kLibpmem, kHelper, line, kMain};
    fpt_stack(run.writer(), line, addresses, 4);
  }
}

void FlushAt(TestRun& run, uint64_t offset, uint32_t stack) {
  run.Flush(offset, 1, FPT_FLUSH_CLWB, 1, stack);
}
void FenceAt(TestRun& run, uint32_t stack) { run.Fence(1, FPT_FENCE_SFENCE, stack); }

class MutationTest : public ExplorerTest {
 protected:
  // A value, then a flag that says that it is there, then an acknowledgement; again and again.
  void RunProgram(TestRun& run) {
    DefineStacks(run);
    for (uint64_t round = 1; round <= 3; ++round) {
      run.Begin(round);
      run.Store8(kValue, round);
      FlushAt(run, kValue, kFlushValue);
      FenceAt(run, kFenceValue);
      run.Store8(kFlag, round);
      FlushAt(run, kFlag, kFlushFlag);
      FlushAt(run, kOther, kFlushOther);
      FenceAt(run, kFenceFlag);
      acknowledged_.push_back(run.End(round));
    }
    run.Finish();
  }

  // A flag is not ahead of its value, nor behind what was acknowledged.
  std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) {
    std::vector<Finding> findings;
    if (flag_needs_value_) findings = FlagNeedsValue(point, outcome);
    const auto promised = std::count_if(acknowledged_.begin(), acknowledged_.end(),
                                        [&](uint64_t event) { return event < point.event; });
    if (NumberAt(outcome.answer, kFlag) < static_cast<uint64_t>(promised)) {
      findings.push_back(Found("stale", "an acknowledged flag is gone"));
    }
    return findings;
  }

  std::vector<MutationSite> Sites(TestRun& run) {
    TraceFile trace = run.Trace();
    Result<std::vector<MutationSite>> sites = FindMutationSites(&trace, *SurveyTrace(&trace));
    CHECK_OK(sites);
    return std::move(*sites);
  }

  MutationResult Without(TestRun& run, const MutationSite& site, const ExploreOptions& options) {
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    FunctionRecoverer recoverer = WholeImage();
    FunctionJudge judge(
        [&](const CrashPoint& point, const Outcome& outcome) { return Verdict(point, outcome); });
    Result<MutationResult> result = ExploreWithout(site, *run.recording(), &trace, survey, options,
                                                   Pool(2), &recoverer, &judge, {});
    CHECK_OK(result);
    return std::move(*result);
  }

  std::vector<uint64_t> acknowledged_;
  bool flag_needs_value_ = true;
};

// "flush Put (store.c:10) x3".
std::vector<std::string> Names(const std::vector<MutationSite>& sites) {
  std::vector<std::string> names;
  for (const MutationSite& site : sites) {
    names.push_back(MutationKind(site) + " " + site.where + " x" + std::to_string(site.events));
  }
  return names;
}

TEST_F(MutationTest, ExactlyTheRedundantFlushIsNotShownNecessary) {
  TestRun run;
  RunProgram(run);
  for (const char* strategy : {"all", "one-missing"}) {
    std::map<uint32_t, std::string> kinds;
    for (const MutationSite& site : Sites(run)) {
      const MutationResult result = Without(run, site, Options(strategy));
      kinds[site.line] = result.necessary() ? result.violation->finding.kind : "none";
      if (result.necessary()) continue;
      EXPECT_EQ(result.explored.explored_points, result.explored.crash_points);
      EXPECT_EQ(result.explored.stopped, "");
      EXPECT_EQ(result.explored.every_state, std::string(strategy) == "all");
    }
    EXPECT_EQ(kinds, (std::map<uint32_t, std::string>{{kFlushValue, "lost"},
                                                      {kFenceValue, "lost"},
                                                      {kFlushFlag, "stale"},
                                                      {kFenceFlag, "stale"},
                                                      {kFlushOther, "none"}}))
        << strategy;
  }
}

// Without the fence between them, flag and value are stored in one window, and `prefix` does not
// take them out of order.
TEST_F(MutationTest, AWeakStrategyDoesNotShowAFenceNecessary) {
  TestRun run;
  RunProgram(run);
  const std::vector<MutationSite> sites = Sites(run);
  const auto fence = std::find_if(sites.begin(), sites.end(), [](const MutationSite& site) {
    return site.line == kFenceValue;
  });
  ASSERT_NE(fence, sites.end());
  EXPECT_FALSE(Without(run, *fence, Options("prefix")).necessary());
}

TEST_F(MutationTest, AllIsWellWithoutAMutation) {
  TestRun run;
  RunProgram(run);
  const MutationSite none;
  EXPECT_FALSE(Without(run, none, Options("all")).necessary());
}

TEST_F(MutationTest, OfTwoThatDoTheSameNeitherIsShownNecessary) {
  TestRun run;
  DefineStacks(run);
  flag_needs_value_ = false;
  for (uint64_t round = 1; round <= 2; ++round) {
    run.Begin(round);
    run.Store8(kFlag, round);
    FlushAt(run, kFlag, kFlushFlag);
    FlushAt(run, kFlag, kFlushOther);
    FenceAt(run, kFenceFlag);
    acknowledged_.push_back(run.End(round));
  }
  run.Finish();
  std::map<uint32_t, bool> necessary;
  for (const MutationSite& site : Sites(run)) {
    necessary[site.line] = Without(run, site, Options("all")).necessary();
  }
  EXPECT_EQ(necessary, (std::map<uint32_t, bool>{
                           {kFlushFlag, false}, {kFlushOther, false}, {kFenceFlag, true}}));
}

TEST_F(MutationTest, AFenceThatIsLeftOutLeavesTheOthersWhereTheyAre) {
  TestRun run;
  DefineStacks(run);
  run.Store8(kValue, 1);
  FlushAt(run, kValue, kFlushValue);
  FenceAt(run, kFenceValue);
  run.Store8(kFlag, 1);
  FlushAt(run, kFlag, kFlushFlag);
  const uint64_t last = run.Fence(1, FPT_FENCE_SFENCE, kFenceFlag);
  run.Finish();

  TraceFile trace = run.Trace();
  TraceSurvey survey = *SurveyTrace(&trace);
  survey.removed = {.kind = FPT_FENCE, .stacks = {kFenceValue}};
  ImageSet images = *InitialImages(*run.recording(), &trace);
  TraceWalk walk(&trace, survey, {}, &images);
  const std::optional<CrashPoint> fence = walk.Next();
  ASSERT_TRUE(fence.has_value());
  EXPECT_EQ(fence->event, last) << "what is left out is no crash point";
  size_t undecided = 0;
  for (const auto& [id, line] : walk.model().lines()) undecided += line.undecided() ? 1 : 0;
  EXPECT_EQ(undecided, 2u) << "neither is durable yet";
  const std::optional<CrashPoint> end = walk.Next();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->before, CrashPoint::Before::kEnd);
  for (const auto& [id, line] : walk.model().lines()) EXPECT_FALSE(line.undecided());
}

TEST_F(MutationTest, SitesAreLinesOfTheProgramBehindItsHelpers) {
  TestRun run;
  RunProgram(run);
  EXPECT_THAT(Names(Sites(run)),
              ElementsAre("flush Put (store.c:10) x3", "fence Put (store.c:11) x3",
                          "flush Put (store.c:12) x3", "fence Put (store.c:13) x3",
                          "flush Put (store.c:14) x3"));
}

TEST_F(MutationTest, AFlushAndAFenceOfOneLineAreTwoSites) {
  TestRun run;
  DefineStacks(run);
  FlushAt(run, kValue, kFlushValue);
  FenceAt(run, kFlushValue);
  run.Sync(kValue, 8, kFlushValue);
  run.Finish();
  EXPECT_THAT(Names(Sites(run)),
              ElementsAre("flush Put (store.c:10) x1", "fence Put (store.c:10) x1",
                          "sync Put (store.c:10) x1"));
}

TEST_F(MutationTest, AHelperThatNobodyElseCallsIsASiteItself) {
  TestRun run;
  fpt_frame(run.writer(), 1, "Persist(void*)", "/src/store.c", 5, "/bin/store");
  fpt_frame(run.writer(), 2, "start", "", 0, "/bin/store");
  const uint64_t helper[] = {1, 2}, no_line[] = {2};
  fpt_stack(run.writer(), 1, helper, 2);
  fpt_stack(run.writer(), 2, no_line, 1);
  FenceAt(run, 1);
  FenceAt(run, 2);
  FenceAt(run, 0);
  run.Finish();
  EXPECT_THAT(Names(Sites(run)),
              testing::UnorderedElementsAre("fence Persist (store.c:5) x1",
                                            "fence start (in /bin/store) x1", "fence unknown x1"));
}

TEST_F(MutationTest, ALockedInstructionIsNeitherASiteNorLeftOut) {
  TestRun run;
  DefineStacks(run);
  run.Fence(1, FPT_FENCE_LOCKED, kFenceValue);
  run.Finish();
  EXPECT_THAT(Sites(run), IsEmpty());
  TraceFile trace = run.Trace();
  const RemovedEvents removed = {.kind = FPT_FENCE, .stacks = {kFenceValue}};
  size_t fences = 0;
  ASSERT_TRUE(trace
                  .ForEach([&](const fpt_event& event) {
                    fences += event.kind == FPT_FENCE ? 1 : 0;
                    EXPECT_FALSE(removed.Contains(event));
                  })
                  .ok());
  EXPECT_EQ(fences, 1u);
}

TEST_F(MutationTest, ARequestIsASiteOnlyWhereRequestsAreAllThereIs) {
  for (const bool by_instruction : {false, true}) {
    TestRun run;
    DefineStacks(run);
    run.Flush(kValue, 1, FPT_FLUSH_REQUEST, 1, kFlushValue);
    run.Fence(1, FPT_FENCE_REQUEST, kFenceValue);
    if (by_instruction) FlushAt(run, kValue, kFlushFlag);
    run.Finish();
    if (by_instruction) {
      EXPECT_THAT(Names(Sites(run)), ElementsAre("flush Put (store.c:12) x1"));
    } else {
      EXPECT_THAT(Names(Sites(run)),
                  ElementsAre("flush Put (store.c:10) x1", "fence Put (store.c:11) x1"));
    }
  }
}

TEST_F(MutationTest, AnMsyncThatMakesTheValueDurableIsNecessary) {
  TestRun run;
  DefineStacks(run);
  for (uint64_t round = 1; round <= 2; ++round) {
    run.Begin(round);
    run.Store8(kValue, round);
    run.Sync(kValue, 8, kFlushValue);
    run.Store8(kFlag, round);
    run.Sync(kFlag, 8, kFlushFlag);
    acknowledged_.push_back(run.End(round));
  }
  run.Finish();
  const std::vector<MutationSite> sites = Sites(run);
  ASSERT_EQ(sites.size(), 2u);
  for (const MutationSite& site : sites) {
    EXPECT_EQ(MutationKind(site), "sync");
    EXPECT_TRUE(Without(run, site, Options("prefix")).necessary()) << site.where;
  }
}

TEST_F(MutationTest, ABudgetEndsASiteWithItsReason) {
  TestRun run;
  RunProgram(run);
  ExploreOptions options = Options("all");
  options.max_states = 1;
  const std::vector<MutationSite> sites = Sites(run);
  const MutationResult result = Without(run, sites.back(), options);
  EXPECT_FALSE(result.necessary());
  EXPECT_NE(result.explored.stopped, "");
  EXPECT_LT(result.explored.explored_points, result.explored.crash_points);
}

}  // namespace
}  // namespace fencepost
