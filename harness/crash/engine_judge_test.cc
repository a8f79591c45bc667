// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "harness/oracle/oracle_test_util.h"

namespace fencepost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// a is v1 before; put a=v2 is under way from 10 to 20, put b=v1 from 30 to 40, delete a from 50
// to 60.
History ThreeWrites() {
  return {.initial = {{"a", "v1"}},
          .operations = {Put(10, 20, "a", "v2"), Put(30, 40, "b", "v1"), Delete(50, 60, "a")}};
}

Outcome Answered(const RecoveredStore& store) {
  return {.answer = store.Encode(), .complaint = {}};
}

Outcome Holding(const StoreContents& contents) {
  RecoveredStore store;
  store.contents = contents;
  return Answered(store);
}

class EngineJudgeTest : public testing::Test {
 protected:
  std::vector<Finding> Findings(uint64_t event, const Outcome& outcome) {
    return judge_.Verdict({.event = event}, outcome);
  }
  // "lost b", "leak ", ...
  std::vector<std::string> Kinds(uint64_t event, const Outcome& outcome) {
    std::vector<std::string> kinds;
    for (const Finding& finding : Findings(event, outcome)) {
      EXPECT_FALSE(finding.message.empty()) << finding.kind;
      EXPECT_EQ(finding.message.find('\n'), std::string::npos) << finding.message;
      kinds.push_back(finding.kind + " " + finding.subject);
    }
    return kinds;
  }

  const History history_ = ThreeWrites();
  EngineJudge judge_{history_, Durability::kPowerFail, /*timeout_s=*/2.5};
};

TEST_F(EngineJudgeTest, WhatTheHistoryAllowsIsNoFinding) {
  const StoreContents old = {{"a", "v1"}}, put = {{"a", "v2"}};
  EXPECT_THAT(Kinds(10, Holding(old)), IsEmpty()) << "before the put began";
  EXPECT_THAT(Kinds(11, Holding(old)), IsEmpty()) << "under way: not yet";
  EXPECT_THAT(Kinds(11, Holding(put)), IsEmpty()) << "under way: already";
  EXPECT_THAT(Kinds(20, Holding(old)), IsEmpty()) << "its acknowledgement was not seen";
  EXPECT_THAT(Kinds(21, Holding(put)), IsEmpty()) << "acknowledged";
  EXPECT_THAT(Kinds(61, Holding({{"b", "v1"}})), IsEmpty()) << "the end";
}

TEST_F(EngineJudgeTest, WhatTheHistoryForbidsIsAFindingOfItsKind) {
  EXPECT_THAT(Kinds(10, Holding({{"a", "v2"}})), ElementsAre("phantom a"))
      << "a value before its put began";
  EXPECT_THAT(Kinds(21, Holding({{"a", "v1"}})), ElementsAre("stale a"));
  EXPECT_THAT(Kinds(21, Holding({})), ElementsAre("lost a"));
  EXPECT_THAT(Kinds(41, Holding({{"a", "v2"}})), ElementsAre("lost b"));
  EXPECT_THAT(Kinds(61, Holding({{"a", "v2"}, {"b", "v1"}})), ElementsAre("resurrected a"));
  EXPECT_THAT(Kinds(21, Holding({{"a", "v2"}, {"z", "v1"}})), ElementsAre("phantom z"));
}

TEST(EngineJudgeOfThreads, AGetThatWasAnsweredByAnotherThreadsWriteUnderWayHoldsTheStoreToIt) {
  HistoryOp read = Read(12, 14, "a", "v2");
  read.thread = 1;
  const History history = {.initial = {{"a", "v1"}}, .operations = {Put(10, 20, "a", "v2"), read}};
  EngineJudge judge(history, Durability::kPowerFail, /*timeout_s=*/1);
  EXPECT_THAT(judge.Verdict({.event = 14}, Holding({{"a", "v1"}})), IsEmpty()) << "not answered";
  EXPECT_THAT(judge.Verdict({.event = 15}, Holding({{"a", "v2"}})), IsEmpty());
  const std::vector<Finding> findings = judge.Verdict({.event = 15}, Holding({{"a", "v1"}}));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "stale");
  EXPECT_THAT(findings[0].message, HasSubstr("operation 12 (read) saw"));
}

