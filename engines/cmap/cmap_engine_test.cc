// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/cmap_engine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engines/cmap/cmap_layout.h"
#include "engines/cmap/cmap_test_util.h"

namespace fencepost::cmap {
namespace {

class CmapTest : public ::testing::Test {
 protected:
  void Open(std::string pool_bytes = "16M", std::string initial_buckets = "16") {
    options_ =
        TestOptions(folder_.path() / "pool", std::move(pool_bytes), std::move(initial_buckets));
    engine_ = MustOpen(options_);
  }
  void Reopen() {
    CHECK_OK(engine_->Close());
    engine_ = MustOpen(options_);
  }

  pmem::TestFolder folder_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
};

std::string RandomBytes(std::mt19937_64& random, size_t bytes) {
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// Mostly small, now and then empty or large.
std::string RandomValue(std::mt19937_64& random) {
  switch (random() % 16) {
    case 0:
      return "";
    case 1:
      return RandomBytes(random, random() % 20'000);
    default:
      return RandomBytes(random, random() % 300);
  }
}

TEST_F(CmapTest, PutGetOverwriteDelete) {
  Open();
  EXPECT_TRUE(engine_->Delete("a").IsNotFound());
  EXPECT_EQ(GetValue(*engine_, "a"), "<not found>");
  ASSERT_TRUE(engine_->Put("a", "1").ok());
  ASSERT_TRUE(engine_->Put("a", "a longer one").ok());
  EXPECT_EQ(GetValue(*engine_, "a"), "a longer one");
  ASSERT_TRUE(engine_->Put("a", "").ok());
  EXPECT_EQ(GetValue(*engine_, "a"), "");
  ASSERT_TRUE(engine_->Put("", "of the empty key").ok());
  ASSERT_TRUE(engine_->Put(std::string("\0", 1), "of a zero byte").ok());
  EXPECT_EQ(GetValue(*engine_, ""), "of the empty key");
  EXPECT_EQ(engine_->Stats()->count, 3u);
  ASSERT_TRUE(engine_->Delete("a").ok());
  EXPECT_EQ(GetValue(*engine_, "a"), "<not found>");
  Reopen();
  ExpectHolds(*engine_, {{"", "of the empty key"}, {std::string("\0", 1), "of a zero byte"}});
  ExpectNoLeak(*engine_);
}

TEST_F(CmapTest, KeyAndValueAreNulTerminatedInPlace) {
  Open();
  for (const size_t value_bytes : {size_t{0}, size_t{5}, size_t{1} << 20}) {
    ASSERT_TRUE(engine_->Put("key", std::string(value_bytes, 'v')).ok());
    ASSERT_TRUE(engine_
                    ->ForEach([&](std::string_view key, std::string_view value) {
                      EXPECT_EQ(std::string(key.data()), "key");
                      EXPECT_EQ(std::string(value.data()).size(), value_bytes);
                      return true;
                    })
                    .ok());
  }
}

TEST_F(CmapTest, LengthsOutsideTheRowAreInvalid) {
  Open("64M");
  const std::string key(kCmapMaxKeyBytes + 1, 'k');
  EXPECT_EQ(engine_->Put(key, "v").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->Get(key, [](std::string_view) {}).code(), StatusCode::kInvalidArgument);
  const std::string_view longest = std::string_view(key).substr(1);
  ASSERT_TRUE(engine_->Put(longest, "v").ok());
  EXPECT_EQ(GetValue(*engine_, longest), "v");
  const std::string_view too_long(key.data(), kCmapMaxValueBytes + 1);  // never read
  EXPECT_EQ(engine_->Put("k", too_long).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->Scan("", 1, [](std::string_view, std::string_view) { return true; }).code(),
            StatusCode::kUnsupported);
}

TEST_F(CmapTest, RandomOperationsMatchAModel) {
  Open("64M");
  std::mt19937_64 random(1);
  Model model;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = RandomBytes(random, random() % 3);  // 65,793 keys, many met again
    const uint64_t dice = random() % 10;
    if (dice < 6) {
      const std::string value = RandomValue(random);
      ASSERT_TRUE(engine_->Put(key, value).ok());
      model[key] = value;
    } else if (dice < 8) {
      ASSERT_EQ(engine_->Delete(key).ok(), model.erase(key) == 1);
    } else {
      const auto found = model.find(key);
      ASSERT_TRUE(GetValue(*engine_, key) ==
                  (found == model.end() ? "<not found>" : found->second));
    }
    if (i % 5'000 == 4'999) {
      ExpectHolds(*engine_, model);
      ExpectNoLeak(*engine_);
      Reopen();
    }
  }
  ExpectHolds(*engine_, model);
}

TEST_F(CmapTest, RandomBatchesMatchAModel) {
  Open();
  std::mt19937_64 random(2);
  Model model;
  for (int i = 0; i < 300; ++i) {
    std::vector<std::pair<std::string, std::string>> pairs;
    std::vector<Write> batch;
    // Up to 150 changes of 100 keys: many are changed more than once in one batch.
    const size_t changes = random() % 150;
    for (size_t j = 0; j < changes; ++j) {
      pairs.emplace_back(fmt::format("key{}", random() % 100), RandomBytes(random, random() % 99));
    }
    for (const auto& [key, value] : pairs) {
      if (random() % 3 == 0) {
        batch.push_back({Write::Kind::kDelete, key, {}});
        model.erase(key);
      } else {
        batch.push_back({Write::Kind::kPut, key, value});
        model[key] = value;
      }
    }
    ASSERT_TRUE(engine_->Apply(batch).ok());
    ASSERT_EQ(engine_->Stats()->count, model.size());
  }
  ExpectHolds(*engine_, model);
  ExpectNoLeak(*engine_);
  Reopen();
  ExpectHolds(*engine_, model);
}

TEST_F(CmapTest, OneBatchMayMakeOverflowBucketsAndUseThem) {
  Open();
  std::vector<std::string> keys;
  std::vector<Write> batch;
  for (int i = 0; i < 500; ++i) keys.push_back(fmt::format("key{}", i));
  for (const std::string& key : keys) batch.push_back({Write::Kind::kPut, key, "first"});
  for (const std::string& key : keys) batch.push_back({Write::Kind::kPut, key, "second"});
  for (const std::string& key : keys) batch.push_back({Write::Kind::kDelete, key, {}});
  batch.push_back({Write::Kind::kPut, keys[7], "last"});
  ASSERT_TRUE(engine_->Apply(batch).ok());
  ExpectHolds(*engine_, {{keys[7], "last"}});
  ExpectNoLeak(*engine_);
}

TEST_F(CmapTest, ChurnLeaksNothingAndReusesSpace) {
  Open("16M");
  std::mt19937_64 random(3);
  Model model;
  uint64_t written_bytes = 0;
  while (written_bytes < (uint64_t{64} << 20)) {
    const std::string key = std::to_string(random() % 2'000);
    const std::string value = RandomBytes(random, random() % 2'000);
    written_bytes += value.size();
    ASSERT_TRUE(engine_->Put(key, value).ok());
    model[key] = value;
  }
  ExpectHolds(*engine_, model);
  ExpectNoLeak(*engine_);
  for (const auto& [key, value] : model) ASSERT_TRUE(engine_->Delete(key).ok());
  ExpectHolds(*engine_, {});
  ExpectNoLeak(*engine_);
}

TEST_F(CmapTest, GrowthPassesEveryBoundary) {
  Open();
  Model model;
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = std::to_string(i);
    ASSERT_TRUE(engine_->Put(key, key).ok());
    model[key] = key;
    // Around the powers of two of 4 pairs a bucket, and where a segment is full.
    const auto count = static_cast<uint64_t>(i + 1);
    const uint64_t buckets = count / 4;
    const bool near_boundary =
        buckets >= 15 && (std::has_single_bit(buckets) || std::has_single_bit(buckets + 1) ||
                          std::has_single_bit(buckets - 1));
    if (near_boundary) {
      ASSERT_NO_FATAL_FAILURE(ExpectHolds(*engine_, model));
      ExpectNoLeak(*engine_);
    }
  }
  Reopen();
  ExpectHolds(*engine_, model);
  ExpectNoLeak(*engine_);
}

TEST(CmapLayout, ABucketAndTheOneSplitFromItShareTheirLowBits) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t hash = random();
    const uint64_t count = 16 + random() % 5'000;
    const uint64_t index = BucketIndex(hash, count);
    ASSERT_LT(index, count);
    ASSERT_EQ(index % 16, hash % 16);
    // One more bucket moves a pair to the new bucket or nowhere.
    const uint64_t next = BucketIndex(hash, count + 1);
    ASSERT_TRUE(next == index || (next == count && index == count - std::bit_floor(count)));
  }
}

TEST(CmapLayout, AnyFlippedBitOfARecordsHeaderIsSeen) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t key_bytes = random() % (kCmapMaxKeyBytes + 1);
    const uint64_t value_bytes = random() % (kCmapMaxValueBytes + 1);
    const uint64_t header = PackHeader(key_bytes, value_bytes);
    ASSERT_TRUE(HeaderIsSound(header));
    ASSERT_EQ(HeaderKeyBytes(header), key_bytes);
    ASSERT_EQ(HeaderValueBytes(header), value_bytes);
    ASSERT_FALSE(HeaderIsSound(header ^ uint64_t{1} << i % 64));
  }
}

