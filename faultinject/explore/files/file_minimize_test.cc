// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_minimize.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "faultinject/explore/files/file_test_util.h"
#include "faultinject/explore/files/io_text.h"

namespace fencepost {
namespace {

class FileMinimizeTest : public testing::Test {
 protected:
  using Verdict = FunctionJudge::Function;

  FileMinimizeTest() { std::filesystem::create_directories(scratch()); }
  ~FileMinimizeTest() override { EXPECT_EQ(EntriesOf(scratch()), 0u); }
  std::filesystem::path scratch() const { return folder_.path() / "scratch"; }
  PoolOptions Pool() const {
    return {.workers = 2, .timeout_s = timeout_s_, .scratch_root = scratch()};
  }

  // Of the store.
  std::vector<FileFindingGroup> Find(const FileRun& run, const FileExploreOptions& options) {
    FunctionRecoverer recoverer = StoreRecoverer();
    return Find(run, options, &recoverer, StoreJudge(run));
  }
  std::vector<FileFindingGroup> Find(const FileRun& run, const FileExploreOptions& options,
                                     Recoverer* recoverer, const Verdict& verdict) {
    FunctionJudge judge(verdict);
    auto result = ExploreFiles(run, options, Pool(), recoverer, &judge, {});
    EXPECT_TRUE(result.ok()) << result.status().message();
    EXPECT_FALSE(result->groups.empty());
    return std::move(result->groups);
  }

  std::vector<FileMinimalViolation> Minimize(const FileRun& run, const FileExploreOptions& options,
                                             std::vector<FileFindingGroup> groups) {
    FunctionRecoverer recoverer = StoreRecoverer();
    return Minimize(run, options, std::move(groups), &recoverer, StoreJudge(run));
  }
  std::vector<FileMinimalViolation> Minimize(const FileRun& run, const FileExploreOptions& options,
                                             std::vector<FileFindingGroup> groups,
                                             Recoverer* recoverer, const Verdict& verdict,
                                             uint64_t max_recoveries = 1000,
                                             const std::function<bool()>& interrupted = {}) {
    FunctionJudge judge(verdict);
    auto violations = MinimizeFiles(run, options, Pool(), recoverer, &judge, std::move(groups),
                                    max_recoveries, interrupted);
    EXPECT_TRUE(violations.ok()) << violations.status().message();
    return std::move(*violations);
  }

  static Verdict StoreJudge(const FileRun& run) {
    return [&run](const CrashPoint& point, const Outcome& outcome) {
      return StoreVerdict(run, point, outcome);
    };
  }

  // What is missing, a line each: what and its cover.
  static std::set<std::string> Texts(const FileMinimalViolation& violation) {
    std::set<std::string> texts;
    for (const MissingPiece& piece : violation.missing) {
      texts.insert(piece.what + ": " + piece.cover);
    }
    return texts;
  }

