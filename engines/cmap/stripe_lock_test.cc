// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/stripe_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

namespace fencepost::cmap {
namespace {

TEST(StripeLock, ReadersNeverSeeAHalfDoneWrite) {
  StripeLock lock;
  uint64_t a = 0, b = 0;
  std::atomic<int> torn{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        const std::unique_lock hold(lock);
        ++a;
        ++b;
      }
    });
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        const std::shared_lock hold(lock);
        if (a != b) ++torn;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(a, 40'000u);
  EXPECT_EQ(b, 40'000u);
}

TEST(StripeLock, ReadersShare) {
  StripeLock lock;
  const std::shared_lock mine(lock);
  std::thread other([&] { const std::shared_lock theirs(lock); });
  other.join();  // would hang if they did not
}

TEST(StripeLock, AnUpdaterLetsReadersInAndKeepsWritersAndUpdatersOut) {
  StripeLock lock;
  std::atomic<int> entered{0};
  std::thread writer, updater;
  {
    const UpdateLock mine(lock);
    std::thread reader([&] { const std::shared_lock theirs(lock); });
    reader.join();  // would hang if it were kept out
    writer = std::thread([&] {
      const std::unique_lock hold(lock);
      ++entered;
    });
    updater = std::thread([&] {
      const UpdateLock hold(lock);
      ++entered;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(entered, 0);
  }
  writer.join();
  updater.join();
  EXPECT_EQ(entered, 2);
}

TEST(StripeLock, AnUpdaterIsToldOfReadersAndWaitsForNone) {
  StripeLock lock;
  const UpdateLock mine(lock);
  EXPECT_FALSE(lock.MayHaveReaders());
  {
    const std::shared_lock reader(lock);
    const std::shared_lock another(lock);
    EXPECT_TRUE(lock.MayHaveReaders());
  }
  EXPECT_FALSE(lock.MayHaveReaders());
}

// Either the reader sees what was stored before the question, or the question sees the reader.
TEST(StripeLock, AReaderIsNeverMissedByBoth) {
  constexpr int kRounds = 20'000;
  std::vector<StripeLock> locks(kRounds);
  std::vector<std::atomic<int>> stored(kRounds);
  std::vector<int> seen(kRounds), told(kRounds);
  std::atomic<int> round{-1};
  std::thread reader([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (round.load(std::memory_order_relaxed) < i) {
      }
      locks[i].lock_shared();
      seen[i] = stored[i].load(std::memory_order_relaxed);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    const UpdateLock hold(locks[i]);
    round.store(i, std::memory_order_relaxed);
    stored[i].store(1, std::memory_order_relaxed);
    told[i] = locks[i].MayHaveReaders() ? 1 : 0;
  }
  reader.join();
  for (int i = 0; i < kRounds; ++i) ASSERT_TRUE(seen[i] == 1 || told[i] == 1) << i;
}

}  // namespace
}  // namespace fencepost::cmap
