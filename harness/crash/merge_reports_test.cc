// SPDX-License-Identifier: BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/crash/crash_campaign.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/report_test_util.h"

namespace fencepost {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json Merged(const std::vector<json>& reports) {
  Result<json> merged = MergeReports(reports, "/results/joint");
  CHECK_OK(merged);
  return *merged;
}

std::string Refusal(const std::vector<json>& reports) {
  const Result<json> merged = MergeReports(reports, "/results/joint");
  if (merged.ok()) return "";
  EXPECT_EQ(merged.status().code(), StatusCode::kInvalidArgument);
  return std::string(merged.message());
}

TEST(MergeReports, AllShardsTogetherAreAWholeCampaign) {
  const json merged = Merged({TestShard(2, 3), TestShard(0, 3), TestShard(1, 3)});
  EXPECT_EQ(merged["verdict"], "passed");
  EXPECT_EQ(merged["settings"]["shards"], 1);
  EXPECT_EQ(merged["run_id"], "joint");
  const json& explored = merged["explored"];
  EXPECT_EQ(explored["explored_points"], 100);
  EXPECT_EQ(explored["states"], 1500);
  EXPECT_EQ(explored["recoveries"], 240);
  EXPECT_EQ(explored["verdicts"], 1200);
  EXPECT_DOUBLE_EQ(explored["seconds"].get<double>(), 4.5);
  EXPECT_EQ(explored["every_state"], true);
  EXPECT_EQ(explored["log10_explored_raw_states"], 3.0);
}

TEST(MergeReports, AMissingShardIsIncomplete) {
  const json merged = Merged({TestShard(0, 3), TestShard(2, 3)});
  EXPECT_EQ(merged["verdict"], "incomplete");
  EXPECT_EQ(merged["explored"]["stopped"], "2 of 3 shards are here");
  EXPECT_EQ(merged["explored"]["every_state"], false);
  EXPECT_TRUE(merged["explored"]["next_point"].is_null()) << "nothing to go on with";
}

TEST(MergeReports, AShardThatWasStoppedMakesTheWholeIncomplete) {
  for (const bool stopped_first : {true, false}) {
    json stopped = TestPart(0, 40);
    stopped["settings"]["shard"] = stopped_first ? 0u : 1u;
    stopped["settings"]["shards"] = 2u;
    const json merged =
        stopped_first ? Merged({stopped, TestShard(1, 2)}) : Merged({TestShard(0, 2), stopped});
    EXPECT_EQ(merged["verdict"], "incomplete");
    EXPECT_EQ(merged["explored"]["stopped"], "interrupted");
    EXPECT_EQ(merged["explored"]["explored_points"], 40);
    EXPECT_TRUE(merged["explored"]["next_point"].is_null());
  }
}

TEST(MergeReports, TwoPartsOfOneCampaignAreTheWhole) {
  json first = TestPart(0, 40), second = TestPart(40, 100);
  first["explored"]["log10_explored_raw_states"] = 2.0;
  second["explored"]["log10_explored_raw_states"] = 2.0;
  const json merged = Merged({first, second});
  EXPECT_EQ(merged["verdict"], "passed");
  EXPECT_EQ(merged["explored"]["explored_points"], 100);
  EXPECT_EQ(merged["explored"]["every_state"], true);
  EXPECT_TRUE(merged["explored"]["stopped"].is_null());
  EXPECT_NEAR(merged["explored"]["log10_explored_raw_states"].get<double>(), std::log10(200), 1e-9);
}

TEST(MergeReports, WhatWasMutatedOfOnePartIsNotOfTheWhole) {
  json part = TestPart(0, 60);
  part["mutations"] = TestMutations();
  const json merged = MergeReports({part, TestPart(60, 100)}, "joint").value();
  EXPECT_TRUE(merged.at("mutations").is_null());
}

TEST(MergeReports, PartsThatDoNotReachTheEndGoOnWhereTheLastStopped) {
  const json merged = Merged({TestPart(0, 40), TestPart(40, 70)});
  EXPECT_EQ(merged["verdict"], "incomplete");
  EXPECT_EQ(merged["explored"]["next_point"], 70);
  EXPECT_EQ(merged["explored"]["every_state"], false);
  EXPECT_EQ(Merged({merged, TestPart(70, 100)})["verdict"], "passed");
}

TEST(MergeReports, TheSamePartTwiceIsNoWhole) {
  // Twice the first half would count as many crash points as the whole has.
  EXPECT_THAT(Refusal({TestPart(0, 50), TestPart(0, 50)}), HasSubstr("crash point 50"));
  EXPECT_THAT(Refusal({TestReport(), TestReport()}), HasSubstr("each once"));
}

TEST(MergeReports, AGapBetweenPartsIsRefused) {
  EXPECT_NE(Refusal({TestPart(0, 40), TestPart(50, 100)}), "");
  EXPECT_NE(Refusal({TestPart(40, 100), TestPart(0, 40)}), "") << "not in order";
  EXPECT_NE(Refusal({TestPart(10, 40), TestPart(40, 100)}), "") << "without the beginning";
}

TEST(MergeReports, AShardTwiceIsRefused) {
  EXPECT_THAT(Refusal({TestShard(0, 3), TestShard(1, 3), TestShard(1, 3)}), HasSubstr("twice"));
}

TEST(MergeReports, AShardWithoutItsBeginningIsRefused) {
  json rest = TestPart(40, 100);
  rest["settings"]["shard"] = 1u;
  rest["settings"]["shards"] = 2u;
  EXPECT_THAT(Refusal({TestShard(0, 2), rest}), HasSubstr("first part"));
}

TEST(MergeReports, OneShardInPartsIsOneShard) {
  std::vector<json> parts = {TestPart(0, 40), TestPart(40, 100)};
  for (json& part : parts) {
    part["settings"]["shard"] = 1u;
    part["settings"]["shards"] = 2u;
  }
  const json merged = Merged(parts);
  EXPECT_EQ(merged["verdict"], "incomplete");
  EXPECT_EQ(merged["explored"]["every_state"], false);
  EXPECT_EQ(Merged({TestShard(0, 2), merged})["verdict"], "passed");
}

TEST(MergeReports, ReportsOfOtherSettingsAreRefused) {
  const std::pair<const char*, json> changes[] = {
      {"strategy", "prefix"}, {"seed", 2u}, {"tearing", "line"}, {"eadr", true}, {"shards", 4u}};
  for (const auto& [name, value] : changes) {
    json other = TestShard(1, 2);
    other["settings"][name] = value;
    EXPECT_THAT(Refusal({TestShard(0, 2), other}), HasSubstr(name));
  }
}

TEST(MergeReports, ReportsOfOtherRecordingsAreRefused) {
  for (const char* name : {"events", "stores", "trace_bytes", "operations"}) {
    json other = TestShard(1, 2);
    other["recording"][name] = 7u;
    EXPECT_THAT(Refusal({TestShard(0, 2), other}), HasSubstr("different recordings"));
  }
  json points = TestShard(1, 2);
  points["explored"]["crash_points"] = 101u;
  EXPECT_THAT(Refusal({TestShard(0, 2), points}), HasSubstr("different recordings"));
}

TEST(MergeReports, ReportsOfAnotherEngineAreRefusedThoughTheTracesAreOfOneSize) {
  json other = TestShard(1, 2);
  other["subject"]["properties"]["map.bug"] = "flag-first";
  EXPECT_THAT(Refusal({TestShard(0, 2), other}), HasSubstr("subject"));
}

TEST(MergeReports, ViolationsOfOneCauseAreOne) {
  json first = TestShard(0, 2), second = TestShard(1, 2);
  first["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)", "Put (a.c:2)"}, 3)});
  second["violations"] = json::array({TestViolation("lost", {"Put (a.c:2)", "Put (a.c:1)"}, 4),
                                      TestViolation("lost", {"Put (a.c:1)"}, 5),
                                      TestViolation("stale", {"Put (a.c:1)", "Put (a.c:2)"}, 6)});
  second["explored"]["failed_verdicts"] = 15u;
  const json merged = Merged({first, second});
  EXPECT_EQ(merged["verdict"], "violated");
  ASSERT_EQ(merged["violations"].size(), 2u);
  EXPECT_EQ(merged["violations"][0]["occurrences"], 3 + 4 + 6);
  EXPECT_EQ(merged["violations"][1]["occurrences"], 5);
  EXPECT_EQ(merged["explored"]["failed_verdicts"], 15);
}

