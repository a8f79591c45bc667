// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/explorer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "faultinject/explore/explorer_test_util.h"

namespace fencepost {
namespace {

// Everything of a result but the time that it took.
std::string Describe(const ExploreResult& result) {
  std::string text = fmt::format(
      "points {} {} raw {} {} states {} recoveries {} outcomes {} verdicts {} {} every {} stopped "
      "'{}' next {}\n",
      result.crash_points, result.explored_points, result.log10_raw_states,
      result.log10_explored_raw_states, result.states, result.recoveries, result.outcomes,
      result.verdicts, result.failed_verdicts, result.every_state, result.stopped,
      result.next_point);
  for (const FindingGroup& group : result.groups) {
    text +=
        fmt::format("{} {} at {} event {} stack {} seen {} ends {} {} '{}' '{}'\n",
                    group.finding.kind, group.finding.message, group.point.index, group.point.event,
                    group.point.stack, group.occurrences, static_cast<int>(group.outcome.end),
                    group.outcome.code, group.outcome.answer, group.outcome.complaint);
    for (const auto& [id, line] : group.state) {
      text += fmt::format("  {} {} {} {}\n", id.number, line.survived, line.torn,
                          std::string(line.bytes.begin(), line.bytes.end()));
    }
  }
  return text;
}

TEST_F(ExplorerTest, ACorrectProgramHasNoViolation) {
  TestRun run;
  RunFlagProgram(run, Order::kValueFirst);
  for (const std::string strategy :
       {"all", "prefix", "suffix", "one-missing", "one-only", "sample:20"}) {
    const ExploreResult result = MustExplore(run, Options(strategy));
    EXPECT_TRUE(result.groups.empty()) << strategy;
    EXPECT_EQ(result.failed_verdicts, 0u);
    EXPECT_GT(result.verdicts, 0u);
    EXPECT_EQ(result.explored_points, result.crash_points);
    EXPECT_EQ(result.every_state, strategy == "all");
  }
}

TEST_F(ExplorerTest, EqualImagesAreRecoveredOnceAndJudgedAtEachPoint) {
  TestRun run;
  // The same two images at every point: the value is never flushed.
  run.Store8(kValue, 1);
  for (uint64_t operation = 1; operation <= 5; ++operation) {
    run.Begin(operation);
    run.End(operation);
  }
  run.Finish();
  const ExploreResult result = MustExplore(run, Options("all"));
  EXPECT_EQ(result.crash_points, 6u);
  EXPECT_EQ(result.states, 12u);
  EXPECT_EQ(result.recoveries, 2u);
  EXPECT_EQ(result.outcomes, 2u);
  EXPECT_EQ(result.verdicts, 12u);
  EXPECT_EQ(judged_.size(), 12u);
  EXPECT_EQ(std::set(judged_.begin(), judged_.end()).size(), 12u);
}

TEST_F(ExplorerTest, ADifferentSizeIsADifferentImage) {
  TestRun run;
  run.Begin(1);
  run.Write(0, 8192, FPT_WRITE_ALLOCATE);
  run.Begin(2);
  run.Finish();
  MustExplore(run, Options("all"));
  std::set<size_t> sizes;
  for (const auto& [point, image] : judged_) sizes.insert(image.size());
  EXPECT_EQ(sizes, (std::set<size_t>{4096, 8192}));
}

TEST_F(ExplorerTest, EveryStateOfEveryPointIsJudged) {
  std::mt19937_64 random(17);
  for (int round = 0; round < 8; ++round) {
    TestRun run(std::string(300, '\0'));
    for (int i = 0; i < 12; ++i) {
      const uint64_t offset = random() % 36 * 8;
      switch (random() % 4) {
        case 0:
          run.Flush(offset);
          break;
        case 1:
          run.Fence();
          break;
        default:
          run.Store8(offset, random() % 3);
      }
    }
    run.Finish();
    verdict_ = [](const CrashPoint&, const Outcome&) { return std::vector<Finding>{}; };
    const ExploreResult result = MustExplore(run, Options("all"), 2);
    EXPECT_TRUE(result.every_state);
    // By the model alone.
    std::set<std::pair<uint64_t, std::string>> expected;
    TraceFile trace = run.Trace();
    const TraceSurvey survey = *SurveyTrace(&trace);
    ImageSet images = *InitialImages(*run.recording(), &trace);
    TraceWalk walk(&trace, survey, {}, &images);
    while (const auto point = walk.Next()) {
      Options("all").strategy.Generate(walk.model(), 0, 0, [&](const CrashState& state) {
        std::string image(images.files().at(1).bytes.begin(), images.files().at(1).bytes.end());
        for (const auto& [id, line] : state) {
          for (size_t i = 0; i < kLineBytes && id.number * kLineBytes + i < image.size(); ++i) {
            image[id.number * kLineBytes + i] = static_cast<char>(line.bytes[i]);
          }
        }
        expected.emplace(point->index, image);
        return true;
      });
    }
    EXPECT_EQ(std::set(judged_.begin(), judged_.end()), expected) << "round " << round;
    EXPECT_EQ(judged_.size(), expected.size()) << "round " << round;
  }
}

TEST_F(ExplorerTest, SameSeedSameResultWhateverTheWorkers) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  for (const std::string strategy : {"all", "sample:5"}) {
    const std::string once = Describe(MustExplore(run, Options(strategy), 1));
    const Judged judged = judged_;
    for (const unsigned workers : {1u, 3u}) {
      EXPECT_EQ(Describe(MustExplore(run, Options(strategy), workers)), once) << workers;
      EXPECT_TRUE(judged_ == judged) << workers;
    }
    ExploreOptions other = Options(strategy);
    other.seed = 99;
    MustExplore(run, other);
    EXPECT_EQ(judged_ == judged, strategy == "all");
  }
}

TEST_F(ExplorerTest, ComplaintsThatDifferMakeNoOtherOutcome) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  TraceFile trace = run.Trace();
  const TraceSurvey survey = *SurveyTrace(&trace);
  std::string first;
  for (const unsigned workers : {1u, 3u}) {
    FunctionRecoverer dies([](const std::vector<std::string>& paths, const std::string&) {
      const std::string image = ReadFile(paths.front());
      // As unlike as addresses are, but the same for the same image.
      const std::string said =
          fmt::format("{} of {}", NumberAt(image, kFlag), NumberAt(image, kValue));
      CHECK(write(STDERR_FILENO, said.data(), said.size()) > 0);
      _exit(3);
      return std::string();
    });
    FunctionJudge judge([](const CrashPoint&, const Outcome& outcome) {
      return std::vector<Finding>{Found("died", outcome.complaint)};
    });
    const auto result = fencepost::Explore(*run.recording(), &trace, survey, Options("all"),
                                           Pool(workers), &dies, &judge, {});
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->outcomes, 1u);
    EXPECT_EQ(result->failed_verdicts, result->verdicts);
    if (first.empty()) first = Describe(*result);
    EXPECT_EQ(Describe(*result), first) << workers;
  }
}