TEST_F(EngineJudgeTest, AFindingSaysWhatWasAllowedAndWhatWasFound) {
  const std::vector<Finding> lost = Findings(41, Holding({{"a", "v2"}}));
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].allowed, "v1");
  EXPECT_EQ(lost[0].found, "absent");
  const std::vector<Finding> under_way = Findings(15, Holding({{"a", "v7"}}));
  ASSERT_EQ(under_way.size(), 1u);
  EXPECT_THAT(under_way[0].allowed, HasSubstr(" or "));
}

TEST_F(EngineJudgeTest, OneOutcomeIsJudgedAnewAtEachCrashPoint) {
  const Outcome outcome = Holding({{"a", "v1"}});
  EXPECT_THAT(Kinds(21, outcome), ElementsAre("stale a"));
  EXPECT_THAT(Kinds(15, outcome), IsEmpty());
  EXPECT_THAT(Kinds(21, outcome), ElementsAre("stale a"));
}

TEST_F(EngineJudgeTest, MoreOutcomesThanAreKeptDecodedAreAllJudgedByTheirOwnContents) {
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key" + std::to_string(i);
    EXPECT_THAT(Kinds(21, Holding({{"a", "v2"}, {key, "v1"}})), ElementsAre("phantom " + key));
  }
}

TEST_F(EngineJudgeTest, AFaultyValueIsOneFinding) {
  RecoveredStore store;
  store.faults = {{"a", "torn", 64}};
  const std::vector<Finding> findings = Findings(21, Answered(store));
  ASSERT_EQ(findings.size(), 1u) << "not lost as well";
  EXPECT_EQ(findings[0].kind, "torn");
  EXPECT_EQ(findings[0].subject, "a");
  EXPECT_THAT(findings[0].message, HasSubstr("64 bytes"));
}

TEST_F(EngineJudgeTest, AMessageIsOneLineOfTextWhateverBytesAKeyHas) {
  RecoveredStore store;
  store.faults = {{std::string("a\n\x1b\0", 4) + "\xff", "foreign", 64}};
  const std::vector<Finding> findings = Findings(5, Answered(store));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].message, "a\\x0a\\x1b\\x00\\xff: foreign value of 64 bytes");
  store.faults[0].key = std::string(5000, 'k');
  EXPECT_LT(Findings(5, Answered(store)).at(0).message.size(), 400u);
}

TEST_F(EngineJudgeTest, AFaultyValueHidesNoOtherKeysLoss) {
  RecoveredStore store;
  store.faults = {{"a", "torn", 64}};
  EXPECT_THAT(Kinds(41, Answered(store)), ElementsAre("torn a", "lost b"));
}

TEST_F(EngineJudgeTest, AKeyStoredTwiceIsAFinding) {
  RecoveredStore store;
  store.contents = {{"a", "v2"}};
  store.faults = {{"a", "twice", 64}};
  EXPECT_THAT(Kinds(21, Answered(store)), ElementsAre("twice a"));
}

TEST(EngineJudge, ABatchIsNotCalledTornForItsFaultyValue) {
  const History history = {
      .initial = {},
      .operations = {Batch(10, 20, {{"a", "v1"}, {"b", "v1"}}), Put(30, 40, "c", "v1")}};
  EngineJudge judge(history, Durability::kPowerFail, /*timeout_s=*/1);
  RecoveredStore store;
  store.contents = {{"b", "v1"}};
  store.faults = {{"a", "torn", 64}};
  const std::vector<Finding> findings = judge.Verdict({.event = 15}, Answered(store));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "torn");
}

TEST(EngineJudge, HalfABatchIsAFinding) {
  const History history = {.initial = {},
                           .operations = {Batch(10, 20, {{"a", "v1"}, {"b", "v1"}})}};
  EngineJudge judge(history, Durability::kPowerFail, /*timeout_s=*/1);
  EXPECT_FALSE(judge.Verdict({.event = 15}, Holding({{"a", "v1"}})).empty());
  EXPECT_TRUE(judge.Verdict({.event = 15}, Holding({{"a", "v1"}, {"b", "v1"}})).empty());
}

TEST_F(EngineJudgeTest, WhatIsAllocatedAndNotReachableIsALeak) {
  RecoveredStore store;
  store.contents = {{"a", "v1"}};
  store.audit = AuditReport{.allocated_bytes = 640,
                            .reachable_bytes = 512,
                            .allocated_objects = 5,
                            .reachable_objects = 4};
  const std::vector<Finding> findings = Findings(5, Answered(store));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "leak");
  EXPECT_THAT(findings[0].message, HasSubstr("1 objects (128 bytes)"));
  store.audit = AuditReport{640, 640, 5, 5};
  EXPECT_THAT(Kinds(5, Answered(store)), IsEmpty());
}

