// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/mutations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "faultinject/trace/trace_test_util.h"
#include "harness/crash/crash_report.h"
#include "harness/crash/report_test_util.h"

namespace fencepost {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

MutationSite Site() {
  MutationSite site;
  site.function = "Put";
  site.file = "/src/store.c";
  site.line = 12;
  site.where = "Put (store.c:12)";
  site.events = 7;
  site.removed = {.kind = FPT_FLUSH, .stacks = {1}};
  return site;
}

MutationResult Prevented() {
  MutationResult result;
  result.violation.emplace();
  result.violation->finding = {"lost", "user1", "key user1 is lost", "v2", "absent"};
  result.violation->point = {
      .index = 3, .event = 90, .before = CrashPoint::Before::kFence, .stack = 1};
  return result;
}

MutationResult NothingFound() {
  MutationResult result;
  result.explored.crash_points = 9;
  result.explored.explored_points = 8;
  result.explored.recoveries = 70;
  return result;
}

// A trace in which stack 1 is Put's.
class MutationsTest : public testing::Test {
 protected:
  MutationsTest() {
    fpt_frame(memory_.writer(), 1, "Put(int)", "/src/store.c", 12, "/bin/store");
    const uint64_t address = 1;
    fpt_stack(memory_.writer(), 1, &address, 1);
    disk_.emplace(memory_.Finish());
    trace_.emplace(std::move(TraceFile::Open(disk_->path()).value()));
    CHECK(trace_->ForEach([](const fpt_event&) {}).ok());
  }
  json Row(const MutationResult& result) const { return MutationJson(Site(), result, *trace_); }
  json Report(const std::vector<MutationResult>& results) const {
    json report = TestReport(), sites = json::array();
    for (const MutationResult& result : results) sites.push_back(Row(result));
    report["mutations"] = {{"skipped", nullptr}, {"sites", std::move(sites)}};
    return report;
  }

  MemoryTrace memory_;
  std::optional<TemporaryFile> disk_;
  std::optional<TraceFile> trace_;
};

TEST_F(MutationsTest, ANecessarySiteHasItsViolationAndTheOthersHowMuchWasTried) {
  const json necessary = Row(Prevented());
  EXPECT_EQ(necessary["verdict"], "necessary");
  EXPECT_EQ(necessary["kind"], "flush");
  EXPECT_EQ(necessary["events"], 7u);
  EXPECT_EQ(necessary["violation"]["kind"], "lost");
  EXPECT_EQ(necessary["violation"]["crash_point"]["where"], "Put (store.c:12)");
  EXPECT_EQ(necessary["violation"]["crash_point"]["before"], "a fence");
  EXPECT_TRUE(necessary["explored"].is_null());

  const json not_shown = Row(NothingFound());
  EXPECT_EQ(not_shown["verdict"], "not shown necessary");
  EXPECT_TRUE(not_shown["violation"].is_null());
  EXPECT_EQ(not_shown["explored"]["recoveries"], 70u);
  EXPECT_TRUE(not_shown["explored"]["stopped"].is_null());
}

TEST_F(MutationsTest, TheTableSaysWhatASiteIsWorth) {
  MutationResult stopped = NothingFound();
  stopped.explored.stopped = "the budget of 2 s was used up";
  const std::string text = MutationsText(Report({stopped, Prevented()}));
  EXPECT_THAT(text, HasSubstr("1 of 2 sites"));
  EXPECT_THAT(text, HasSubstr("8 of 9 crash points, 70 recoveries, not every state; INCOMPLETE: "
                              "the budget of 2 s was used up"));
  EXPECT_THAT(text, HasSubstr("key user1 is lost; crash before a fence at Put (store.c:12) "
                              "(event 90)"));
  EXPECT_LT(text.find("not shown necessary  flush"), text.find("\nnecessary"));
}

TEST_F(MutationsTest, TheTableWarnsOfAStrategyThatLeavesStatesOut) {
  MutationResult whole = NothingFound();
  whole.explored.every_state = true;
  EXPECT_THAT(MutationsText(Report({whole})), Not(HasSubstr("does not try every state")));
  EXPECT_THAT(MutationsText(Report({whole})), HasSubstr("70 recoveries, every state"));
  EXPECT_THAT(MutationsText(Report({whole, NothingFound()})),
              HasSubstr("does not try every state"));
  EXPECT_THAT(MutationsText(Report({Prevented()})), Not(HasSubstr("does not try every state")));
}

TEST_F(MutationsTest, ARecordingThatWasNotMutatedSaysWhyInOneLine) {
  json report = TestReport();
  EXPECT_EQ(MutationsText(report), "") << "nobody asked";
  report["mutations"] = {{"skipped", "the recording fails as it is"}, {"sites", json::array()}};
  EXPECT_EQ(MutationsText(report), "not mutated: the recording fails as it is\n");
  EXPECT_THAT(CrashText(report, "r"), HasSubstr("not mutated: the recording fails as it is\n"));
}

TEST(WhyNotMutated, IsEmptyForAPassOnly) {
  json report = TestReport();
  EXPECT_EQ(WhyNotMutated(report), "");
  report["verdict"] = "violated";
  EXPECT_THAT(WhyNotMutated(report), HasSubstr("fails as it is"));
  report = TestPart(0, 60);
  report["verdict"] = CrashVerdict(report);
  EXPECT_THAT(WhyNotMutated(report), HasSubstr("not explored to its end: interrupted"));
}

}  // namespace
}  // namespace fencepost
