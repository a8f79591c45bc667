// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/block_ledger.h"

#include <gtest/gtest.h>

#include "engines/media/block_model.h"

namespace fencepost {
namespace {

IoEvent Write(uint64_t offset, size_t bytes, bool direct = false) {
  return {.kind = IoEvent::Kind::kWrite,
          .inode = 1,
          .offset = offset,
          .data = std::string(bytes, 'x'),
          .direct = direct};
}
IoEvent Sync(IoEvent::Scope scope = IoEvent::Scope::kData) {
  return {.kind = IoEvent::Kind::kSyncBegin, .inode = 1, .scope = scope};
}

class BlockLedgerTest : public testing::Test {
 protected:
  BlockLedgerTest() {
    BlockCount ignored;
    ledger_.Add(Write(0, 1 << 20), &ignored);
    ledger_.Add(Sync(), &ignored);
  }

  BlockLedger ledger_;
  BlockCount count_;
};

TEST_F(BlockLedgerTest, AWriteCostsNothingUntilItIsSynced) {
  ledger_.Add(Write(100, 10), &count_);
  EXPECT_EQ(count_.blocks, 0u);
  EXPECT_EQ(count_.written_bytes, 10u);
  ledger_.Add(Sync(), &count_);
  EXPECT_EQ(count_.blocks, 1u);
  EXPECT_EQ(count_.ns[0], media::BlockModels()[0].WriteNs(1));
}

TEST_F(BlockLedgerTest, ABlockWrittenTwiceIsWrittenOnceBySync) {
  ledger_.Add(Write(0, 10), &count_);
  ledger_.Add(Write(4000, 90), &count_);
  ledger_.Add(Sync(), &count_);
  EXPECT_EQ(count_.blocks, 1u);
  ledger_.Add(Sync(), &count_);
  EXPECT_EQ(count_.blocks, 1u);
  EXPECT_EQ(count_.syncs, 2u);
}

TEST_F(BlockLedgerTest, BlocksThatLieTogetherAreOneRequestAndOthersAreNot) {
  ledger_.Add(Write(0, 8192), &count_);
  ledger_.Add(Write(40960, 1), &count_);
  ledger_.Add(Sync(), &count_);
  const media::BlockModel& model = media::BlockModels()[0];
  EXPECT_EQ(count_.blocks, 3u);
  EXPECT_DOUBLE_EQ(count_.ns[0], model.WriteNs(2) + model.WriteNs(1));
}

TEST_F(BlockLedgerTest, AFileThatGrowsCostsABlockOfTheJournal) {
  ledger_.Add(Write(1 << 20, 1), &count_);
  ledger_.Add(Sync(), &count_);
  EXPECT_EQ(count_.blocks, 2u);
}

TEST_F(BlockLedgerTest, AroundTheCacheAWriteCostsAtOnce) {
  ledger_.Add(Write(4096, 4096, /*direct=*/true), &count_);
  EXPECT_EQ(count_.blocks, 1u);
}

TEST_F(BlockLedgerTest, ASyncThatPromisesNothingCostsNothing) {
  ledger_.Add(Write(0, 1), &count_);
  ledger_.Add(Sync(IoEvent::Scope::kNone), &count_);
  EXPECT_EQ(count_.syncs, 0u);
  EXPECT_EQ(count_.blocks, 0u);
}

TEST_F(BlockLedgerTest, ASyncOfEverythingFindsEveryFile) {
  ledger_.Add(Write(0, 1), &count_);
  IoEvent all = Sync(IoEvent::Scope::kAll);
  all.inode = kNoInode;
  ledger_.Add(all, &count_);
  EXPECT_EQ(count_.blocks, 1u);
}

}  // namespace
}  // namespace fencepost