// Each thread has keys of its own and a model of them; all share stripes, growth and the heap.
TEST_F(CmapTest, EightThreadsMatchTheirModels) {
  constexpr int kThreads = 8;
  Open("64M");
  std::vector<Model> models(kThreads);
  const auto work = [&](int thread) {
    std::mt19937_64 random(static_cast<uint64_t>(thread) + 10);
    Model& model = models[static_cast<size_t>(thread)];
    for (int i = 0; i < 3'000; ++i) {
      const std::string key = std::to_string(thread) + "/" + std::to_string(random() % 1'000);
      const uint64_t dice = random() % 10;
      if (dice < 5) {
        const std::string value = RandomBytes(random, random() % 200);
        ASSERT_TRUE(engine_->Put(key, value).ok());
        model[key] = value;
      } else if (dice < 7) {
        ASSERT_EQ(engine_->Delete(key).ok(), model.erase(key) == 1);
      } else if (dice == 7) {
        const std::string other = key + "+";
        const Write batch[] = {{Write::Kind::kPut, key, "one"}, {Write::Kind::kPut, other, "two"}};
        ASSERT_TRUE(engine_->Apply(batch).ok());
        model[key] = "one";
        model[other] = "two";
      } else {
        const auto found = model.find(key);
        ASSERT_TRUE(GetValue(*engine_, key) ==
                    (found == model.end() ? "<not found>" : found->second));
      }
    }
  };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) threads.emplace_back(work, thread);
  for (std::thread& thread : threads) thread.join();
  Model all;
  for (const Model& model : models) all.insert(model.begin(), model.end());
  ExpectHolds(*engine_, all);
  ExpectNoLeak(*engine_);
  Reopen();
  ExpectHolds(*engine_, all);
}

