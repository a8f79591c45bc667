// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "engines/cmap/cmap_test_util.h"

namespace fencepost::cmap {
namespace {

TEST(CmapGrowth, AMillionPairsFromSixteenBucketsOnTwoThreadsAndAfterReopen) {
  constexpr int kPairs = 1'000'000;
  const pmem::TestFolder folder;
  const EngineOptions options = TestOptions(folder.path() / "pool", "320M");
  const Result<FileSystem> file_system = FileSystemOf(folder.path());
  if (!file_system.ok() || file_system->free_bytes < (uint64_t{400} << 20)) {
    GTEST_SKIP() << "less than 400 MiB free";
  }
  std::unique_ptr<Engine> engine = MustOpen(options);
  const auto insert = [&](int begin) {
    for (int i = begin; i < kPairs; i += 2) {
      ASSERT_TRUE(engine->Put(fmt::format("user{}", i), std::to_string(i * 7)).ok());
    }
  };
  std::thread other(insert, 1);
  insert(0);
  other.join();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(engine->Stats()->count, static_cast<uint64_t>(kPairs));
    for (int i = 0; i < kPairs; ++i) {
      ASSERT_TRUE(GetValue(*engine, fmt::format("user{}", i)) == std::to_string(i * 7)) << i;
    }
    ASSERT_EQ(GetValue(*engine, fmt::format("user{}", kPairs)), "<not found>");
    ExpectNoLeak(*engine);
    ASSERT_TRUE(engine->Close().ok());
    engine = MustOpen(options);
  }
}

}  // namespace
}  // namespace fencepost::cmap
