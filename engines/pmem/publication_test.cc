// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/publication.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "engines/pmem/test_pool.h"

namespace fencepost::pmem {
namespace {

constexpr uint64_t kRootBytes = 16 * 1024;
constexpr uint64_t kType = 7;

class PublicationTest : public ::testing::Test {
 protected:
  PublicationTest() : path_(folder_.path() / "pool") {
    CHECK_OK(Pool::Create(path_, "publication", kMinPoolBytes, kRootBytes,
                          [](Pool&) { return Status::Ok(); }));
    pool_ = Pool::Open(path_, "publication").value();
    words_ = pool_->At<uint64_t>(*pool_->Root(kRootBytes));
  }

  uint64_t ObjectCount() {
    uint64_t count = 0;
    pool_->ForEachObject([&](const PoolObject&) { ++count; });
    return count;
  }

  TestFolder folder_;
  std::filesystem::path path_;
  std::unique_ptr<Pool> pool_;
  uint64_t* words_ = nullptr;
};

TEST_F(PublicationTest, NothingIsVisibleBeforePublishAndAllAfter) {
  Publication publication(*pool_);
  const uint64_t offset = publication.Reserve(100, kType);
  ASSERT_NE(offset, 0u);
  publication.Store(&words_[0], offset);
  publication.Store(&words_[1], 5);
  publication.Store(&words_[1], 6);
  EXPECT_EQ(words_[0], 0u);
  EXPECT_EQ(publication.Load(&words_[1]), 6u);
  EXPECT_EQ(publication.Load(&words_[2]), 0u);
  ASSERT_TRUE(publication.Publish().ok());
  EXPECT_EQ(words_[0], offset);
  EXPECT_EQ(words_[1], 6u);
  EXPECT_EQ(ObjectCount(), 1u);
}

TEST_F(PublicationTest, WhatIsNotPublishedLeavesNothing) {
  {
    Publication publication(*pool_);
    ASSERT_NE(publication.Reserve(100, kType), 0u);
    publication.Store(&words_[0], 1);
  }
  EXPECT_EQ(words_[0], 0u);
  EXPECT_EQ(ObjectCount(), 0u);
}

TEST_F(PublicationTest, FreeOfAPublishedObjectAndOfAReservedOne) {
  uint64_t old_offset = 0;
  {
    Publication publication(*pool_);
    old_offset = publication.Reserve(100, kType);
    publication.Store(&words_[0], old_offset);
    ASSERT_TRUE(publication.Publish().ok());
  }
  Publication publication(*pool_);
  const uint64_t dropped = publication.Reserve(100, kType);
  const uint64_t kept = publication.Reserve(100, kType);
  publication.Free(dropped);
  publication.Free(old_offset);
  publication.Store(&words_[0], kept);
  ASSERT_TRUE(publication.Publish().ok());
  EXPECT_EQ(words_[0], kept);
  EXPECT_EQ(ObjectCount(), 1u);
}

TEST_F(PublicationTest, UnitsAreLinesAndAreZeroedOnDemand) {
  const UnitClass unit = pool_->MakeUnitClass(64, 100).value();
  uint64_t dirtied = 0;
  {
    Publication publication(*pool_);
    dirtied = publication.ReserveUnit(unit);
    std::memset(pool_->At<char>(dirtied), 0xFF, 64);
  }
  Publication publication(*pool_);
  for (int i = 0; i < 10; ++i) {
    const uint64_t offset = publication.ReserveZeroedUnit(unit);
    ASSERT_NE(offset, 0u);
    EXPECT_EQ(offset % 64, 0u);
    EXPECT_EQ(*pool_->At<uint64_t>(offset), 0u);
  }
  ASSERT_TRUE(publication.Publish().ok());
  EXPECT_EQ(ObjectCount(), 10u);
}

TEST_F(PublicationTest, ThousandsOfChangesAreOnePublication) {
  constexpr size_t kWords = kRootBytes / 8;
  Publication publication(*pool_);
  for (size_t i = 0; i < kWords; ++i) publication.Store(&words_[i], i + 1);
  for (size_t i = 0; i < kWords; i += 2) publication.Store(&words_[i], i + 7);
  EXPECT_EQ(publication.Load(&words_[4]), 11u);
  for (size_t i = 0; i < 500; ++i) publication.Free(publication.Reserve(100, kType));
  const Status status = publication.Publish();
  ASSERT_TRUE(status.ok()) << status.message();
  for (size_t i = 0; i < kWords; ++i) ASSERT_EQ(words_[i], i % 2 == 0 ? i + 7 : i + 1);
  EXPECT_EQ(ObjectCount(), 0u);
}

TEST_F(PublicationTest, ALogThatDoesNotFitIsFullAndChangesNothing) {
  std::vector<uint64_t> filler;
  for (uint64_t bytes : {uint64_t{256} << 10, uint64_t{16} << 10, uint64_t{64}}) {
    for (;;) {
      Publication publication(*pool_);
      const uint64_t offset = publication.Reserve(bytes, kType);
      if (offset == 0) break;
      publication.Store(&words_[0], offset);
      ASSERT_TRUE(publication.Publish().ok());
      filler.push_back(offset);
    }
  }
  const uint64_t before = words_[0];
  const uint64_t objects = ObjectCount();
  for (int round = 0; round < 3; ++round) {
    Publication publication(*pool_);
    for (size_t i = 0; i < kRootBytes / 8; ++i) publication.Store(&words_[i], 1);
    EXPECT_EQ(publication.Publish().code(), StatusCode::kFull);
  }
  EXPECT_EQ(words_[0], before);
  EXPECT_EQ(ObjectCount(), objects);
  Publication publication(*pool_);
  for (uint64_t offset : filler) publication.Free(offset);
  // Frees of many objects need a log, too: one by one they do not.
  if (!publication.Publish().ok()) {
    for (uint64_t offset : filler) {
      Publication one(*pool_);
      one.Free(offset);
      ASSERT_TRUE(one.Publish().ok());
    }
  }
  EXPECT_EQ(ObjectCount(), 0u);
}

}  // namespace
}  // namespace fencepost::pmem