TEST(MergeReports, EachViolationIsReplayedFromTheJointReport) {
  json first = TestPart(0, 40), second = TestPart(40, 100);
  first["violations"] = json::array({TestViolation("lost", {"Put (a.c:1)"})});
  second["violations"] = json::array({TestViolation("leak", {"Put (a.c:9)"})});
  const json merged = Merged({first, second});
  ASSERT_EQ(merged["violations"].size(), 2u);
  EXPECT_EQ(merged["violations"][1]["id"], "V2");
  EXPECT_EQ(merged["violations"][1]["replay"], "fencepost crash replay /results/joint V2")
      << "V1 of the second part is V1 of the first, now";
}

TEST(MergeReports, WhatWasNotLookedIntoIsAddedUp) {
  json first = TestShard(0, 2), second = TestShard(1, 2);
  first["groups_not_minimised"] = 2u;
  second["groups_not_minimised"] = 3u;
  EXPECT_EQ(Merged({first, second})["groups_not_minimised"], 5);
}

TEST(MergeReports, AssumptionsOfAnyPartHoldForTheWhole) {
  json second = TestShard(1, 2);
  second["assumptions"].push_back("Lines with both ...");
  const json merged = Merged({TestShard(0, 2), second});
  EXPECT_EQ(merged["assumptions"],
            (json{"Sizes of files are durable at once.", "Lines with both ..."}));
}

