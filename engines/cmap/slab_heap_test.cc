// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/slab_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engines/pmem/test_pool.h"

namespace fencepost::cmap {
namespace {

constexpr char kLayout[] = "slabs";
constexpr unsigned kTablesAtATime = 15;

class SlabHeapTest : public ::testing::Test {
 protected:
  void MakePool(uint64_t pool_bytes = pmem::kMinPoolBytes) {
    CHECK_OK(pmem::Pool::Create(path_, kLayout, pool_bytes, sizeof(DirectoryRoot),
                                [](pmem::Pool&) { return Status::Ok(); }));
    Reopen({});
  }

  // As after a crash: nothing is known but what is on media and what is marked.
  void Reopen(const std::vector<uint64_t>& records) {
    heap_.reset();
    pool_.reset();
    pool_ = pmem::Pool::Open(path_, kLayout).value();
    unit_ = pool_->MakeUnitClass(kSegmentBytes, kTablesAtATime).value();
    root_ = pool_->At<DirectoryRoot>(*pool_->Root(sizeof(DirectoryRoot)));
    heap_ = std::make_unique<SlabHeap>(*pool_, Directory(*pool_, unit_, *root_));
    CHECK_OK(heap_->ReadExtents());
    for (const uint64_t offset : records) {
      CHECK(heap_->MarkRecord(heap_->Find(offset)) == SlabHeap::Marked::kOk);
    }
    heap_->FinishMarking();
  }

  uint64_t AllocateFor(uint64_t bytes) { return heap_->Allocate(RecordClass(bytes)); }
  void FreeFor(uint64_t offset, uint64_t bytes) { heap_->Free(offset, RecordClass(bytes)); }

  uint64_t ObjectCount() {
    uint64_t count = 0;
    pool_->ForEachObject([&](const pmem::PoolObject& object) { count += object.type != 0; });
    return count;
  }

