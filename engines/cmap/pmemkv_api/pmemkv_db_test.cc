// SPDX-License-Identifier: BSD-3-Clause
// The calls on a database, through the C interface, for each engine.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmemkv.h>
#include <libpmemobj.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engines/cmap/pmemkv_api/pmemkv_test_util.h"

namespace fencepost::pmemkv_api {
namespace {

using ::testing::HasSubstr;

class PmemkvDbTest : public MapTest {};
FOR_BOTH_MAPS(PmemkvDbTest);

TEST_P(PmemkvDbTest, PutGetReplaceRemove) {
  EXPECT_EQ(Exists(db_, "key"), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_STREQ(pmemkv_errormsg(), "");
  EXPECT_EQ(Remove(db_, "key"), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(Get(db_, "key"), "<status 2>");
  ASSERT_EQ(Put(db_, "key", "value"), PMEMKV_STATUS_OK);
  ASSERT_EQ(Put(db_, "key", "another, longer value"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Get(db_, "key"), "another, longer value");
  EXPECT_EQ(Exists(db_, "key"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Count(db_), 1u);
  ASSERT_EQ(Remove(db_, "key"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Exists(db_, "key"), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(Count(db_), 0u);
}

TEST_P(PmemkvDbTest, RandomCallsMatchAModel) {
  std::mt19937_64 random(1);
  Pairs model;
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = std::to_string(random() % 300);
    if (random() % 3 == 0) {
      const int wanted = model.erase(key) == 1 ? PMEMKV_STATUS_OK : PMEMKV_STATUS_NOT_FOUND;
      ASSERT_EQ(Remove(db_, key), wanted) << "call " << i;
    } else {
      model[key] = std::string(random() % 300, static_cast<char>(random()));
      ASSERT_EQ(Put(db_, key, model[key]), PMEMKV_STATUS_OK) << "call " << i;
    }
  }
  EXPECT_EQ(All(db_), model);
  EXPECT_EQ(Count(db_), model.size());
}

TEST_P(PmemkvDbTest, KeysAndValuesOfNoBytesAndWithZerosAreBytesLikeOthers) {
  const std::string zeros("\0a\0", 3);
  ASSERT_EQ(pmemkv_put(db_, nullptr, 0, nullptr, 0), PMEMKV_STATUS_OK);
  ASSERT_EQ(Put(db_, zeros, zeros), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), (Pairs{{"", ""}, {zeros, zeros}}));
  EXPECT_EQ(Get(db_, ""), "");
  EXPECT_EQ(Exists(db_, std::string_view("\0", 1)), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(pmemkv_remove(db_, nullptr, 0), PMEMKV_STATUS_OK);
}

TEST_P(PmemkvDbTest, BehindEachKeyAndValueIsANul) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{100'000}}) {
    const std::string text(bytes, 'x');
    ASSERT_EQ(Put(db_, text, text), PMEMKV_STATUS_OK);
  }
  int seen = 0;
  const auto check = [](const char* key, size_t key_bytes, const char* value, size_t value_bytes,
                        void* arg) {
    EXPECT_EQ(std::strlen(key), key_bytes);
    EXPECT_EQ(std::strlen(value), value_bytes);
    return ++*static_cast<int*>(arg) < 0 ? 1 : 0;
  };
  EXPECT_EQ(pmemkv_get_all(db_, check, &seen), PMEMKV_STATUS_OK);
  EXPECT_EQ(seen, 5);
  const auto check_value = [](const char* value, size_t bytes, void*) {
    EXPECT_EQ(std::strlen(value), bytes);
  };
  EXPECT_EQ(pmemkv_get(db_, "xxxxxxxx", 8, check_value, nullptr), PMEMKV_STATUS_OK);
}

TEST_P(PmemkvDbTest, WhatIsTooLongIsInvalidAndWhatDoesNotFitIsOutOfMemory) {
  const std::string key(size_t{16} << 20, 'k');  // a byte more than cmap's longest
  EXPECT_EQ(Put(db_, key, "v"), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(Get(db_, key), "<status 4>");
  EXPECT_EQ(Exists(db_, key), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(Remove(db_, key), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(Put(db_, "k", key), PMEMKV_STATUS_OUT_OF_MEMORY);  // all of the pool
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("full"));
  EXPECT_EQ(Count(db_), 0u);
}

TEST_P(PmemkvDbTest, AFullPoolKeepsWhatItHasAndTakesMoreAfterARemoval) {
  const std::string value(10'000, 'v');
  int puts = 0;
  int status = PMEMKV_STATUS_OK;
  for (; puts < 10'000 && status == PMEMKV_STATUS_OK; ++puts) {
    status = Put(db_, std::to_string(puts), value);
  }
  ASSERT_EQ(status, PMEMKV_STATUS_OUT_OF_MEMORY);
  const int held = puts - 1;
  ASSERT_GT(held, 500);
  EXPECT_EQ(Count(db_), static_cast<size_t>(held));
  EXPECT_EQ(Exists(db_, std::to_string(held)), PMEMKV_STATUS_NOT_FOUND);
  for (int i = 0; i < held; ++i) ASSERT_EQ(Get(db_, std::to_string(i)), value) << "key " << i;
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Remove(db_, std::to_string(i)), PMEMKV_STATUS_OK);
  EXPECT_EQ(Put(db_, "again", value), PMEMKV_STATUS_OK) << pmemkv_errormsg();
}

TEST_P(PmemkvDbTest, GetCopyClearsTheBufferAndSaysHowLongTheValueIs) {
  ASSERT_EQ(Put(db_, "key", "value"), PMEMKV_STATUS_OK);
  const auto get = [&](const char* key, char* buffer, size_t bytes, size_t* value_bytes) {
    return pmemkv_get_copy(db_, key, std::strlen(key), buffer, bytes, value_bytes);
  };
  char buffer[8];
  size_t bytes = 99;
  std::memset(buffer, '#', sizeof(buffer));
  EXPECT_EQ(get("key", buffer, sizeof(buffer), &bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(std::string(buffer, sizeof(buffer)), std::string("value\0\0\0", 8));
  EXPECT_EQ(bytes, 5u);
  EXPECT_EQ(get("key", buffer, 5, nullptr), PMEMKV_STATUS_OK);

  bytes = 99;
  std::memset(buffer, '#', sizeof(buffer));
  EXPECT_EQ(get("key", buffer, 4, &bytes), PMEMKV_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(std::string(buffer, 5), std::string("\0\0\0\0#", 5));
  EXPECT_EQ(bytes, 5u);
  EXPECT_EQ(get("key", nullptr, 0, &bytes), PMEMKV_STATUS_OUT_OF_MEMORY);
  EXPECT_EQ(get("absent", buffer, sizeof(buffer), &bytes), PMEMKV_STATUS_NOT_FOUND);
}

TEST_P(PmemkvDbTest, ACallbackThatReturnsNonZeroStopsTheWalk) {
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Put(db_, std::to_string(i), ""), PMEMKV_STATUS_OK);
  int left = 3;
  const auto countdown = [](const char*, size_t, const char*, size_t, void* arg) {
    return --*static_cast<int*>(arg) == 0 ? -1 : 0;
  };
  EXPECT_EQ(pmemkv_get_all(db_, countdown, &left), PMEMKV_STATUS_STOPPED_BY_CB);
  EXPECT_EQ(left, 0);
  EXPECT_STREQ(pmemkv_errormsg(), "");
}

TEST_P(PmemkvDbTest, OrderedCallsAreNotSupported) {
  ASSERT_EQ(Put(db_, "b", "v"), PMEMKV_STATUS_OK);
  size_t n = 77;
  const auto never = [](const char*, size_t, const char*, size_t, void*) {
    ADD_FAILURE() << "called";
    return 0;
  };
  EXPECT_EQ(pmemkv_count_above(db_, "a", 1, &n), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_count_equal_above(db_, "a", 1, &n), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_count_equal_below(db_, "c", 1, &n), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_count_below(db_, "c", 1, &n), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_count_between(db_, "a", 1, "c", 1, &n), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(n, 77u);
  EXPECT_EQ(pmemkv_get_above(db_, "a", 1, never, nullptr), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_get_equal_above(db_, "a", 1, never, nullptr), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_get_equal_below(db_, "c", 1, never, nullptr), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_get_below(db_, "c", 1, never, nullptr), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(pmemkv_get_between(db_, "a", 1, "c", 1, never, nullptr), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("[pmemkv_get_between] not supported"));
}

TEST_P(PmemkvDbTest, DefragKeepsAllPairsAndRefusesRangesThatAreNone) {
  std::mt19937_64 random(2);
  Pairs model;
  for (int i = 0; i < 500; ++i) model[std::to_string(i)] = std::string(random() % 2'000, 'v');
  for (const auto& [key, value] : model) ASSERT_EQ(Put(db_, key, value), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_defrag(db_, 0, 100), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  EXPECT_EQ(pmemkv_defrag(db_, 99.5, 0.5), PMEMKV_STATUS_OK);
  EXPECT_EQ(All(db_), model);
  const double ranges[][2] = {{-1, 10}, {0, 101}, {60, 50},           {100, 1},
                              {10, 0},  {10, -5}, {std::nan(""), 10}, {0, std::nan("")}};
  for (const auto& [start, amount] : ranges) {
    EXPECT_EQ(pmemkv_defrag(db_, start, amount), PMEMKV_STATUS_INVALID_ARGUMENT)
        << start << ", " << amount;
  }
}

TEST_P(PmemkvDbTest, DefragBesideWritersLosesNoWrite) {
  for (int i = 0; i < 200; ++i) ASSERT_EQ(Put(db_, std::to_string(i), "0"), PMEMKV_STATUS_OK);
  std::thread defragmenter([&] {
    for (int round = 0; round < 20; ++round) {
      EXPECT_EQ(pmemkv_defrag(db_, 0, 100), PMEMKV_STATUS_OK) << pmemkv_errormsg();
    }
  });
  Pairs model;
  for (int round = 1; round <= 20; ++round) {
    for (int i = 0; i < 200; ++i) {
      const std::string key = std::to_string(i);
      model[key] = std::to_string(round);
      ASSERT_EQ(Put(db_, key, model[key]), PMEMKV_STATUS_OK);
      ASSERT_EQ(Get(db_, key), model[key]);
    }
  }
  defragmenter.join();
  EXPECT_EQ(All(db_), model);
}

TEST_P(PmemkvDbTest, ACallbackMayNotCallItsDatabaseButAnother) {
  ASSERT_EQ(Put(db_, "key", "value"), PMEMKV_STATUS_OK);
  OpenDb other;
  ASSERT_EQ(other.Open("vcmap", PoolConfig(folder_.path().string())), PMEMKV_STATUS_OK);
  pmemkv_db* both[] = {db_, other};
  const auto call_both = [](const char* key, size_t bytes, const char*, size_t, void* arg) {
    auto* const* dbs = static_cast<pmemkv_db**>(arg);
    EXPECT_EQ(pmemkv_put(dbs[0], key, bytes, "x", 1), PMEMKV_STATUS_INVALID_ARGUMENT);
    EXPECT_THAT(pmemkv_errormsg(), HasSubstr("callback"));
    EXPECT_EQ(pmemkv_exists(dbs[0], key, bytes), PMEMKV_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(pmemkv_put(dbs[1], key, bytes, "copied", 6), PMEMKV_STATUS_OK);
    return 0;
  };
  EXPECT_EQ(pmemkv_get_all(db_, call_both, both), PMEMKV_STATUS_OK);
  EXPECT_EQ(Get(db_, "key"), "value");
  EXPECT_EQ(Get(other, "key"), "copied");
}

TEST_P(PmemkvDbTest, AnExceptionOfACallbackEndsTheCallAndNotTheDatabase) {
  ASSERT_EQ(Put(db_, "key", "value"), PMEMKV_STATUS_OK);
  const auto fail = [](const char*, size_t, void*) { throw std::runtime_error("of the callback"); };
  EXPECT_EQ(pmemkv_get(db_, "key", 3, fail, nullptr), PMEMKV_STATUS_UNKNOWN_ERROR);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("[pmemkv_get] of the callback"));
  const auto fail_all = [](const char*, size_t, const char*, size_t, void*) -> int { throw 1; };
  EXPECT_EQ(pmemkv_get_all(db_, fail_all, nullptr), PMEMKV_STATUS_UNKNOWN_ERROR);
  EXPECT_EQ(Put(db_, "key", "new"), PMEMKV_STATUS_OK) << "a lock is still held";
}

TEST_P(PmemkvDbTest, InsideATransactionOfLibpmemobjItIsAScopeError) {
  const std::string path = (folder_.path() / "other").string();
  PMEMobjpool* pool = pmemobj_create(path.c_str(), "other", PMEMOBJ_MIN_POOL, 0600);
  ASSERT_NE(pool, nullptr) << pmemobj_errormsg();
  TX_BEGIN(pool) {
    EXPECT_EQ(Put(db_, "key", "value"), PMEMKV_STATUS_TRANSACTION_SCOPE_ERROR);
    EXPECT_EQ(Get(db_, "key"), "<status 10>");
  }
  TX_END
  pmemobj_close(pool);
  EXPECT_EQ(Put(db_, "key", "value"), PMEMKV_STATUS_OK);
}

TEST_P(PmemkvDbTest, EightThreadsMatchTheirModels) {
  constexpr int kThreads = 8;
  std::vector<Pairs> models(kThreads);
  const auto work = [&](int thread) {
    std::mt19937_64 random(static_cast<uint64_t>(thread));
    Pairs& model = models[static_cast<size_t>(thread)];
    for (int i = 0; i < 1'000; ++i) {
      const std::string key = fmt::format("{}/{}", thread, random() % 100);
      model[key] = std::to_string(random());
      ASSERT_EQ(Put(db_, key, model[key]), PMEMKV_STATUS_OK);
      ASSERT_EQ(Get(db_, key), model[key]);
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  Pairs all;
  for (const Pairs& model : models) all.insert(model.begin(), model.end());
  EXPECT_EQ(All(db_), all);
}

TEST(PmemkvDb, NullHandlesCallbacksAndBytesAreInvalid) {
  OpenDb db;
  ASSERT_EQ(db.Open("blackhole", nullptr), PMEMKV_STATUS_OK);
  size_t n = 0;
  const auto kv = [](const char*, size_t, const char*, size_t, void*) { return 0; };
  const auto v = [](const char*, size_t, void*) {};
  constexpr int kInvalid = PMEMKV_STATUS_INVALID_ARGUMENT;
  EXPECT_EQ(pmemkv_put(nullptr, "k", 1, "v", 1), kInvalid);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("[pmemkv_put] db is null"));
  EXPECT_EQ(pmemkv_get(nullptr, "k", 1, v, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_get_copy(nullptr, "k", 1, nullptr, 0, &n), kInvalid);
  EXPECT_EQ(pmemkv_exists(nullptr, "k", 1), kInvalid);
  EXPECT_EQ(pmemkv_remove(nullptr, "k", 1), kInvalid);
  EXPECT_EQ(pmemkv_count_all(nullptr, &n), kInvalid);
  EXPECT_EQ(pmemkv_count_above(nullptr, "k", 1, &n), kInvalid);
  EXPECT_EQ(pmemkv_get_all(nullptr, kv, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_get_between(nullptr, "k", 1, "l", 1, kv, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_defrag(nullptr, 0, 100), kInvalid);

  EXPECT_EQ(pmemkv_put(db, nullptr, 1, "v", 1), kInvalid);
  EXPECT_EQ(pmemkv_put(db, "k", 1, nullptr, 1), kInvalid);
  EXPECT_EQ(pmemkv_get(db, "k", 1, nullptr, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_get_all(db, nullptr, nullptr), kInvalid);
  EXPECT_EQ(pmemkv_count_all(db, nullptr), kInvalid);
}

TEST(PmemkvDb, BlackholeTakesEverythingAndHasNothing) {
  OpenDb db;
  ASSERT_EQ(db.Open("blackhole", nullptr), PMEMKV_STATUS_OK);
  EXPECT_EQ(Put(db, "key", "value"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Get(db, "key"), "<status 2>");
  EXPECT_EQ(Exists(db, "key"), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(Remove(db, "key"), PMEMKV_STATUS_OK);
  EXPECT_EQ(Count(db), 0u);
  size_t n = 77;
  const auto kv = [](const char*, size_t, const char*, size_t, void*) { return 0; };
  EXPECT_EQ(pmemkv_count_between(db, "a", 1, "b", 1, &n), PMEMKV_STATUS_OK);
  EXPECT_EQ(n, 0u);
  EXPECT_EQ(pmemkv_get_all(db, kv, nullptr), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(pmemkv_get_below(db, "a", 1, kv, nullptr), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(pmemkv_defrag(db, 0, 100), PMEMKV_STATUS_NOT_SUPPORTED);
  pmemkv_tx* tx = nullptr;
  EXPECT_EQ(pmemkv_tx_begin(db, &tx), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(tx, nullptr);
  pmemkv_write_iterator* it = nullptr;
  ASSERT_EQ(pmemkv_write_iterator_new(db, &it), PMEMKV_STATUS_OK);
  const char* key = nullptr;
  EXPECT_EQ(pmemkv_iterator_seek(it->iter, "key", 3), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_iterator_key(it->iter, &key, &n), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(pmemkv_write_iterator_commit(it), PMEMKV_STATUS_NOT_SUPPORTED);
  pmemkv_write_iterator_delete(it);
}

}  // namespace
}  // namespace fencepost::pmemkv_api
