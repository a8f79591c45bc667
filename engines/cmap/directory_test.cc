// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/directory.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "engines/pmem/test_pool.h"

namespace fencepost::cmap {
namespace {

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() {
    const std::filesystem::path path = folder_.path() / "pool";
    CHECK_OK(pmem::Pool::Create(path, "directory", uint64_t{16} << 20, sizeof(DirectoryRoot),
                                [](pmem::Pool&) { return Status::Ok(); }));
    pool_ = pmem::Pool::Open(path, "directory").value();
    root_ = pool_->At<DirectoryRoot>(*pool_->Root(sizeof(DirectoryRoot)));
    constexpr unsigned kAtATime = 15;
    unit_ = pool_->MakeUnitClass(kSegmentBytes, kAtATime).value();
  }
  Directory Make() { return Directory(*pool_, unit_, *root_); }

  void Set(uint64_t index, uint64_t value) {
    pmem::Publication publication(*pool_);
    CHECK_OK(Make().Stage(publication, index, value));
    CHECK_OK(publication.Publish());
  }

  pmem::TestFolder folder_;
  std::unique_ptr<pmem::Pool> pool_;
  DirectoryRoot* root_ = nullptr;
  pmem::UnitClass unit_;
};

TEST_F(DirectoryTest, HoldsWhatWasStagedAnywhere) {
  std::mt19937_64 random(1);
  std::map<uint64_t, uint64_t> model;
  for (int i = 0; i < 200; ++i) {
    // A few neighbourhoods, so that tables are shared.
    const uint64_t base = (random() % 8) * (kMaxDirectoryEntries / 8);
    const uint64_t index = base + random() % (3 * kTableEntries);
    const uint64_t value = random() % 5 * 16;
    Set(index, value);
    model[index] = value;
  }
  Set(kMaxDirectoryEntries - 1, 144);
  model[kMaxDirectoryEntries - 1] = 144;
  for (const auto& [index, value] : model) ASSERT_EQ(*Make().Load(index), value) << index;
  EXPECT_EQ(*Make().Load(kMaxDirectoryEntries / 8 - 1), 0u);
  std::erase_if(model, [](const auto& entry) { return entry.second == 0; });
  std::map<uint64_t, uint64_t> seen;
  ASSERT_TRUE(Make()
                  .ForEachEntry([&](uint64_t index, uint64_t value) {
                    EXPECT_TRUE(seen.empty() || seen.rbegin()->first < index);
                    seen[index] = value;
                    return Status::Ok();
                  })
                  .ok());
  EXPECT_EQ(seen, model);
  uint64_t tables = 0, objects = 0;
  ASSERT_TRUE(Make()
                  .ForEachTable([&](uint64_t) {
                    ++tables;
                    return Status::Ok();
                  })
                  .ok());
  pool_->ForEachObject([&](const pmem::PoolObject&) { ++objects; });
  EXPECT_EQ(tables, objects);
}

TEST_F(DirectoryTest, WhatIsNotPublishedIsNotThere) {
  {
    pmem::Publication publication(*pool_);
    ASSERT_TRUE(Make().Stage(publication, 7, 16).ok());
  }
  EXPECT_EQ(*Make().Load(7), 0u);
  EXPECT_EQ((*root_)[0], 0u);
}

TEST_F(DirectoryTest, ADamagedTableIsCorruptForAllThatLook) {
  Set(5, 16);
  const uint64_t good = (*root_)[0];
  for (const uint64_t bad : {Checked(64), good ^ 1, Checked(Unchecked(good) + 16),
                             Checked(pool_->bytes()), Checked(UINT64_MAX - 63)}) {
    (*root_)[0] = bad;
    EXPECT_EQ(Make().Load(5).status().code(), StatusCode::kCorrupt) << bad;
    EXPECT_EQ(Make().ForEachTable([](uint64_t) { return Status::Ok(); }).code(),
              StatusCode::kCorrupt);
    EXPECT_EQ(Make().ForEachEntry([](uint64_t, uint64_t) { return Status::Ok(); }).code(),
              StatusCode::kCorrupt);
    pmem::Publication publication(*pool_);
    EXPECT_EQ(Make().Stage(publication, 5, 32).code(), StatusCode::kCorrupt);
  }
  (*root_)[0] = good;
  EXPECT_EQ(*Make().Load(5), 16u);
}

TEST_F(DirectoryTest, AnyFlippedBitOfAnEntryIsSeen) {
  Set(5, 64);
  const uint64_t lower = *Make().Load(5);
  ASSERT_EQ(lower, 64u);
  auto* const upper_table = pool_->At<uint64_t>(Unchecked((*root_)[0]));
  auto* const lower_table = pool_->At<uint64_t>(Unchecked(upper_table[0]));
  for (uint64_t* const word : {&(*root_)[0], &upper_table[0], &lower_table[5], &lower_table[6]}) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      *word ^= uint64_t{1} << bit;
      const uint64_t index = word == &lower_table[6] ? 6 : 5;
      EXPECT_EQ(Make().Load(index).status().code(), StatusCode::kCorrupt) << bit;
      EXPECT_EQ(Make().ForEachEntry([](uint64_t, uint64_t) { return Status::Ok(); }).code(),
                StatusCode::kCorrupt)
          << bit;
      *word ^= uint64_t{1} << bit;
    }
  }
}

}  // namespace
}  // namespace fencepost::cmap
