// SPDX-License-Identifier: BSD-3-Clause
// What is RocksDB's own; what every engine does is in engine_conformance_test.cc.
#include "engines/rocksdb/rocksdb_engine.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>

#include "engines/media/file_delays.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RocksdbEngineTest : public testing::Test {
 protected:
  RocksdbEngineTest() {
    std::string name = (fs::temp_directory_path() / "fencepost-XXXXXX").string();
    options_.path = fs::path(mkdtemp(name.data())) / "store";
  }
  ~RocksdbEngineTest() override { fs::remove_all(options_.path.parent_path()); }

  Result<std::unique_ptr<Engine>> OpenWith(std::map<std::string, std::string> tuning) {
    options_.tuning = Tuning("rocksdb", std::move(tuning));
    return OpenRocksdb(options_);
  }

  // What RocksDB has noted of the options that it was opened with.
  std::string WrittenOptions() const {
    std::string text;
    for (const auto& file : fs::directory_iterator(options_.path)) {
      if (!file.path().filename().string().starts_with("OPTIONS-")) continue;
      std::ifstream in(file.path());
      text.append(std::istreambuf_iterator<char>(in), {});
    }
    return text;
  }

  EngineOptions options_;
};

int RocksdbThreads() {
  int count = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    count += name.starts_with("rocksdb:") ? 1 : 0;
  }
  return count;
}

TEST_F(RocksdbEngineTest, NoBackgroundThreadIsLeftAfterClose) {
  auto engine = OpenWith({});
  ASSERT_TRUE(engine.ok()) << engine.message();
  CHECK_OK((*engine)->Put("k", "v"));
  CHECK_OK((*engine)->Settle());
  EXPECT_GT(RocksdbThreads(), 0);
  EXPECT_TRUE((*engine)->Close().ok());
  EXPECT_EQ(RocksdbThreads(), 0);
}

TEST_F(RocksdbEngineTest, BackgroundThreadsComeBackForTheNextEngine) {
  for (int i = 0; i < 3; ++i) {
    auto engine = OpenWith({});
    ASSERT_TRUE(engine.ok()) << engine.message();
    CHECK_OK((*engine)->Put("k", "v"));
    EXPECT_TRUE((*engine)->Settle().ok());
    CHECK_OK((*engine)->Close());
  }
}

TEST_F(RocksdbEngineTest, EverySyncedPutIsCounted) {
  auto engine = OpenWith({});
  ASSERT_TRUE(engine.ok()) << engine.message();
  CHECK_OK((*engine)->Put("k", "v"));  // the first sync of a log syncs its directory too
  const uint64_t before = (*engine)->Stats()->syncs;
  for (int i = 0; i < 10; ++i) CHECK_OK((*engine)->Put("k", "v"));
  EXPECT_EQ((*engine)->Stats()->syncs - before, 10u);
}

TEST_F(RocksdbEngineTest, PrefixSyncsOnlyWhenAsked) {
  options_.durability = Durability::kPrefix;
  auto engine = OpenWith({});
  ASSERT_TRUE(engine.ok()) << engine.message();
  const uint64_t before = (*engine)->Stats()->syncs;
  for (int i = 0; i < 10; ++i) CHECK_OK((*engine)->Put("k", "v"));
  EXPECT_EQ((*engine)->Stats()->syncs, before);
  CHECK_OK((*engine)->Sync());
  EXPECT_GT((*engine)->Stats()->syncs, before);
}

TEST_F(RocksdbEngineTest, SettleEmptiesTheMemtable) {
  auto engine = OpenWith({});
  ASSERT_TRUE(engine.ok()) << engine.message();
  for (int i = 0; i < 100; ++i) {
    CHECK_OK((*engine)->Put(std::to_string(i), std::string(10000, 'v')));
  }
  const uint64_t debt_bytes = (*engine)->Stats()->debt_bytes;
  CHECK_OK((*engine)->Settle());
  EXPECT_LT((*engine)->Stats()->debt_bytes, debt_bytes / 10);
}

