// SPDX-License-Identifier: BSD-3-Clause
// The tree, through a store with a tiny buffer pool, against std::map.
#include "engines/filestore/btree.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "engines/filestore/store_test_util.h"
#include "engines/thread_sanitizer.h"

namespace fencepost::filestore {
namespace {

class Btree : public testing::Test {
 protected:
  void Open(const StoreOptions& options) {
    store_.reset();
    Result<std::unique_ptr<Store>> store = OpenOn(disk_, options);
    ASSERT_TRUE(store.ok()) << store.message();
    store_ = std::move(store).value();
  }
  void Put(const std::string& key, const std::string& value) {
    const Status status = store_->Put(key, value);
    ASSERT_TRUE(status.ok()) << status.message();
    model_[key] = value;
  }
  void Delete(const std::string& key) {
    const Status status = store_->Delete(key);
    ASSERT_EQ(status.ok(), model_.erase(key) != 0) << status.message();
    ASSERT_TRUE(status.ok() || status.IsNotFound()) << status.message();
  }

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>();
  std::unique_ptr<Store> store_;
  Model model_;
};

std::string RandomKey(std::mt19937_64& random) {
  // Long common prefixes, binary bytes, the empty key, keys of the greatest length.
  std::string key;
  switch (random() % 4) {
    case 0:
      key = std::string(random() % (kMaxKeyBytes - 8), 'p');
      break;
    case 1:
      key = "user";
      break;
    case 2:
      key = std::string(kMaxKeyBytes - 1, 'x');
      break;
    default:
      break;
  }
  const uint64_t number = random() % 40;
  if (number != 0) key.push_back(static_cast<char>(number * 6));
  return key;
}

TEST_F(Btree, BehavesLikeAMapWithAllSortsOfKeysAndValues) {
  std::mt19937_64 random(11);
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
  for (int i = 0; i < 20000; ++i) {
    const std::string key = RandomKey(random);
    if (random() % 3 == 0) {
      ASSERT_NO_FATAL_FAILURE(Delete(key));
    } else {
      ASSERT_NO_FATAL_FAILURE(Put(key, ValueOf(random(), SomeValueBytes(random))));
    }
    if (i % 500 == 0) {
      ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, model_));
    }
    if (i % 5000 == 4999) {
      ASSERT_TRUE(store_->Close().ok());
      ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
    }
  }
  for (const auto& [key, value] : model_) ASSERT_EQ(GetOr(*store_, key), value);
}

TEST_F(Btree, GrowsAndShrinksBackToOneLeaf) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
  std::vector<int> order(5000);
  for (int i = 0; i < 5000; ++i) order[static_cast<size_t>(i)] = i;
  std::mt19937_64 random(12);
  for (const bool shuffled : {false, true}) {
    if (shuffled) std::shuffle(order.begin(), order.end(), random);
    for (int i : order) {
      ASSERT_NO_FATAL_FAILURE(Put("key" + std::to_string(i), std::string(100, 'v')));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, model_));
    if (shuffled) std::shuffle(order.begin(), order.end(), random);
    for (int i : order) ASSERT_NO_FATAL_FAILURE(Delete("key" + std::to_string(i)));
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, model_));
    EXPECT_LE(store_->Audit()->allocated_objects, 3u);
  }
}

TEST_F(Btree, OrderedLoadFillsItsPages) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
  for (int i = 0; i < 5000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put("k" + std::to_string(100000 + i), std::string(90, 'v')));
  }
  const uint64_t payload = 5000 * (sizeof(CellHeader) + kSlotBytes + 7 + 90);
  EXPECT_LT(store_->Audit()->allocated_bytes, payload * 11 / 10);
}

TEST_F(Btree, ChurnDoesNotGrowTheFile) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
  std::mt19937_64 random(13);
  uint64_t settled_bytes = 0;
  for (int i = 0; i < 60000; ++i) {
    // A window of live keys that moves on for ever, at random places of the key space.
    ASSERT_NO_FATAL_FAILURE(
        Put(std::to_string(i * 7919 % 100003), ValueOf(1, i % 10 == 0 ? 5000 : random() % 200)));
    if (i >= 500) {
      const Status status = store_->Delete(std::to_string((i - 500) * 7919 % 100003));
      ASSERT_TRUE(status.ok() || status.IsNotFound()) << status.message();
    }
    model_.clear();
    if (i == 5000) settled_bytes = store_->Stats()->storage_bytes;
  }
  EXPECT_LE(store_->Stats()->storage_bytes, settled_bytes * 3 / 2);
  const Result<AuditReport> audit = store_->Audit();
  EXPECT_EQ(audit->allocated_objects, audit->reachable_objects);
}

TEST_F(Btree, ScanStartsAtTheKeyAndStopsAtTheLimit) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
  std::mt19937_64 random(14);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_NO_FATAL_FAILURE(
        Put(std::to_string(random() % 100000), ValueOf(random(), SomeValueBytes(random))));
  }
  for (int i = 0; i < 300; ++i) {
    const std::string start = std::to_string(random() % 100000);
    const size_t limit = random() % 200;
    std::vector<std::pair<std::string, std::string>> found, expected;
    ASSERT_TRUE(store_
                    ->Scan(start, limit,
                           [&](std::string_view key, std::string_view value) {
                             found.emplace_back(key, value);
                             return true;
                           })
                    .ok());
    for (auto it = model_.lower_bound(start); it != model_.end() && expected.size() < limit; ++it) {
      expected.emplace_back(*it);
    }
    ASSERT_EQ(found, expected) << "from " << start << ", limit " << limit;
  }
  size_t visits = 0;
  ASSERT_TRUE(
      store_->Scan("", SIZE_MAX, [&](std::string_view, std::string_view) { return ++visits < 10; })
          .ok());
  EXPECT_EQ(visits, 10u);
}

