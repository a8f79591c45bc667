// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/access_counter.h"

#include <gtest/gtest.h>

#include <array>

namespace fencepost::pmem {
namespace {

constexpr uint64_t kCacheBytes = uint64_t{1} << 20;

class AccessCounterTest : public testing::Test {
 protected:
  // Ends an operation; what it did.
  AccessCounts End() {
    const AccessCounts before = counter_.counts()[1];
    { const ObservedOperation operation(OperationKind::kPut); }
    AccessCounts now = counter_.counts()[1];
    now.lines_touched -= before.lines_touched;
    now.lines_read -= before.lines_read;
    now.lines_flushed -= before.lines_flushed;
    now.fences -= before.fences;
    for (size_t i = 0; i < before.media.size(); ++i) {
      now.media[i].blocks_written -= before.media[i].blocks_written;
      now.media[i].ns -= before.media[i].ns;
    }
    return now;
  }
  const void* Line(uint64_t line) const { return reinterpret_cast<const void*>(line * 64); }

  const std::array<const media::MemoryModel*, 2> models_ = {media::FindMemoryModel("dram"),
                                                            media::FindMemoryModel("optane")};
  AccessCounter counter_{models_, kCacheBytes};
};

TEST_F(AccessCounterTest, CountsLinesNotBytes) {
  ToldRead(reinterpret_cast<const void*>(60), 8);
  ToldFlush(Line(9), 1, false);
  ToldFence();
  const AccessCounts counts = End();
  EXPECT_EQ(counts.lines_touched, 2u);
  EXPECT_EQ(counts.lines_flushed, 1u);
  EXPECT_EQ(counts.fences, 1u);
}

TEST_F(AccessCounterTest, ALineInTheCacheIsFreeAndNoLongerOnceAnotherTookItsPlace) {
  ToldRead(Line(5), 64);
  EXPECT_EQ(End().lines_read, 1u);
  ToldRead(Line(5), 64);
  const AccessCounts hit = End();
  EXPECT_EQ(hit.lines_read, 0u);
  EXPECT_EQ(hit.media[1].ns, 0);
  ToldRead(Line(5 + kCacheBytes / 64), 64);
  ToldRead(Line(5), 64);
  EXPECT_EQ(End().lines_read, 2u);
}

TEST_F(AccessCounterTest, ARandomReadTakesWhatWasPublished) {
  ToldRead(Line(1000), 64);
  const AccessCounts counts = End();
  EXPECT_NEAR(counts.media[0].ns, 101.5, 1e-9);
  EXPECT_NEAR(counts.media[1].ns, 305.0, 1e-9);
}

TEST_F(AccessCounterTest, AFlushedLineStaysInTheCacheAndOneStoredAroundItDoesNot) {
  ToldFlush(Line(1), 64, false);
  ToldFlush(Line(2), 64, true);
  End();
  ToldRead(Line(1), 64);
  EXPECT_EQ(End().lines_read, 0u);
  ToldRead(Line(2), 64);
  EXPECT_EQ(End().lines_read, 1u);
}

TEST_F(AccessCounterTest, FourLinesOfABlockAreOneBlockWritten) {
  ToldFlush(Line(64), 256, true);
  ToldFence();
  const AccessCounts counts = End();
  EXPECT_EQ(counts.media[1].blocks_written, 1u);
  EXPECT_EQ(counts.media[0].blocks_written, 4u);
}

TEST_F(AccessCounterTest, CountsEachKindForItself) {
  { const ObservedOperation operation(OperationKind::kGet); }
  End();
  End();
  EXPECT_EQ(counter_.counts()[0].operations, 1u);
  EXPECT_EQ(counter_.counts()[1].operations, 2u);
  EXPECT_EQ(OperationKindName(OperationKind::kBatch), "batch");
}

TEST(AccessObserver, IsToldNothingOnceItIsGone) {
  const media::MemoryModel* dram = media::FindMemoryModel("dram");
  { const AccessCounter counter({&dram, 1}, kCacheBytes); }
  EXPECT_EQ(access_observer, nullptr);
  ToldRead(nullptr, 64);
}

}  // namespace
}  // namespace fencepost::pmem