  TemporaryFolder folder_;
  double timeout_s_ = 60;
};

// A file of 20 sectors, all written anew, 2 bytes each; the answer is its contents.
FileRun ManySectors(bool one_write = true) {
  FileProgram program("create a; append a " + std::string(40, 'o'));
  if (one_write) {
    program.Run("write a 0 " + std::string(40, 'n'));
  } else {
    for (int i = 0; i < 20; ++i) program.Run(fmt::format("write a {} nn", 2 * i));
  }
  return program.run();
}

FunctionRecoverer ContentsOfA() {
  return FunctionRecoverer([](const std::vector<std::string>& paths, const std::string&) {
    return ReadFile(std::filesystem::path(paths.front()) / "a");
  });
}

std::vector<Finding> Found(const std::string& kind) {
  return {{.kind = kind, .subject = {}, .message = kind, .allowed = {}, .found = {}}};
}

// Wrong where these sectors are all old.
FunctionJudge::Function WrongWithout(const std::set<uint64_t>& sectors) {
  return [sectors](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
    for (const uint64_t sector : sectors) {
      if (outcome.answer[2 * sector] != 'o') return {};
    }
    return Found("lost");
  };
}

std::set<uint64_t> SectorsOf(const FileMinimalViolation& violation) {
  std::set<uint64_t> sectors;
  for (const MissingPiece& piece : violation.missing) {
    sectors.insert(piece.id.event + piece.id.part);  // one of them is 0
  }
  return sectors;
}

TEST_F(FileMinimizeTest, WhatIsNotSyncedIsNamedWithTheSyncThatComesTooLate) {
  struct Case {
    StoreSync missing;
    uint64_t event;    // that it did not sync
    const char* what;  // by strategy, a write's last sector or its size
    const char* cover;
  };
  constexpr char kNever[] = "no sync covers it, up to the end";
  const Case cases[] = {
      {StoreSync::kLog, 1, " log1 ", kNever},
      {StoreSync::kNewLog, 12, " log2 ",
       "the first sync that covers it, fdatasync of log2, ends after the crash (event 25)"},
      {StoreSync::kNewCurrent, 16, " CURRENT ", kNever},
      {StoreSync::kNewNames, 11, "create log2 ",
       "the first sync that covers it, fsync of the directory, ends after the crash (event 21)"},
      {StoreSync::kRename, 21, "rename new to CURRENT ", kNever},
      {StoreSync::kLogAfterwards, 25, " log2 ", kNever}};
  for (const Case& one : cases) {
    for (const char* strategy : {"all", "one-missing", "one-only"}) {
      SCOPED_TRACE(fmt::format("{} {}", NameOf(one.missing), strategy));
      const FileRun run = RunStore(one.missing);
      const FileExploreOptions options = PosixOptionsOf(strategy);
      const auto violations = Minimize(run, options, Find(run, options));
      ASSERT_FALSE(violations.empty());
      EXPECT_TRUE(violations[0].minimal);
      ASSERT_EQ(violations[0].missing.size(), 1u);
      const MissingPiece& piece = violations[0].missing[0];
      EXPECT_EQ(piece.id.event, one.event) << piece.what;
      EXPECT_NE(piece.what.find(one.what), std::string::npos) << piece.what;
      EXPECT_EQ(piece.place, WithoutNumbers(piece.what));
      EXPECT_EQ(piece.operation, one.missing == StoreSync::kLog ? 1u : 3u);
      EXPECT_EQ(piece.cover, one.cover);
    }
  }
}

TEST_F(FileMinimizeTest, EveryMinimalStateFailsAgainWhenBuiltAndLosesNoMore) {
  for (const FileSystemRow& row : FileSystems()) {
    for (const StoreSync missing : kStoreSyncs) {
      const FileRun run = RunStore(missing);
      const FileExploreOptions options = OptionsOf(row, "all");
      FunctionRecoverer recoverer = StoreRecoverer();
      FunctionJudge judge(StoreJudge(run));
      auto found = ExploreFiles(run, options, Pool(), &recoverer, &judge, {});
      ASSERT_TRUE(found.ok());
      for (const auto& violation : Minimize(run, options, std::move(found->groups))) {
        SCOPED_TRACE(
            fmt::format("{} {} {}", row.name, NameOf(missing), violation.group.state.Text()));
        EXPECT_TRUE(violation.minimal);
        EXPECT_FALSE(violation.missing.empty());
        PosixModel model(row, options.model, run.initial);
        FileWalk walk(run.events, &model);
        ASSERT_TRUE(walk.Seek(violation.group.point.index).ok());
        ASSERT_TRUE(model.Allows(violation.group.state));
        // Whether it fails in the same way with these of the missing lost.
        const auto fails = [&](const PosixModel::Survivors& survivors) {
          const std::filesystem::path built = folder_.path() / "built";
          std::filesystem::remove_all(built);
          std::filesystem::create_directories(built);
          CHECK_OK(model.Build(survivors).WriteTo(built));
          const Outcome outcome{.answer = RecoverStore(built), .complaint = {}};
          for (const Finding& finding : StoreVerdict(run, violation.group.point, outcome)) {
            if (finding.kind == violation.group.finding.kind) return true;
          }
          return false;
        };
        EXPECT_TRUE(fails(model.SurvivorsOf(violation.group.state)));
        const auto without = [&](const PieceId* but_for) {
          PosixModel::Survivors survivors = model.Newest();
          for (size_t i = 0; i < survivors.size(); ++i) {
            for (const MissingPiece& piece : violation.missing) {
              const bool lost =
                  piece.id == model.pending()[i].id && (but_for == nullptr || piece.id != *but_for);
              if (lost) survivors[i] = false;
            }
          }
          model.DropWithoutNeeded(&survivors);
          return survivors;
        };
        EXPECT_EQ(model.StateOf(without(nullptr)), violation.group.state);
        for (const MissingPiece& piece : violation.missing) {
          EXPECT_FALSE(fails(without(&piece.id))) << piece.what;
        }
      }
    }
  }
}

TEST_F(FileMinimizeTest, SectorsThatAreNeededTogetherAreAllNamed) {
  for (const bool one_write : {true, false}) {
    const FileRun run = ManySectors(one_write);
    for (const std::set<uint64_t>& culprits :
         {std::set<uint64_t>{3}, std::set<uint64_t>{0, 19}, std::set<uint64_t>{1, 4, 8}}) {
      FunctionRecoverer recoverer = ContentsOfA();
      const FileExploreOptions options = PosixOptionsOf("prefix");
      const auto groups = Find(run, options, &recoverer, WrongWithout(culprits));
      const auto violations = Minimize(run, options, groups, &recoverer, WrongWithout(culprits));
      ASSERT_EQ(violations.size(), 1u);
      EXPECT_EQ(SectorsOf(violations[0]), culprits);
      EXPECT_TRUE(violations[0].minimal);
      EXPECT_LE(violations[0].recoveries, 80u);
      // Everything else is there.
      for (uint64_t sector = 0; sector < 20; ++sector) {
        EXPECT_EQ(violations[0].group.outcome.answer[2 * sector],
                  culprits.contains(sector) ? 'o' : 'n');
      }
    }
  }
}

// x and y need not be lost once z is not, but both while it is: one pass keeps too many.
TEST_F(FileMinimizeTest, NoneOfTheMinimalSetCanBeGivenBack) {
  const FileRun run = FileProgram("create a; append a oooooo").Run("write a 0 nnnnnn").run();
  const auto verdict = [](const CrashPoint&, const Outcome& outcome) -> std::vector<Finding> {
    const std::string& is = outcome.answer;
    const bool fails = is == "oooooo" || is == "oooonn" || is == "nnoonn";
    return fails ? Found("lost") : std::vector<Finding>();
  };
  FunctionRecoverer recoverer = ContentsOfA();
  const FileExploreOptions options = PosixOptionsOf("prefix");
  const auto violations =
      Minimize(run, options, Find(run, options, &recoverer, verdict), &recoverer, verdict);
  EXPECT_EQ(SectorsOf(violations[0]), std::set<uint64_t>{1});
  EXPECT_TRUE(violations[0].minimal);
}

TEST_F(FileMinimizeTest, AViolationWithEverythingSurvivedHasAnEmptySet) {
  const FileRun run = ManySectors();
  const auto always = [](const CrashPoint&, const Outcome&) { return Found("wrong"); };
  FunctionRecoverer recoverer = ContentsOfA();
  const FileExploreOptions options = PosixOptionsOf("prefix");
  const auto violations =
      Minimize(run, options, Find(run, options, &recoverer, always), &recoverer, always);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_TRUE(violations[0].missing.empty());
  EXPECT_TRUE(violations[0].minimal);
  EXPECT_EQ(violations[0].recoveries, 1u);
  EXPECT_EQ(violations[0].group.outcome.answer, std::string(40, 'n'));
}

TEST_F(FileMinimizeTest, ItKeepsToItsBudgetAndToAFailingState) {
  const FileRun run = ManySectors(/*one_write=*/false);
  const auto verdict = WrongWithout({0, 19});
  FunctionRecoverer recoverer = ContentsOfA();
  const FileExploreOptions options = PosixOptionsOf("prefix");
  const auto groups = Find(run, options, &recoverer, verdict);
  for (const uint64_t budget : {0, 1, 3, 7}) {
    const auto violations = Minimize(run, options, groups, &recoverer, verdict, budget);
    EXPECT_LE(violations[0].recoveries, budget);
    const std::set<uint64_t> missing = SectorsOf(violations[0]);
    EXPECT_TRUE(missing.contains(0) && missing.contains(19)) << budget;
    EXPECT_FALSE(verdict({}, violations[0].group.outcome).empty()) << budget;
    EXPECT_FALSE(violations[0].minimal) << budget;
  }
  EXPECT_TRUE(Minimize(run, options, groups, &recoverer, verdict)[0].minimal);
}

TEST_F(FileMinimizeTest, AHangIsMinimisedForAMinuteAtMost) {
  const FileRun run = ManySectors();
  const auto verdict = WrongWithout({0, 19});
  FunctionRecoverer recoverer = ContentsOfA();
  const FileExploreOptions options = PosixOptionsOf("prefix");
  auto groups = Find(run, options, &recoverer, verdict);
  groups[0].outcome.end = Outcome::End::kTimedOut;
  const auto violations = Minimize(run, options, groups, &recoverer, verdict);
  EXPECT_EQ(violations[0].recoveries, 1u);  // of 60 s
  EXPECT_FALSE(violations[0].minimal);
}

TEST_F(FileMinimizeTest, WhenInterruptedTheRestStaysAsItWasFound) {
  const FileRun run = RunStore(StoreSync::kLog);
  const FileExploreOptions options = PosixOptionsOf("all");
  const auto groups = Find(run, options);
  FunctionRecoverer recoverer = StoreRecoverer();
  const auto violations =
      Minimize(run, options, groups, &recoverer, StoreJudge(run), 1000, [] { return true; });
  ASSERT_EQ(violations.size(), groups.size());
  for (size_t i = 0; i < violations.size(); ++i) {
    EXPECT_EQ(violations[i].recoveries, 0u);
    EXPECT_EQ(violations[i].group.state, groups[i].state);
    EXPECT_FALSE(violations[i].missing.empty());
    EXPECT_FALSE(violations[i].minimal);
  }
}

// Behind an undecided truncation a write that is durable stays pending: it is covered all the same.
TEST_F(FileMinimizeTest, ASyncCoversWhatItLeavesPending) {
  const FileRun run =
      FileProgram("create a; append a oooo").Run("truncate a 2; write a 0 nn; msync a 0 2").run();
  const auto verdict = WrongWithout({0});
  FunctionRecoverer recoverer = ContentsOfA();
  const FileExploreOptions options = PosixOptionsOf("all");
  const auto violations =
      Minimize(run, options, Find(run, options, &recoverer, verdict), &recoverer, verdict);
  ASSERT_EQ(violations[0].missing.size(), 1u);
  EXPECT_EQ(violations[0].missing[0].id.event, 1u);
  EXPECT_EQ(violations[0].missing[0].cover,
            "the first sync that covers it, sync of a range of a, ends after the crash (event 3)");
}

TEST_F(FileMinimizeTest, GroupsMayComeInAnyOrder) {
  const FileRun run = RunStore(StoreSync::kNewLog);
  const FileExploreOptions options = PosixOptionsOf("all");
  auto groups = Find(run, options);
  ASSERT_GT(groups.size(), 1u);
  const auto in_order = Minimize(run, options, groups);
  std::reverse(groups.begin(), groups.end());
  const auto reversed = Minimize(run, options, groups);
  ASSERT_EQ(in_order.size(), reversed.size());
  std::set<std::set<std::string>> one, other;
  for (const auto& violation : in_order) one.insert(Texts(violation));
  for (const auto& violation : reversed) other.insert(Texts(violation));
  EXPECT_EQ(one, other);
}

}  // namespace
}  // namespace fencepost