TEST_F(ExplorerTest, ThreeShardsAreTheWhole) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  const ExploreResult whole = MustExplore(run, Options("all"));
  const Judged all = judged_;
  Judged together;
  uint64_t recoveries = 0, verdicts = 0, failed = 0;
  for (uint64_t shard = 0; shard < 3; ++shard) {
    ExploreOptions options = Options("all");
    options.shard = shard;
    options.shards = 3;
    const ExploreResult part = MustExplore(run, options);
    EXPECT_FALSE(part.every_state);
    EXPECT_LT(part.recoveries, whole.recoveries);
    recoveries += part.recoveries;
    verdicts += part.verdicts;
    failed += part.failed_verdicts;
    together.insert(judged_.begin(), judged_.end());
  }
  EXPECT_TRUE(together == all);
  EXPECT_EQ(recoveries, whole.recoveries);
  EXPECT_EQ(verdicts, whole.verdicts);
  EXPECT_EQ(failed, whole.failed_verdicts);
}

TEST_F(ExplorerTest, ABudgetOfRecoveriesStopsAndTheRestGoesOnFromThere) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  const ExploreResult whole = MustExplore(run, Options("all"));
  const std::set all(judged_.begin(), judged_.end());
  std::set<std::string> kinds;
  for (uint64_t budget = 1; budget < whole.recoveries; ++budget) {
    ExploreOptions options = Options("all");
    options.max_states = budget;
    const ExploreResult first = MustExplore(run, options, 2);
    EXPECT_EQ(first.recoveries, budget);
    EXPECT_NE(first.stopped.find(fmt::format("{}", budget)), std::string::npos) << first.stopped;
    EXPECT_FALSE(first.every_state);
    EXPECT_LT(first.explored_points, first.crash_points);
    EXPECT_EQ(first.crash_points, whole.crash_points);
    EXPECT_EQ(first.next_point, first.explored_points);
    std::set parts(judged_.begin(), judged_.end());
    options.max_states = UINT64_MAX;
    options.first_point = first.next_point;
    const ExploreResult second = MustExplore(run, options);
    EXPECT_TRUE(second.stopped.empty());
    EXPECT_FALSE(second.every_state) << "only a part was explored";
    EXPECT_EQ(first.explored_points + second.explored_points, whole.crash_points);
    parts.insert(judged_.begin(), judged_.end());
    EXPECT_TRUE(parts == all) << "budget " << budget;
  }
  ExploreOptions enough = Options("all");
  enough.max_states = whole.recoveries;
  EXPECT_TRUE(MustExplore(run, enough).stopped.empty());
}