TEST_F(Btree, BatchIsAppliedInOrderAndLargerThanPoolAndLog) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kPowerFail)));
  ASSERT_NO_FATAL_FAILURE(Put("gone", ValueOf(1, 9000)));
  ASSERT_NO_FATAL_FAILURE(Put("again", ValueOf(2, 20000)));
  std::vector<std::string> keys, values;
  for (int i = 0; i < 3000; ++i) {
    keys.push_back("batch" + std::to_string(i * 37 % 3000));
    values.push_back(ValueOf(static_cast<uint64_t>(i), static_cast<size_t>(i % 300)));
  }
  std::vector<Write> batch;
  for (size_t i = 0; i < keys.size(); ++i) {
    batch.push_back({Write::Kind::kPut, keys[i], values[i]});
    model_[keys[i]] = values[i];
  }
  const std::string large = ValueOf(3, 30000);
  batch.push_back({Write::Kind::kPut, "gone", large});
  batch.push_back({Write::Kind::kDelete, "gone", {}});
  batch.push_back({Write::Kind::kDelete, "never there", {}});
  batch.push_back({Write::Kind::kDelete, "again", {}});
  batch.push_back({Write::Kind::kPut, "again", large});
  model_.erase("gone");
  model_["again"] = large;
  const Status status = store_->Apply(batch);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, model_));
  std::mt19937_64 random(15);
  Result<std::unique_ptr<Store>> recovered = OpenOn(disk_->Crash(random, 0));
  ASSERT_TRUE(recovered.ok()) << recovered.message();
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(**recovered, model_));
  EXPECT_TRUE(store_->Apply({}).ok());
}

TEST_F(Btree, ValueLargerThanPoolAndLog) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kPrefix)));
  for (const size_t bytes : {kMaxCellBytes - 20, kPayloadBytes, kPayloadBytes + 1, 3000000ul}) {
    ASSERT_NO_FATAL_FAILURE(Put("large", ValueOf(bytes, bytes)));
    ASSERT_EQ(GetOr(*store_, "large"), ValueOf(bytes, bytes));
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, model_));
  }
  const uint64_t peak = store_->Stats()->storage_bytes;
  for (uint64_t i = 0; i < 5; ++i) ASSERT_NO_FATAL_FAILURE(Put("large", ValueOf(i, 2900000)));
  ASSERT_TRUE(store_->Settle().ok());
  EXPECT_LE(store_->Stats()->storage_bytes, peak);  // its pages are used again, the log cut back
}

TEST_F(Btree, PoolStaysWithinItsBound) {
  StoreOptions options = SmallOptions(Durability::kBuffered);
  options.cache_bytes = 40 * kPageBytes;
  ASSERT_NO_FATAL_FAILURE(Open(options));
  for (int i = 0; i < 3000; ++i) {
    ASSERT_NO_FATAL_FAILURE(Put("key" + std::to_string(i), std::string(200, 'v')));
  }
  // More threads than a fixed number of pins for each would allow.
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 50; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int i = 0; i < 200; ++i) {
        if (GetOr(*store_, "key" + std::to_string(random() % 3000)).size() != 200) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(store_->Stats()->cache_bytes, options.cache_bytes);
  EXPECT_GT(store_->Stats()->cache_bytes, 0u);
}

TEST_F(Btree, KeysAndValuesThatAreTooLongAreRefused) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kBuffered)));
  const std::string key(kMaxKeyBytes + 1, 'k');
  EXPECT_EQ(store_->Put(key, "").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->Get(key, [](std::string_view) {}).code(), StatusCode::kInvalidArgument);
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, {}));
}

// Threads write and check keys of their own while others scan.
TEST_F(Btree, EightThreadsSeeTheirOwnWrites) {
  ASSERT_NO_FATAL_FAILURE(Open(SmallOptions(Durability::kPrefix)));
  constexpr int kSteps = kUnderThreadSanitizer ? 60 : 1500;  // it makes them fifty times slower
  std::atomic<int> wrong{0};
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  std::vector<Model> models(6);
  for (size_t t = 0; t < models.size(); ++t) {
    writers.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < kSteps; ++i) {
        const std::string key = std::to_string(random() % 200) + "/" + std::to_string(t);
        if (random() % 4 == 0) {
          if (store_->Delete(key).ok() != (models[t].erase(key) != 0)) ++wrong;
        } else {
          models[t][key] = ValueOf(random(), SomeValueBytes(random));
          if (!store_->Put(key, models[t][key]).ok()) ++wrong;
        }
        const std::string other = std::to_string(random() % 200) + "/" + std::to_string(t);
        const auto found = models[t].find(other);
        if (GetOr(*store_, other) != (found == models[t].end() ? "<not found>" : found->second)) {
          ++wrong;
        }
      }
    });
  }
  std::vector<std::thread> scanners;
  for (int t = 0; t < 2; ++t) {
    scanners.emplace_back([&, t] {
      while (!stop) {
        std::string last;
        const auto visit = [&](std::string_view key, std::string_view) {
          if (key <= last && !last.empty()) ++wrong;
          last = key;
          return true;
        };
        if (!(t == 0 ? store_->Scan("", SIZE_MAX, visit) : store_->ForEach(visit)).ok()) ++wrong;
      }
    });
  }
  for (std::thread& thread : writers) thread.join();
  stop = true;
  for (std::thread& thread : scanners) thread.join();
  EXPECT_EQ(wrong, 0);
  for (const Model& model : models) model_.insert(model.begin(), model.end());
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(*store_, model_));
}

}  // namespace
}  // namespace fencepost::filestore
