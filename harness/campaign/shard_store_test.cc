// SPDX-License-Identifier: BSD-3-Clause
#include "harness/campaign/shard_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "harness/campaign/folder_lock.h"

namespace fencepost {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ShardStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name =
        (std::filesystem::temp_directory_path() / "fencepost-shards-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static ShardPlan Plan(const std::string& seed = "1", uint64_t count = 3) {
    ShardPlan plan{.kind = ShardKind::kUnits,
                   .arguments = {"--seed", seed, "cmap"},
                   .run = "run",
                   .schedules = {0},
                   .recordings = {"ab"},
                   .units = {10},
                   .shards = {}};
    AddShards(0, 10, count, &plan.shards);
    return plan;
  }

  std::string Refusal(const ShardPlan& plan) const {
    const Status status = ShardStore(folder_, plan).CheckParts();
    return status.ok() ? "" : std::string(status.message());
  }

  std::filesystem::path folder_;
};

TEST_F(ShardStoreTest, ShardsAreAllUnitsOnce) {
  for (const uint64_t count : {1, 3, 10, 64}) {
    std::vector<Shard> shards;
    AddShards(0, 10, count, &shards);
    EXPECT_EQ(shards.size(), std::min<uint64_t>(count, 10));
    uint64_t next = 0;
    for (const Shard& shard : shards) {
      EXPECT_EQ(shard.begin, next);
      EXPECT_LT(shard.begin, shard.end);
      next = shard.end;
    }
    EXPECT_EQ(next, 10u);
  }
}

TEST_F(ShardStoreTest, APartIsReadAgainByteForByte) {
  const ShardStore store(folder_, Plan());
  const json body = {{"text", std::string("no UTF-8: \xff\x00", 12)}, {"number", 0.1}};
  EXPECT_THAT(store.Missing(), ElementsAre(0, 1, 2));
  ASSERT_TRUE(store.Write(1, body).ok());
  EXPECT_THAT(store.Missing(), ElementsAre(0, 2));
  EXPECT_EQ(*store.Read(1), body);
  EXPECT_EQ(store.Nodes().at(NodeName()), 1u);
}

TEST_F(ShardStoreTest, APartOfSomethingElseIsRefused) {
  ASSERT_TRUE(ShardStore(folder_, Plan()).Write(1, 0).ok());
  EXPECT_EQ(Refusal(Plan()), "");
  EXPECT_THAT(Refusal(Plan("2")), HasSubstr("other settings: --seed 1 cmap, not --seed 2 cmap"));
  EXPECT_THAT(Refusal(Plan("1", 4)), HasSubstr("another division"));
  ShardPlan other = Plan();
  other.recordings = {"cd"};
  EXPECT_THAT(Refusal(other), HasSubstr("another recording: ab, not cd"));
}

TEST_F(ShardStoreTest, ACutPartIsDamagedAndAnotherVersionIsNot) {
  const ShardStore store(folder_, Plan());
  ASSERT_TRUE(store.Write(0, "x").ok());
  const auto path = folder_ / "parts/00000.part";
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(store.Read(0).status().code(), StatusCode::kCorrupt);
  const std::vector<uint8_t> bytes = json::to_cbor(
      json{{"schema", "fencepost.part/0"}, {"head", json::object()}, {"body", 0}, {"node", ""}});
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  EXPECT_THAT(std::string(store.Read(0).status().message()), HasSubstr("another version"));
}

TEST_F(ShardStoreTest, APlanIsReadAgainAndThatOfAnotherBuildIsNot) {
  const ShardPlan plan = Plan();
  ASSERT_TRUE(plan.Write(folder_).ok());
  const Result<ShardPlan> read = ShardPlan::Read(folder_);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->arguments, plan.arguments);
  EXPECT_EQ(read->shards.size(), plan.shards.size());
  std::ifstream file(folder_ / "shards.json");
  const json document = json::parse(file);
  for (const char* field : {"commit", "fencepost_version", "schema"}) {
    json other = document;
    other[field] = "0";
    std::ofstream(folder_ / "shards.json") << other;
    EXPECT_THAT(std::string(ShardPlan::Read(folder_).status().message()),
                HasSubstr("another version"))
        << field;
  }
}

TEST_F(ShardStoreTest, AClaimIsOneWorkersForItsLaunch) {
  EXPECT_FALSE(ShardStore::IsClaimed(folder_, 7));
  EXPECT_TRUE(ShardStore::Claim(folder_, 7));
  EXPECT_FALSE(ShardStore::Claim(folder_, 7));
  EXPECT_TRUE(ShardStore::IsClaimed(folder_, 7));
}

TEST_F(ShardStoreTest, AFolderHasOneOwnerWhoIsNamed) {
  Result<FolderLock> first = FolderLock::Take(folder_);
  ASSERT_TRUE(first.ok());
  const Result<FolderLock> second = FolderLock::Take(folder_);
  EXPECT_THAT(
      std::string(second.status().message()),
      HasSubstr("another campaign runs in this folder (process " + std::to_string(getpid())));
  { const FolderLock gone = std::move(*first); }
  EXPECT_TRUE(FolderLock::Take(folder_).ok());
}

}  // namespace
}  // namespace fencepost
