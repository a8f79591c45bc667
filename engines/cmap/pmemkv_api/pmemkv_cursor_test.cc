// SPDX-License-Identifier: BSD-3-Clause
// Transactions and iterators, through the C interface.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmemkv.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engines/cmap/pmemkv_api/pmemkv_test_util.h"

namespace fencepost::pmemkv_api {
namespace {

using ::testing::HasSubstr;

struct TxEnd {
  void operator()(pmemkv_tx* tx) const { pmemkv_tx_end(tx); }
};
struct ReaderDelete {
  void operator()(pmemkv_iterator* it) const { pmemkv_iterator_delete(it); }
};
struct WriterDelete {
  void operator()(pmemkv_write_iterator* it) const { pmemkv_write_iterator_delete(it); }
};
using Tx = std::unique_ptr<pmemkv_tx, TxEnd>;
using Reader = std::unique_ptr<pmemkv_iterator, ReaderDelete>;
using Writer = std::unique_ptr<pmemkv_write_iterator, WriterDelete>;

Tx Begin(pmemkv_db* db) {
  pmemkv_tx* tx = nullptr;
  EXPECT_EQ(pmemkv_tx_begin(db, &tx), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  return Tx(tx);
}
Reader NewReader(pmemkv_db* db) {
  pmemkv_iterator* it = nullptr;
  EXPECT_EQ(pmemkv_iterator_new(db, &it), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  return Reader(it);
}
Writer NewWriter(pmemkv_db* db) {
  pmemkv_write_iterator* it = nullptr;
  EXPECT_EQ(pmemkv_write_iterator_new(db, &it), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  return Writer(it);
}

int TxPut(const Tx& tx, std::string_view key, std::string_view value) {
  return pmemkv_tx_put(tx.get(), key.data(), key.size(), value.data(), value.size());
}
int TxRemove(const Tx& tx, std::string_view key) {
  return pmemkv_tx_remove(tx.get(), key.data(), key.size());
}
int Seek(pmemkv_iterator* it, std::string_view key) {
  return pmemkv_iterator_seek(it, key.data(), key.size());
}
std::string Read(pmemkv_iterator* it, size_t position = 0, size_t bytes = SIZE_MAX) {
  const char* data = nullptr;
  size_t found = 0;
  const int status = pmemkv_iterator_read_range(it, position, bytes, &data, &found);
  return status == PMEMKV_STATUS_OK ? std::string(data, found)
                                    : "<status " + std::to_string(status) + ">";
}
// Writes `text` at `position`; the range must be as long.
void Write(const Writer& it, size_t position, std::string_view text) {
  char* data = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(pmemkv_write_iterator_write_range(it.get(), position, text.size(), &data, &bytes),
            PMEMKV_STATUS_OK);
  ASSERT_EQ(bytes, text.size());
  std::copy(text.begin(), text.end(), data);
}

class PmemkvTxTest : public MapTest {};
FOR_BOTH_MAPS(PmemkvTxTest);

TEST_P(PmemkvTxTest, NothingIsSeenBeforeTheCommitAndAllAfterIt) {
  ASSERT_EQ(Put(db_, "old", "1"), PMEMKV_STATUS_OK);
  const Tx tx = Begin(db_);
  EXPECT_EQ(TxRemove(tx, "old"), PMEMKV_STATUS_OK);
  EXPECT_EQ(TxRemove(tx, "absent"), PMEMKV_STATUS_OK);
  EXPECT_EQ(TxPut(tx, "new", "first"), PMEMKV_STATUS_OK);
  EXPECT_EQ(TxPut(tx, "new", "second"), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), (Pairs{{"old", "1"}}));
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), (Pairs{{"new", "second"}}));
  // It begins anew with each commit.
  ASSERT_EQ(Remove(db_, "new"), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(Count(db_), 0u);
}

TEST_P(PmemkvTxTest, TheBuffersAreTheCallersAgain) {
  const Tx tx = Begin(db_);
  std::string key = "key";
  std::string value = "value";
  ASSERT_EQ(TxPut(tx, key, value), PMEMKV_STATUS_OK);
  key = "yek";
  value = "eulav";
  ASSERT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), (Pairs{{"key", "value"}}));
}

TEST_P(PmemkvTxTest, AbortAndEndDropWhatIsNotCommitted) {
  {
    const Tx ended = Begin(db_);
    ASSERT_EQ(TxPut(ended, "key", "value"), PMEMKV_STATUS_OK);
  }
  const Tx tx = Begin(db_);
  ASSERT_EQ(TxPut(tx, "key", "value"), PMEMKV_STATUS_OK);
  pmemkv_tx_abort(tx.get());
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(Count(db_), 0u);
}

TEST_P(PmemkvTxTest, ACommitThatDoesNotFitChangesNothingAndCanBeAborted) {
  ASSERT_EQ(Put(db_, "old", "1"), PMEMKV_STATUS_OK);
  const Tx tx = Begin(db_);
  ASSERT_EQ(TxRemove(tx, "old"), PMEMKV_STATUS_OK);
  const std::string value(1'000'000, 'v');
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(TxPut(tx, std::to_string(i), value), PMEMKV_STATUS_OK);
  }
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(All(db_), (Pairs{{"old", "1"}}));
  pmemkv_tx_abort(tx.get());
  ASSERT_EQ(TxPut(tx, "small", "2"), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), (Pairs{{"old", "1"}, {"small", "2"}}));
}