TEST_F(ExplorerTest, TimeAndInterruptsStopAndSaySo) {
  TestRun run;
  RunFlagProgram(run, Order::kFlagFirst);
  ExploreOptions options = Options("all");
  options.max_seconds = 1e-9;
  const ExploreResult late = MustExplore(run, options);
  EXPECT_NE(late.stopped.find("s was used up"), std::string::npos) << late.stopped;
  EXPECT_EQ(late.recoveries, 0u);
  EXPECT_EQ(late.explored_points, 0u);

  int asked = 0;
  const ExploreResult interrupted = MustExplore(
      run, Options("all"), 1, {.progress = {}, .interrupted = [&] { return ++asked > 3; }});
  EXPECT_EQ(interrupted.stopped, "interrupted");
  EXPECT_LT(interrupted.recoveries, 5u);
}

TEST_F(ExplorerTest, StatesThatNeedNoRecoveryCanBeInterruptedToo) {
  TestRun run;
  // 2^40 states, of which this shard has next to none.
  for (uint64_t line = 0; line < 40; ++line) run.Store8(line * 64, 1);
  run.Finish();
  ExploreOptions options = Options("all");
  options.shards = UINT64_MAX;
  options.max_seconds = 0.2;
  const ExploreResult result = MustExplore(run, options);
  EXPECT_FALSE(result.stopped.empty());
}

TEST_F(ExplorerTest, GroupsAreByKindAndPlaceAndCountOccurrences) {
  TestRun run;
  RunFlagProgram(run, Order::kValueFirst);
  verdict_ = [](const CrashPoint& point, const Outcome&) {
    std::vector<Finding> findings = {Found("always", "m")};
    if (point.before == CrashPoint::Before::kEnd) {
      findings.push_back(Found("end", "e"));
    }
    return findings;
  };
  const ExploreResult result = MustExplore(run, Options("all"));
  std::map<std::string, uint64_t> occurrences;
  for (const FindingGroup& group : result.groups) {
    occurrences[group.finding.kind] += group.occurrences;
  }
  EXPECT_EQ(occurrences["always"], result.verdicts);
  EXPECT_EQ(occurrences["end"], 1u);
  EXPECT_EQ(result.failed_verdicts, result.verdicts);
  ASSERT_GE(result.groups.size(), 3u);  // before fences, before operations, at the end (twice)
  EXPECT_EQ(result.groups.front().point.index, 0u);
  EXPECT_TRUE(
      std::is_sorted(result.groups.begin(), result.groups.end(),
                     [](const auto& a, const auto& b) { return a.point.index < b.point.index; }));
}

}  // namespace
}  // namespace fencepost
