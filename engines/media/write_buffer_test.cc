// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/write_buffer.h"

#include <gtest/gtest.h>

namespace fencepost::media {
namespace {

constexpr uint64_t kBlockLines = 4;

// Blocks written by the medium for each block of data, when a region is written by half blocks.
double AmplificationOfHalves(Victim victim, size_t capacity_blocks, uint64_t blocks) {
  WriteBuffer buffer(capacity_blocks, kBlockLines, victim, 1);
  constexpr uint64_t kRounds = 200;
  uint64_t written = 0;
  for (uint64_t round = 0; round < kRounds; ++round) {
    if (round == kRounds / 4) written = 0;
    for (uint64_t half = 0; half < 2; ++half) {
      for (uint64_t block = 0; block < blocks; ++block) {
        const uint64_t line = block * kBlockLines + half * kBlockLines / 2;
        written += buffer.Write(line) + buffer.Write(line + 1);
      }
    }
  }
  return static_cast<double>(written) / static_cast<double>(blocks * kRounds * 3 / 4);
}

TEST(WriteBuffer, HalvesOfBlocksThatFitAreCombined) {
  EXPECT_DOUBLE_EQ(AmplificationOfHalves(Victim::kOlderHalf, 71, 64), 1.0);
}

TEST(WriteBuffer, LeastRecentlyUsedLosesEverythingAtOnce) {
  EXPECT_DOUBLE_EQ(AmplificationOfHalves(Victim::kOldest, 64, 80), 2.0);
}

TEST(WriteBuffer, AVictimOfTheOlderHalfLosesAsMuchAsWasPublished) {
  // 1.3585 of 1.036, at 20 KiB.
  EXPECT_NEAR(AmplificationOfHalves(Victim::kOlderHalf, 71, 80), 1.31, 0.08);
  EXPECT_NEAR(AmplificationOfHalves(Victim::kOlderHalf, 71, 128), 1.756, 0.1);
}

TEST(WriteBuffer, FarMoreThanFitsIsNotCombinedAtAll) {
  EXPECT_NEAR(AmplificationOfHalves(Victim::kOlderHalf, 71, 2000), 2.0, 0.001);
}

TEST(WriteBuffer, WholeBlocksAreWrittenOnceEach) {
  WriteBuffer buffer(71, kBlockLines, Victim::kOlderHalf, 1);
  unsigned written = 0;
  for (uint64_t line = 0; line < 4000; ++line) written += buffer.Write(line);
  EXPECT_EQ(written, 1000u);
}

TEST(WriteBuffer, SingleLinesAnywhereCostABlockEach) {
  WriteBuffer buffer(71, kBlockLines, Victim::kOlderHalf, 1);
  unsigned written = 0;
  for (uint64_t i = 0; i < 1071; ++i) written += buffer.Write(i * 40);
  EXPECT_EQ(written, 1000u);  // the last 71 are still in the buffer
}

TEST(WriteBuffer, HoldsWhatWasWrittenLast) {
  WriteBuffer buffer(2, kBlockLines, Victim::kOldest, 1);
  buffer.Write(0);
  buffer.Write(4);
  buffer.Write(8);
  EXPECT_FALSE(buffer.Holds(0));
  EXPECT_TRUE(buffer.Holds(1));
  EXPECT_TRUE(buffer.Holds(2));
}

}  // namespace
}  // namespace fencepost::media