TEST_F(RocksdbEngineTest, OptionsStringReachesRocksdb) {
  // With so small a memtable the pairs end up in more than one table file.
  auto engine = OpenWith({{"options", "write_buffer_size=65536;disable_auto_compactions=true"}});
  ASSERT_TRUE(engine.ok()) << engine.message();
  for (int i = 0; i < 50; ++i) {
    CHECK_OK((*engine)->Put(std::to_string(i), std::string(10000, 'v')));
  }
  CHECK_OK((*engine)->Settle());
  int tables = 0;
  for (const auto& file : fs::directory_iterator(options_.path)) {
    tables += file.path().extension() == ".sst" ? 1 : 0;
  }
  EXPECT_GT(tables, 1);
}

TEST_F(RocksdbEngineTest, BadTuningIsNamedAndLeavesNothing) {
  const std::map<std::string, std::map<std::string, std::string>> cases = {
      {"no_such_option", {{"options", "no_such_option=1"}}},
      {"write_buffer_size", {{"options", "write_buffer_size=many"}}},
      {"manual_wal_flush", {{"options", "manual_wal_flush=true"}}},
      {"wal_recovery_mode", {{"options", "wal_recovery_mode=kSkipAnyCorruptedRecords"}}},
      {"engine.cache_bytes", {{"options", "block_based_table_factory={block_cache=1M}"}}},
      {"rocksdb.compression=tar", {{"compression", "tar"}}},
      {"rocksdb.bloom_bits=1000", {{"bloom_bits", "1000"}}},
      {"rocksdb.wal_bytes_per_sync", {{"wal_bytes_per_sync", "some"}}}};
  for (const auto& [expected, tuning] : cases) {
    const auto engine = OpenWith(tuning);
    EXPECT_EQ(engine.status().code(), StatusCode::kInvalidArgument) << expected;
    EXPECT_THAT(std::string(engine.message()), HasSubstr(expected));
    EXPECT_FALSE(fs::exists(options_.path)) << expected;
  }
}

TEST_F(RocksdbEngineTest, WalBytesPerSyncReachesRocksdbInEachClass) {
  for (const Durability durability :
       {Durability::kPowerFail, Durability::kPrefix, Durability::kBuffered}) {
    options_.path = options_.path.parent_path() / DurabilityName(durability);
    options_.durability = durability;
    {
      auto engine = OpenWith({{"wal_bytes_per_sync", "512"}});
      ASSERT_TRUE(engine.ok()) << engine.message();
      const uint64_t before = (*engine)->Stats()->syncs;
      for (int i = 0; i < 10; ++i) {
        CHECK_OK((*engine)->Put(std::to_string(i), std::string(1000, 'v')));
      }
      // To start writing back is no sync.
      const uint64_t synced = durability == Durability::kPowerFail ? 10 : 0;
      EXPECT_LE((*engine)->Stats()->syncs - before, synced + 1) << DurabilityName(durability);
      CHECK_OK((*engine)->Sync());
    }
    EXPECT_THAT(WrittenOptions(), HasSubstr("wal_bytes_per_sync=512\n"));
    auto engine = OpenWith({});
    ASSERT_TRUE(engine.ok()) << engine.message();
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE((*engine)->Get(std::to_string(i), [](auto) {}).ok());
    }
  }
}

TEST_F(RocksdbEngineTest, BlockOptionsKeepOurCache) {
  auto engine = OpenWith({{"options", "block_based_table_factory={block_size=16384}"}});
  EXPECT_TRUE(engine.ok()) << engine.message();
}

TEST_F(RocksdbEngineTest, CompressedAndFilteredStoreReadsBack) {
  const std::map<std::string, std::string> tuning = {{"compression", "snappy"},
                                                     {"bloom_bits", "10"}};
  auto engine = OpenWith(tuning);
  ASSERT_TRUE(engine.ok()) << engine.message();
  const std::string value(1 << 20, 'v');
  CHECK_OK((*engine)->Put("k", value));
  CHECK_OK((*engine)->Settle());
  CHECK_OK((*engine)->Close());
  engine = OpenWith(tuning);
  ASSERT_TRUE(engine.ok()) << engine.message();
  uint64_t table_bytes = 0;
  for (const auto& file : fs::directory_iterator(options_.path)) {
    if (file.path().extension() == ".sst") table_bytes += file.file_size();
  }
  EXPECT_GT(table_bytes, 0u);
  EXPECT_LT(table_bytes, value.size() / 2);
  EXPECT_TRUE((*engine)->Get("k", [&](auto seen) { EXPECT_EQ(seen, value); }).ok());
  EXPECT_TRUE((*engine)->Get("absent", [](auto) {}).IsNotFound());
}