TEST_F(EngineJudgeTest, WhatIsReachableAndNotAllocatedIsNoLeakOfManyObjects) {
  RecoveredStore store;
  store.contents = {{"a", "v1"}};
  store.audit = AuditReport{.allocated_bytes = 512,
                            .reachable_bytes = 640,
                            .allocated_objects = 4,
                            .reachable_objects = 5};
  const std::vector<Finding> findings = Findings(5, Answered(store));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "unallocated");
  EXPECT_THAT(findings[0].message, HasSubstr("5 objects (640 bytes)"));
}

TEST_F(EngineJudgeTest, AWrongCountIsAFinding) {
  RecoveredStore store;
  store.contents = {{"a", "v1"}};
  store.count = 2;
  EXPECT_THAT(Kinds(5, Answered(store)), ElementsAre("count "));
  store.count = 1;
  EXPECT_THAT(Kinds(5, Answered(store)), IsEmpty());
  store.count.reset();
  EXPECT_THAT(Kinds(5, Answered(store)), IsEmpty());
}

TEST_F(EngineJudgeTest, WhatWentWrongAfterwardsIsAFinding) {
  RecoveredStore store;
  store.contents = {{"a", "v1"}};
  store.afterwards = "after3 is lost";
  const std::vector<Finding> findings = Findings(5, Answered(store));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "afterwards");
  EXPECT_THAT(findings[0].message, HasSubstr("after3 is lost"));
}

TEST_F(EngineJudgeTest, FindingsOfAllKindsComeTogether) {
  RecoveredStore store;
  store.audit = AuditReport{.allocated_objects = 1};
  store.count = 9;
  store.afterwards = "x is lost";
  EXPECT_THAT(Kinds(21, Answered(store)), ElementsAre("lost a", "leak ", "count ", "afterwards "));
}

TEST_F(EngineJudgeTest, AFailedOpenIsOneFinding) {
  RecoveredStore store;
  store.failed_call = "open";
  store.failure = "no pool";
  const std::vector<Finding> findings = Findings(61, Answered(store));
  ASSERT_EQ(findings.size(), 1u) << "what could not be read is not called lost";
  EXPECT_EQ(findings[0].kind, "open-failed");
  EXPECT_THAT(findings[0].message, HasSubstr("no pool"));
  store.failed_call = "for-each";
  EXPECT_THAT(Kinds(61, Answered(store)), ElementsAre("for-each-failed "));
}

TEST_F(EngineJudgeTest, AFailureAfterEverythingWasReadHidesNoLoss) {
  RecoveredStore store;
  for (const char* call : {"audit", "stats", "close"}) {
    store.failed_call = call;
    EXPECT_THAT(Kinds(21, Answered(store)), ElementsAre(std::string(call) + "-failed ", "lost a"));
  }
}

// Of a damaged medium.
TEST_F(EngineJudgeTest, WhereItMayRefuseAnErrorIsRightAndAWrongAnswerIsNot) {
  EngineJudge judge(history_, Durability::kPowerFail, /*timeout_s=*/2.5, /*may_refuse=*/true);
  const auto kinds = [&](const RecoveredStore& store) {
    std::vector<std::string> found;
    for (const Finding& finding : judge.Verdict({.event = 61}, Answered(store))) {
      found.push_back(finding.kind + " " + finding.subject);
    }
    return found;
  };
  RecoveredStore refused;
  refused.failed_call = "open";
  EXPECT_THAT(kinds(refused), IsEmpty());
  EXPECT_TRUE(IsRefusal(Answered(refused)));
  EXPECT_FALSE(Kinds(61, Answered(refused)).empty()) << "elsewhere it is none";
  // What it gave out before it failed counts.
  refused.failed_call = "for-each";
  refused.faults = {{"b", "torn", 12}};
  EXPECT_THAT(kinds(refused), ElementsAre("torn b"));
  RecoveredStore lost;
  EXPECT_THAT(kinds(lost), ElementsAre("lost b"));
  EXPECT_FALSE(IsRefusal(Answered(lost)));
  lost.failed_call = "close";
  EXPECT_THAT(kinds(lost), ElementsAre("lost b")) << "all had been read by then";
  RecoveredStore other;
  other.contents = {{"b", "v1"}};
  EXPECT_THAT(kinds(other), IsEmpty());
  other.afterwards = "a get gives something else";
  EXPECT_THAT(kinds(other), ElementsAre("get "));
  Outcome killed;
  killed.end = Outcome::End::kSignal;
  killed.code = SIGBUS;
  EXPECT_FALSE(judge.Verdict({.event = 61}, killed).empty());
  EXPECT_FALSE(IsRefusal(killed));
}

