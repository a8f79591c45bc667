// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_strategies.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "faultinject/model/posix/posix_test_util.h"

namespace fencepost {
namespace {

PosixModel ModelAfter(const FileSystemRow& row, const std::string& setup,
                      const std::string& program) {
  ProgramText text;
  text.Run(setup);
  const size_t begin = text.events().size();
  PosixModel model(row, {.sector_bytes = row.sector_bytes == 512 ? 2u : 4u, .block_bytes = 4},
                   text.tree());
  text.Run(program);
  for (size_t i = begin; i < text.events().size(); ++i) {
    CHECK_OK(model.Apply(text.events()[i], i));
  }
  return model;
}

PosixModel PosixAfter(const std::string& setup, const std::string& program) {
  return ModelAfter(**FindFileSystem("posix"), setup, program);
}

FileStrategy Named(const std::string& name) {
  const auto strategy = ParseFileStrategy(name);
  CHECK_OK(strategy.status());
  return *strategy;
}

std::vector<std::string> Trees(const PosixModel& model, const std::string& strategy,
                               uint64_t since = 0, uint64_t seed = 1) {
  std::vector<std::string> trees;
  Named(strategy).Generate(model, seed, since, [&](const PosixModel::Survivors& survivors) {
    EXPECT_TRUE(model.Allows(survivors));
    trees.push_back(TreeText(model.Build(survivors)));
    return true;
  });
  return trees;
}

std::set<std::string> AsSet(const std::vector<std::string>& trees) {
  return {trees.begin(), trees.end()};
}

using Texts = std::vector<std::string>;

TEST(FileStrategies, PrefixIsTheTraceUpToEachCall) {
  const PosixModel model =
      PosixAfter("create a; write a 0 AAAA", "write a 0 BBBB; create c; write a 2 CC");
  EXPECT_EQ(Trees(model, "prefix"),
            (Texts{"a=AAAA", "a=AAAA", "a=BBBB", "a=BBBB c=", "a=BBCC c="}));
}

TEST(FileStrategies, PrefixTakesWhatIsOlderTogether) {
  const PosixModel model =
      PosixAfter("create a; write a 0 AAAA", "write a 0 BBBB; create c; write a 2 CC");
  EXPECT_EQ(Trees(model, "prefix", 4), (Texts{"a=AAAA", "a=BBBB c=", "a=BBCC c="}));
}

TEST(FileStrategies, PrefixKeepsWhatIsDurableBehind) {
  const PosixModel model = PosixAfter("create a; write a 0 AAAA; create b",
                                      "write a 0 BBBB; write b 0 B; fsync b; fsync .");
  EXPECT_EQ(Trees(model, "prefix"), (Texts{"a=AAAA b=B", "a=AAAA b=B", "a=BBBB b=B"}));
}

TEST(FileStrategies, OneMissingTakesWhatNeedsItAlong) {
  const PosixModel model = PosixAfter("create a; write a 0 AAAA", "write a 0 BBBB; write a 2 CC");
  // All; without the second write; without the first, and so its successor in sector 1; without
  // each sector of the first.
  EXPECT_EQ(Trees(model, "one-missing"), (Texts{"a=BBCC", "a=BBBB", "a=AAAA", "a=AACC", "a=BBAA"}));
}

TEST(FileStrategies, OneOnlyTakesWhatItNeedsAlong) {
  const PosixModel model = PosixAfter("create a; write a 0 AAAA", "write a 0 BBBB; write a 2 CC");
  EXPECT_EQ(Trees(model, "one-only"), (Texts{"a=AAAA", "a=AACC", "a=BBBB", "a=BBAA", "a=AABB"}));
}

TEST(FileStrategies, TornLeavesTheFirstSectorsTheLastOrEveryOther) {
  const PosixModel model =
      PosixAfter("create a; write a 0 AAAAAA", "write a 0 BBBBBB; write a 0 CCCC");
  EXPECT_EQ(AsSet(Trees(model, "torn")),
            (std::set<std::string>{"a=BBAAAA", "a=BBBBAA", "a=AABBBB", "a=AAAABB", "a=BBAABB",
                                   "a=AABBAA", "a=CCBBBB", "a=BBCCBB"}));
}

TEST(FileStrategies, ATornAppendHasItsSizeWhereTheFileSystemAllowsThat) {
  EXPECT_EQ(AsSet(Trees(PosixAfter("create a", "append a AABB"), "torn")),
            (std::set<std::string>{"a=AA..", "a=..BB"}));
  const FileSystemRow& ordered = **FindFileSystem("ext4-ordered");
  EXPECT_EQ(AsSet(Trees(ModelAfter(ordered, "create a", "append a AABB"), "torn")),
            std::set<std::string>{"a="});
}

TEST(FileStrategies, TornSaysWhereItLeftBoundariesOut) {
  const std::string long_text(2 * 65, 'B');
  const auto complete = [&](const std::string& data) {
    const PosixModel model = PosixAfter("create a", "append a " + data);
    return Named("torn").Generate(model, 1, 0, [](const auto&) { return true; });
  };
  EXPECT_TRUE(complete(long_text.substr(0, 2 * 64)));
  EXPECT_FALSE(complete(long_text));
}

constexpr const char* kPrograms[][2] = {
    {"create a; write a 0 AAAA", "write a 0 BBBB; write a 2 CC; append a DD; truncate a 1"},
    {"create a; write a 0 AA", "create t; write t 0 BB; rename t a; mkdir d; rename a d/a"},
    {"create a", "append a AA; dsync a 2 BB; append a CC; create b; link b c; unlink b"},
    {"create a; write a 0 AAAA", "write a 0 BB; failed fsync a; append a CC; fsync a; append a D"},
    {"create a; write a 0 AAAA", "zero a 0 2; collapse a 0 2; write a 0 CC; truncate a 0"},
};

TEST(FileStrategies, EveryStateIsOneThatTheFileSystemAllows) {
  for (const FileSystemRow& row : FileSystems()) {
    for (const auto& [setup, program] : kPrograms) {
      const PosixModel model = ModelAfter(row, setup, program);
      const std::set<std::string> all = AsSet(Trees(model, "all"));
      for (const char* name : {"prefix", "one-missing", "one-only", "torn", "sample:300"}) {
        for (const std::string& tree : Trees(model, name)) {
          EXPECT_TRUE(all.contains(tree)) << row.name << ' ' << name << ' ' << tree;
        }
      }
    }
  }
}

TEST(FileStrategies, AllGivesEachStateOnce) {
  const PosixModel model = PosixAfter("create a; write a 0 AAAA", "write a 0 BBBB; append a CC");
  EXPECT_EQ(Trees(model, "all").size(), 16u);
  EXPECT_EQ(Trees(model, "all").front(), "a=AAAA");
  EXPECT_EQ(Trees(model, "all").back(), "a=BBBBCC");
}

TEST(FileStrategies, SamplesReachEveryTreeAndRepeatWithTheirSeed) {
  for (const FileSystemRow& row : FileSystems()) {
    for (const auto& [setup, program] : kPrograms) {
      const PosixModel model = ModelAfter(row, setup, program);
      EXPECT_EQ(AsSet(Trees(model, "sample:5000")), AsSet(Trees(model, "all"))) << program;
      EXPECT_EQ(Trees(model, "sample:20", 0, 7), Trees(model, "sample:20", 0, 7));
    }
  }
  const PosixModel model = PosixAfter(kPrograms[0][0], kPrograms[0][1]);
  EXPECT_NE(Trees(model, "sample:20", 0, 7), Trees(model, "sample:20", 0, 8));
}

TEST(FileStrategies, StopWhenTheVisitorHasSeenEnough) {
  const PosixModel model = PosixAfter("create a; write a 0 AAAA", "write a 0 BBBB; append a CCCC");
  for (const FileStrategyRow& row : FileStrategies()) {
    if (row.generate == nullptr) continue;
    for (int most = 1; most <= 3; ++most) {
      int seen = 0;
      Named(std::string(row.name) + (row.takes_count ? ":9" : ""))
          .Generate(model, 1, 0, [&](const auto&) { return ++seen < most; });
      EXPECT_EQ(seen, most) << row.name;
    }
  }
}

TEST(FileStrategies, WithNothingPendingThereIsOneTree) {
  const PosixModel model = PosixAfter("create a", "fsync a");
  for (const char* name : {"all", "prefix", "one-missing", "one-only", "sample:3"}) {
    EXPECT_EQ(AsSet(Trees(model, name)), std::set<std::string>{"a="}) << name;
  }
}

TEST(ParseFileStrategy, TakesTheNamesThatThereAreAndACountWhereOneBelongs) {
  EXPECT_EQ(Named("sample:12").count, 12u);
  EXPECT_TRUE(Named("all").exhaustive());
  EXPECT_TRUE(Named("reads").exhaustive());
  EXPECT_TRUE(Named("reads").by_reads());
  EXPECT_FALSE(Named("prefix").exhaustive());
  for (const char* text : {"", "pre", "prefix:3", "sample", "sample:", "sample:0", "sample:x",
                           "sample:3x", "sample:-1"}) {
    const auto strategy = ParseFileStrategy(text);
    EXPECT_EQ(strategy.status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_NE(ParseFileStrategy("pre").message().find("one-missing"), std::string::npos);
}

}  // namespace
}  // namespace fencepost