TEST(MergeReports, LinesThatWereCutAreNotEveryState) {
  json second = TestShard(1, 2);
  second["explored"]["lines_cut"] = true;
  const json merged = Merged({TestShard(0, 2), second});
  EXPECT_EQ(merged["explored"]["every_state"], false);
  EXPECT_EQ(merged["verdict"], "passed");
}

TEST(MergeReports, AStrategyThatDoesNotTryAllIsNotEveryState) {
  std::vector<json> shards = {TestShard(0, 2), TestShard(1, 2)};
  for (json& shard : shards) shard["settings"]["strategy"] = "prefix";
  EXPECT_EQ(Merged(shards)["explored"]["every_state"], false);
}

TEST(MergeReports, ShardsThatJudgedNothingDidNotPass) {
  std::vector<json> shards = {TestShard(0, 2), TestShard(1, 2)};
  for (json& shard : shards) shard["explored"]["verdicts"] = 0u;
  const json merged = Merged(shards);
  EXPECT_EQ(merged["verdict"], "incomplete");
  EXPECT_EQ(ExitCodeOf(merged), ExitCode::kHarness);
}

// Of schedule i of a campaign, in a recording of its own.
json TestSchedule(int i, const std::vector<json>& violations = {}) {
  json report = TestReport();
  const std::string path = "/results/old/recording-" + std::to_string(i + 1);
  report["recording"]["path"] = path;
  report["assumptions"].push_back(kOneInterleaving);
  for (json violation : violations) {
    violation["recording"] = path;
    report["violations"].push_back(violation);
  }
  return report;
}

json Scheduled(const std::vector<json>& reports, ScheduleCounts counts,
               const std::string& stopped = "") {
  return MergeSchedules(reports, counts, stopped, "/results/old");
}

TEST(MergeSchedules, WhatWasExploredIsAddedUp) {
  json second = TestSchedule(1);
  second["explored"]["crash_points"] = second["explored"]["explored_points"] = 50u;
  second["explored"]["log10_raw_states"] = 4.0;
  const json merged = Scheduled({TestSchedule(0), second}, {5, 5});
  EXPECT_EQ(merged["schedules"], (json{{"asked", 5}, {"recorded", 5}, {"distinct", 2}}));
  EXPECT_EQ(merged["verdict"], "passed");
  EXPECT_EQ(merged["recording"]["path"], "/results/old/recording-1");
  EXPECT_EQ(merged["recording"]["stores"], 600);
  EXPECT_EQ(merged["recording"]["operations"], 40);
  EXPECT_EQ(merged["recording"]["trace_bytes"], 8192);
  const json& explored = merged["explored"];
  EXPECT_EQ(explored["crash_points"], 150);
  EXPECT_EQ(explored["explored_points"], 150);
  EXPECT_EQ(explored["recoveries"], 160);
  EXPECT_EQ(explored["verdicts"], 800);
  EXPECT_EQ(explored["every_state"], true);
  EXPECT_NEAR(explored["log10_raw_states"].get<double>(), std::log10(11000), 1e-9);
  EXPECT_DOUBLE_EQ(explored["seconds"].get<double>(), 3.0);
  EXPECT_TRUE(explored["stopped"].is_null());
}