TEST_P(PmemkvTxTest, NullAndAClosedDatabaseAreInvalid) {
  pmemkv_tx* none = nullptr;
  EXPECT_EQ(pmemkv_tx_begin(nullptr, &none), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_tx_begin(db_, nullptr), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_tx_put(nullptr, "k", 1, "v", 1), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_tx_remove(nullptr, "k", 1), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_tx_commit(nullptr), PMEMKV_STATUS_INVALID_ARGUMENT);
  pmemkv_tx_abort(nullptr);
  pmemkv_tx_end(nullptr);

  const Tx tx = Begin(db_);
  ASSERT_EQ(TxPut(tx, "key", "value"), PMEMKV_STATUS_OK);
  db_.Close();
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("closed"));
}

class PmemkvIteratorTest : public MapTest {
 protected:
  void SetUp() override {
    MapTest::SetUp();
    ASSERT_EQ(Put(db_, "key", "0123456789"), PMEMKV_STATUS_OK);
    ASSERT_EQ(Put(db_, "other", "value"), PMEMKV_STATUS_OK);
  }
};
FOR_BOTH_MAPS(PmemkvIteratorTest);

TEST_P(PmemkvIteratorTest, SeekFindsAndRangesShrinkToTheValue) {
  const Reader it = NewReader(db_);
  ASSERT_EQ(Seek(it.get(), "key"), PMEMKV_STATUS_OK);
  const char* key = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(pmemkv_iterator_key(it.get(), &key, &bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(std::string(key, bytes), "key");
  EXPECT_EQ(std::strlen(key), bytes);
  EXPECT_EQ(Read(it.get()), "0123456789");
  EXPECT_EQ(Read(it.get(), 3, 4), "3456");
  EXPECT_EQ(Read(it.get(), 8, 100), "89");
  EXPECT_EQ(Read(it.get(), 8, SIZE_MAX), "89");
  EXPECT_EQ(Read(it.get(), 10, 1), "");
  EXPECT_EQ(Read(it.get(), 11, 1), "<status 4>");
  ASSERT_EQ(Seek(it.get(), "other"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Read(it.get()), "value");
}

TEST_P(PmemkvIteratorTest, OnNoPairThereIsNothingToRead) {
  const Reader it = NewReader(db_);
  const char* key = nullptr;
  size_t bytes = 0;
  EXPECT_EQ(pmemkv_iterator_key(it.get(), &key, &bytes), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(Read(it.get()), "<status 2>");
  ASSERT_EQ(Seek(it.get(), "key"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Seek(it.get(), "absent"), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(Read(it.get()), "<status 2>");
  const Writer writer = NewWriter(db_);
  char* data = nullptr;
  EXPECT_EQ(pmemkv_write_iterator_write_range(writer.get(), 0, 1, &data, &bytes),
            PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(pmemkv_write_iterator_commit(writer.get()), PMEMKV_STATUS_NOT_FOUND);
}

TEST_P(PmemkvIteratorTest, SeekTakesItsOwnKey) {
  const Reader it = NewReader(db_);
  ASSERT_EQ(Seek(it.get(), "key"), PMEMKV_STATUS_OK);
  const char* key = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(pmemkv_iterator_key(it.get(), &key, &bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_iterator_seek(it.get(), key, bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(Read(it.get()), "0123456789");
}

TEST_P(PmemkvIteratorTest, ACommitMakesAllItsRangesTheValueAndNothingDoesBefore) {
  const Writer it = NewWriter(db_);
  ASSERT_EQ(Seek(it->iter, "key"), PMEMKV_STATUS_OK);
  Write(it, 0, "ab");
  Write(it, 8, "yz");
  Write(it, 1, "B");
  EXPECT_EQ(Read(it->iter), "0123456789");
  EXPECT_EQ(Get(db_, "key"), "0123456789");
  ASSERT_EQ(pmemkv_write_iterator_commit(it.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(Read(it->iter), "aB234567yz");
  EXPECT_EQ(Get(db_, "key"), "aB234567yz");
  EXPECT_EQ(Get(db_, "other"), "value");
}

TEST_P(PmemkvIteratorTest, AbortASeekAndTheEndDropWhatIsNotCommitted) {
  Writer it = NewWriter(db_);
  ASSERT_EQ(Seek(it->iter, "key"), PMEMKV_STATUS_OK);
  Write(it, 0, "aborted");
  pmemkv_write_iterator_abort(it.get());
  ASSERT_EQ(pmemkv_write_iterator_commit(it.get()), PMEMKV_STATUS_OK);
  Write(it, 0, "left");
  ASSERT_EQ(Seek(it->iter, "other"), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_write_iterator_commit(it.get()), PMEMKV_STATUS_OK);
  Write(it, 0, "ended");
  it.reset();
  EXPECT_EQ(All(db_), (Pairs{{"key", "0123456789"}, {"other", "value"}}));
}

TEST_P(PmemkvIteratorTest, AnythingOrderedIsNotSupportedAndLeavesTheIteratorWhereItIs) {
  const Reader it = NewReader(db_);
  ASSERT_EQ(Seek(it.get(), "key"), PMEMKV_STATUS_OK);
  constexpr int kNot = PMEMKV_STATUS_NOT_SUPPORTED;
  EXPECT_EQ(pmemkv_iterator_seek_lower(it.get(), "k", 1), kNot);
  EXPECT_EQ(pmemkv_iterator_seek_lower_eq(it.get(), "k", 1), kNot);
  EXPECT_EQ(pmemkv_iterator_seek_higher(it.get(), "k", 1), kNot);
  EXPECT_EQ(pmemkv_iterator_seek_higher_eq(it.get(), "k", 1), kNot);
  EXPECT_EQ(pmemkv_iterator_seek_to_first(it.get()), kNot);
  EXPECT_EQ(pmemkv_iterator_seek_to_last(it.get()), kNot);
  EXPECT_EQ(pmemkv_iterator_is_next(it.get()), kNot);
  EXPECT_EQ(pmemkv_iterator_next(it.get()), kNot);
  EXPECT_EQ(pmemkv_iterator_prev(it.get()), kNot);
  EXPECT_EQ(Read(it.get()), "0123456789");
}

// What would wait for itself is refused: a hang would tell nobody anything.
TEST_P(PmemkvIteratorTest, TheThreadOfAnIteratorMayNotChangeThePairUnderIt) {
  const Reader reader = NewReader(db_);
  ASSERT_EQ(Seek(reader.get(), "key"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Put(db_, "key", "changed"), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("an iterator of this thread"));
  EXPECT_EQ(Remove(db_, "key"), PMEMKV_STATUS_INVALID_ARGUMENT);
  const Tx tx = Begin(db_);
  ASSERT_EQ(TxRemove(tx, "other"), PMEMKV_STATUS_OK);
  ASSERT_EQ(TxRemove(tx, "key"), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_INVALID_ARGUMENT);
  const Writer writer = NewWriter(db_);
  EXPECT_EQ(Seek(writer->iter, "key"), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(Get(db_, "key"), "0123456789");
  EXPECT_EQ(Put(db_, "another", "1"), PMEMKV_STATUS_OK);
  ASSERT_EQ(Seek(reader.get(), "another"), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), (Pairs{{"another", "1"}}));
}

TEST_P(PmemkvIteratorTest, ReadersShareAPair) {
  const Reader here = NewReader(db_);
  ASSERT_EQ(Seek(here.get(), "key"), PMEMKV_STATUS_OK);
  const Reader twice = NewReader(db_);
  EXPECT_EQ(Seek(twice.get(), "key"), PMEMKV_STATUS_OK);
  std::thread([&] {
    const Reader there = NewReader(db_);
    EXPECT_EQ(Seek(there.get(), "key"), PMEMKV_STATUS_OK);
    EXPECT_EQ(Read(there.get()), "0123456789");
  }).join();
}

TEST_P(PmemkvIteratorTest, NullAndAClosedDatabaseAreInvalid) {
  pmemkv_iterator* none = nullptr;
  size_t bytes = 0;
  const char* data = nullptr;
  char* writable = nullptr;
  constexpr int kInvalid = PMEMKV_STATUS_INVALID_ARGUMENT;
  EXPECT_EQ(pmemkv_iterator_new(nullptr, &none), kInvalid);
  EXPECT_EQ(pmemkv_iterator_new(db_, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_write_iterator_new(nullptr, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_iterator_seek(nullptr, "k", 1), kInvalid);
  EXPECT_EQ(pmemkv_iterator_next(nullptr), kInvalid);
  EXPECT_EQ(pmemkv_iterator_key(nullptr, &data, &bytes), kInvalid);
  EXPECT_EQ(pmemkv_iterator_read_range(nullptr, 0, 1, &data, &bytes), kInvalid);
  EXPECT_EQ(pmemkv_write_iterator_write_range(nullptr, 0, 1, &writable, &bytes), kInvalid);
  EXPECT_EQ(pmemkv_write_iterator_commit(nullptr), kInvalid);
  pmemkv_write_iterator_abort(nullptr);
  pmemkv_iterator_delete(nullptr);
  pmemkv_write_iterator_delete(nullptr);

  const Writer it = NewWriter(db_);
  ASSERT_EQ(Seek(it->iter, "key"), PMEMKV_STATUS_OK);
  db_.Close();
  EXPECT_EQ(pmemkv_write_iterator_commit(it.get()), kInvalid);
  EXPECT_EQ(Seek(it->iter, "other"), kInvalid);
}

// Each thread adds 1 to the same number, again and again, through a write iterator: none is lost.
TEST_P(PmemkvIteratorTest, WritersOfOnePairFollowOneAnother) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  ASSERT_EQ(Put(db_, "counter", "0000"), PMEMKV_STATUS_OK);
  const auto work = [&] {
    for (int round = 0; round < kRounds; ++round) {
      const Writer it = NewWriter(db_);
      ASSERT_EQ(Seek(it->iter, "counter"), PMEMKV_STATUS_OK) << pmemkv_errormsg();
      const int next = std::stoi(Read(it->iter)) + 1;
      std::string digits = std::to_string(next);
      digits.insert(0, 4 - digits.size(), '0');
      Write(it, 0, digits);
      ASSERT_EQ(pmemkv_write_iterator_commit(it.get()), PMEMKV_STATUS_OK);
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Get(db_, "counter"), "0800");
}

// A put and a commit of a transaction, by two threads, wait for the iterator to leave the pair.
TEST_P(PmemkvIteratorTest, ChangesByOtherThreadsWaitUntilTheIteratorLeaves) {
  Writer it = NewWriter(db_);
  ASSERT_EQ(Seek(it->iter, "key"), PMEMKV_STATUS_OK);
  std::atomic<int> done{0};
  std::thread put([&] {
    EXPECT_EQ(Put(db_, "key", "put"), PMEMKV_STATUS_OK);
    ++done;
  });
  std::thread commit([&] {
    const Tx tx = Begin(db_);
    EXPECT_EQ(TxPut(tx, "other", "committed"), PMEMKV_STATUS_OK);
    EXPECT_EQ(TxPut(tx, "key", "committed"), PMEMKV_STATUS_OK);
    EXPECT_EQ(pmemkv_tx_commit(tx.get()), PMEMKV_STATUS_OK);
    ++done;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(done, 0);
  EXPECT_EQ(Get(db_, "other"), "value");
  Write(it, 0, "iterator");
  ASSERT_EQ(pmemkv_write_iterator_commit(it.get()), PMEMKV_STATUS_OK);
  EXPECT_EQ(Get(db_, "key"), "iterator89");
  it.reset();
  put.join();
  commit.join();
  EXPECT_THAT(Get(db_, "key"), ::testing::AnyOf("put", "committed"));
  EXPECT_EQ(Get(db_, "other"), "committed");
}

}  // namespace
}  // namespace fencepost::pmemkv_api