TEST_F(RocksdbEngineTest, DamagedCurrentIsCorrupt) {
  CHECK_OK(OpenWith({}));
  std::ofstream(options_.path / "CURRENT") << "rubbish";
  const auto engine = OpenWith({});
  EXPECT_EQ(engine.status().code(), StatusCode::kCorrupt);
  EXPECT_THAT(std::string(engine.message()), HasSubstr("CURRENT"));
}

TEST_F(RocksdbEngineTest, LostCurrentIsNotTakenForANewStore) {
  {
    auto engine = OpenWith({});
    CHECK_OK(engine);
    CHECK_OK((*engine)->Put("k", "v"));
  }
  fs::remove(options_.path / "CURRENT");
  EXPECT_EQ(OpenWith({}).status().code(), StatusCode::kInvalidArgument);
}

class ModelledRocksdb : public RocksdbEngineTest {
 protected:
  void SetUp() override {
    RocksdbEngineTest::SetUp();
    delays_ = options_.file_delays =
        std::make_shared<media::FileDelays>(*media::FindBlockModel("optane-ssd"), 0);
  }
  media::FileInjection Charged(FunctionRef<void()> action) {
    const media::FileInjection before = delays_->Report();
    action();
    return delays_->Report() - before;
  }

  std::shared_ptr<media::FileDelays> delays_;
};

TEST_F(ModelledRocksdb, APutWaitsForItsBlockAndForTheLogsGrowth) {
  auto engine = OpenWith({});
  ASSERT_TRUE(engine.ok()) << engine.message();
  CHECK_OK((*engine)->Put("k", "v"));  // the first sync of a log syncs its directory too
  const media::FileInjection charged = Charged([&] { CHECK_OK((*engine)->Put("k", "v")); });
  EXPECT_EQ(charged.blocks.syncs, 1u);
  EXPECT_EQ(charged.blocks.blocks_written, 2u);
  EXPECT_NEAR(charged.asked_ns, 20'000, 1);
  EXPECT_EQ(charged.background_ns, 0);
}

TEST_F(ModelledRocksdb, ATableIsWrittenInTheBackgroundAndReadBlockByBlock) {
  for (const char* direct : {"false", "true"}) {
    const std::string options = fmt::format(
        "use_direct_reads={0};use_direct_io_for_flush_and_compaction={0};"
        "disable_auto_compactions=true",
        direct);
    options_.path = options_.path.parent_path() / direct;
    options_.durability = Durability::kPrefix;
    options_.cache_bytes = 0;
    auto engine = OpenWith({{"options", options}});
    ASSERT_TRUE(engine.ok()) << engine.message();
    for (int i = 0; i < 1000; ++i) {
      CHECK_OK((*engine)->Put(std::to_string(i), std::string(1000, 'v')));
    }
    const media::FileInjection settled = Charged([&] { CHECK_OK((*engine)->Settle()); });
    EXPECT_GT(settled.background_ns, 1'000'000 / 2.0) << direct;
    EXPECT_GE(settled.blocks.blocks_written, 240u) << direct;
    CHECK_OK((*engine)->Get("0", [](auto) {}));  // opens the table, and reads its index
    const media::FileInjection read = Charged([&] {
      CHECK_OK((*engine)->Get("500", [](auto value) { EXPECT_EQ(value.size(), 1000u); }));
    });
    // A block of RocksDB is of 4 KiB and a little, and begins anywhere.
    EXPECT_GE(read.blocks.blocks_missed, 1u) << direct;
    EXPECT_LE(read.blocks.blocks_missed, 3u) << direct;
    EXPECT_GE(read.asked_ns, 8900) << direct;
    CHECK_OK((*engine)->Close());
    // It comes back from what was written.
    engine = OpenWith({{"options", options}});
    ASSERT_TRUE(engine.ok()) << engine.message();
    CHECK_OK((*engine)->Get("999", [](auto value) { EXPECT_EQ(value.size(), 1000u); }));
  }
}

}  // namespace
}  // namespace fencepost
