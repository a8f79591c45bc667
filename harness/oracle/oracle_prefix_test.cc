// SPDX-License-Identifier: BSD-3-Clause
// Histories written by hand, judged as prefixes; and what judging a long one costs.
#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "harness/oracle/oracle_test_util.h"

namespace fencepost {
namespace {

std::string Prefix(const History& history, uint64_t position, const StoreContents& contents,
                   const std::vector<PastCrash>& past = {}) {
  const std::string judged = Judged(history, Durability::kPrefix, position, contents, past);
  EXPECT_EQ(Judged(history, Durability::kBuffered, position, contents, past), judged);
  return judged;
}

TEST(OraclePrefix, EveryPrefixIsAllowedAndNothingElse) {
  const History h{{}, {Put(1, 2, "a", "1"), Put(3, 4, "b", "1"), Put(5, 6, "a", "2")}};
  EXPECT_EQ(Prefix(h, 7, {}), "");
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"a", "2"}, {"b", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"b", "1"}}), "hole a");
  EXPECT_EQ(Prefix(h, 7, {{"a", "2"}}), "hole b");
  EXPECT_EQ(Prefix(h, 5, {{"a", "2"}, {"b", "1"}}), "phantom a") << "not begun";
}

TEST(OraclePrefix, ASyncHoldsWhatWasAcknowledgedBeforeItBegan) {
  const History h{{}, {Put(1, 2, "a", "1"), Put(3, 6, "b", "1"), Sync(5, 8), Put(9, 10, "a", "2")}};
  EXPECT_EQ(Prefix(h, 8, {}), "") << "the sync has not returned";
  EXPECT_EQ(Prefix(h, 9, {}), "lost a");
  EXPECT_EQ(Prefix(h, 9, {{"a", "1"}}), "") << "b was acknowledged after the sync began";
  EXPECT_EQ(Prefix(h, 11, {{"a", "1"}}), "");
  EXPECT_EQ(Prefix(h, 11, {{"a", "2"}}), "hole b");
}

TEST(OraclePrefix, AfterASyncWhatIsOlderIsStaleOrBack) {
  const History h{{{"a", "0"}, {"b", "0"}}, {Put(1, 2, "a", "1"), Delete(3, 4, "b"), Sync(5, 6)}};
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"a", "0"}}), "stale a");
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}, {"b", "0"}}), "resurrected b");
  EXPECT_EQ(Prefix(h, 5, {{"a", "0"}, {"b", "0"}}), "");
}

TEST(OraclePrefix, OfTwoSyncsTheOneThatBeganLastCounts) {
  const History h{{}, {Sync(1, 20), Put(2, 3, "a", "1"), Sync(4, 5), Put(6, 7, "a", "2")}};
  EXPECT_EQ(Prefix(h, 21, {}), "lost a");
  EXPECT_EQ(Prefix(h, 21, {{"a", "1"}}), "");
}

TEST(OraclePrefix, ASyncThatFailedPromisesNothing) {
  const History h{{}, {Put(1, 2, "a", "1"), Unknown(Sync(3, 4)), Refused(Sync(5, 6))}};
  EXPECT_EQ(Prefix(h, 7, {}), "");
}

TEST(OraclePrefix, ABatchIsInItWhollyOrNot) {
  const History h{{}, {Batch(1, 2, {{"a", "1"}, {"b", "1"}}), Put(3, 4, "c", "1")}};
  EXPECT_EQ(Prefix(h, 5, {}), "");
  EXPECT_EQ(Prefix(h, 5, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_EQ(Prefix(h, 5, {{"a", "1"}}), "torn batch b");
  EXPECT_EQ(Prefix(h, 5, {{"c", "1"}}), "hole a");
}

TEST(OraclePrefix, WritesUnderWayMayBeInIt) {
  const History h{{}, {Put(1, 9, "a", "1"), Put(2, 9, "b", "1"), Put(3, 4, "c", "1")}};
  for (const char* kept : {"", "a", "b", "c", "ab", "ac", "bc", "abc"}) {
    StoreContents contents;
    for (const char* key = kept; *key != '\0'; ++key) contents[std::string(1, *key)] = "1";
    EXPECT_EQ(Prefix(h, 5, contents), "") << kept;
  }
}

TEST(OraclePrefix, RefusedNeverUnknownPerhaps) {
  const History h{
      {}, {Refused(Put(1, 2, "a", "1")), Unknown(Put(3, 4, "b", "1")), Put(5, 6, "c", "1")}};
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}}), "phantom a");
  EXPECT_EQ(Prefix(h, 7, {{"b", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"c", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"b", "1"}, {"c", "1"}}), "");
}

TEST(OraclePrefix, WhatAReadSawMayBeLostButNotOutOfOrder) {
  // The read puts a before b although a is still under way.
  const History h{{}, {Put(1, 20, "a", "1"), Read(2, 3, "a", "1"), Put(4, 5, "b", "1")}};
  EXPECT_EQ(Prefix(h, 6, {}), "");
  EXPECT_EQ(Prefix(h, 6, {{"a", "1"}}), "");
  EXPECT_EQ(Prefix(h, 6, {{"b", "1"}}), "contradiction a");
}

TEST(OraclePrefix, OfTwoAtOnceOnOneKeyEitherIsLastOrNone) {
  const History h{{}, {Put(1, 3, "a", "1"), Put(2, 4, "a", "2"), Put(5, 6, "b", "1")}};
  EXPECT_EQ(Prefix(h, 7, {}), "");
  for (const char* value : {"1", "2"}) {
    EXPECT_EQ(Prefix(h, 7, {{"a", value}}), "") << value;
    EXPECT_EQ(Prefix(h, 7, {{"a", value}, {"b", "1"}}), "") << value;
  }
  EXPECT_EQ(Prefix(h, 7, {{"b", "1"}}), "hole a");
}

