// SPDX-License-Identifier: BSD-3-Clause
// One flipped bit, anywhere in cmap's metadata: an answer is right or it is kCorrupt, and whether
// the quick check of an opening finds it, the first use of the pair, or cmap.check=full, is as
// README.md says.
//
// A closed pool of 8 MiB that has everything: buckets that were split, overflow buckets, slabs of
// several classes, a record that is an object of its own, keys that were deleted and overwritten.
// Not covered: values (the harness stamps them), libpmemobj's own metadata.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engines/cmap/cmap_layout.h"
#include "engines/cmap/cmap_map.h"
#include "engines/cmap/cmap_test_util.h"
#include "engines/cmap/slab_layout.h"
#include "engines/pmem/pool.h"

namespace fencepost::cmap {
namespace {

// The bucket of many keys.
constexpr uint64_t kColliding = 3;

// Words in a row.
struct Range {
  std::string what;
  uint64_t offset;
  uint64_t bytes;
};

class CmapFlipTest : public ::testing::Test {
 protected:
  CmapFlipTest() {
    auto engine = MustOpen(Options("quick"));
    std::vector<std::string> keys = CollidingKeys();
    for (int i = 0; i < 240; ++i) keys.push_back(fmt::format("key{}", i));
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string& key = keys[i];
      CHECK_OK(engine->Put(key, "to be overwritten"));
      model_[key] = fmt::format("value{}", std::string(i, 'v'));
      CHECK_OK(engine->Put(key, model_[key]));
    }
    for (size_t i = 0; i < keys.size(); i += 9) {
      const std::string& key = keys[i];
      CHECK_OK(engine->Delete(key));
      model_.erase(key);
      gone_.insert(key);
    }
    model_["large"] = std::string(10'000, 'l');
    CHECK_OK(engine->Put("large", model_["large"]));
    CHECK_OK(engine->Close());
    WithPool([&](pmem::Pool& pool) { FindMetadata(pool); });
  }

  EngineOptions Options(const std::string& check) {
    EngineOptions options;
    options.path = path_;
    options.tuning =
        Tuning("cmap", {{"pool_bytes", "8M"}, {"initial_buckets", "16"}, {"check", check}});
    return options;
  }

  // Of one bucket until there are more than twice as many buckets as there will be.
  static std::vector<std::string> CollidingKeys() {
    constexpr uint64_t kLowBits = 255;
    std::vector<std::string> keys;
    for (int i = 0; keys.size() < 3 * kSlotsPerBucket; ++i) {
      std::string key = fmt::format("colliding{}", i);
      if ((XXH3_64bits_withSeed(key.data(), key.size(), /*seed=*/0) & kLowBits) == kColliding) {
        keys.push_back(std::move(key));
      }
    }
    return keys;
  }

  template <typename F>
  void WithPool(F&& use) {
    auto pool = pmem::Pool::Open(path_, kLayoutName);
    CHECK_OK(pool);
    use(**pool);
  }

  // The root, and every word of the directories, that is not 0, and what they lead to.
  void FindMetadata(pmem::Pool& pool) {
    const uint64_t root_offset = pool.Root(sizeof(Root)).value();
    const Root& root = *pool.At<Root>(root_offset);
    checked_on_opening_.push_back({"root", root_offset, sizeof(Root)});
    checked_on_opening_.push_back(
        {"intent log's count", Unchecked(root.intent_log), sizeof(uint64_t)});
    const auto each_entry = [&](const DirectoryRoot& top, auto&& visit) {
      auto* const upper = pool.At<uint64_t>(Unchecked(top[0]));
      auto* const lower = pool.At<uint64_t>(Unchecked(upper[0]));
      checked_on_opening_.push_back({"upper table", pool.OffsetOf(upper), sizeof(uint64_t)});
      unused_.push_back({"upper table", pool.OffsetOf(upper + 1), sizeof(uint64_t)});
      uint64_t* entry = lower;
      for (; *entry != 0; ++entry) {
        checked_on_opening_.push_back({"lower table", pool.OffsetOf(entry), sizeof(uint64_t)});
        visit(Unchecked(*entry));
      }
      unused_.push_back({"lower table", pool.OffsetOf(entry), 2 * sizeof(uint64_t)});
    };
    each_entry(root.extents, [&](uint64_t extent) {
      const uint64_t slabs = NumberOf(pool.At<ExtentHeader>(extent)->slab_count);
      checked_on_opening_.push_back({"extent", extent, ExtentHeaderBytes(slabs)});
    });
    each_entry(root.segments, [&](uint64_t segment) {
      const uint64_t bucket_count = NumberOf(root.bucket_count);
      ASSERT_GT(bucket_count, 16u);
      unused_.push_back({"bucket", segment + bucket_count * kLineBytes, kLineBytes});
      size_t overflows = 0;
      for (uint64_t i = 0; i < bucket_count; ++i) {
        FindChain(pool, segment + i * kLineBytes, i, &overflows);
      }
      ASSERT_GE(overflows, 2u);
    });
  }

  void FindChain(pmem::Pool& pool, uint64_t offset, uint64_t index, size_t* overflows) {
    for (;;) {
      const Bucket& bucket = *pool.At<Bucket>(offset);
      // Of those without an overflow bucket one is enough.
      if (index == 0 || index == kColliding) {
        checked_on_opening_.push_back({"bucket", offset, kLineBytes});
      }
      for (const uint64_t slot : bucket.slots) {
        if (slot == 0) continue;
        const RecordRef record = SlotRecord(slot);
        if (index >= 2 && !record.is_object) continue;
        const uint64_t key_bytes = HeaderKeyBytes(*pool.At<uint64_t>(record.offset));
        records_.push_back(
            {"record's header and key", record.offset, sizeof(uint64_t) + key_bytes});
      }
      if (bucket.overflow == 0) return;
      ++*overflows;
      offset = Unchecked(bucket.overflow);
    }
  }

