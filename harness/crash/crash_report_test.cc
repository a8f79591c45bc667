// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/crash_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "faultinject/explore/scratch_folder.h"
#include "harness/crash/crash_campaign.h"
#include "harness/crash/report_test_util.h"

namespace fencepost {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(CrashVerdict, OnlyAWholeCampaignHasPassed) {
  EXPECT_EQ(CrashVerdict(TestReport()), "passed");
  EXPECT_EQ(CrashVerdict(TestPart(0, 60)), "incomplete");
  EXPECT_EQ(CrashVerdict(TestPart(60, 100)), "incomplete") << "the beginning is missing";
  EXPECT_EQ(CrashVerdict(TestShard(0, 2)), "incomplete");
  json nothing = TestReport();
  nothing["explored"]["verdicts"] = 0u;
  EXPECT_EQ(CrashVerdict(nothing), "incomplete");
  json stopped = TestReport();
  stopped["explored"]["stopped"] = "truncated at byte 4096";
  EXPECT_EQ(CrashVerdict(stopped), "incomplete") << "whatever was explored of what is left";
}

TEST(CrashVerdict, AViolationIsOneHoweverLittleWasExplored) {
  json report = TestPart(0, 1);
  report["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)"})});
  EXPECT_EQ(CrashVerdict(report), "violated");
}

TEST(ExitCodeOf, IsOneForViolationsAndThreeWhereNothingWasJudged) {
  json report = TestReport();
  EXPECT_EQ(ExitCodeOf(report), ExitCode::kPass);
  report["explored"]["verdicts"] = 0u;
  EXPECT_EQ(ExitCodeOf(report), ExitCode::kHarness);
  report["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)"})});
  EXPECT_EQ(ExitCodeOf(report), ExitCode::kViolation);
}

TEST(CrashVerdict, RunsOfWhichNoneWasKilledHavePassedNothing) {
  json report = TestReport();
  report["domain"] = "process";
  report["recording"]["killed"] = 1u;
  EXPECT_EQ(CrashVerdict(report), "passed");
  EXPECT_EQ(ExitCodeOf(report), ExitCode::kPass);
  report["recording"]["killed"] = 0u;
  EXPECT_EQ(CrashVerdict(report), "incomplete");
  EXPECT_EQ(ExitCodeOf(report), ExitCode::kHarness);
}

TEST(CrashText, SaysWhatAPassIsWorth) {
  json report = TestReport();
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("PROVED of what was recorded"));
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("that the model allows, each was recovered"));
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("1: no crash inside a recovery was tried"));
  report["settings"]["strategy"] = "reads";
  report["settings"]["depth"] = 2u;
  report["explored"]["nested_points"] = uint64_t{1234};
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("of each, one was recovered and judged"));
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("crashed in turn, at 1234 points"));
  report["explored"]["every_state"] = false;
  report["settings"]["strategy"] = "prefix";
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("`prefix` tries; it does not try all"));
  EXPECT_THAT(CrashText(TestPart(0, 60), "r"), HasSubstr("INCOMPLETE: interrupted"));
  EXPECT_THAT(CrashText(TestShard(0, 4), "r"), HasSubstr("INCOMPLETE: one shard of 4"));
}

TEST(CrashText, ASecondCrashSaysWhereItWas) {
  json report = TestReport();
  json violation = TestViolation("lost", {});
  violation["second_crash"] = {{"before", "a fence"},
                               {"where", "Recover (a.c:9)"},
                               {"ended", false},
                               {"first_answer", "00"}};
  report["violations"] = json::array({violation});
  EXPECT_THAT(CrashText(report, "r"),
              HasSubstr("in the recovery from it, before a fence at Recover (a.c:9)"));
  report["violations"][0]["second_crash"]["ended"] = true;
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("a second crash after the recovery from it"));
}

TEST(CrashText, SaysThatThereIsMoreThanItShows) {
  json report = TestPart(0, 60);
  report["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)"})});
  report["groups_not_minimised"] = 5u;
  const std::string text = CrashText(report, "r");
  EXPECT_THAT(text, HasSubstr("VIOLATED: 1 distinct violations"));
  EXPECT_THAT(text, HasSubstr("failures at 5 more places"));
  EXPECT_THAT(text, HasSubstr("INCOMPLETE: interrupted"));
  EXPECT_THAT(text, HasSubstr("Put (a.c:1): 8 bytes"));
}

TEST(CrashText, NamesSchedulesWhereThereAreSeveral) {
  json report = TestReport();
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("schedules  the one that was recorded"));
  report["schedules"] = {{"asked", 20u}, {"recorded", 20u}, {"distinct", 17u}};
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("20 of 20 schedules recorded, 17 distinct"));
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("17 distinct; of others this says nothing"));
  report["explored"]["every_state"] = false;
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("of other schedules"));
}

TEST(CrashText, SaysInWhichRecordingAViolationIsIfItIsNotTheOnlyOne) {
  json report = TestReport();
  report["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)"})});
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("seen 1 times; reproduce"));
  report["violations"][0]["recording"] = "/results/old/recording-7";
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("seen 1 times, first in recording-7; reproduce"));
}

TEST(CauseOf, IsThePlacesOfTheMissingStoresWhateverTheClientSaw) {
  const std::string cause = CauseOf(TestViolation("lost", {"Put (a.c:1)", "Put (a.c:2)"}));
  EXPECT_EQ(CauseOf(TestViolation("lost", {"Put (a.c:2)", "Put (a.c:1)", "Put (a.c:1)"})), cause);
  EXPECT_EQ(CauseOf(TestViolation("stale", {"Put (a.c:1)", "Put (a.c:2)"})), cause);
  EXPECT_NE(CauseOf(TestViolation("lost", {"Put (a.c:1)"})), cause);
}

