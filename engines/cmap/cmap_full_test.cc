// SPDX-License-Identifier: BSD-3-Clause
// A pool that is full: in an insert, an overwrite, a batch, growth.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engines/cmap/cmap_test_util.h"

namespace fencepost::cmap {
namespace {

class CmapFullTest : public ::testing::Test {
 protected:
  // The least pool there is, filled until it refuses, growing as it goes.
  void Fill(size_t value_bytes) {
    options_ = TestOptions(folder_.path() / "pool", "8M");
    engine_ = MustOpen(options_);
    for (int i = 0;; ++i) {
      const std::string key = fmt::format("key{}", i);
      const std::string value(value_bytes, static_cast<char>('a' + i % 26));
      const Status status = engine_->Put(key, value);
      if (status.ok()) {
        model_[key] = value;
        continue;
      }
      ASSERT_EQ(status.code(), StatusCode::kFull) << status.message();
      ASSERT_GT(i, 100);
      return;
    }
  }

  pmem::TestFolder folder_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  Model model_;
};

TEST_F(CmapFullTest, NothingIsLostAndDeletesMakeSpaceAgain) {
  Fill(100);
  ExpectHolds(*engine_, model_);
  ExpectNoLeak(*engine_);
  engine_.reset();
  engine_ = MustOpen(options_);
  ExpectHolds(*engine_, model_);
  const std::string first = model_.begin()->first;
  for (int i = 0; i < 50; ++i) {
    const std::string key = model_.begin()->first;
    ASSERT_TRUE(engine_->Delete(key).ok());
    model_.erase(key);
  }
  for (int i = 0; i < 50; ++i) {
    const std::string key = fmt::format("again{}", i);
    const std::string value(100, 'x');
    const Status status = engine_->Put(key, value);
    ASSERT_TRUE(status.ok()) << status.message();
    model_[key] = value;
  }
  ExpectHolds(*engine_, model_);
  ExpectNoLeak(*engine_);
}

TEST_F(CmapFullTest, ARefusedOverwriteLeavesTheOldValue) {
  Fill(20'000);
  const std::string key = model_.begin()->first;
  EXPECT_EQ(engine_->Put(key, std::string(1'000'000, 'n')).code(), StatusCode::kFull);
  EXPECT_EQ(engine_->Put("new", std::string(uint64_t{32} << 20, 'n')).code(), StatusCode::kFull);
  ExpectHolds(*engine_, model_);
  ExpectNoLeak(*engine_);
}

TEST_F(CmapFullTest, ARefusedBatchChangesNothing) {
  Fill(2'000);
  const std::string present = model_.begin()->first;
  const std::string value(2'000, 'b');
  std::vector<std::string> keys;
  for (int i = 0; i < 1'000; ++i) keys.push_back(fmt::format("batch{}", i));
  for (const size_t puts : {size_t{1'000}, size_t{300}}) {
    std::vector<Write> batch = {{Write::Kind::kDelete, present, {}},
                                {Write::Kind::kPut, std::next(model_.begin())->first, "changed"}};
    for (size_t i = 0; i < puts; ++i) batch.push_back({Write::Kind::kPut, keys[i], value});
    EXPECT_EQ(engine_->Apply(batch).code(), StatusCode::kFull);
    ExpectHolds(*engine_, model_);
    ExpectNoLeak(*engine_);
  }
}

// Deletes alone need a redo log when there are many; where it does not fit, nothing happens.
TEST_F(CmapFullTest, ABatchOfDeletesIsDoneOrRefusedWhole) {
  Fill(100);
  std::vector<std::string> keys;
  std::vector<Write> batch;
  for (const auto& [key, value] : model_) keys.push_back(key);
  for (const std::string& key : keys) batch.push_back({Write::Kind::kDelete, key, {}});
  const Status status = engine_->Apply(batch);
  if (status.ok()) {
    model_.clear();
  } else {
    EXPECT_EQ(status.code(), StatusCode::kFull);
  }
  ExpectHolds(*engine_, model_);
  for (const auto& [key, value] : model_) ASSERT_TRUE(engine_->Delete(key).ok());
  ExpectHolds(*engine_, {});
  ExpectNoLeak(*engine_);
}

TEST_F(CmapFullTest, ChurnOfMixedSizesAtTheEdge) {
  Fill(300);
  std::mt19937_64 random(5);
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = fmt::format("key{}", random() % (model_.size() + 50));
    if (random() % 3 == 0) {
      ASSERT_EQ(engine_->Delete(key).ok(), model_.erase(key) == 1);
      continue;
    }
    const std::string value(random() % 1'500, 'm');
    const Status status = engine_->Put(key, value);
    if (status.ok()) {
      model_[key] = value;
    } else {
      ASSERT_EQ(status.code(), StatusCode::kFull);
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  ExpectHolds(*engine_, model_);
  ExpectNoLeak(*engine_);
}

}  // namespace
}  // namespace fencepost::cmap
