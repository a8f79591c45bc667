// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/minimize.h"

#include <gtest/gtest.h>

#include <set>

#include "faultinject/explore/explorer_test_util.h"

namespace fencepost {
namespace {

using MinimizeTest = ExplorerTest;

TEST_F(MinimizeTest, AFlagBeforeItsValueIsFoundAndItsMinimalSetIsTheValuesLine) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  for (const std::string strategy :
       {"all", "prefix", "suffix", "one-missing", "one-only", "sample:20"}) {
    SCOPED_TRACE(strategy);
    const ExploreOptions options = Options(strategy);
    const ExploreResult result = MustExplore(run, options);
    ASSERT_FALSE(result.groups.empty());
    for (const MinimalViolation& violation : MustMinimize(run, options, result.groups)) {
      EXPECT_EQ(violation.group.finding.kind, "lost");
      ASSERT_EQ(violation.missing.size(), 1u);
      EXPECT_EQ(violation.missing[0].line, (LineId{TestRun::kFile, kValue / kLineBytes}));
      ASSERT_EQ(violation.missing[0].stores.size(), 1u);
      const MissingStore& store = violation.missing[0].stores[0];
      EXPECT_EQ(store.stack, kValueStack);
      EXPECT_EQ(store.offset, kValue);
      EXPECT_EQ(store.bytes, 8u);
      EXPECT_FALSE(store.torn);
    }
  }
}

TEST_F(MinimizeTest, PrefixFindsTheStoreThatIsMadeDurableTooLate) {
  // Trace order survives in a prefix, so the wrong order must be in the trace.
  TestRun run;
  run.Store8(kFlag, 1, 1, kFlagStack);
  run.Store8(kValue, 1, 1, kValueStack);
  run.Persist(0, 128);
  run.Finish();
  const ExploreResult result = MustExplore(run, Options("prefix"));
  ASSERT_EQ(result.groups.size(), 1u);
  const auto violations = MustMinimize(run, Options("prefix"), result.groups);
  ASSERT_EQ(violations.size(), 1u);
  ASSERT_EQ(violations[0].missing.size(), 1u);
  EXPECT_EQ(violations[0].missing[0].stores[0].stack, kValueStack);
  EXPECT_NE(violations[0].missing[0].stores[0].flush_event, 0u);
}

TEST_F(MinimizeTest, SeveralLinesThatAreNeededTogetherAreAllNamed) {
  for (const std::set<uint64_t>& culprits :
       {std::set<uint64_t>{3}, std::set<uint64_t>{0, 9}, std::set<uint64_t>{1, 4, 8},
        std::set<uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
    TestRun run;
    for (uint64_t line = 0; line < 10; ++line)
      run.Store8(line * 64, 1, 1, 100 + static_cast<uint32_t>(line));
    run.Finish();
    // Only if every one of them is missing.
    verdict_ = [&](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
      for (const uint64_t line : culprits) {
        if (NumberAt(outcome.answer, line * 64) != 0) return {};
      }
      return {Found("lost", "all gone")};
    };
    const ExploreResult result = MustExplore(run, Options("prefix"));
    ASSERT_EQ(result.groups.size(), 1u);
    const auto violations = MustMinimize(run, Options("prefix"), result.groups);
    ASSERT_EQ(violations.size(), 1u);
    std::set<uint64_t> missing;
    for (const MissingLine& line : violations[0].missing) {
      missing.insert(line.line.number);
      ASSERT_EQ(line.stores.size(), 1u);
      EXPECT_EQ(line.stores[0].stack, 100 + line.line.number);
      EXPECT_EQ(line.found, LineBytes{});
      EXPECT_EQ(line.newest[0], 1);
    }
    EXPECT_EQ(missing, culprits);
    // The state is the minimal one: every other line is there.
    for (const auto& [id, line] : violations[0].group.state) {
      EXPECT_EQ(line.bytes[0], culprits.contains(id.number) ? 0 : 1) << id.number;
    }
    EXPECT_LE(violations[0].recoveries, 100u);
  }
}

TEST_F(MinimizeTest, AViolationWithEveryStoreSurvivedHasAnEmptySet) {
  TestRun run;
  run.Store8(0, 1);
  run.Store8(64, 1);
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome&) {
    return std::vector<Finding>{Found("wrong", "always")};
  };
  const ExploreResult result = MustExplore(run, Options("all"));
  const auto violations = MustMinimize(run, Options("all"), result.groups);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_TRUE(violations[0].missing.empty());
  EXPECT_EQ(violations[0].recoveries, 1u);
  for (const auto& [id, line] : violations[0].group.state) EXPECT_EQ(line.bytes[0], 1);
}

TEST_F(MinimizeTest, ATornStoreIsNamedAsTorn) {
  TestRun run;
  run.Store(0, std::string(16, 'x'));
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
    if ((outcome.answer[0] == 'x') == (outcome.answer[8] == 'x')) return {};
    return {Found("torn", "half")};
  };
  const ExploreResult result = MustExplore(run, Options("all"));
  ASSERT_EQ(result.groups.size(), 1u);
  EXPECT_EQ(result.groups[0].occurrences, 2u);
  const auto violations = MustMinimize(run, Options("all"), result.groups);
  ASSERT_EQ(violations[0].missing.size(), 1u);
  ASSERT_EQ(violations[0].missing[0].stores.size(), 1u);
  EXPECT_TRUE(violations[0].missing[0].stores[0].torn);