TEST(CauseOf, IsThePlaceOfTheCrashWhereNoStoreIsMissing) {
  json here = TestViolation("leak", {}), there = here, unknown = here;
  there["crash_point"]["where"] = "Delete (store.c:40)";
  unknown["crash_point"]["where"] = nullptr;
  EXPECT_EQ(CauseOf(here), CauseOf(TestViolation("leak", {}, 9)));
  EXPECT_NE(CauseOf(here), CauseOf(there));
  EXPECT_NE(CauseOf(here), CauseOf(unknown));
}

FindingGroup Group(const std::string& kind, uint64_t index) {
  FindingGroup group;
  group.finding.kind = kind;
  group.point.index = index;
  return group;
}

TEST(ChooseGroups, AKindThatFailsEverywhereHidesNoOther) {
  std::vector<FindingGroup> groups;
  for (uint64_t i = 0; i < 50; ++i) groups.push_back(Group("leak", i));
  groups.push_back(Group("lost", 50));
  groups.push_back(Group("lost", 51));
  groups.push_back(Group("hang", 52));
  std::vector<std::string> chosen;
  for (const FindingGroup& group : ChooseGroups(groups, 6)) {
    chosen.push_back(group.finding.kind + " " + std::to_string(group.point.index));
  }
  EXPECT_THAT(chosen,
              testing::ElementsAre("leak 0", "leak 1", "leak 2", "lost 50", "lost 51", "hang 52"));
}

TEST(ChooseGroups, FewAreAllChosenInTheirOrder) {
  const std::vector<FindingGroup> groups = {Group("lost", 1), Group("leak", 2), Group("lost", 3)};
  const std::vector<FindingGroup> chosen = ChooseGroups(groups, 24);
  ASSERT_EQ(chosen.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(chosen[i].point.index, i + 1);
  EXPECT_TRUE(ChooseGroups<CrashState>({}, 24).empty());
  EXPECT_TRUE(ChooseGroups(groups, 0).empty());
}

class ReadReportTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<ScratchFolder> scratch = ScratchFolder::Make(testing::TempDir());
    ASSERT_TRUE(scratch.ok()) << scratch.message();
    scratch_.emplace(std::move(*scratch));
  }
  StatusCode CodeFor(const std::string& text) {
    std::ofstream(scratch_->path() / "crash.json") << text;
    return ReadReport(scratch_->path()).status().code();
  }

  std::optional<ScratchFolder> scratch_;
};

json Violated() {
  json report = TestReport();
  report["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)"})});
  report["mutations"] = TestMutations();
  return report;
}

TEST_F(ReadReportTest, AWholeReportIsRead) {
  EXPECT_EQ(CodeFor(Violated().dump()), StatusCode::kOk);
  EXPECT_EQ(*ReadReport(scratch_->path()), Violated());
}

TEST_F(ReadReportTest, AFolderWithoutOneIsAUsageError) {
  EXPECT_EQ(ReadReport(scratch_->path()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadReport("/nosuch").status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ReadReportTest, WhatIsNoReportIsCorrupt) {
  json other = TestReport();
  other["schema"] = "fencepost.run/1";
  const std::string whole = Violated().dump();
  for (const std::string& text : {std::string(), std::string("[]"), std::string("3"),
                                  std::string("{}"), other.dump(), whole.substr(0, 400)}) {
    EXPECT_EQ(CodeFor(text), StatusCode::kCorrupt) << text;
  }
}

// Every pointer to something in `value` that is no array element.
void Pointers(const json& value, const json::json_pointer& at,
              std::vector<json::json_pointer>* pointers) {
  for (size_t i = 0; value.is_array() && i < value.size(); ++i) {
    Pointers(value[i], at / i, pointers);
  }
  if (!value.is_object()) return;
  for (const auto& [name, inner] : value.items()) {
    pointers->push_back(at / name);
    Pointers(inner, at / name, pointers);
  }
}

TEST_F(ReadReportTest, AReportThatLacksAnythingIsCorruptOrCanBeShownAndMergedAllTheSame) {
  std::vector<json::json_pointer> pointers;
  Pointers(Violated(), json::json_pointer(), &pointers);
  ASSERT_GT(pointers.size(), 60u);
  int corrupt = 0;
  for (const json::json_pointer& pointer : pointers) {
    for (const bool removed : {true, false}) {
      json report = Violated();
      if (removed) {
        report.at(pointer.parent_pointer()).erase(pointer.back());
      } else {
        report[pointer] = json{{"of", "another type"}};
      }
      std::ofstream(scratch_->path() / "crash.json") << report.dump();
      const Result<json> read = ReadReport(scratch_->path());
      if (!read.ok()) {
        EXPECT_EQ(read.status().code(), StatusCode::kCorrupt) << pointer;
        ++corrupt;
        continue;
      }
      EXPECT_NO_THROW(CrashText(*read, "r")) << pointer;
      EXPECT_NO_THROW(ExitCodeOf(*read)) << pointer;
      EXPECT_NO_THROW(static_cast<void>(MergeReports({*read}, "joint").ok())) << pointer;
    }
  }
  EXPECT_GT(corrupt, 60);
}

}  // namespace
}  // namespace fencepost