// Two keys are always changed by one batch; no reader of both may see them differ. ForEach holds a
// stripe at a time, so it is asked about keys that nobody changes: each is seen once, growth or
// not.
TEST_F(CmapTest, ForEachSeesEveryUnchangedPairOnceDuringGrowth) {
  Open("64M");
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(engine_->Put(fmt::format("old{}", i), "v").ok());
  }
  std::thread writer([&] {
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_TRUE(engine_->Put(fmt::format("new{}", i), "v").ok());
    }
  });
  for (int round = 0; round < 20; ++round) {
    int seen = 0;
    ASSERT_TRUE(engine_
                    ->ForEach([&](std::string_view key, std::string_view) {
                      seen += key.starts_with("old") ? 1 : 0;
                      return true;
                    })
                    .ok());
    EXPECT_EQ(seen, 500);
  }
  writer.join();
  ExpectNoLeak(*engine_);
}

TEST_F(CmapTest, ForEachStopsWhenTold) {
  Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(engine_->Put(std::to_string(i), "v").ok());
  int seen = 0;
  ASSERT_TRUE(
      engine_->ForEach([&](std::string_view, std::string_view) { return ++seen < 7; }).ok());
  EXPECT_EQ(seen, 7);
}

// One operation of each kind, in a table that does not grow meanwhile.
TEST_F(CmapTest, StatsSayWhatEachKindOfOperationWroteBack) {
  Open("16M", "1024");
  const std::string value(100, 'v');
  ASSERT_TRUE(engine_->Put("warm", value).ok());  // the slab has its class
  const EngineStats before = *engine_->Stats();
  ASSERT_TRUE(engine_->Put("key", value).ok());
  ASSERT_TRUE(engine_->Put("key", value).ok());
  ASSERT_TRUE(*engine_->compares_and_puts()->CompareAndPut("key", value, value));
  const Write batch[] = {{Write::Kind::kPut, "one", value}, {Write::Kind::kPut, "two", value}};
  ASSERT_TRUE(engine_->Apply(batch).ok());
  EXPECT_EQ(GetValue(*engine_, "absent"), "<not found>");
  EXPECT_EQ(GetValue(*engine_, "key"), value);
  ASSERT_TRUE(engine_->Delete("key").ok());
  const EngineStats after = *engine_->Stats();
  EXPECT_GE(after.storage_bytes, uint64_t{16} << 20);
  struct Cost {
    uint64_t count, lines, fences;
    bool operator==(const Cost&) const = default;
  };
  std::map<std::string_view, Cost> costs;
  uint64_t lines = 0, fences = 0;
  for (size_t i = 0; i < after.costs.size(); ++i) {
    const WriteBackCost &now = after.costs[i], &then = before.costs[i];
    ASSERT_EQ(now.operation, then.operation);
    costs[now.operation] = {now.count - then.count, now.flushed_lines - then.flushed_lines,
                            now.fences - then.fences};
    lines += costs[now.operation].lines;
    fences += costs[now.operation].fences;
  }
  // Nothing is charged to nobody, reads cost nothing.
  EXPECT_EQ(lines, after.flushed_lines - before.flushed_lines);
  EXPECT_EQ(fences, after.fences - before.fences);
  if (engine_->medium() != Medium::kTmpfs) GTEST_SKIP() << "no tmpfs: libpmem counts otherwise";
  // A record of 113 to 128 bytes has two lines, its slot another.
  EXPECT_EQ(costs["insert"], (Cost{1, 3, 2}));
  EXPECT_EQ(costs["overwrite"], (Cost{1, 3, 2}));
  EXPECT_EQ(costs["compare-and-put"], (Cost{1, 3, 2}));
  EXPECT_EQ(costs["delete"], (Cost{1, 1, 1}));
  // Two records, a line of log entries, its count twice, two slots.
  EXPECT_EQ(costs["batch"], (Cost{1, 9, 4}));
  EXPECT_EQ(costs["growth"], (Cost{0, 0, 0}));
}