  pmem::TestFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "pool";
  std::unique_ptr<pmem::Pool> pool_;
  pmem::UnitClass unit_;
  DirectoryRoot* root_ = nullptr;
  std::unique_ptr<SlabHeap> heap_;
};

TEST(SlabLayout, AClassHoldsWhatItIsFor) {
  for (uint64_t bytes = 1; bytes <= kMaxSlabRecordBytes; ++bytes) {
    const size_t size_class = RecordClass(bytes);
    ASSERT_GE(size_class, kFirstRecordClass);
    ASSERT_GE(kSizeClasses[size_class], bytes);
    // At most an eighth is lost, beyond the unit of 16.
    ASSERT_LE(kSizeClasses[size_class], bytes + bytes / 8 + 2 * kPositionUnit) << bytes;
    if (size_class > kFirstRecordClass) {
      ASSERT_LT(kSizeClasses[size_class - 1], bytes);
    }
  }
}

TEST_F(SlabHeapTest, PositionsNeverOverlapWhateverComesAndGoes) {
  MakePool();
  std::mt19937_64 random(1);
  std::map<uint64_t, uint64_t> taken;  // offset -> bytes
  for (int i = 0; i < 50'000; ++i) {
    if (random() % 5 < 2 && !taken.empty()) {
      auto victim = taken.lower_bound(random() % pool_->bytes());
      if (victim == taken.end()) victim = taken.begin();
      FreeFor(victim->first, victim->second);
      taken.erase(victim);
      continue;
    }
    const uint64_t bytes = 1 + random() % 600;
    const uint64_t offset = AllocateFor(bytes);
    if (offset == 0) continue;  // full: some are freed before long
    ASSERT_EQ(offset % kPositionUnit, 0u);
    const auto next = taken.lower_bound(offset);
    if (next != taken.end()) {
      ASSERT_LE(offset + bytes, next->first);
    }
    if (next != taken.begin()) {
      const auto before = std::prev(next);
      ASSERT_LE(before->first + before->second, offset);
    }
    ASSERT_GE(heap_->TakenBytes(offset), bytes);
    taken[offset] = bytes;
  }
  heap_->ReleaseKept();
  EXPECT_EQ(heap_->ReadUsage().positions, taken.size());
}

TEST_F(SlabHeapTest, WhatIsMarkedStaysAndTheRestIsFreeAfterReopening) {
  MakePool();
  std::mt19937_64 random(2);
  std::vector<uint64_t> kept;
  for (int i = 0; i < 5'000; ++i) {
    const uint64_t offset = AllocateFor(1 + random() % 200);
    ASSERT_NE(offset, 0u);
    if (random() % 3 == 0) kept.push_back(offset);
  }
  const uint64_t extents = heap_->ReadUsage().extents;
  Reopen(kept);
  EXPECT_EQ(heap_->ReadUsage().positions, kept.size());
  const std::set<uint64_t> marked(kept.begin(), kept.end());
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_FALSE(marked.contains(AllocateFor(1 + random() % 200)));
  }
  EXPECT_EQ(heap_->ReadUsage().extents, extents);  // nothing new was needed
}

TEST_F(SlabHeapTest, AMarkThatCannotBeIsRefused) {
  MakePool();
  const uint64_t record = AllocateFor(100);
  const uint64_t bucket = heap_->Allocate(kBucketClass);
  Reopen({});
  EXPECT_EQ(heap_->MarkRecord(heap_->Find(record + 1)), SlabHeap::Marked::kImpossible);
  EXPECT_EQ(heap_->MarkRecord(heap_->Find(record + kPositionUnit)), SlabHeap::Marked::kImpossible);
  EXPECT_EQ(heap_->MarkRecord(heap_->Find(bucket)), SlabHeap::Marked::kImpossible);
  EXPECT_EQ(heap_->MarkBucket(heap_->Find(record)), SlabHeap::Marked::kImpossible);
  EXPECT_EQ(heap_->MarkRecord(heap_->Find(record)), SlabHeap::Marked::kOk);
  EXPECT_EQ(heap_->MarkRecord(heap_->Find(record)), SlabHeap::Marked::kImpossible);
  EXPECT_EQ(heap_->MarkBucket(heap_->Find(bucket)), SlabHeap::Marked::kOk);
  // A slab that never had a class has no positions.
  EXPECT_EQ(heap_->MarkRecord(heap_->Find(record + 3 * kSlabBytes)), SlabHeap::Marked::kImpossible);
  for (const uint64_t elsewhere : {uint64_t{0}, uint64_t{8}, pool_->bytes(), UINT64_MAX}) {
    EXPECT_EQ(heap_->MarkRecord(heap_->Find(elsewhere)), SlabHeap::Marked::kNotInASlab)
        << elsewhere;
  }
}

TEST_F(SlabHeapTest, AnEmptySlabTakesAnotherClassDurably) {
  MakePool();
  // Until the pool is full of small records; then none are left.
  std::vector<uint64_t> small;
  while (const uint64_t offset = AllocateFor(16)) small.push_back(offset);
  ASSERT_GT(small.size(), 10'000u);
  for (const uint64_t offset : small) FreeFor(offset, 16);
  const uint64_t large = AllocateFor(4'000);
  ASSERT_NE(large, 0u);
  EXPECT_EQ(heap_->TakenBytes(large), kMaxSlabRecordBytes);
  Reopen({large});
  EXPECT_EQ(heap_->TakenBytes(large), kMaxSlabRecordBytes);
}

TEST_F(SlabHeapTest, ChurnOfOneSizeNeedsNoMoreExtents) {
  MakePool(uint64_t{64} << 20);
  std::mt19937_64 random(3);
  std::vector<uint64_t> live;
  for (int i = 0; i < 20'000; ++i) live.push_back(AllocateFor(128));
  const uint64_t extents = heap_->ReadUsage().extents;
  for (int i = 0; i < 200'000; ++i) {
    uint64_t& victim = live[random() % live.size()];
    const uint64_t fresh = AllocateFor(128);
    ASSERT_NE(fresh, 0u);
    FreeFor(victim, 128);
    victim = fresh;
  }
  EXPECT_LE(heap_->ReadUsage().extents, extents + extents / 8 + 1);
}

TEST_F(SlabHeapTest, AFullPoolHandsOutTheLastPositionOfAClassAndThenLargerOnes) {
  MakePool();
  const uint64_t large = AllocateFor(1'000);
  std::vector<uint64_t> small;
  while (const uint64_t offset = AllocateFor(100)) small.push_back(offset);
  // What is left of the large record's slab went to the last small ones.
  EXPECT_GT(heap_->TakenBytes(small.back()), 1'000u);
  FreeFor(small.front(), 100);
  EXPECT_EQ(AllocateFor(100), small.front());
  EXPECT_EQ(AllocateFor(100), 0u);
  FreeFor(large, 1'000);
  EXPECT_EQ(AllocateFor(1'000), large);
}

TEST_F(SlabHeapTest, EmptyExtentsGoBackAndTheirSpaceServesAgain) {
  MakePool();
  std::vector<uint64_t> all;
  while (const uint64_t offset = AllocateFor(1'000)) all.push_back(offset);
  const uint64_t full_objects = ObjectCount();
  ASSERT_GT(full_objects, 4u);
  EXPECT_FALSE(*heap_->ReleaseEmptyExtents());
  for (const uint64_t offset : all) FreeFor(offset, 1'000);
  EXPECT_TRUE(*heap_->ReleaseEmptyExtents());
  EXPECT_LE(ObjectCount(), 1u);  // that of the slab in use
  EXPECT_EQ(ObjectCount(), heap_->ReadUsage().extents);
  Reopen({});
  std::vector<uint64_t> again;
  while (const uint64_t offset = AllocateFor(1'000)) again.push_back(offset);
  EXPECT_EQ(again.size(), all.size());
}

TEST_F(SlabHeapTest, ExtentsThatComeAndGoNeedNoMoreMemoryThanOnceTheyDid) {
  MakePool(uint64_t{64} << 20);
  uint64_t objects = 0;
  for (int cycle = 0; cycle < 20; ++cycle) {
    // Another size each time: slabs must forget what they were.
    const uint64_t bytes = 400 + 30 * static_cast<uint64_t>(cycle);
    std::set<uint64_t> all;
    for (int i = 0; i < 20'000; ++i) {
      const uint64_t offset = AllocateFor(bytes);
      ASSERT_NE(offset, 0u);
      ASSERT_TRUE(all.insert(offset).second);
      ASSERT_GE(heap_->TakenBytes(offset), bytes);
    }
    if (cycle == 19) objects = heap_->ReadUsage().extent_objects;
    for (const uint64_t offset : all) FreeFor(offset, bytes);
    EXPECT_TRUE(*heap_->ReleaseEmptyExtents());
  }
  // 20,000 of the largest, and not as many again for each cycle; a few are held by slabs in use.
  const uint64_t needed = 20'000 * 1'024 / (kMaxSlabsAnExtent * kSlabBytes) + 20;
  EXPECT_LE(objects, needed);
}

TEST_F(SlabHeapTest, RetiredSlabsHandNothingOutAndAreFreeOnceEmpty) {
  MakePool();
  std::vector<uint64_t> all;
  for (int i = 0; i < 2'000; ++i) all.push_back(AllocateFor(100));
  std::set<uint64_t> kept;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i % 10 == 0) {
      kept.insert(all[i]);
    } else {
      FreeFor(all[i], 100);
    }
  }
  const std::vector<uint64_t> sparse = heap_->RetireSparseSlabs();
  ASSERT_GT(sparse.size(), 100u);
  for (const uint64_t offset : sparse) ASSERT_TRUE(kept.contains(offset));
  const uint64_t slabs = heap_->ReadUsage().slabs;
  std::set<uint64_t> moved;
  for (const uint64_t offset : sparse) {
    const uint64_t target = AllocateFor(100);
    ASSERT_NE(target, 0u);
    ASSERT_TRUE(moved.insert(target).second);
    ASSERT_FALSE(kept.contains(target));
    FreeFor(offset, 100);
  }
  heap_->ReleaseKept();
  heap_->ReturnRetiredSlabs();
  EXPECT_LT(heap_->ReadUsage().slabs, slabs / 2);
}

TEST_F(SlabHeapTest, ThreadsNeverGetTheSamePosition) {
  MakePool(uint64_t{64} << 20);
  constexpr size_t kThreads = 4;
  std::vector<std::vector<uint64_t>> live(kThreads);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(thread);
      for (int i = 0; i < 20'000; ++i) {
        if (random() % 3 == 0 && !live[thread].empty()) {
          std::swap(live[thread][random() % live[thread].size()], live[thread].back());
          FreeFor(live[thread].back(), 100);
          live[thread].pop_back();
          continue;
        }
        const uint64_t offset = AllocateFor(100);
        ASSERT_NE(offset, 0u);
        *pool_->At<uint64_t>(offset) = thread;  // ThreadSanitizer sees who else does
        live[thread].push_back(offset);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  size_t total = 0;
  for (const auto& offsets : live) {
    all.insert(offsets.begin(), offsets.end());
    total += offsets.size();
  }
  EXPECT_EQ(all.size(), total);
  heap_->ReleaseKept();
  EXPECT_EQ(heap_->ReadUsage().positions, total);
}

TEST_F(SlabHeapTest, AnExtentThatCannotBeIsCorrupt) {
  MakePool();
  ASSERT_NE(AllocateFor(100), 0u);
  uint64_t extent = 0;
  pool_->ForEachObject([&](const pmem::PoolObject& object) {
    if (object.type == kExtentType) extent = object.offset;
  });
  auto* const header = pool_->At<ExtentHeader>(extent);
  const auto read = [&] {
    SlabHeap fresh(*pool_, Directory(*pool_, unit_, *root_));
    return fresh.ReadExtents().code();
  };
  ASSERT_EQ(read(), StatusCode::kOk);
  for (uint64_t* const word : {&header->magic, &header->slab_count, &header->classes()[0]}) {
    const uint64_t good = *word;
    for (const uint64_t bad : {CheckedNumber(77), uint64_t{1} << 40, UINT64_MAX}) {
      *word = bad;
      EXPECT_EQ(read(), StatusCode::kCorrupt) << bad;
    }
    for (unsigned bit = 0; bit < 64; ++bit) {
      *word = good ^ uint64_t { 1 } << bit;
      EXPECT_EQ(read(), StatusCode::kCorrupt) << bit;
    }
    *word = good;
  }
  EXPECT_EQ(read(), StatusCode::kOk);
}

}  // namespace
}  // namespace fencepost::cmap
