// SPDX-License-Identifier: BSD-3-Clause
// Readers beside splits: neither waits for the other, however long a visit lasts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "engines/cmap/cmap_map.h"
#include "engines/pmem/test_pool.h"

namespace fencepost::cmap {
namespace {

constexpr uint64_t kInitialBuckets = 16;  // and so many stripes
// What hangs is let go after this long, and has failed.
constexpr std::chrono::seconds kPatience{20};

class CmapReaderTest : public ::testing::Test {
 protected:
  CmapReaderTest() {
    CHECK_OK(Store::Create(path_, uint64_t{32} << 20, kInitialBuckets, /*hash_seed=*/0));
    Open();
  }

  void Open() {
    map_.reset();
    map_ = Map::Open(Store::Open(path_).value()).value();
  }

  // So many keys of the first stripe, or of the others.
  std::vector<std::string> Keys(bool first_stripe, size_t count) {
    std::vector<std::string> keys;
    for (int i = 0; keys.size() < count; ++i) {
      std::string key = fmt::format("key{}", i);
      if ((map_->store().Hash(key) % kInitialBuckets == 0) == first_stripe) keys.push_back(key);
    }
    return keys;
  }

  void PutAll(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) CHECK_OK(map_->Put(key, "value of " + key));
  }
  bool Holds(const std::string& key) {
    std::string found;
    return map_->Get(key, [&](std::string_view value) { found = value; }).ok() &&
           found == "value of " + key;
  }

  uint64_t PositionCount() {
    map_->store().heap().ReleaseKept();
    return map_->store().heap().ReadUsage().positions;
  }

  const pmem::TestFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "pool";
  std::unique_ptr<Map> map_;
};

// A thread in a visit of a key until it is let go.
class Visitor {
 public:
  Visitor(Map& map, const std::string& key)
      : thread_([this, &map, key] {
          status_ = map.Get(key, [&](std::string_view value) {
            const std::string before(value);
            inside_.set_value();
            was_let_go_ = let_go_.get_future().wait_for(kPatience) == std::future_status::ready;
            value_stayed_ = value == before;
          });
        }) {
    inside_.get_future().wait();
  }
  ~Visitor() { Leave(); }

  void Leave() {
    if (!thread_.joinable()) return;
    let_go_.set_value();
    thread_.join();
    EXPECT_TRUE(status_.ok());
    EXPECT_TRUE(was_let_go_) << "somebody waited for the visit to end";
    EXPECT_TRUE(value_stayed_);
  }

 private:
  std::promise<void> inside_;
  std::promise<void> let_go_;
  Status status_;
  bool was_let_go_ = false;
  bool value_stayed_ = false;
  std::thread thread_;
};

TEST_F(CmapReaderTest, AVisitHoldsUpNoSplitAndTheSplitNoReaders) {
  // A chain of three buckets, that is split by the first split there is.
  const std::vector<std::string> mine = Keys(true, 2 * kSlotsPerBucket + 1);
  const std::vector<std::string> others = Keys(false, 5 * kInitialBuckets);
  PutAll(mine);
  const uint64_t with_overflow = PositionCount();
  ASSERT_EQ(with_overflow, mine.size() + 2);
  uint64_t in_limbo;
  {
    Visitor visitor(*map_, mine.back());
    PutAll(others);
    EXPECT_GT(map_->store().bucket_count(), kInitialBuckets);
    for (const std::string& key : mine) EXPECT_TRUE(Holds(key)) << key;
    in_limbo = PositionCount();
  }
  // Whoever has the stripe next frees what the split unlinked under the visitor.
  CHECK_OK(map_->Put(mine[0], "value of " + mine[0]));
  EXPECT_LT(PositionCount(), in_limbo);
  const AuditReport audit = map_->Audit().value();
  EXPECT_EQ(audit.allocated_objects, audit.reachable_objects);
  Open();
  for (const std::string& key : mine) EXPECT_TRUE(Holds(key)) << key;
  for (const std::string& key : others) EXPECT_TRUE(Holds(key)) << key;
}

TEST_F(CmapReaderTest, AVisitHoldsUpNoDefragmentation) {
  const std::vector<std::string> mine = Keys(true, 4 * kSlotsPerBucket);
  PutAll(mine);
  for (size_t i = 0; i + 1 < mine.size(); ++i) CHECK_OK(map_->Delete(mine[i]));
  const uint64_t before = PositionCount();
  {
    Visitor visitor(*map_, mine.back());
    // Its record would be moved, which is a write and waits: pack the chains, and no more.
    std::thread([&] { CHECK_OK(map_->PackChains()); }).join();
    EXPECT_TRUE(Holds(mine.back()));
    EXPECT_EQ(PositionCount(), before);
  }
  const AuditReport audit = map_->Audit().value();
  EXPECT_EQ(audit.allocated_objects, audit.reachable_objects);
  EXPECT_EQ(PositionCount(), 1u);  // the record, in the first bucket
}

TEST_F(CmapReaderTest, ReadersFindEverythingWhileChainsAreSplitAndPacked) {
  const std::vector<std::string> stay = Keys(true, 6 * kSlotsPerBucket);
  PutAll(stay);
  const std::vector<std::string> come = Keys(false, 4'000);
  std::atomic<bool> done{false};
  std::atomic<int> missed{0};
  std::vector<std::thread> threads;
  for (size_t reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      for (size_t i = reader; !done; ++i) missed += Holds(stay[i % stay.size()]) ? 0 : 1;
    });
  }
  threads.emplace_back([&] {
    while (!done) CHECK_OK(map_->Defragment());
  });
  PutAll(come);
  for (size_t i = 0; i < come.size(); i += 2) CHECK_OK(map_->Delete(come[i]));
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed, 0);
  const AuditReport audit = map_->Audit().value();
  EXPECT_EQ(audit.allocated_objects, audit.reachable_objects);
}

}  // namespace
}  // namespace fencepost::cmap