TEST(OraclePrefix, AReadFixesTheOrderOfTwoAtOnceForWhatComesLater) {
  const History h{
      {}, {Put(1, 3, "a", "1"), Put(2, 4, "a", "2"), Read(5, 6, "a", "1"), Put(7, 8, "b", "1")}};
  EXPECT_EQ(Prefix(h, 9, {{"a", "2"}}), "") << "before the other one";
  EXPECT_EQ(Prefix(h, 9, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_NE(Prefix(h, 9, {{"a", "2"}, {"b", "1"}}), "");
}

TEST(OraclePrefix, ReadsMustBeExplainedByTheWholeHistory) {
  const History h{{}, {Put(1, 2, "a", "1"), Read(3, 4, "a", std::nullopt)}};
  EXPECT_EQ(Prefix(h, 5, {{"a", "1"}}), "contradiction a");
  EXPECT_EQ(Prefix(h, 4, {{"a", "1"}}), "");
}

TEST(OraclePrefix, TheSameValueTwiceHidesNoHole) {
  const History h{{}, {Put(1, 2, "a", "1"), Put(3, 4, "b", "1"), Put(5, 6, "a", "1")}};
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}}), "") << "the first one";
  EXPECT_EQ(Prefix(h, 7, {{"a", "1"}, {"b", "1"}}), "");
  EXPECT_EQ(Prefix(h, 7, {{"b", "1"}}), "hole a");
}

TEST(OraclePrefix, WhatACrashLeftIsNotLostAgain) {
  const History h{{},
                  {Put(1, 2, "a", "1"), Put(3, 4, "b", "1"), ReadAll(10, 11, {{"a", "1"}}),
                   Put(12, 13, "c", "1")}};
  const std::vector<PastCrash> past{{5}};
  EXPECT_EQ(Prefix(h, 20, {{"a", "1"}}, past), "");
  EXPECT_EQ(Prefix(h, 20, {{"a", "1"}, {"c", "1"}}, past), "");
  EXPECT_EQ(Prefix(h, 20, {}, past), "lost a");
  EXPECT_EQ(Prefix(h, 20, {{"a", "1"}, {"b", "1"}}, past), "resurrected b");
  EXPECT_EQ(Prefix(h, 12, {{"a", "1"}, {"b", "1"}}, past), "resurrected b");
  EXPECT_EQ(Prefix(h, 11, {{"a", "1"}, {"b", "1"}}, past), "") << "not read yet";
}

TEST(OraclePrefix, WhatWasReadAfterACrashMustBeAPrefixToo) {
  const History h{{},
                  {Put(1, 2, "a", "1"), Put(3, 4, "b", "1"), ReadAll(10, 11, {{"b", "1"}}),
                   Put(12, 13, "c", "1")}};
  EXPECT_EQ(Prefix(h, 12, {{"b", "1"}}, {{5}}), "hole a");
  EXPECT_EQ(Prefix(h, 20, {{"b", "1"}}, {{5}}), "contradiction a");
}

TEST(OraclePrefix, SaysWhatIsLostAndWhatSurvivedIt) {
  const History h{{}, {Put(5, 6, "a", "1"), Put(9, 10, "user3", "1")}};
  const std::vector<Violation> hole = Oracle(h, Durability::kPrefix).Judge(20, {{"user3", "1"}});
  ASSERT_EQ(hole.size(), 1U);
  EXPECT_EQ(hole[0].operations, (std::vector<uint64_t>{9, 5}));
  EXPECT_EQ(hole[0].message,
            "key a: hole: operation 5 (put) is lost while operation 9 (put) on key user3, which "
            "began later, survived; absent");
}

// One thread, 5,000 operations on 1,000 keys, judged 250 times: what a campaign asks for.
class OracleCost : public ::testing::TestWithParam<Durability> {};

TEST_P(OracleCost, FiveThousandOperationsJudgedOftenTakeSeconds) {
  constexpr uint64_t kOperations = 5000;
  constexpr double kSecondsMax =
      60;  // takes under one, ten with sanitizers; quadratic it would be minutes
  std::mt19937_64 random(42);
  History h;
  StoreContents state;
  std::vector<StoreContents> states{state};  // after each twenty operations
  for (uint64_t i = 0; i < kOperations; ++i) {
    const std::string key = "user" + std::to_string(random() % 1000);
    const std::string value = key + "=" + std::to_string(i) + std::string(84, 'v');
    HistoryOp op = Put(2 * i + 1, 2 * i + 2, key, value);
    if (random() % 8 == 0) op.writes.push_back({"meta" + std::to_string(random() % 8), value});
    for (const KeyWrite& write : op.writes) state[write.key] = *write.value;
    h.operations.push_back(std::move(op));
    if (i % 20 == 19) states.push_back(state);
  }
  const std::clock_t start = std::clock();
  const Oracle oracle(h, GetParam());
  for (size_t i = 0; i < states.size(); ++i) {
    ASSERT_TRUE(oracle.Judge(40 * i + 1, states[i]).empty()) << i;
  }
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, kSecondsMax);
}

INSTANTIATE_TEST_SUITE_P(Promises, OracleCost,
                         ::testing::Values(Durability::kPowerFail, Durability::kPrefix));

}  // namespace
}  // namespace fencepost
