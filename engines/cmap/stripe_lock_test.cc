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

TEST(StripeLock, AwaitReadersReturnsWhenThoseWhoReadHaveGone) {
  StripeLock lock;
  std::atomic<bool> reading{false}, awaited{false}, left_first{false};
  std::thread reader([&] {
    const std::shared_lock hold(lock);
    reading = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    left_first = !awaited;
  });
  while (!reading) std::this_thread::yield();
  {
    const UpdateLock mine(lock);
    lock.AwaitReaders();
    awaited = true;
    const std::shared_lock again(lock);  // readers may come again
  }
  reader.join();
  EXPECT_TRUE(left_first);
}

}  // namespace
}  // namespace fencepost::cmap