TEST_F(CmapTest, DefragmentingAfterDeletesGivesMostOfThePoolBack) {
  Open("32M");
  Model model;
  for (int i = 0; i < 100'000; ++i) {
    const std::string key = std::to_string(i);
    if (!engine_->Put(key, std::string(200, 'v')).ok()) break;
    model[key] = std::string(200, 'v');
  }
  std::mt19937_64 random(8);
  std::erase_if(model, [&](const auto& pair) {
    if (random() % 20 == 0) return false;
    CHECK_OK(engine_->Delete(pair.first));
    return true;
  });
  const AuditReport before = *engine_->Audit();
  ASSERT_GT(*engine_->defragments()->Defragment(), 0u);
  const AuditReport after = *engine_->Audit();
  // Objects: extents and segments on one side, positions on the other, which stay as many.
  EXPECT_LT(after.allocated_bytes, before.allocated_bytes / 3);
  EXPECT_EQ(after.allocated_bytes, after.reachable_bytes);
  ExpectHolds(*engine_, model);
  Reopen();
  ExpectHolds(*engine_, model);
  ExpectNoLeak(*engine_);
}

TEST_F(CmapTest, DefragmentingBesideWritersLosesNothing) {
  Open("64M");
  constexpr int kKeys = 20'000;
  for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(engine_->Put(std::to_string(i), "first").ok());
  std::atomic<bool> done{false};
  std::thread defragmenter([&] {
    while (!done) ASSERT_TRUE(engine_->defragments()->Defragment().ok());
  });
  std::mt19937_64 random(9);
  Model model;
  for (int i = 0; i < kKeys; ++i) model[std::to_string(i)] = "first";
  for (int i = 0; i < 60'000; ++i) {
    const std::string key = std::to_string(random() % kKeys);
    if (random() % 3 == 0) {
      ASSERT_EQ(engine_->Delete(key).ok(), model.erase(key) == 1);
    } else {
      const std::string value = RandomBytes(random, random() % 120);
      ASSERT_TRUE(engine_->Put(key, value).ok());
      model[key] = value;
    }
  }
  done = true;
  defragmenter.join();
  ExpectHolds(*engine_, model);
  ExpectNoLeak(*engine_);
}

}  // namespace
}  // namespace fencepost::cmap