  // In the file of the closed pool.
  void Flip(uint64_t offset, uint64_t bit) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(offset + bit / 8);
    const int byte = file.seekg(at).get();
    file.seekp(at).put(static_cast<char>(byte ^ 1 << bit % 8));
    CHECK(file.flush().good());
  }

  // Flips every bit, in long ranges every third, in turn, gives `check` what flipped, and flips it
  // back.
  template <typename F>
  void ForEachBit(const std::vector<Range>& ranges, F&& check) {
    for (const Range& range : ranges) {
      const uint64_t step = range.bytes > sizeof(uint64_t) ? 3 : 1;
      for (uint64_t bit = 0; bit < 8 * range.bytes; bit += step) {
        Flip(range.offset, bit);
        check(fmt::format("{} at {:#x}, bit {}", range.what, range.offset, bit));
        Flip(range.offset, bit);
        if (HasFatalFailure()) return;
      }
    }
    // What was refused has not been touched.
    ExpectHolds(*MustOpen(Options("full")), model_);
  }

  // Every answer is right or kCorrupt; how many are kCorrupt.
  int CorruptAnswers(Engine& engine, const std::string& where) {
    int corrupt = 0;
    for (const auto& [key, value] : model_) {
      bool right = false;
      const Status status =
          engine.Get(key, [&](std::string_view found) { right = found == value; });
      if (status.code() == StatusCode::kCorrupt) {
        ++corrupt;
      } else {
        EXPECT_TRUE(status.ok() && right) << key << ": " << where << status.message();
      }
    }
    for (const std::string& key : gone_) {
      const Status status = engine.Get(key, [](std::string_view) {});
      EXPECT_TRUE(status.IsNotFound() || status.code() == StatusCode::kCorrupt) << where;
    }
    return corrupt;
  }

  const pmem::TestFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "pool";
  Model model_;
  std::set<std::string> gone_;
  std::vector<Range> checked_on_opening_;
  std::vector<Range> records_;
  std::vector<Range> unused_;
};

TEST_F(CmapFlipTest, OfTheRootADirectoryAnExtentOrABucketEveryOpeningFindsIt) {
  ForEachBit(checked_on_opening_, [&](const std::string& where) {
    EXPECT_EQ(OpenCmap(Options("quick")).status().code(), StatusCode::kCorrupt) << where;
  });
}

TEST_F(CmapFlipTest, OfARecordsHeaderOrKeyUseFindsItAndAFullCheck) {
  ForEachBit(records_, [&](const std::string& where) {
    EXPECT_EQ(OpenCmap(Options("full")).status().code(), StatusCode::kCorrupt) << where;
    auto engine = MustOpen(Options("quick"));
    EXPECT_EQ(CorruptAnswers(*engine, where), 1) << where;
    EXPECT_EQ(engine->ForEach([](std::string_view, std::string_view) { return true; }).code(),
              StatusCode::kCorrupt)
        << where;
  });
}

TEST_F(CmapFlipTest, OfWhatIsNotInUseNothingIsLost) {
  ForEachBit(unused_, [&](const std::string& where) {
    for (const std::string check : {"quick", "full"}) {
      Result<std::unique_ptr<Engine>> engine = OpenCmap(Options(check));
      if (engine.ok()) {
        EXPECT_EQ(CorruptAnswers(**engine, where), 0) << where;
        EXPECT_EQ((*engine)->Stats()->count, model_.size());
      } else {
        EXPECT_EQ(engine.status().code(), StatusCode::kCorrupt) << where;
      }
    }
  });
}

// While the pool is open: what was right at opening and is flipped then.
TEST_F(CmapFlipTest, OfABucketThatIsInUseReadsAndWritesFindIt) {
  auto store = Store::Open(path_);
  CHECK_OK(store);
  auto map = Map::Open(std::move(*store)).value();
  Store& open = map->store();
  for (uint64_t index = 0; index < open.bucket_count(); ++index) {
    auto* const words = reinterpret_cast<uint64_t*>(open.BucketAt(index));
    for (uint64_t bit = 0; bit < 8 * kLineBytes; ++bit) {
      words[bit / 64] ^= uint64_t{1} << bit % 64;
      int corrupt = 0;
      const auto answer = [&](const std::string& key) {
        std::string found;
        const Status status = map->Get(key, [&](std::string_view value) { found = value; });
        if (status.code() == StatusCode::kCorrupt) {
          ++corrupt;
        } else if (model_.contains(key)) {
          EXPECT_TRUE(status.ok() && found == model_[key]) << key << ", bit " << bit;
        } else {
          EXPECT_TRUE(status.IsNotFound()) << key << ", bit " << bit;
        }
      };
      std::string absent;
      for (const auto& [key, value] : model_) {
        if (BucketIndex(open.Hash(key), open.bucket_count()) == index) answer(key);
      }
      for (int i = 0; absent.empty(); ++i) {
        const std::string key = fmt::format("absent{}", i);
        if (BucketIndex(open.Hash(key), open.bucket_count()) == index) absent = key;
      }
      answer(absent);
      EXPECT_GE(corrupt, 1) << "bit " << bit;
      EXPECT_EQ(map->Put(absent, "would be a second one").code(), StatusCode::kCorrupt);
      EXPECT_FALSE(map->Audit().ok());
      words[bit / 64] ^= uint64_t{1} << bit % 64;
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_TRUE(map->Audit().ok());
}

}  // namespace
}  // namespace fencepost::cmap
