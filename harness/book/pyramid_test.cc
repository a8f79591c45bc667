// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/pyramid.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "harness/book/cold_gets.h"
#include "harness/book/page_cache.h"
#include "harness/clock.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  explicit Folder(const char* parent) {
    std::string name = std::string(parent) + "/fencepost-book-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

TEST(PyramidTest, ARandomRingVisitsEachPlaceOnce) {
  for (const uint32_t count : {2u, 3u, 64u, 1001u}) {
    const std::vector<uint32_t> next = RandomRing(count, 7);
    std::vector<bool> seen(count);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; ++i) {
      EXPECT_FALSE(seen[at]);
      seen[at] = true;
      at = next[at];
    }
    EXPECT_EQ(at, 0u) << "it does not close";
  }
}

TEST(PyramidTest, SetsFitTheirCacheAndNoSmallerOne) {
  const std::vector<CacheFacts> caches = {{1, "data", 48 << 10, 64, "0"},
                                          {1, "instruction", 64 << 10, 64, "0"},
                                          {2, "unified", 2 << 20, 64, "0"},
                                          {3, "unified", 32 << 20, 64, "0-7"}};
  const PyramidSets sets = ChooseSets(caches, uint64_t{8} << 30);
  EXPECT_EQ(sets.l1_bytes, 24u << 10);
  EXPECT_EQ(sets.l2_bytes, 1u << 20);
  EXPECT_GT(sets.l3_bytes, 2u << 20);
  EXPECT_LE(sets.l3_bytes, 16u << 20);
  EXPECT_GE(sets.dram_bytes, 4u * (32u << 20));
}

TEST(PyramidTest, AMachineThatNamesNoCachesHasMemoryOnly) {
  const PyramidSets sets = ChooseSets({}, uint64_t{1} << 30);
  EXPECT_EQ(sets.l1_bytes + sets.l2_bytes + sets.l3_bytes, 0u);
  EXPECT_GE(sets.dram_bytes, uint64_t{256} << 20);
}

TEST(PyramidTest, TheLevelsComeInTheirOrder) {
  Clock::Calibrate();
  const Folder disk("/var/tmp");
  const Folder pmem("/dev/shm");
  PyramidOptions options;
  options.disk = disk.path();
  options.pmem = pmem.path();
  options.seconds_per_point = 0.02;
  options.memory_bytes_max = uint64_t{128} << 20;
  const Result<Pyramid> found =
      MeasurePyramid(options, ReadMachineFacts(), [](const std::string&) {});
  ASSERT_TRUE(found.ok()) << found.message();
  const auto ns = [&](std::string_view name) {
    for (const PyramidPoint& point : found->points) {
      if (point.name == name) return point.ns.value;
    }
    return 0.0;
  };
  EXPECT_GT(ns("register"), 0.05);
  EXPECT_GT(ns("l1"), ns("register"));
  // What is not there was said to be absent, and has no value to compare.
  if (ns("l2") > 0) {
    EXPECT_GT(ns("l2"), ns("l1"));
  }
  if (ns("sync") > 0) {
    EXPECT_GT(ns("sync"), ns("page-cache-read"));
  }
  EXPECT_GT(ns("dram"), ns("l1"));
  EXPECT_FALSE(found->curve.empty());
  EXPECT_TRUE(fs::is_empty(disk.path()));
  EXPECT_TRUE(fs::is_empty(pmem.path()));
}

TEST(PageCacheTest, WhatIsEvictedIsGoneAndComesBackWhenRead) {
  const Folder folder("/var/tmp");
  const Result<Medium> medium = MediumOf(folder.path());
  ASSERT_TRUE(medium.ok());
  if (*medium != Medium::kPageCache) GTEST_SKIP() << "no disk";
  const fs::path file = folder.path() / "file";
  std::ofstream(file) << std::string(1 << 20, 'x');
  ASSERT_EQ(PageCacheShareOf(folder.path())->resident_pages, 256u);
  ASSERT_TRUE(EvictFromPageCache(folder.path()).ok());
  EXPECT_EQ(PageCacheShareOf(folder.path())->resident_pages, 0u);
  EXPECT_EQ(PageCacheShareOf(folder.path())->pages, 256u);
  std::ifstream(file).get();
  EXPECT_GT(PageCacheShareOf(folder.path())->resident_pages, 0u);
}

TEST(PageCacheTest, OnTmpfsNothingIsEvicted) {
  const Folder folder("/dev/shm");
  EXPECT_EQ(EvictFromPageCache(folder.path()).code(), StatusCode::kUnsupported);
}

TEST(ColdGetsTest, EveryEngineIsOpenedAnewForEachSample) {
  for (const char* name : {"filestore", "rocksdb", "lmdb", "cmap"}) {
    const EngineRow* row = *FindEngine(name);
    const Folder folder(row->capabilities.persistent_memory ? "/dev/shm" : "/var/tmp");
    ColdGetsOptions options;
    options.engine.path = folder.path() / "store";
    options.engine.size_hint = {20, 16, 100};
    options.pairs = 20;
    options.samples = 3;
    const Result<ColdGets> found = MeasureColdGets(*row, options);
    ASSERT_TRUE(found.ok()) << name << ": " << found.message();
    EXPECT_EQ(found->cold_ns.count, 3u) << name;
    EXPECT_GT(found->cold_ns.value, 0) << name;
    EXPECT_EQ(found->evicted, found->medium == Medium::kPageCache) << name;
  }
}

TEST(ColdGetsTest, ValuesTellPairsAndVersionsApart) {
  EXPECT_EQ(BookValue(1, 2, 33), BookValue(1, 2, 33));
  EXPECT_NE(BookValue(1, 2, 33), BookValue(2, 2, 33));
  EXPECT_NE(BookValue(1, 2, 33), BookValue(1, 3, 33));
  EXPECT_EQ(BookValue(1, 2, 33).size(), 33u);
}

}  // namespace
}  // namespace fencepost
