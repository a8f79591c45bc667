// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/page_cache.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace fencepost::media {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kFile = 7, kOther = 8;

const BlockModel& Nand() { return *FindBlockModel("nand-ssd"); }
const BlockModel& Optane() { return *FindBlockModel("optane-ssd"); }

TEST(PageCache, AReadOfWhatItHoldsCostsNothing) {
  PageCache cache(Nand(), kMiB);
  EXPECT_DOUBLE_EQ(cache.Read(1000, kFile, 5000, 10), 1000 + Nand().read_ns);
  EXPECT_DOUBLE_EQ(cache.Read(1e6, kFile, 4096, 4096), 1e6);
  EXPECT_GT(cache.Read(1e6, kOther, 4096, 4096), 1e6);
  EXPECT_EQ(cache.totals().blocks_read, 3u);
  EXPECT_EQ(cache.totals().blocks_missed, 2u);
}

TEST(PageCache, BlocksThatLieTogetherAreOneRequest) {
  PageCache cache(Nand(), kMiB);
  EXPECT_DOUBLE_EQ(cache.Read(0, kFile, 0, 8 * kBlockBytes), Nand().ReadNs(8));
  // Of 16 blocks the middle one is there: two requests, one after the other.
  cache.Read(0, kOther, 8 * kBlockBytes, 1);
  EXPECT_DOUBLE_EQ(cache.Read(1e9, kOther, 0, 16 * kBlockBytes),
                   1e9 + Nand().ReadNs(8) + Nand().ReadNs(7));
}

TEST(PageCache, HoldsSoManyBytesAndLetsGoOfWhatWasUsedLeastRecently) {
  PageCache cache(Optane(), 4 * kBlockBytes + 100);
  for (uint64_t block = 0; block < 4; ++block) cache.Read(0, kFile, block * kBlockBytes, 1);
  EXPECT_EQ(cache.Read(1e9, kFile, 0, 1), 1e9);  // now block 1 is the oldest
  EXPECT_GT(cache.Read(1e9, kFile, 4 * kBlockBytes, 1), 1e9);
  EXPECT_EQ(cache.Read(2e9, kFile, 0, 1), 2e9);
  EXPECT_GT(cache.Read(2e9, kFile, kBlockBytes, 1), 2e9);
}

TEST(PageCache, WithoutRoomEachReadIsOfTheDevice) {
  PageCache cache(Optane(), 0);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(cache.Read(i * 1e9, kFile, 0, 1), i * 1e9 + 8900);
}

