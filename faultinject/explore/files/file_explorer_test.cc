// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_explorer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "faultinject/explore/files/file_test_util.h"

namespace fencepost {
namespace {

// Everything of a result but the time that it took.
std::string Describe(const FileExploreResult& result) {
  std::string text = fmt::format(
      "points {} {} raw {} {} states {} recoveries {} outcomes {} verdicts {} {} every {} cut {} "
      "stopped '{}' next {}\n",
      result.crash_points, result.explored_points, result.log10_raw_states,
      result.log10_explored_raw_states, result.states, result.recoveries, result.outcomes,
      result.verdicts, result.failed_verdicts, result.every_state, result.states_cut,
      result.stopped, result.next_point);
  for (const auto& group : result.groups) {
    text +=
        fmt::format("{} {} at {} event {} in {} seen {} ends {} '{}' {}\n", group.finding.kind,
                    group.finding.message, group.point.index, group.point.event,
                    result.places[group.point.stack], group.occurrences,
                    static_cast<int>(group.outcome.end), group.outcome.answer, group.state.Text());
  }
  return text;
}

class FileExplorerTest : public testing::Test {
 protected:
  FileExplorerTest() { std::filesystem::create_directories(scratch()); }
  ~FileExplorerTest() override { EXPECT_EQ(EntriesOf(scratch()), 0u); }
  std::filesystem::path scratch() const { return folder_.path() / "scratch"; }

  // What was judged: index of the crash point, and the answer.
  using Judged = std::multiset<std::pair<uint64_t, std::string>>;

  FileExploreResult Explore(const FileRun& run, const FileExploreOptions& options,
                            Recoverer* recoverer, Judge* judge, unsigned workers = 1,
                            const ExploreHooks& hooks = {}) {
    const PoolOptions pool{.workers = workers, .timeout_s = 60, .scratch_root = scratch()};
    Result<FileExploreResult> result = ExploreFiles(run, options, pool, recoverer, judge, hooks);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return std::move(*result);
  }

  FileExploreResult ExploreStore(const FileRun& run, const FileExploreOptions& options,
                                 unsigned workers = 1, const ExploreHooks& hooks = {}) {
    judged_.clear();
    FunctionRecoverer recoverer = StoreRecoverer();
    FunctionJudge judge([&](const CrashPoint& point, const Outcome& outcome) {
      judged_.emplace(point.index, outcome.answer);
      return StoreVerdict(run, point, outcome);
    });
    return Explore(run, options, &recoverer, &judge, workers, hooks);
  }

  // Of any run: the answer is the tree, and all is well.
  FileExploreResult ExploreTrees(const FileRun& run, const FileExploreOptions& options,
                                 unsigned workers = 1) {
    judged_.clear();
    FunctionRecoverer recoverer([](const std::vector<std::string>& paths, const std::string&) {
      const Result<FileTree> tree = FileTree::Read(paths.front());
      CHECK_OK(tree.status());
      return TreeText(*tree);
    });
    FunctionJudge judge([&](const CrashPoint& point, const Outcome& outcome) {
      judged_.emplace(point.index, outcome.answer);
      return std::vector<Finding>();
    });
    return Explore(run, options, &recoverer, &judge, workers);
  }

