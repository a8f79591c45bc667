// SPDX-License-Identifier: BSD-3-Clause
// For tests that explore: the fixture, and a program with a flag and a value.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_EXPLORER_TEST_UTIL_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_EXPLORER_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/explore_test_util.h"
#include "faultinject/explore/minimize.h"

namespace fencepost {

inline Finding Found(const std::string& kind, const std::string& message) {
  return {.kind = kind, .subject = {}, .message = message, .allowed = {}, .found = {}};
}

// A value and, on another line, a flag that says that it is there; again and again.
inline constexpr uint64_t kValue = 0, kFlag = 64;
inline constexpr uint32_t kValueStack = 5, kFlagStack = 6;
inline constexpr uint64_t kRounds = 4;

enum class Order { kValueFirst, kFlagFirst };

inline void RunFlagProgram(TestRun& run, Order order) {
  for (uint64_t round = 1; round <= kRounds; ++round) {
    run.Begin(round);
    run.Store8(kValue, round, 1, kValueStack);
    if (order == Order::kValueFirst) run.Persist(kValue);
    run.Store8(kFlag, round, 1, kFlagStack);
    run.Persist(kFlag);
    if (order == Order::kFlagFirst) run.Persist(kValue);
    run.End(round);
  }
  run.Finish();
}

// A flag must not be ahead of its value.
inline std::vector<Finding> FlagNeedsValue(const CrashPoint&, const Outcome& outcome) {
  if (NumberAt(outcome.answer, kFlag) <= NumberAt(outcome.answer, kValue)) return {};
  return {Found("lost", "a flag without its value")};
}

class ExplorerTest : public ::testing::Test {
 protected:
  ExplorerTest() { std::filesystem::create_directories(scratch()); }
  ~ExplorerTest() override { EXPECT_EQ(EntriesOf(scratch()), 0u); }

  std::filesystem::path scratch() const { return folder_.path() / "scratch"; }
  PoolOptions Pool(unsigned workers = 1) const {
    return {.workers = workers, .timeout_s = 60, .scratch_root = scratch()};
  }
  static ExploreOptions Options(const std::string& strategy) {
    ExploreOptions options;
    options.strategy = *ParseStrategy(strategy);
    return options;
  }

  // What was judged: index of the crash point, and the image.
  using Judged = std::multiset<std::pair<uint64_t, std::string>>;

  Result<ExploreResult> Explore(TestRun& run, const ExploreOptions& options, unsigned workers = 1,
                                const ExploreHooks& hooks = {}) {
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    FunctionRecoverer recoverer = WholeImage();
    FunctionJudge judge([&](const CrashPoint& point, const Outcome& outcome) {
      judged_.emplace(point.index, outcome.answer);
      return verdict_(point, outcome);
    });
    return fencepost::Explore(*run.recording(), &trace, survey, options, Pool(workers), &recoverer,
                              &judge, hooks);
  }
  ExploreResult MustExplore(TestRun& run, const ExploreOptions& options, unsigned workers = 1,
                            const ExploreHooks& hooks = {}) {
    judged_.clear();
    Result<ExploreResult> result = Explore(run, options, workers, hooks);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return std::move(*result);
  }
  std::vector<MinimalViolation> MustMinimize(TestRun& run, const ExploreOptions& options,
                                             std::vector<FindingGroup> groups,
                                             uint64_t max_recoveries = 1000,
                                             const std::function<bool()>& interrupted = {}) {
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    FunctionRecoverer recoverer = WholeImage();
    FunctionJudge judge(verdict_);
    Result<std::vector<MinimalViolation>> violations =
        Minimize(*run.recording(), &trace, survey, options, Pool(), &recoverer, &judge,
                 std::move(groups), max_recoveries, interrupted);
    EXPECT_TRUE(violations.ok()) << violations.status().message();
    return std::move(*violations);
  }

  TemporaryFolder folder_;
  FunctionJudge::Function verdict_ = FlagNeedsValue;
  Judged judged_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_EXPLORER_TEST_UTIL_H_