TEST(MergeSchedules, TheInterleavingsThatWereSeenAreCountedAmongTheAssumptions) {
  const auto said = [](const json& merged) { return merged["assumptions"].dump(); };
  EXPECT_THAT(said(Scheduled({TestSchedule(0)}, {2, 2})), HasSubstr(kOneInterleaving));
  const std::string two = said(Scheduled({TestSchedule(0), TestSchedule(1)}, {2, 2}));
  EXPECT_THAT(two, HasSubstr("The 2 interleavings"));
  EXPECT_THAT(two, testing::Not(HasSubstr(kOneInterleaving)));
}

TEST(MergeSchedules, OneThatDidNotTryEveryStateDeniesItOfAll) {
  json second = TestSchedule(1);
  second["explored"]["every_state"] = false;
  EXPECT_EQ(Scheduled({TestSchedule(0), second}, {2, 2})["explored"]["every_state"], false);
}

TEST(MergeSchedules, ACampaignThatWasStoppedHasNotPassed) {
  const json merged = Scheduled({TestSchedule(0)}, {20, 3}, "the budget of 5 s was used up");
  EXPECT_EQ(merged["verdict"], "incomplete");
  EXPECT_EQ(merged["explored"]["every_state"], false);
  EXPECT_EQ(merged["explored"]["stopped"], "the budget of 5 s was used up");
  EXPECT_TRUE(merged["explored"]["next_point"].is_null());
}

TEST(MergeSchedules, ACauseThatTwoSchedulesShowIsOneViolationOfTheFirst) {
  const json merged = Scheduled(
      {TestSchedule(0, {TestViolation("lost", {"a.c:1"}, 2)}),
       TestSchedule(1, {TestViolation("stale", {"a.c:1"}, 3), TestViolation("lost", {"b.c:2"})})},
      {2, 2});
  EXPECT_EQ(merged["verdict"], "violated");
  ASSERT_EQ(merged["violations"].size(), 2u);
  EXPECT_EQ(merged["violations"][0]["occurrences"], 5);
  EXPECT_EQ(merged["violations"][0]["recording"], "/results/old/recording-1");
  EXPECT_EQ(merged["violations"][1]["id"], "V2");
  EXPECT_EQ(merged["violations"][1]["replay"], "fencepost crash replay /results/old V2");
  EXPECT_EQ(merged["violations"][1]["recording"], "/results/old/recording-2");
}

TEST(MergeReports, ShardsOfSeveralSchedulesMergeAndPartsOfThemDoNot) {
  const auto shard = [](uint64_t i) {
    json part = Scheduled({TestSchedule(0), TestSchedule(1)}, {2, 2});
    part["settings"]["shard"] = i;
    part["settings"]["shards"] = 2u;
    return part;
  };
  const json merged = Merged({shard(0), shard(1)});
  EXPECT_EQ(merged["verdict"], "passed");
  EXPECT_EQ(merged["explored"]["recoveries"], 320);
  EXPECT_EQ(merged["explored"]["crash_points"], 200);
  json stopped = shard(1);
  stopped["explored"]["explored_points"] = 150u;
  stopped["explored"]["stopped"] = "interrupted";
  EXPECT_EQ(Merged({shard(0), stopped})["verdict"], "incomplete");
  EXPECT_THAT(Refusal({shard(0), shard(0)}), HasSubstr("no parts"));
  json fewer = shard(1);
  fewer["schedules"]["recorded"] = 1u;
  EXPECT_THAT(Refusal({shard(0), fewer}), HasSubstr("schedule"));
}

}  // namespace
}  // namespace fencepost
