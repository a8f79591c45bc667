// SPDX-License-Identifier: BSD-3-Clause
// What a change does when nothing goes wrong, and what it takes back. That a crash leaves all of it
// or nothing is for `fencepost crash` to say.
#include "engines/cmap/change.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engines/pmem/flush_counters.h"
#include "engines/pmem/test_pool.h"

namespace fencepost::cmap {
namespace {

class ChangeTest : public ::testing::Test {
 protected:
  ChangeTest() {
    const std::filesystem::path path = folder_.path() / "pool";
    CHECK_OK(Store::Create(path, uint64_t{16} << 20, 1024, 0));
    store_ = Store::Open(path).value();
    store_->heap().FinishMarking();
    // Buckets of the empty map serve as words.
    for (uint64_t i = 0; i < 1024; ++i) {
      for (uint64_t& word : store_->BucketAt(i)->slots) words_.push_back(&word);
    }
  }

  uint64_t ObjectCount() {
    uint64_t count = 0;
    store_->pool().ForEachObject([&](const pmem::PoolObject&) { ++count; });
    return count;
  }
  uint64_t PositionCount() {
    store_->heap().ReleaseKept();
    return store_->heap().ReadUsage().positions;
  }

  pmem::TestFolder folder_;
  std::unique_ptr<Store> store_;
  std::vector<uint64_t*> words_;
};

constexpr uint64_t kLargeBytes = 100'000;

TEST_F(ChangeTest, WhatIsNotCommittedIsTakenBack) {
  const uint64_t objects = ObjectCount();
  {
    Change change(*store_);
    ASSERT_NE(change.ReserveRecord(100).offset, 0u);
    ASSERT_NE(change.ReserveBucket(), 0u);
    ASSERT_NE(change.ReserveRecord(kLargeBytes).offset, 0u);
    change.StoreWord(words_[0], 5);
    EXPECT_EQ(change.LoadWord(words_[0]), 5u);
    EXPECT_EQ(*words_[0], 0u);
    EXPECT_GE(PositionCount(), 2u);
  }
  EXPECT_EQ(*words_[0], 0u);
  EXPECT_EQ(PositionCount(), 0u);
  // The extent that was needed stays.
  EXPECT_LE(ObjectCount(), objects + 3);
  EXPECT_EQ(store_->heap().ReadUsage().extents, 1u);
}

TEST_F(ChangeTest, OneWordCostsOneFlushAndOneFence) {
  const pmem::FlushCounters before = pmem::ReadFlushCounters();
  Change change(*store_);
  change.StoreWord(words_[0], 5);
  ASSERT_TRUE(change.Commit().ok());
  const pmem::FlushCounters cost = pmem::ReadFlushCounters() - before;
  EXPECT_EQ(*words_[0], 5u);
  if (store_->pool().mode() != pmem::PmemMode::kMsync) {
    EXPECT_EQ(cost.flushed_lines, 1u);
    EXPECT_EQ(cost.fences, 1u);
  }
}

// Through the intent log up to its capacity, through libpmemobj's redo log beyond.
// As a split does: the new bucket is no reservation, and must not follow the word.
TEST_F(ChangeTest, WhatWasWrittenInPlaceIsFencedBeforeTheWord) {
  const auto fences = [&](bool wrote_in_place) {
    Change change(*store_);
    *words_[1] = 7;
    store_->pool().Flush(words_[1], sizeof(*words_[1]));
    if (wrote_in_place) change.NoteWrittenInPlace();
    change.StoreWord(words_[0], *words_[0] + 1);
    const pmem::FlushCounters before = pmem::ReadFlushCounters();
    change.CommitWords();
    return (pmem::ReadFlushCounters() - before).fences;
  };
  EXPECT_EQ(fences(false), 1u);
  EXPECT_EQ(fences(true), 2u);
}

TEST_F(ChangeTest, OfManyReservationsOneThatIsFreedIsGoneAndNoOther) {
  std::vector<RecordRef> records;
  {
    Change change(*store_);
    for (size_t i = 0; i < 200; ++i) records.push_back(change.ReserveRecord(100));
    change.StoreWord(words_[0], 1);
    for (size_t i = 0; i < records.size(); i += 2) change.FreeRecord(records[i], 100);
    CHECK_OK(change.Commit());
  }
  EXPECT_EQ(PositionCount(), records.size() / 2);
}

TEST_F(ChangeTest, AnyNumberOfWordsIsStored) {
  uint64_t round = 0;
  for (const size_t count : {size_t{2}, size_t{100}, size_t{kIntentEntries},
                             size_t{kIntentEntries + 1}, words_.size()}) {
    ++round;
    Change change(*store_);
    for (size_t i = 0; i < count; ++i) change.StoreWord(words_[i], round * 10'000 + i);
    ASSERT_TRUE(change.Commit().ok());
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(*words_[i], round * 10'000 + i);
    if (count < words_.size()) {
      ASSERT_EQ(*words_[count], 0u);
    }
    EXPECT_TRUE(store_->intent_log().Recover().ok());
  }
}

TEST_F(ChangeTest, RecordsAreFreedWhenItIsCommittedAndNotBefore) {
  std::vector<RecordRef> records;
  const uint64_t bytes[] = {100, kLargeBytes};
  {
    Change change(*store_);
    for (const uint64_t needed : bytes) {
      records.push_back(change.ReserveRecord(needed));
      change.StoreWord(words_[records.size()], records.back().offset);
    }
    ASSERT_TRUE(change.Commit().ok());
  }
  const uint64_t objects = ObjectCount();
  EXPECT_EQ(PositionCount(), 1u);
  {
    Change change(*store_);
    for (size_t i = 0; i < 2; ++i) change.FreeRecord(records[i], bytes[i]);
    EXPECT_EQ(PositionCount(), 1u);
  }
  EXPECT_EQ(PositionCount(), 1u);
  EXPECT_EQ(ObjectCount(), objects);
  Change change(*store_);
  for (size_t i = 0; i < 2; ++i) change.FreeRecord(records[i], bytes[i]);
  change.StoreWord(words_[1], 0);
  change.StoreWord(words_[2], 0);
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_EQ(PositionCount(), 0u);
  EXPECT_EQ(ObjectCount(), objects - 1);
}

TEST_F(ChangeTest, WhatIsReservedAndFreedInOneChangeIsGone) {
  Change change(*store_);
  for (int i = 0; i < 50; ++i) {
    const uint64_t bytes = i % 2 == 0 ? 10 : kLargeBytes;
    change.FreeRecord(change.ReserveRecord(bytes), bytes);
  }
  const uint64_t kept = change.ReserveRecord(10).offset;
  change.StoreWord(words_[0], kept);
  ASSERT_TRUE(change.Commit().ok());
  EXPECT_EQ(PositionCount(), 1u);
  EXPECT_NE(store_->heap().TakenBytes(kept), 0u);
}

class RecordingWatcher final : public CommitWatcher {
 public:
  explicit RecordingWatcher(const uint64_t* word) : word_(word) {}
  void BeforeStores() override { before_ = *word_; }
  void AfterStores() override { after_ = *word_; }
  uint64_t before_ = 99, after_ = 99;

 private:
  const uint64_t* word_;
};

TEST_F(ChangeTest, AWatcherIsToldBeforeTheFirstStoreAndAfterTheLast) {
  for (const size_t count : {size_t{1}, size_t{3}}) {
    *words_[0] = 7;
    Change change(*store_);
    for (size_t i = 0; i < count; ++i) change.StoreWord(words_[i], 8);
    RecordingWatcher watcher(words_[0]);
    change.CommitWords(&watcher);
    EXPECT_EQ(watcher.before_, 7u);
    EXPECT_EQ(watcher.after_, 8u);
  }
}

class IntentLogTest : public ChangeTest {
 protected:
  IntentLogUnit& unit() {
    return *store_->pool().At<IntentLogUnit>(Unchecked(store_->root().intent_log));
  }
  uint64_t OffsetOf(size_t word) { return store_->pool().OffsetOf(words_[word]); }
  StatusCode Recover() { return store_->intent_log().Recover().code(); }
};

TEST_F(IntentLogTest, ACommittedChangeIsFinishedByRecovery) {
  unit().entries[0] = {CheckedNumber(OffsetOf(0)), CheckedNumber(5)};
  unit().entries[1] = {CheckedNumber(OffsetOf(9)), CheckedNumber(6)};
  ASSERT_EQ(Recover(), StatusCode::kOk);
  EXPECT_EQ(*words_[0], 0u);  // without a count nothing was committed
  unit().count = CheckedNumber(2);
  ASSERT_EQ(Recover(), StatusCode::kOk);
  EXPECT_EQ(*words_[0], CheckedNumber(5));
  EXPECT_EQ(*words_[9], CheckedNumber(6));
  EXPECT_EQ(unit().count, 0u);
}

TEST_F(IntentLogTest, WhatItCannotSayIsCorruptAndStoresNothing) {
  unit().count = CheckedNumber(kIntentEntries + 1);
  EXPECT_EQ(Recover(), StatusCode::kCorrupt);
  unit().count = CheckedNumber(2);
  for (const uint64_t bad :
       {uint64_t{8}, OffsetOf(0) + 1, store_->pool().bytes(), (uint64_t{1} << 60) - 8}) {
    unit().entries[0] = {CheckedNumber(OffsetOf(0)), CheckedNumber(5)};
    unit().entries[1] = {CheckedNumber(bad), CheckedNumber(6)};
    EXPECT_EQ(Recover(), StatusCode::kCorrupt) << bad;
    EXPECT_EQ(*words_[0], 0u);
  }
}

TEST_F(IntentLogTest, AnyFlippedBitIsCorruptAndStoresNothing) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    unit().count = uint64_t{1} << bit;
    EXPECT_EQ(Recover(), StatusCode::kCorrupt) << "of a log that counts nothing, " << bit;
  }
  for (uint64_t* const word : {&unit().count, &unit().entries[0].word, &unit().entries[0].value,
                               &unit().entries[1].word, &unit().entries[1].value}) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      unit().count = CheckedNumber(2);
      unit().entries[0] = {CheckedNumber(OffsetOf(0)), CheckedNumber(5)};
      unit().entries[1] = {CheckedNumber(OffsetOf(9)), CheckedNumber(6)};
      *word ^= uint64_t{1} << bit;
      EXPECT_EQ(Recover(), StatusCode::kCorrupt) << bit;
      EXPECT_EQ(*words_[0], 0u);
      EXPECT_EQ(*words_[9], 0u);
    }
  }
}

}  // namespace
}  // namespace fencepost::cmap