TEST_F(EngineJudgeTest, AnAnswerThatIsNoneIsAFinding) {
  EXPECT_THAT(Kinds(5, {.answer = "no cbor", .complaint = {}}), ElementsAre("garbled "));
  EXPECT_THAT(Kinds(5, {.answer = "", .complaint = {}}), ElementsAre("garbled "));
}

TEST_F(EngineJudgeTest, ARecoveryThatDidNotAnswerIsAFinding) {
  using End = Outcome::End;
  const std::string said = "first line\npool is broken\n\n";
  const auto only = [&](Outcome outcome) {
    outcome.complaint = said;
    const std::vector<Finding> findings = Findings(5, outcome);
    EXPECT_EQ(findings.size(), 1u);
    EXPECT_THAT(findings.at(0).message, testing::EndsWith("; it said: pool is broken"));
    return findings.at(0);
  };
  const Finding signal =
      only({.end = End::kSignal, .code = SIGSEGV, .answer = {}, .complaint = {}});
  EXPECT_EQ(signal.kind, "signal");
  EXPECT_THAT(signal.message, HasSubstr("signal 11 (Segmentation fault)"));
  EXPECT_THAT(signal.message, testing::Not(HasSubstr("memory")));
  const Finding killed =
      only({.end = End::kSignal, .code = SIGKILL, .answer = {}, .complaint = {}});
  EXPECT_THAT(killed.message, HasSubstr("where memory has run out"));
  const Finding hang = only({.end = End::kTimedOut, .answer = {}, .complaint = {}});
  EXPECT_EQ(hang.kind, "hang");
  EXPECT_THAT(hang.message, HasSubstr("2.5 s"));
  const Finding exit = only({.end = End::kExited, .code = 0, .answer = {}, .complaint = {}});
  EXPECT_EQ(exit.kind, "exit") << "an end of the process is no answer, whatever its code";
  EXPECT_THAT(exit.message, HasSubstr("exit code 0"));
}

TEST_F(EngineJudgeTest, ARecoveryThatSaidNothingIsToldWithoutAQuotation) {
  const std::vector<Finding> findings =
      Findings(5, {.end = Outcome::End::kTimedOut, .answer = {}, .complaint = "\n\n"});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].message, testing::Not(HasSubstr("it said")));
}

TEST_F(EngineJudgeTest, WhatOneRecoveryAnsweredTheNextMustFindToo) {
  const Outcome old = Holding({{"a", "v1"}}), put = Holding({{"a", "v2"}}), none = Holding({});
  EXPECT_THAT(judge_.Contradictions(put, put), IsEmpty());
  // Each of them is allowed while the put is under way.
  EXPECT_THAT(Kinds(11, old), IsEmpty());
  const std::vector<Finding> stale = judge_.Contradictions(put, old);
  ASSERT_EQ(stale.size(), 1u);
  EXPECT_EQ(stale[0].kind, "changed");
  EXPECT_EQ(stale[0].message, "a: one recovery found v2, the next one, after a crash, v1");
  ASSERT_EQ(judge_.Contradictions(old, none).size(), 1u);
  EXPECT_EQ(judge_.Contradictions(none, old)[0].allowed, "absent");
  // Of what failed something is said elsewhere.
  const Outcome killed = {.end = Outcome::End::kSignal, .code = 11, .answer = {}, .complaint = {}};
  EXPECT_THAT(judge_.Contradictions(put, killed), IsEmpty());
}

TEST(EngineJudge, AStoreThatPromisesNothingLosesNothing) {
  const History history = ThreeWrites();
  EngineJudge judge(history, Durability::kNone, /*timeout_s=*/1);
  EXPECT_TRUE(judge.Verdict({.event = 61}, Holding({})).empty());
  RecoveredStore store;
  store.contents = {{"z", "v1"}};
  EXPECT_FALSE(judge.Verdict({.event = 61}, Answered(store)).empty()) << "but makes nothing up";
}

}  // namespace
}  // namespace fencepost