TEST(PageCache, WhatIsOnItsWayForAnotherIsWaitedFor) {
  PageCache cache(Nand(), kMiB);
  const double ready = cache.Read(0, kFile, 0, 1);
  EXPECT_DOUBLE_EQ(cache.Read(10'000, kFile, 0, 1), ready);
}

TEST(PageCache, AWriteIsChargedAtTheSyncAndOnce) {
  PageCache cache(Nand(), kMiB);
  cache.Add(kFile, 100 * kBlockBytes);
  for (uint64_t i = 0; i < 10; ++i) {
    EXPECT_EQ(cache.Write(5, kFile, 3 * kBlockBytes + i * 100, 100), 5);
  }
  cache.Write(5, kFile, 4 * kBlockBytes, 1);
  EXPECT_EQ(cache.Read(5, kFile, 3 * kBlockBytes, 2 * kBlockBytes), 5);
  EXPECT_DOUBLE_EQ(cache.Sync(5, kFile), 5 + Nand().WriteNs(2));
  EXPECT_EQ(cache.Sync(1e9, kFile), 1e9);
  EXPECT_EQ(cache.totals().blocks_written, 2u);
  // It is clean, and still there.
  EXPECT_EQ(cache.Read(1e9, kFile, 3 * kBlockBytes, 2 * kBlockBytes), 1e9);
}

TEST(PageCache, AFileThatHasGrownTakesABlockOfTheJournalMore) {
  PageCache cache(Nand(), kMiB);
  cache.Write(0, kFile, 0, 10);
  EXPECT_DOUBLE_EQ(cache.Sync(0, kFile), 2 * Nand().WriteNs(1));
  cache.Write(1e9, kFile, 5, 5);
  EXPECT_DOUBLE_EQ(cache.Sync(1e9, kFile), 1e9 + Nand().WriteNs(1));
}

TEST(PageCache, WhatGoesAroundItIsChargedAtOnceEachTime) {
  PageCache cache(Nand(), kMiB);
  cache.Add(kFile, kMiB);
  for (int i = 1; i < 4; ++i) {
    EXPECT_EQ(cache.ReadAround(i * 1e9, 0, kBlockBytes), i * 1e9 + Nand().read_ns);
    EXPECT_EQ(cache.WriteAround(i * 1e9 + 5e8, kFile, 0, kBlockBytes),
              i * 1e9 + 5e8 + Nand().write_ns);
  }
  EXPECT_EQ(cache.Sync(9e9, kFile), 9e9);
}

TEST(PageCache, WriteBackLeavesTheRestForTheSync) {
  PageCache cache(Nand(), kMiB);
  cache.Add(kFile, kMiB);
  cache.Write(0, kFile, 0, 10 * kBlockBytes);
  EXPECT_DOUBLE_EQ(cache.WriteBack(0, kFile, 2 * kBlockBytes, 3 * kBlockBytes), Nand().WriteNs(3));
  EXPECT_DOUBLE_EQ(cache.Sync(1e9, kFile), 1e9 + Nand().WriteNs(2) + Nand().WriteNs(5));
}

TEST(PageCache, NothingIsLeftOfAFileThatIsRemoved) {
  PageCache cache(Nand(), kMiB);
  cache.Read(0, kFile, 0, 1);
  cache.Write(0, kFile, kBlockBytes, 1);
  cache.Add(kFile, 0);
  EXPECT_GT(cache.Read(1e9, kFile, 0, 1), 1e9);
  EXPECT_EQ(cache.Sync(1e9, kFile), 1e9);
}

// Against a set of blocks, which is plain enough to be believed.
TEST(DirtyFile, WritesEachDirtyBlockOnceInRunsThatDoNotTouch) {
  std::mt19937_64 random(17);
  DirtyFile file(1000 * kBlockBytes);
  std::set<uint64_t> dirty;
  for (int step = 0; step < 2000; ++step) {
    const uint64_t offset = random() % (200 * kBlockBytes), bytes = 1 + random() % 20'000;
    const uint64_t first = offset / kBlockBytes, end = (offset + bytes - 1) / kBlockBytes + 1;
    std::set<uint64_t> written;
    uint64_t before = UINT64_MAX;
    const auto collect = [&](uint64_t from, uint64_t blocks) {
      EXPECT_NE(from, before) << "two runs touch, step " << step;
      before = from + blocks;
      for (uint64_t i = from; i < from + blocks; ++i) EXPECT_TRUE(written.insert(i).second);
    };
    if (step % 50 == 49) {
      EXPECT_FALSE(file.Sync(collect));
      EXPECT_EQ(written, dirty) << "step " << step;
      dirty.clear();
    } else if (step % 10 == 9) {
      file.WriteBack(first, end, collect);
      std::set<uint64_t> expected;
      for (uint64_t i = first; i < end; ++i) {
        if (dirty.erase(i) > 0) expected.insert(i);
      }
      EXPECT_EQ(written, expected) << "step " << step;
    } else {
      file.Write(offset, bytes);
      for (uint64_t i = first; i < end; ++i) dirty.insert(i);
    }
    const uint64_t probe = random() % 220;
    EXPECT_EQ(file.IsDirty(probe), dirty.contains(probe)) << "step " << step;
  }
}

// 4 KiB at random by so many threads that wait for each.
double ReadsPerSecond(const BlockModel& model, size_t threads) {
  BlockDevice device(model);
  std::vector<double> now_ns(threads, 0);
  constexpr int kReads = 20'000;
  for (int i = 0; i < kReads; ++i) {
    double& earliest = *std::min_element(now_ns.begin(), now_ns.end());
    earliest = device.Read(earliest, 1);
  }
  return kReads / *std::max_element(now_ns.begin(), now_ns.end()) * 1e9;
}

// AnandTech 11209, 4 KiB random reads with a queue depth of 1 and 16: 16 are no parameter.
TEST(BlockDevice, ReadsAsManyAsWerePublished) {
  EXPECT_NEAR(ReadsPerSecond(Optane(), 1) / 108'300, 1, 0.05);
  EXPECT_NEAR(ReadsPerSecond(Nand(), 1) / 12'800, 1, 0.01);
  EXPECT_NEAR(ReadsPerSecond(Optane(), 16) / 584'800, 1, 0.01);
  // A flash device has requests wait for each other that are of one chip; the model has none of
  // that.
  EXPECT_NEAR(ReadsPerSecond(Nand(), 16) / 167'200, 1, 0.25);
}

TEST(BlockDevice, WritesNoFasterThanItsBandwidth) {
  BlockDevice device(Nand());
  double done_ns = 0;
  for (int i = 0; i < 1000; ++i) done_ns = device.Write(0, 4);
  EXPECT_DOUBLE_EQ(done_ns, 1000 * 4 * 4096 / Nand().write_bytes_per_ns);
}

}  // namespace
}  // namespace fencepost::media