  TemporaryFolder folder_;
  Judged judged_;
};

TEST_F(FileExplorerTest, ACorrectProtocolPassesUnderEveryFileSystem) {
  const FileRun run = RunStore();
  for (const FileSystemRow& row : FileSystems()) {
    for (const char* strategy : {"all", "prefix", "one-missing", "one-only", "torn", "sample:50"}) {
      SCOPED_TRACE(fmt::format("{} {}", row.name, strategy));
      const FileExploreResult result = ExploreStore(run, OptionsOf(row, strategy), 2);
      EXPECT_TRUE(result.groups.empty()) << Describe(result);
      EXPECT_EQ(result.failed_verdicts, 0u);
      // There need not be a write to tear.
      EXPECT_TRUE(result.verdicts >= result.crash_points || strategy == std::string("torn"));
      EXPECT_EQ(result.explored_points, result.crash_points);
      EXPECT_EQ(result.every_state, strategy == std::string("all"));
      EXPECT_TRUE(result.stopped.empty());
    }
  }
}

// Which strategies find that a sync is missing, in the order of kStoreSyncs: the first letters of
// all, prefix, one-missing, one-only, torn (which finds what the oldest and the newest state of a
// crash point show as well). None, "-", where the file system needs no such sync.
TEST_F(FileExplorerTest, EachMissingSyncIsFoundWhereItIsNeeded) {
  constexpr std::pair<char, const char*> kStrategies[] = {
      {'a', "all"}, {'p', "prefix"}, {'m', "one-missing"}, {'o', "one-only"}, {'t', "torn"}};
  const std::map<std::string_view, std::string> expected = {
      {"posix", "apmot apmot apmot amo apmot apmot"},
      {"append-atomic", "apmot apmot apmot amo apmot apmot"},
      // The journal has the new log's name and the rename before the old log's end. A file that
      // replaces another is written before.
      {"ext4-ordered", "apmot apmot - - - apmot"},
      // Its size is: what it holds may be stale.
      {"ext4-writeback", "apmot apmot apmot - - apmot"},
      {"xfs", "apmot apmot apmot - - apmot"},
      // The sync of a new file has its name, but nothing orders a rename before an unlink.
      {"btrfs", "apmot apmot apmot - apmot apmot"},
  };
  for (const FileSystemRow& row : FileSystems()) {
    std::string found;
    for (const StoreSync missing : kStoreSyncs) {
      const FileRun run = RunStore(missing);
      std::string by;
      for (const auto& [letter, strategy] : kStrategies) {
        if (!ExploreStore(run, OptionsOf(row, strategy), 2).groups.empty()) by += letter;
      }
      found += (found.empty() ? "" : " ") + (by.empty() ? "-" : by);
    }
    EXPECT_EQ(found, expected.at(row.name)) << row.name;
  }
}

TEST_F(FileExplorerTest, EveryStateOfEveryPointIsJudgedOnce) {
  for (const FileSystemRow& row : FileSystems()) {
    const FileRun run = RunStore(StoreSync::kNewLog);
    const FileExploreOptions options = OptionsOf(row, "all");
    const FileExploreResult result = ExploreTrees(run, options, 2);
    EXPECT_TRUE(result.every_state);
    // By the model alone.
    Judged expected;
    std::set<std::string> trees;
    uint64_t states = 0;
    PosixModel model(row, options.model, run.initial);
    FileWalk walk(run.events, &model);
    while (const auto point = walk.Next()) {
      std::set<std::string> here;
      model.ForEachState([&](const PosixModel::Survivors& survivors) {
        here.insert(TreeText(model.Build(survivors)));
        ++states;
        return true;
      });
      for (const std::string& tree : here) expected.emplace(point->index, tree);
      trees.insert(here.begin(), here.end());
    }
    EXPECT_TRUE(judged_ == expected) << row.name;
    EXPECT_EQ(result.states, states);
    EXPECT_EQ(result.recoveries, trees.size());
    EXPECT_EQ(result.outcomes, trees.size());
    EXPECT_EQ(result.verdicts, expected.size());
  }
}

TEST_F(FileExplorerTest, EqualTreesAreRecoveredOnceAndJudgedAtEachPoint) {
  const FileRun run = FileProgram("create a; write a 0 AA")
                          .Run("write a 0 BB; op 1; ack 1; op 2; ack 2; op 3; ack 3")
                          .run();
  const FileExploreResult result = ExploreTrees(run, PosixOptionsOf("all"));
  EXPECT_EQ(result.crash_points, 4u);
  EXPECT_EQ(result.states, 8u);
  EXPECT_EQ(result.recoveries, 2u);
  EXPECT_EQ(result.verdicts, 8u);
}

TEST_F(FileExplorerTest, ATreeWithAnotherContextIsRecoveredAnew) {
  class PointJudge : public Judge {
   public:
    std::string Context(const CrashPoint& point) override {
      return std::to_string(point.index / 2);
    }
    std::vector<Finding> Verdict(const CrashPoint& point, const Outcome& outcome) override {
      EXPECT_EQ(outcome.answer, Context(point));
      return {};
    }
  };
  const FileRun run = FileProgram("create a; write a 0 AA")
                          .Run("write a 0 BB; op 1; ack 1; op 2; ack 2; op 3; ack 3")
                          .run();
  FunctionRecoverer recoverer(
      [](const std::vector<std::string>&, const std::string& context) { return context; });
  PointJudge judge;
  const FileExploreResult result = Explore(run, PosixOptionsOf("all"), &recoverer, &judge);
  EXPECT_EQ(result.recoveries, 4u);
  EXPECT_EQ(result.outcomes, 2u);
  EXPECT_EQ(result.verdicts, 8u);
}

TEST_F(FileExplorerTest, SameSeedSameResultWhateverTheWorkers) {
  const FileRun run = RunStore(StoreSync::kNewLog);
  for (const char* strategy : {"all", "sample:5"}) {
    const std::string once = Describe(ExploreStore(run, PosixOptionsOf(strategy)));
    const Judged judged = judged_;
    for (const unsigned workers : {1u, 3u}) {
      EXPECT_EQ(Describe(ExploreStore(run, PosixOptionsOf(strategy), workers)), once) << workers;
      EXPECT_TRUE(judged_ == judged) << workers;
    }
    FileExploreOptions other = PosixOptionsOf(strategy);
    other.seed = 99;
    ExploreStore(run, other);
    EXPECT_EQ(judged_ == judged, strategy == std::string("all"));
  }
}

TEST_F(FileExplorerTest, ThreeShardsAreTheWhole) {
  const FileRun run = RunStore(StoreSync::kNewLog);
  const FileExploreResult whole = ExploreStore(run, PosixOptionsOf("all"));
  const Judged all = judged_;
  Judged together;
  uint64_t recoveries = 0, verdicts = 0, failed = 0;
  for (uint64_t shard = 0; shard < 3; ++shard) {
    FileExploreOptions options = PosixOptionsOf("all");
    options.shard = shard;
    options.shards = 3;
    const FileExploreResult part = ExploreStore(run, options);
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

TEST_F(FileExplorerTest, ABudgetOfRecoveriesStopsAndTheRestGoesOnFromThere) {
  const FileRun run = RunStore(StoreSync::kNewLog);
  for (const char* strategy : {"all", "prefix"}) {
    const FileExploreResult whole = ExploreStore(run, PosixOptionsOf(strategy));
    const Judged whole_judged = judged_;
    const std::set all(judged_.begin(), judged_.end());
    for (uint64_t budget = 1; budget < whole.recoveries; budget += 1 + budget / 4) {
      FileExploreOptions options = PosixOptionsOf(strategy);
      options.max_states = budget;
      const FileExploreResult first = ExploreStore(run, options, 2);
      EXPECT_EQ(first.recoveries, budget);
      EXPECT_NE(first.stopped.find(fmt::format("{} recoveries", budget)), std::string::npos);
      EXPECT_FALSE(first.every_state);
      EXPECT_LT(first.explored_points, first.crash_points);
      EXPECT_EQ(first.crash_points, whole.crash_points);
      EXPECT_EQ(first.log10_raw_states, whole.log10_raw_states);
      EXPECT_LT(first.log10_explored_raw_states, whole.log10_raw_states);
      EXPECT_EQ(first.next_point, first.explored_points);
      std::set parts(judged_.begin(), judged_.end());
      options.max_states = UINT64_MAX;
      options.first_point = first.next_point;
      const FileExploreResult second = ExploreStore(run, options);
      EXPECT_TRUE(second.stopped.empty());
      EXPECT_EQ(second.every_state, false) << "only a part was explored";
      EXPECT_EQ(first.explored_points + second.explored_points, whole.crash_points);
      // At each point what the whole has there, no more.
      EXPECT_TRUE(judged_ ==
                  Judged(whole_judged.lower_bound({first.next_point, ""}), whole_judged.end()))
          << strategy << " budget " << budget;
      parts.insert(judged_.begin(), judged_.end());
      EXPECT_TRUE(parts == all) << strategy << " budget " << budget;
    }
    FileExploreOptions enough = PosixOptionsOf(strategy);
    enough.max_states = whole.recoveries;
    EXPECT_TRUE(ExploreStore(run, enough).stopped.empty());
  }
}

TEST_F(FileExplorerTest, TimeInterruptsAndEnoughFindingsStopAndSaySo) {
  const FileRun run = RunStore(StoreSync::kNewLog);
  FileExploreOptions options = PosixOptionsOf("all");
  options.max_seconds = 1e-9;
  const FileExploreResult late = ExploreStore(run, options);
  EXPECT_NE(late.stopped.find("s was used up"), std::string::npos) << late.stopped;
  EXPECT_EQ(late.recoveries, 0u);
  EXPECT_EQ(late.explored_points, 0u);
  EXPECT_EQ(late.next_point, 0u);

  int asked = 0;
  const FileExploreResult interrupted = ExploreStore(
      run, PosixOptionsOf("all"), 1, {.progress = {}, .interrupted = [&] { return ++asked > 3; }});
  EXPECT_EQ(interrupted.stopped, "interrupted");
  EXPECT_LT(interrupted.recoveries, 5u);

  const uint64_t groups = ExploreStore(run, PosixOptionsOf("all")).groups.size();
  ASSERT_GT(groups, 1u);
  options.max_seconds = 0;
  options.stop_after = 1;
  const FileExploreResult enough = ExploreStore(run, options);
  EXPECT_EQ(enough.stopped, "enough violations were found");
  EXPECT_LT(enough.groups.size(), groups);
  EXPECT_FALSE(enough.groups.empty());
}

TEST_F(FileExplorerTest, StatesThatNeedNoRecoveryCanBeInterruptedToo) {
  // 2^40 states, of which this shard has next to none.
  const FileRun run = FileProgram("create a").Run("append a " + std::string(80, 'A')).run();
  FileExploreOptions options = PosixOptionsOf("all");
  options.shards = UINT64_MAX;
  options.max_seconds = 0.2;
  const FileExploreResult result = ExploreTrees(run, options);
  EXPECT_FALSE(result.stopped.empty());
  EXPECT_NEAR(result.log10_raw_states, 41 * 0.30103, 0.01);
}

TEST_F(FileExplorerTest, ProgressGoesOnToTheEnd) {
  std::vector<double> fractions;
  const FileExploreResult result = ExploreStore(
      RunStore(), PosixOptionsOf("prefix"), 1,
      {.progress = [&](const ExploreProgress& now) { fractions.push_back(now.fraction); },
       .interrupted = {}});
  ASSERT_EQ(fractions.size(), result.crash_points);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.back(), 1);
}

TEST_F(FileExplorerTest, DeathsOfRecoveriesAreJudged) {
  const FileRun run = FileProgram("create a; write a 0 AA").Run("write a 0 BB").run();
  FunctionRecoverer dies([](const std::vector<std::string>& paths, const std::string&) {
    if (ReadFile(std::filesystem::path(paths.front()) / "a") == "AA") _exit(3);
    return std::string("0");
  });
  FunctionJudge judge([&](const CrashPoint& point, const Outcome& outcome) {
    return StoreVerdict(run, point, outcome);
  });
  const FileExploreResult result = Explore(run, PosixOptionsOf("all"), &dies, &judge);
  ASSERT_EQ(result.groups.size(), 1u);
  EXPECT_EQ(result.groups[0].finding.kind, "crash");
  EXPECT_EQ(result.groups[0].outcome.code, 3);
  EXPECT_EQ(result.failed_verdicts, 1u);
}

TEST_F(FileExplorerTest, TheStateOfAGroupFailsAgainWhenBuilt) {
  const FileRun run = RunStore(StoreSync::kRename);
  const FileExploreOptions options = PosixOptionsOf("all");
  const FileExploreResult result = ExploreStore(run, options, 2);
  ASSERT_FALSE(result.groups.empty());
  for (const auto& group : result.groups) {
    PosixModel model(*options.file_system, options.model, run.initial);
    FileWalk walk(run.events, &model);
    ASSERT_TRUE(walk.Seek(group.point.index).ok());
    ASSERT_TRUE(model.Allows(group.state));
    const std::filesystem::path built = folder_.path() / "built";
    std::filesystem::remove_all(built);
    std::filesystem::create_directories(built);
    ASSERT_TRUE(model.Build(group.state).WriteTo(built).ok());
    EXPECT_EQ(RecoverStore(built), group.outcome.answer);
  }
}

TEST_F(FileExplorerTest, WhatCannotBeIsRefused) {
  FileRun run = RunStore();
  run.events.insert(
      run.events.begin(),
      IoEvent{
          .kind = IoEvent::Kind::kRemove, .inode = 77, .directory = kRootInode, .name = "none"});
  FunctionRecoverer recoverer = StoreRecoverer();
  FunctionJudge judge([](const CrashPoint&, const Outcome&) { return std::vector<Finding>(); });
  const auto result =
      ExploreFiles(run, PosixOptionsOf("all"), {.scratch_root = scratch()}, &recoverer, &judge, {});
  EXPECT_EQ(result.status().code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace fencepost