  ExploreOptions whole = Options("all");
  whole.model.tearing = Tearing::kLine;
  EXPECT_TRUE(MustExplore(run, whole).groups.empty());
}

TEST_F(MinimizeTest, MinimisingKeepsToItsBudgetAndToAFailingState) {
  TestRun run;
  for (uint64_t line = 0; line < 20; ++line) run.Store8(line * 64, 1);
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
    if (NumberAt(outcome.answer, 0) != 0 || NumberAt(outcome.answer, 19 * 64) != 0) return {};
    return {Found("lost", "both ends")};
  };
  const ExploreResult result = MustExplore(run, Options("prefix"));
  ASSERT_EQ(result.groups.size(), 1u);
  for (const uint64_t budget : {1, 3, 7}) {
    const auto violations = MustMinimize(run, Options("prefix"), result.groups, budget);
    EXPECT_LE(violations[0].recoveries, budget);
    std::set<uint64_t> missing;
    for (const MissingLine& line : violations[0].missing) missing.insert(line.line.number);
    EXPECT_TRUE(missing.contains(0) && missing.contains(19)) << budget;
    EXPECT_FALSE(verdict_({}, violations[0].group.outcome).empty()) << budget;
    EXPECT_FALSE(violations[0].minimal) << budget;
  }
  EXPECT_TRUE(MustMinimize(run, Options("prefix"), result.groups)[0].minimal);
}

TEST_F(MinimizeTest, AHangIsMinimisedForAMinuteAtMost) {
  TestRun run;
  for (uint64_t line = 0; line < 20; ++line) run.Store8(line * 64, 1);
  run.Finish();
  verdict_ = [](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
    if (NumberAt(outcome.answer, 0) != 0) return {};
    return {Found("hang", "no end")};
  };
  ExploreResult result = MustExplore(run, Options("prefix"));
  ASSERT_EQ(result.groups.size(), 1u);
  result.groups[0].outcome.end = Outcome::End::kTimedOut;
  const auto violations = MustMinimize(run, Options("prefix"), result.groups);
  EXPECT_EQ(violations[0].recoveries, 1u);  // of 60 s
  EXPECT_FALSE(violations[0].minimal);
}

TEST_F(MinimizeTest, WhenInterruptedTheRestStaysAsItWasFound) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  const ExploreResult result = MustExplore(run, Options("all"));
  const auto violations =
      MustMinimize(run, Options("all"), result.groups, 1000, [] { return true; });
  ASSERT_EQ(violations.size(), result.groups.size());
  for (size_t i = 0; i < violations.size(); ++i) {
    EXPECT_EQ(violations[i].recoveries, 0u);
    EXPECT_EQ(violations[i].group.state, result.groups[i].state);
    EXPECT_FALSE(violations[i].missing.empty());
  }
}

}  // namespace
}  // namespace fencepost
