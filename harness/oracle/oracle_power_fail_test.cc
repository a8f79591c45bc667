// SPDX-License-Identifier: BSD-3-Clause
// Histories written by hand, judged as durably linearizable; and what is judged where nothing is
// promised.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/oracle/oracle_test_util.h"

namespace fencepost {
namespace {

using ::testing::ElementsAre;

std::string PowerFail(const History& history, uint64_t position, const StoreContents& contents,
                      std::vector<PastCrash> past = {}) {
  return Judged(history, Durability::kPowerFail, position, contents, std::move(past));
}

TEST(OraclePowerFail, AnAcknowledgedWriteMustBeThere) {
  const History h{{}, {Put(1, 2, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 3, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 3, {}), "lost a");
}

TEST(OraclePowerFail, UnderWayItMayBeThereOrNot) {
  const History h{{{"a", "0"}}, {Put(1, 4, "a", "1")}};
  for (const uint64_t position : {2, 3, 4}) {
    EXPECT_EQ(PowerFail(h, position, {{"a", "1"}}), "");
    EXPECT_EQ(PowerFail(h, position, {{"a", "0"}}), "");
    EXPECT_EQ(PowerFail(h, position, {}), "lost a");
  }
  EXPECT_EQ(PowerFail(h, 5, {{"a", "0"}}), "stale a");
}

TEST(OraclePowerFail, BeforeItBeginsItMustNotBeThere) {
  const History h{{}, {Put(5, 6, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "phantom a");
  EXPECT_EQ(PowerFail(h, 5, {}), "");
}

TEST(OraclePowerFail, WhatNobodyWroteIsAPhantom) {
  const History h{{{"a", "0"}}, {Put(1, 2, "b", "1")}};
  EXPECT_EQ(PowerFail(h, 3, {{"a", "x"}, {"b", "1"}}), "phantom a");
  EXPECT_EQ(PowerFail(h, 3, {{"a", "1"}, {"b", "1"}}), "phantom a") << "a value of another key";
  EXPECT_EQ(PowerFail(h, 3, {{"a", "0"}, {"b", "1"}, {"c", "1"}}), "phantom c");
}

TEST(OraclePowerFail, WhatWasThereAtFirstStays) {
  const History h{{{"a", "0"}}, {}};
  EXPECT_EQ(PowerFail(h, 1, {{"a", "0"}}), "");
  EXPECT_EQ(PowerFail(h, 1, {}), "lost a");
}

TEST(OraclePowerFail, AnOlderValueIsStale) {
  const History h{{}, {Put(1, 2, "a", "1"), Put(3, 4, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 5, {{"a", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "stale a");
}

TEST(OraclePowerFail, ADeletedPairMustNotComeBack) {
  const History h{{}, {Put(1, 2, "a", "1"), Delete(3, 4, "a")}};
  EXPECT_EQ(PowerFail(h, 5, {}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "resurrected a");
  EXPECT_EQ(PowerFail(h, 4, {{"a", "1"}}), "") << "the delete is under way";
}

TEST(OraclePowerFail, ADeleteAndThenAPut) {
  const History h{{}, {Put(1, 2, "a", "1"), Delete(3, 4, "a"), Put(5, 6, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 7, {{"a", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 7, {{"a", "1"}}), "stale a");
  EXPECT_EQ(PowerFail(h, 7, {}), "lost a");
  EXPECT_EQ(PowerFail(h, 6, {}), "");
  EXPECT_EQ(PowerFail(h, 6, {{"a", "1"}}), "resurrected a");
}

TEST(OraclePowerFail, TheSameValueTwiceIsOneAnswer) {
  const History h{{}, {Put(1, 2, "a", "1"), Put(3, 4, "a", "2"), Put(5, 6, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 7, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "stale a");
  EXPECT_EQ(PowerFail(h, 6, {{"a", "1"}}), "");
}

TEST(OraclePowerFail, ARefusedWriteMustNotBeThere) {
  const History h{{}, {Refused(Put(1, 3, "a", "1"))}};
  EXPECT_EQ(PowerFail(h, 4, {}), "");
  EXPECT_EQ(PowerFail(h, 4, {{"a", "1"}}), "phantom a");
  EXPECT_EQ(PowerFail(h, 2, {{"a", "1"}}), "") << "the crash came before the refusal";
}

TEST(OraclePowerFail, AfterAnIoErrorItMayHappenUntilTheCrash) {
  const History h{{}, {Unknown(Put(1, 2, "a", "1")), Put(3, 4, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 3, {}), "");
  EXPECT_EQ(PowerFail(h, 3, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {}), "lost a");
}

TEST(OraclePowerFail, TwoAtOnceEitherOrder) {
  const History h{{}, {Put(1, 3, "a", "1"), Put(2, 4, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {}), "lost a");
}

TEST(OraclePowerFail, AReadFixesTheOrderOfTwoAtOnce) {
  const History h{{}, {Put(1, 3, "a", "1"), Put(2, 4, "a", "2"), Read(5, 6, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 5, {{"a", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 6, {{"a", "2"}}), "") << "the read has not answered";
  EXPECT_EQ(PowerFail(h, 7, {{"a", "2"}}), "stale a");
  EXPECT_EQ(PowerFail(h, 7, {{"a", "1"}}), "");
}

TEST(OraclePowerFail, WhatAReadSawMustSurvive) {
  // The put is still under way, but another thread has seen it.
  const History h{{}, {Put(1, 9, "a", "1"), Read(2, 3, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 3, {}), "");
  EXPECT_EQ(PowerFail(h, 4, {}), "lost a");
  EXPECT_EQ(PowerFail(h, 4, {{"a", "1"}}), "");
}

TEST(OraclePowerFail, WhatAReadSawMustSurviveUnlessAnotherWriteIsUnderWayToo) {
  const History h{{{"a", "0"}}, {Put(1, 20, "a", "1"), Put(2, 21, "a", "2"), Read(3, 4, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "2"}}), "") << "it may have come after the read";
  EXPECT_EQ(PowerFail(h, 5, {{"a", "0"}}), "stale a");
  EXPECT_EQ(PowerFail(h, 5, {}), "lost a");
}

TEST(OraclePowerFail, WhatAReadSawMustSurviveItsDeleteUnderWayToo) {
  const History h{{{"a", "0"}}, {Delete(1, 9, "a"), Read(2, 3, "a", std::nullopt)}};
  EXPECT_EQ(PowerFail(h, 4, {{"a", "0"}}), "resurrected a");
  EXPECT_EQ(PowerFail(h, 4, {}), "");
}

TEST(OraclePowerFail, AWriteSeenForcesTheOneItOverwroteNotToReturn) {
  // 1 was there when 2 was not yet: once 2 has been seen and then 1, nothing can bring 2 back.
  const History h{
      {}, {Put(1, 20, "a", "1"), Put(2, 21, "a", "2"), Read(3, 4, "a", "2"), Read(5, 6, "a", "1")}};
  EXPECT_EQ(PowerFail(h, 7, {{"a", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 7, {{"a", "2"}}), "stale a");
  EXPECT_EQ(PowerFail(h, 5, {{"a", "1"}}), "");
}

TEST(OraclePowerFail, ReadsThatNoOrderExplainAreAContradiction) {
  const History never{{}, {Put(1, 2, "a", "1"), Read(3, 4, "a", "2")}};
  EXPECT_EQ(PowerFail(never, 5, {{"a", "1"}}), "contradiction a");
  EXPECT_EQ(PowerFail(never, 4, {{"a", "1"}}), "");
  const History back{
      {}, {Put(1, 2, "a", "1"), Put(3, 8, "a", "2"), Read(4, 5, "a", "2"), Read(6, 7, "a", "1")}};
  EXPECT_EQ(PowerFail(back, 9, {{"a", "2"}}), "contradiction a");
}

TEST(OraclePowerFail, ABatchIsThereWhollyOrNot) {
  const History h{{{"a", "0"}}, {Batch(1, 3, {{"a", "1"}, {"b", "1"}})}};
  EXPECT_EQ(PowerFail(h, 2, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 2, {{"a", "0"}}), "");
  EXPECT_EQ(PowerFail(h, 2, {{"a", "1"}}), "torn batch b");
  EXPECT_EQ(PowerFail(h, 2, {{"a", "0"}, {"b", "1"}}), "torn batch a");
  EXPECT_EQ(PowerFail(h, 4, {{"a", "1"}}), "torn batch b");
  EXPECT_EQ(PowerFail(h, 4, {{"a", "0"}}), "stale a, lost b");
}

TEST(OraclePowerFail, ABatchThatIsPartlyOverwrittenIsNotTorn) {
  const History h{{}, {Batch(1, 9, {{"a", "1"}, {"b", "1"}}), Put(2, 3, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 4, {{"a", "2"}, {"b", "1"}}), "") << "the batch came first";
  EXPECT_EQ(PowerFail(h, 4, {{"a", "1"}, {"b", "1"}}), "") << "the batch came last";
  EXPECT_EQ(PowerFail(h, 4, {{"a", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 4, {{"a", "1"}}), "torn batch b");
  EXPECT_EQ(PowerFail(h, 4, {{"b", "1"}}), "lost a");
}

TEST(OraclePowerFail, TwoBatchesCannotBothBeLast) {
  const History h{{},
                  {Batch(1, 9, {{"a", "1"}, {"b", "1"}}), Batch(2, 9, {{"a", "2"}, {"b", "2"}})}};
  EXPECT_EQ(PowerFail(h, 10, {{"a", "2"}, {"b", "2"}}), "");
  EXPECT_EQ(PowerFail(h, 10, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_NE(PowerFail(h, 10, {{"a", "1"}, {"b", "2"}}), "");
}

TEST(OraclePowerFail, ThreePairsOfBatchesInACircleAreAContradiction) {
  // Each value is possible; 1 before 2 before 3 before 1 is not.
  const History h{{},
                  {Batch(1, 9, {{"a", "1"}, {"c", "1"}}), Batch(2, 9, {{"a", "2"}, {"b", "2"}}),
                   Batch(3, 9, {{"b", "3"}, {"c", "3"}})}};
  EXPECT_NE(PowerFail(h, 10, {{"a", "2"}, {"b", "3"}, {"c", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 10, {{"a", "2"}, {"b", "3"}, {"c", "3"}}), "");
}

TEST(OraclePowerFail, AReadOfEverythingIsOfOneInstant) {
  const auto history = [](StoreContents seen) {
    return History{{}, {Put(1, 8, "a", "1"), Put(2, 3, "b", "1"), ReadAll(4, 5, std::move(seen))}};
  };
  const History without = history({{"b", "1"}});
  EXPECT_EQ(PowerFail(without, 6, {{"b", "1"}}), "");
  EXPECT_EQ(PowerFail(without, 6, {{"a", "1"}, {"b", "1"}}), "");
  const History with = history({{"a", "1"}, {"b", "1"}});
  EXPECT_EQ(PowerFail(with, 6, {{"b", "1"}}), "lost a");
  EXPECT_EQ(PowerFail(with, 6, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_EQ(PowerFail(history({{"a", "1"}}), 6, {{"a", "1"}, {"b", "1"}}), "contradiction a");
}

TEST(OraclePowerFail, TwoReadsOfEverythingAgreeOnTheOrder) {
  const History h{{},
                  {Put(1, 20, "a", "1"), Put(2, 21, "b", "1"), ReadAll(3, 10, {{"a", "1"}}),
                   ReadAll(4, 11, {{"b", "1"}})}};
  EXPECT_NE(PowerFail(h, 12, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_EQ(PowerFail(h, 11, {{"a", "1"}, {"b", "1"}}), "");
}

TEST(OraclePowerFail, UnderWayAtAnEarlierCrashItHappensBeforeThatOrNever) {
  const History absent{{}, {Put(1, kNever, "a", "1"), Read(10, 11, "a", std::nullopt)}};
  EXPECT_EQ(PowerFail(absent, 20, {}, {{5}}), "");
  EXPECT_EQ(PowerFail(absent, 20, {{"a", "1"}}, {{5}}), "resurrected a");
  EXPECT_EQ(PowerFail(absent, 10, {{"a", "1"}}, {{5}}), "") << "before it was read";
  EXPECT_EQ(PowerFail(absent, 5, {{"a", "1"}}, {{5}}), "") << "a second crash at once";
  const History present{{}, {Put(1, kNever, "a", "1"), Read(10, 11, "a", "1")}};
  EXPECT_EQ(PowerFail(present, 20, {{"a", "1"}}, {{5}}), "");
  EXPECT_EQ(PowerFail(present, 20, {}, {{5}}), "lost a");
}

TEST(OraclePowerFail, WhatCameBackFirstCountsAlsoAfterMoreWrites) {
  // The unacknowledged put cannot take effect after the crash that ended it.
  const History h{{}, {Put(1, kNever, "a", "1"), Put(10, 11, "a", "2"), Put(12, 13, "b", "3")}};
  EXPECT_EQ(PowerFail(h, 20, {{"a", "2"}, {"b", "3"}}, {{5}}), "");
  EXPECT_EQ(PowerFail(h, 20, {{"a", "1"}, {"b", "3"}}, {{5}}), "stale a");
  EXPECT_EQ(PowerFail(h, 11, {{"a", "1"}}, {{5}}), "") << "nobody has read what the crash left";
  EXPECT_EQ(PowerFail(h, 11, {}, {{5}}), "");
}

TEST(OraclePowerFail, ReadsAfterACrashThatNothingExplainsAreAContradiction) {
  const History h{{},
                  {Put(1, 2, "a", "1"), Read(10, 11, "a", std::nullopt), Put(12, 13, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 20, {{"a", "2"}}, {{5}}), "contradiction a");
}

TEST(OraclePowerFail, AnAnswerWrittenDownAfterTheCrashIsNone) {
  const History h{{},
                  {Put(1, 7, "a", "1"), Read(10, 11, "a", std::nullopt), Put(12, 14, "a", "2")}};
  EXPECT_EQ(PowerFail(h, 12, {}, {{5}}), "");
  EXPECT_EQ(PowerFail(h, 13, {}, {{5}}), "");
}

TEST(OraclePowerFail, SaysWhichOperationsAndWhatWasAllowed) {
  const History h{{}, {Put(17, 18, "user17", "old"), Put(41, 42, "user17", std::string(100, 'n'))}};
  const Oracle oracle(h, Durability::kPowerFail);
  const std::vector<Violation> lost = oracle.Judge(50, {});
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].message,
            "key user17: lost: operation 41 (put) was acknowledged before the crash; absent");
  EXPECT_THAT(lost[0].operations, ElementsAre(41));
  EXPECT_THAT(lost[0].allowed, ElementsAre(std::string(100, 'n')));
  EXPECT_EQ(lost[0].found, std::nullopt);
  const std::vector<Violation> stale = oracle.Judge(50, {{"user17", "old"}});
  ASSERT_EQ(stale.size(), 1U);
  EXPECT_EQ(stale[0].message,
            "key user17: stale: operation 41 (put) was acknowledged before the crash; "
            "found \"old\" (3 bytes) of operation 17 (put)");
  EXPECT_THAT(stale[0].operations, ElementsAre(41, 17));
  const std::vector<Violation> phantom = oracle.Judge(50, {{"user17", std::string("\n\x01", 2)}});
  ASSERT_EQ(phantom.size(), 1U);
  EXPECT_EQ(phantom[0].message,
            "key user17: phantom: no operation wrote it; found \"\\x0a\\x01\" (2 bytes)");
  EXPECT_EQ(phantom[0].found, "\n\x01");
}

TEST(OracleNothingPromised, OnlyWhatNobodyWroteIsWrong) {
  const History h{{{"a", "0"}},
                  {Put(1, 2, "a", "1"), Batch(3, 4, {{"a", "2"}, {"b", "2"}}), Sync(5, 6),
                   Put(20, 21, "b", "9")}};
  for (const Durability durability : {Durability::kProcessCrash, Durability::kNone}) {
    EXPECT_EQ(Judged(h, durability, 10, {}), "");
    EXPECT_EQ(Judged(h, durability, 10, {{"a", "1"}, {"b", "2"}}), "");
    EXPECT_EQ(Judged(h, durability, 10, {{"a", "3"}}), "phantom a");
    EXPECT_EQ(Judged(h, durability, 10, {{"b", "9"}}), "phantom b") << "not yet written";
    EXPECT_EQ(Judged(h, durability, 10, {{"c", "1"}}), "phantom c");
  }
}

TEST(OracleNothingPromised, WritesAtOnceAndReadsOfThemPromiseNothingEither) {
  const History h{{}, {Put(1, 9, "a", "1"), Put(2, 9, "a", "2"), Read(3, 4, "a", "1")}};
  for (const Durability durability : {Durability::kProcessCrash, Durability::kNone}) {
    for (const StoreContents& contents :
         {StoreContents{}, StoreContents{{"a", "1"}}, StoreContents{{"a", "2"}}}) {
      EXPECT_EQ(Judged(h, durability, 5, contents), "");
    }
    EXPECT_EQ(Judged(h, durability, 2, {{"a", "2"}}), "phantom a") << "not yet written";
  }
}

HistoryOp Replace(HistoryOp put, std::string value) {
  put.replaces = std::move(value);
  return put;
}

TEST(OraclePowerFail, OneValueIsNotReplacedTwiceByCompareAndPut) {
  History h{{{"a", "1"}}, {Replace(Put(1, 5, "a", "2"), "1"), Replace(Put(2, 6, "a", "3"), "1")}};
  EXPECT_EQ(Judged(h, Durability::kPowerFail, 6, {{"a", "3"}}), "")
      << "the second one had not been answered";
  EXPECT_EQ(Judged(h, Durability::kPowerFail, 7, {{"a", "3"}}), "contradiction a");
  h.operations[1].outcome = HistoryOp::Outcome::kRefused;
  EXPECT_EQ(Judged(h, Durability::kPowerFail, 7, {{"a", "2"}}), "");
  EXPECT_EQ(Judged(h, Durability::kPowerFail, 7, {{"a", "3"}}), "phantom a");
  h.operations[1] = Replace(Put(8, 9, "a", "4"), "1");
  h.operations.push_back(Put(6, 7, "a", "1"));
  EXPECT_EQ(Judged(h, Durability::kPowerFail, 10, {{"a", "4"}}), "") << "it was written again";
}

TEST(OraclePowerFail, SixteenAtOnceAreSearched) {
  History h;
  for (uint64_t i = 1; i <= 16; ++i)
    h.operations.push_back(Put(i, 100 + i, "a", std::to_string(i)));
  const Oracle oracle(h, Durability::kPowerFail);
  EXPECT_TRUE(oracle.Judge(200, {{"a", "7"}}).empty());
  EXPECT_FALSE(oracle.Judge(200, {}).empty());
}

}  // namespace
}  // namespace fencepost
