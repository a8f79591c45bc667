// SPDX-License-Identifier: BSD-3-Clause
// Opening what is not, not quite, or no longer a cmap pool.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include "engines/cmap/cmap_layout.h"
#include "engines/cmap/cmap_test_util.h"
#include "engines/pmem/pool.h"

namespace fencepost::cmap {
namespace {

using ::testing::HasSubstr;

class CmapOpenTest : public ::testing::Test {
 protected:
  // A closed pool with 200 pairs.
  void MakePool() {
    auto engine = MustOpen(TestOptions(path_, "8M"));
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(engine->Put(fmt::format("key{}", i), fmt::format("value{}", i)).ok());
    }
  }

  // Lets `change` at the root of the closed pool.
  template <typename F>
  void ChangeRoot(F&& change) {
    auto pool = pmem::Pool::Open(path_, kLayoutName);
    CHECK_OK(pool);
    Root& root = *(*pool)->At<Root>(*(*pool)->Root(sizeof(Root)));
    change(**pool, root);
    (*pool)->Persist(&root, sizeof(root));
  }

  Status OpenStatus() { return OpenCmap(TestOptions(path_, "8M")).status(); }

  const pmem::TestFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "new" / "folder" / "pool";
};

TEST_F(CmapOpenTest, AbsentAndNotToBeCreatedIsNotFoundWithAMessage) {
  EngineOptions options = TestOptions(path_);
  options.create_if_missing = false;
  const Status status = OpenCmap(options).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_.string()));
  EXPECT_EQ(OpenCmap(EngineOptions{}).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(CmapOpenTest, ASecondOpenIsBusyHereAndInAnotherProcess) {
  auto engine = MustOpen(TestOptions(path_, "8M"));
  EXPECT_EQ(OpenStatus().code(), StatusCode::kBusy);
  const pid_t child = fork();
  if (child == 0) _exit(OpenStatus().code() == StatusCode::kBusy ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(engine->Put("still", "works").ok());
}

TEST_F(CmapOpenTest, OptionsThatContradictThePoolOrThemselvesAreInvalid) {
  MakePool();
  EXPECT_TRUE(OpenStatus().ok());
  const auto open = [&](std::map<std::string, std::string> values) {
    EngineOptions options;
    options.path = path_;
    options.tuning = Tuning("cmap", std::move(values));
    return OpenCmap(options).status().code();
  };
  EXPECT_EQ(open({}), StatusCode::kOk);
  EXPECT_EQ(open({{"pool_bytes", "16M"}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(open({{"pool_bytes", "1M"}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(open({{"initial_buckets", "17"}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(open({{"initial_buckets", "32"}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(open({{"hash_seed", "1"}}), StatusCode::kInvalidArgument);
}

TEST_F(CmapOpenTest, AFailedCreationLeavesNothing) {
  EngineOptions options = TestOptions(path_, "1024T");
  const Status status = OpenCmap(options).status();
  EXPECT_EQ(status.code(), StatusCode::kFull);
  EXPECT_THAT(std::string(status.message()), HasSubstr("needs 1125899906842624 bytes"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  // Four million buckets do not fit into 8 MiB: found out while the pool is being initialised.
  EXPECT_FALSE(OpenCmap(TestOptions(path_, "8M", "4M")).ok());
  EXPECT_EQ(folder_.FileCount(), 0u);
}

TEST_F(CmapOpenTest, AHugeSizeHintIsRefusedForLackOfSpace) {
  EngineOptions options;
  options.path = path_;
  options.size_hint = {UINT64_MAX, UINT64_MAX / 4, UINT64_MAX / 4};
  EXPECT_EQ(OpenCmap(options).status().code(), StatusCode::kFull);
}

TEST_F(CmapOpenTest, TheDefaultPoolHoldsWhatTheHintSays) {
  EngineOptions options;
  options.path = path_;
  options.size_hint = {100'000, 16, 1'000};
  auto engine = MustOpen(options);
  const std::string value(1'000, 'v');
  for (int i = 0; i < 100'000; ++i) {
    std::string key = std::to_string(i);
    key.resize(16, '.');
    ASSERT_TRUE(engine->Put(key, value).ok()) << i;
  }
}

TEST_F(CmapOpenTest, NoPoolAnotherLayoutAndTruncatedAreCorrupt) {
  std::filesystem::create_directories(path_.parent_path());
  std::ofstream(path_) << "certainly no pool";
  EXPECT_EQ(OpenStatus().code(), StatusCode::kCorrupt);
  std::filesystem::remove(path_);

  ASSERT_TRUE(pmem::Pool::Create(path_, "other", pmem::kMinPoolBytes, 64, [](pmem::Pool&) {
                return Status::Ok();
              }).ok());
  EXPECT_THAT(std::string(OpenStatus().message()), HasSubstr("'other', not 'fencepost-cmap'"));
  std::filesystem::remove(path_);

  MakePool();
  std::filesystem::resize_file(path_, pmem::kMinPoolBytes / 2);
  EXPECT_EQ(OpenStatus().code(), StatusCode::kCorrupt);
}

TEST_F(CmapOpenTest, AnotherVersionIsNamed) {
  MakePool();
  ChangeRoot([](pmem::Pool&, Root& root) { root.version = 9; });
  const Status status = OpenStatus();
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layout version 9"));
}

TEST_F(CmapOpenTest, AnyFlippedBitOfTheRootIsFound) {
  MakePool();
  for (size_t bit = 0; bit < 8 * (kRootChecksummedBytes + sizeof(uint64_t)); bit += 5) {
    const auto flip = [&](pmem::Pool&, Root& root) {
      reinterpret_cast<unsigned char*>(&root)[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
    };
    ChangeRoot(flip);
    EXPECT_EQ(OpenStatus().code(), StatusCode::kCorrupt) << "bit " << bit;
    ChangeRoot(flip);
  }
  EXPECT_TRUE(OpenStatus().ok());
}

TEST_F(CmapOpenTest, ImpossibleCountsAndOffsetsAreFound) {
  MakePool();
  Root good;
  ChangeRoot([&](pmem::Pool&, Root& root) { good = root; });
  for (const uint64_t count : {uint64_t{0}, uint64_t{15}, kMaxBuckets, UINT64_MAX >> 4}) {
    ChangeRoot([&](pmem::Pool&, Root& root) { root.bucket_count = CheckedNumber(count); });
    EXPECT_EQ(OpenStatus().code(), StatusCode::kCorrupt) << count;
  }
  for (const uint64_t offset : {uint64_t{0}, uint64_t{64}, uint64_t{1} << 40, UINT64_MAX - 63}) {
    ChangeRoot([&](pmem::Pool&, Root& root) {
      root = good;
      root.segments[0] = Checked(offset);
    });
    EXPECT_EQ(OpenStatus().code(), StatusCode::kCorrupt) << offset;
  }
  ChangeRoot([&](pmem::Pool&, Root& root) { root = good; });
  EXPECT_TRUE(OpenStatus().ok());
}

TEST_F(CmapOpenTest, ACheckThatIsNoneIsInvalid) {
  EngineOptions options = TestOptions(path_, "8M");
  options.tuning = Tuning("cmap", {{"check", "thorough"}});
  EXPECT_EQ(OpenCmap(options).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(CmapOpenTest, APathThatMayNotBeWrittenIsAnError) {
  MakePool();
  const pid_t child = fork();
  if (child == 0) {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms::others_all,
                                 std::filesystem::perm_options::add);
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && seteuid(kNobody) != 0) _exit(2);
    const bool refused_pool = OpenStatus().code() == StatusCode::kIoError;
    const bool refused_folder = !OpenCmap(TestOptions("/proc/fencepost/pool")).ok();
    _exit(refused_pool && refused_folder ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace fencepost::cmap
