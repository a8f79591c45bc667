// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/flush_counters.h"

#include <gtest/gtest.h>
#include <libpmem.h>
#include <libpmemobj.h>

#include <cstring>
#include <thread>

#include "engines/pmem/pool.h"
#include "engines/pmem/test_pool.h"

namespace fencepost::pmem {
namespace {

alignas(64) char buffer[4096];

template <typename F>
FlushCounters Cost(F&& operation) {
  const FlushCounters before = ReadFlushCounters();
  operation();
  return ReadFlushCounters() - before;
}

TEST(FlushCounters, OnePersistIsItsLinesAndOneFence) {
  const FlushCounters cost = Cost([] { pmem_persist(buffer, 8); });
  EXPECT_EQ(cost.flushed_lines, 1u);
  EXPECT_EQ(cost.fences, 1u);
  EXPECT_EQ(cost.flushed_bytes, 8u);
  EXPECT_EQ(cost.msyncs, 0u);
}

TEST(FlushCounters, ARangeCountsEveryLineItTouches) {
  EXPECT_EQ(Cost([] { pmem_flush(buffer + 60, 8); }).flushed_lines, 2u);
  EXPECT_EQ(Cost([] { pmem_flush(buffer + 64, 64); }).flushed_lines, 1u);
  EXPECT_EQ(Cost([] { pmem_flush(buffer, 4096); }).flushed_lines, 64u);
  EXPECT_EQ(Cost([] { pmem_flush(buffer, 0); }).flushed_lines, 0u);
}

TEST(FlushCounters, CopiesCountByTheirFlags) {
  static char source[1024];
  const FlushCounters plain = Cost([] { pmem_memcpy(buffer, source, 1024, 0); });
  EXPECT_EQ(plain.flushed_lines, 16u);
  EXPECT_EQ(plain.fences, 1u);
  const FlushCounters no_drain = Cost([] { pmem_memcpy_nodrain(buffer, source, 1024); });
  EXPECT_EQ(no_drain.flushed_lines, 16u);
  EXPECT_EQ(no_drain.fences, 0u);
  const FlushCounters no_flush = Cost([] { pmem_memset(buffer, 0, 1024, PMEM_F_MEM_NOFLUSH); });
  EXPECT_EQ(no_flush.flushed_lines, 0u);
  EXPECT_EQ(no_flush.fences, 0u);
}

TEST(FlushCounters, ThreadsAreSummedAndOutliveTheirThread) {
  const FlushCounters cost = Cost([] {
    for (int i = 0; i < 3; ++i) {
      std::thread([] { pmem_persist(buffer, 1); }).join();
    }
  });
  EXPECT_EQ(cost.flushed_lines, 3u);
  EXPECT_EQ(cost.fences, 3u);
}

// libpmemobj's own calls are seen: reserve, copy, set a word, publish. The figures are those that
// an independent count of instructions gave (7 lines, 5 fences).
TEST(FlushCounters, ALibpmemobjPublishIsCounted) {
  const TestFolder folder;
  const auto path = folder.path() / "pool";
  CHECK_OK(Pool::Create(path, "counters", kMinPoolBytes, 64, [](Pool&) { return Status::Ok(); }));
  auto pool = Pool::Open(path, "counters");
  CHECK_OK(pool);
  if ((*pool)->mode() == PmemMode::kMsync) GTEST_SKIP() << "no tmpfs: libpmemobj calls msync";
  auto* word = (*pool)->At<uint64_t>(*(*pool)->Root(64));
  PMEMobjpool* handle = (*pool)->handle();
  const auto reserve_and_publish = [&] {
    pobj_action actions[2];
    const PMEMoid oid = pmemobj_reserve(handle, &actions[0], 128, 1);
    ASSERT_NE(oid.off, 0u);
    pmemobj_memcpy_persist(handle, pmemobj_direct(oid), buffer, 100);
    pmemobj_set_value(handle, &actions[1], word, oid.off);
    ASSERT_EQ(pmemobj_publish(handle, actions, 2), 0);
  };
  reserve_and_publish();  // the first one makes a run
  const FlushCounters cost = Cost(reserve_and_publish);
  EXPECT_GE(cost.flushed_lines, 6u);
  EXPECT_LE(cost.flushed_lines, 10u);
  EXPECT_GE(cost.fences, 4u);
  EXPECT_LE(cost.fences, 7u);
  RecordProperty("lines", static_cast<int>(cost.flushed_lines));
  RecordProperty("fences", static_cast<int>(cost.fences));
}

TEST(FlushCounters, AreChargedToTheAccountInForceInItsThread) {
  alignas(64) static char line[64];
  const auto lines = [](size_t account) {
    return ReadFlushAccount(account).counters.flushed_lines;
  };
  const uint64_t none = lines(0), three = lines(3), four = lines(4);
  const uint64_t charges = ReadFlushAccount(3).charges;
  pmem_flush(line, 1);
  {
    const Charge charge(3);
    pmem_flush(line, 1);
    {
      const Charge inner(4);
      pmem_flush(line, 1);
      std::thread([] { pmem_flush(line, 1); }).join();
    }
    pmem_flush(line, 1);
  }
  pmem_flush(line, 1);
  EXPECT_EQ(lines(0) - none, 3u);  // the other thread's as well
  EXPECT_EQ(lines(3) - three, 2u);
  EXPECT_EQ(lines(4) - four, 1u);
  EXPECT_EQ(ReadFlushAccount(3).charges - charges, 1u);
}

TEST(FlushCounters, AChargeCanMoveToAnotherAccountWithAllThatItHas) {
  alignas(64) static char line[64];
  const FlushAccount first = ReadFlushAccount(5), second = ReadFlushAccount(6);
  {
    Charge charge(5);
    pmem_persist(line, 7);
    charge.MoveTo(6);
    pmem_flush(line, 1);
    charge.MoveTo(5);
    charge.MoveTo(6);
  }
  const FlushAccount first_now = ReadFlushAccount(5), second_now = ReadFlushAccount(6);
  EXPECT_EQ(first_now.charges, first.charges);
  EXPECT_EQ(first_now.counters.flushed_lines, first.counters.flushed_lines);
  EXPECT_EQ(first_now.counters.flushed_bytes, first.counters.flushed_bytes);
  EXPECT_EQ(first_now.counters.fences, first.counters.fences);
  EXPECT_EQ(second_now.charges - second.charges, 1u);
  EXPECT_EQ(second_now.counters.flushed_lines - second.counters.flushed_lines, 2u);
  EXPECT_EQ(second_now.counters.flushed_bytes - second.counters.flushed_bytes, 8u);
  EXPECT_EQ(second_now.counters.fences - second.counters.fences, 1u);
}

}  // namespace
}  // namespace fencepost::pmem
