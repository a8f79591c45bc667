// SPDX-License-Identifier: BSD-3-Clause
#include "harness/version_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace fencepost {
namespace {

std::unique_ptr<VersionTable> Table(bool fresh, uint32_t nonce = 0) {
  return VersionTable::Create(16, fresh, nonce, /*concurrent=*/true).value();
}

void Put(VersionTable& table, uint64_t number) {
  (void)table.BeginPut(number);
  table.EndWrite(number, /*happened=*/true);
}

TEST(VersionTable, AcknowledgedPutIsTheOnlyFineVersion) {
  auto table = Table(true);
  const uint32_t first = table->BeginPut(3);
  table->EndWrite(3, true);
  const uint32_t second = table->BeginPut(3);
  table->EndWrite(3, true);
  EXPECT_EQ(table->JudgeFound(3, table->BeginRead(3), second), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(3, table->BeginRead(3), first), Verdict::kStale);
  EXPECT_EQ(table->JudgeFound(3, table->BeginRead(3), second + 2), Verdict::kPhantom);
  EXPECT_EQ(table->JudgeAbsent(3, table->BeginRead(3)), Verdict::kLost);
}

TEST(VersionTable, ReadDuringAPutMayReturnOldOrNewButNotNothing) {
  auto table = Table(true);
  const uint32_t old_version = table->BeginPut(0);
  table->EndWrite(0, true);
  const uint64_t snapshot = table->BeginRead(0);
  const uint32_t new_version = table->BeginPut(0);
  EXPECT_EQ(table->JudgeFound(0, snapshot, old_version), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(0, snapshot, new_version), Verdict::kFine);
  EXPECT_EQ(table->JudgeAbsent(0, snapshot), Verdict::kLost);
}

TEST(VersionTable, FreshStoreHoldsNothing) {
  auto table = Table(true);
  EXPECT_TRUE(VersionTable::Untouched(table->BeginRead(5)));
  EXPECT_EQ(table->JudgeAbsent(5, table->BeginRead(5)), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(5, table->BeginRead(5), 2), Verdict::kPhantom);
}

TEST(VersionTable, DeletedKeyMayNotComeBack) {
  auto table = Table(true);
  const uint32_t version = table->BeginPut(1);
  table->EndWrite(1, true);
  (void)table->BeginDelete(1);
  EXPECT_EQ(table->JudgeAbsent(1, table->BeginRead(1)), Verdict::kFine) << "delete in flight";
  EXPECT_EQ(table->JudgeFound(1, table->BeginRead(1), version), Verdict::kFine);
  table->EndWrite(1, true);
  EXPECT_TRUE(table->Deleted(1));
  EXPECT_EQ(table->JudgeAbsent(1, table->BeginRead(1)), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(1, table->BeginRead(1), version), Verdict::kStale);
  Put(*table, 1);
  EXPECT_EQ(table->JudgeAbsent(1, table->BeginRead(1)), Verdict::kLost);
}

TEST(VersionTable, DeleteThatFindsNothingShowsALostValue) {
  auto table = Table(true);
  Put(*table, 1);
  const uint64_t before = table->BeginRead(1);
  const uint32_t mine = table->BeginDelete(1);
  EXPECT_EQ(table->JudgeNothingToDelete(1, before, mine), Verdict::kLost);
  (void)table->BeginDelete(1);
  EXPECT_EQ(table->JudgeNothingToDelete(1, before, mine), Verdict::kFine) << "another delete";
  const uint64_t absent = table->BeginRead(2);
  EXPECT_EQ(table->JudgeNothingToDelete(2, absent, table->BeginDelete(2)), Verdict::kFine);
}

TEST(VersionTable, OverlappingWritesMayEndInAnyOrder) {
  auto table = Table(true);
  const uint32_t before = table->BeginPut(2);
  table->EndWrite(2, true);
  const uint32_t a = table->BeginPut(2);
  const uint32_t b = table->BeginPut(2);
  table->EndWrite(2, true);
  EXPECT_EQ(table->JudgeFound(2, table->BeginRead(2), before), Verdict::kFine)
      << "b or a in flight";
  table->EndWrite(2, true);
  EXPECT_EQ(table->JudgeFound(2, table->BeginRead(2), a), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(2, table->BeginRead(2), b), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(2, table->BeginRead(2), before), Verdict::kStale);
}

TEST(VersionTable, FailedWriteMayOrMayNotHaveHappened) {
  auto table = Table(true);
  const uint32_t before = table->BeginPut(4);
  table->EndWrite(4, true);
  const uint32_t failed = table->BeginPut(4);
  table->EndWrite(4, false);
  EXPECT_EQ(table->JudgeFound(4, table->BeginRead(4), before), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(4, table->BeginRead(4), failed), Verdict::kFine);
  Put(*table, 4);
  EXPECT_EQ(table->JudgeFound(4, table->BeginRead(4), before), Verdict::kStale);
}

TEST(VersionTable, OldDataIsUnknownUntilItsFirstRead) {
  auto table = Table(false);
  EXPECT_EQ(table->JudgeFound(7, table->BeginRead(7), 10), Verdict::kUnknown);
  EXPECT_EQ(table->JudgeFound(7, table->BeginRead(7), 10), Verdict::kFine);
  EXPECT_EQ(table->JudgeFound(7, table->BeginRead(7), 8), Verdict::kStale);
  EXPECT_EQ(table->JudgeAbsent(7, table->BeginRead(7)), Verdict::kLost);
}

TEST(VersionTable, NothingIsClaimedWhileTheFirstWriteOfOldDataIsInFlight) {
  auto table = Table(false, 1234);
  const uint32_t version = table->BeginPut(7);
  EXPECT_EQ(table->JudgeFound(7, table->BeginRead(7), 10), Verdict::kUnknown);
  EXPECT_EQ(table->JudgeAbsent(7, table->BeginRead(7)), Verdict::kUnknown);
  table->EndWrite(7, true);
  EXPECT_EQ(table->JudgeFound(7, table->BeginRead(7), version), Verdict::kFine);
  EXPECT_NE(table->JudgeFound(7, table->BeginRead(7), 10), Verdict::kFine);
}

TEST(VersionTable, VersionsWrapWithoutAlarm) {
  auto table = VersionTable::Create(1, true, 0, /*concurrent=*/false).value();
  for (uint32_t i = 0; i < (1u << 23) + 10; ++i) {
    const uint32_t version = table->BeginPut(0);
    table->EndWrite(0, true);
    ASSERT_EQ(table->JudgeFound(0, table->BeginRead(0), version), Verdict::kFine) << i;
  }
}

// A register that holds the last version stored, driven by threads: no order of events may raise a
// false alarm.
TEST(VersionTable, CorrectRegisterNeverAlarms) {
  auto table = VersionTable::Create(1, true, 0, true).value();
  std::atomic<uint32_t> stored{0};
  std::atomic<int> alarms{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20000; ++i) {
        if (t < 2) {
          const bool remove = i % 7 == 0;
          const uint32_t version = remove ? table->BeginDelete(0) : table->BeginPut(0);
          stored.store(remove ? 0 : version);
          table->EndWrite(0, true);
        } else {
          const uint64_t snapshot = table->BeginRead(0);
          const uint32_t found = stored.load();
          const Verdict verdict =
              found == 0 ? table->JudgeAbsent(0, snapshot) : table->JudgeFound(0, snapshot, found);
          if (verdict != Verdict::kFine) ++alarms;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(alarms.load(), 0);
}

TEST(VersionTable, RefusesMoreKeysThanAddressSpace) {
  EXPECT_FALSE(VersionTable::Create(uint64_t{1} << 60, true, 0, true).ok());
}

}  // namespace
}  // namespace fencepost
