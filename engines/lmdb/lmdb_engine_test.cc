// SPDX-License-Identifier: BSD-3-Clause
// What is LMDB's own; what every engine does is in engine_conformance_test.cc.
#include "engines/lmdb/lmdb_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <map>
#include <thread>
#include <vector>

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LmdbEngineTest : public testing::Test {
 protected:
  LmdbEngineTest() {
    std::string name = (fs::temp_directory_path() / "fencepost-XXXXXX").string();
    options_.path = fs::path(mkdtemp(name.data())) / "store";
    options_.durability = Durability::kProcessCrash;
  }
  ~LmdbEngineTest() override { fs::remove_all(options_.path.parent_path()); }

  Result<std::unique_ptr<Engine>> OpenWith(std::map<std::string, std::string> tuning) {
    options_.tuning = Tuning("lmdb", std::move(tuning));
    return OpenLmdb(options_);
  }

  EngineOptions options_;
};

TEST_F(LmdbEngineTest, MapGrowsUnderReaders) {
  for (const char* writemap : {"false", "true"}) {
    auto opened = OpenWith({{"map_bytes", "64K"}, {"writemap", writemap}});
    ASSERT_TRUE(opened.ok()) << opened.message();
    Engine& engine = **opened;
    const std::string value(1000, 'v');
    std::atomic<int> written{0};
    std::atomic<bool> wrong{false};
    std::vector<std::thread> readers;
    for (int t = 0; t < 4; ++t) {
      readers.emplace_back([&] {
        for (unsigned i = 0; written < 5000; i = i * 5 + 1) {
          const int below = written;
          if (below == 0) continue;
          const auto status = engine.Get(std::to_string(i % static_cast<unsigned>(below)),
                                         [&](auto seen) { wrong = wrong || seen != value; });
          wrong = wrong || !status.ok();
        }
      });
    }
    for (int i = 0; i < 5000; ++i) {
      CHECK_OK(engine.Put(std::to_string(i), value));
      written = i + 1;
    }
    for (std::thread& reader : readers) reader.join();
    EXPECT_FALSE(wrong);
    EXPECT_EQ(engine.Stats()->count, 5000u);
    CHECK_OK(engine.Close());
  }
}

TEST_F(LmdbEngineTest, AStoreLargerThanMapBytesOpens) {
  {
    auto engine = OpenWith({{"map_bytes", "64K"}});
    CHECK_OK(engine);
    CHECK_OK((*engine)->Put("k", std::string(1 << 20, 'v')));
  }
  auto engine = OpenWith({{"map_bytes", "64K"}});
  ASSERT_TRUE(engine.ok()) << engine.message();
  EXPECT_TRUE((*engine)->Put("l", std::string(1 << 20, 'v')).ok());
}

TEST_F(LmdbEngineTest, MaxMapBytesIsFullAndNamed) {
  auto engine = OpenWith({{"map_bytes", "64K"}, {"max_map_bytes", "256K"}});
  ASSERT_TRUE(engine.ok()) << engine.message();
  const std::string value(4000, 'v');
  Status status;
  int stored = 0;
  while ((status = (*engine)->Put(std::to_string(stored), value)).ok()) ++stored;
  EXPECT_EQ(status.code(), StatusCode::kFull);
  EXPECT_THAT(std::string(status.message()), HasSubstr("MDB_MAP_FULL"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("lmdb.max_map_bytes=262144"));
  EXPECT_EQ((*engine)->Stats()->count, static_cast<uint64_t>(stored));
  EXPECT_GT(stored, 20);
}

TEST_F(LmdbEngineTest, SyncsAreCountedByDurability) {
  const std::map<Durability, uint64_t> syncs_a_put = {
      {Durability::kPowerFail, 2}, {Durability::kPrefix, 1}, {Durability::kProcessCrash, 0}};
  for (const auto& [durability, syncs] : syncs_a_put) {
    options_.durability = durability;
    auto engine = OpenWith({});
    ASSERT_TRUE(engine.ok()) << engine.message();
    const uint64_t before = (*engine)->Stats()->syncs;
    for (int i = 0; i < 10; ++i) CHECK_OK((*engine)->Put("k", "v"));
    EXPECT_EQ((*engine)->Stats()->syncs - before, 10 * syncs) << DurabilityName(durability);
  }
}

TEST_F(LmdbEngineTest, WritemapFileHasNoHoles) {
  auto engine = OpenWith({{"map_bytes", "1M"}, {"writemap", "true"}});
  ASSERT_TRUE(engine.ok()) << engine.message();
  EXPECT_GE((*engine)->Stats()->storage_bytes, uint64_t{1} << 20);
}

TEST_F(LmdbEngineTest, BadTuningIsNamedAndLeavesNothing) {
  const std::map<std::string, std::map<std::string, std::string>> cases = {
      {"lmdb.map_bytes=1", {{"map_bytes", "1"}}},
      {"lmdb.map_bytes=2M", {{"map_bytes", "2M"}, {"max_map_bytes", "1M"}}},
      {"lmdb.writemap=perhaps", {{"writemap", "perhaps"}}}};
  for (const auto& [expected, tuning] : cases) {
    const auto engine = OpenWith(tuning);
    EXPECT_EQ(engine.status().code(), StatusCode::kInvalidArgument) << expected;
    EXPECT_THAT(std::string(engine.message()), HasSubstr(expected));
    EXPECT_FALSE(fs::exists(options_.path)) << expected;
  }
}

TEST_F(LmdbEngineTest, MoreReadersThanSlotsAllRead) {
  auto engine = OpenWith({});
  ASSERT_TRUE(engine.ok()) << engine.message();
  CHECK_OK((*engine)->Put("k", "v"));
  std::atomic<int> read{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 200; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        read += (*engine)->Get("k", [](auto) { std::this_thread::yield(); }).ok() ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(read, 200 * 20);
}

}  // namespace
}  // namespace fencepost
