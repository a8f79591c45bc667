// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pool.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "engines/pmem/test_pool.h"

namespace fencepost::pmem {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kRootBytes = 128;
const std::string kLayout = "pool-test";

constexpr auto kNothing = [](Pool&) { return Status::Ok(); };

class PoolTest : public ::testing::Test {
 protected:
  void Create() { CHECK_OK(Pool::Create(path_, kLayout, kMinPoolBytes, kRootBytes, kNothing)); }
  Status OpenStatus(const std::string& layout = kLayout) {
    return Pool::Open(path_, layout).status();
  }
  void Overwrite(std::streamoff offset, const std::string& bytes) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << bytes;
  }

  TestFolder folder_;
  std::filesystem::path path_ = folder_.path() / "a" / "b" / "pool";
};

TEST_F(PoolTest, CreateMakesFoldersAndWhatIsWrittenStays) {
  ASSERT_TRUE(Pool::Create(path_, kLayout, kMinPoolBytes, kRootBytes, [](Pool& pool) {
                auto* root = pool.At<char>(*pool.Root(kRootBytes));
                std::memcpy(root, "hello", 5);
                pool.Persist(root, 5);
                return Status::Ok();
              }).ok());
  EXPECT_EQ(folder_.FileCount(), 1u);
  auto pool = Pool::Open(path_, kLayout);
  ASSERT_TRUE(pool.ok()) << pool.message();
  EXPECT_EQ(std::string((*pool)->At<char>(*(*pool)->Root(kRootBytes))), "hello");
  EXPECT_EQ((*pool)->Root(kRootBytes + 1).status().code(), StatusCode::kCorrupt);
  EXPECT_EQ((*pool)->bytes(), kMinPoolBytes);
}

TEST_F(PoolTest, AFailedInitialisationLeavesNoFile) {
  const Status status = Pool::Create(path_, kLayout, kMinPoolBytes, kRootBytes,
                                     [](Pool&) { return Status::Full("as asked"); });
  EXPECT_EQ(status.code(), StatusCode::kFull);
  EXPECT_EQ(folder_.FileCount(), 0u);
}

TEST_F(PoolTest, ADeadProcessesUnfinishedPoolIsRemoved) {
  const pid_t child = fork();
  if (child == 0) {
    (void)Pool::Create(path_, kLayout, kMinPoolBytes, kRootBytes,
                       [](Pool&) -> Status { _exit(0); });
  }
  waitpid(child, nullptr, 0);
  EXPECT_EQ(folder_.FileCount(), 1u);
  EXPECT_FALSE(std::filesystem::exists(path_));
  Create();
  EXPECT_EQ(folder_.FileCount(), 1u);
  EXPECT_TRUE(OpenStatus().ok());
}

TEST_F(PoolTest, CreateRefusesATakenNameATinyPoolAndAHugeOne) {
  Create();
  EXPECT_EQ(Pool::Create(path_, kLayout, kMinPoolBytes, kRootBytes, kNothing).code(),
            StatusCode::kInvalidArgument);
  const auto other = folder_.path() / "other";
  EXPECT_EQ(Pool::Create(other, kLayout, kMinPoolBytes - 1, kRootBytes, kNothing).code(),
            StatusCode::kInvalidArgument);
  const Status huge = Pool::Create(other, kLayout, uint64_t{1} << 50, kRootBytes, kNothing);
  EXPECT_EQ(huge.code(), StatusCode::kFull);
  EXPECT_THAT(std::string(huge.message()), HasSubstr("1125899906842624 bytes"));
  EXPECT_EQ(folder_.FileCount(), 1u);
}

TEST_F(PoolTest, AnAbsentPoolIsNotFound) {
  const Status status = OpenStatus();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_.string()));
}

TEST_F(PoolTest, ASecondOpenIsBusyHereAndInAnotherProcess) {
  Create();
  auto pool = Pool::Open(path_, kLayout);
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ(OpenStatus().code(), StatusCode::kBusy);
  const pid_t child = fork();
  if (child == 0) _exit(OpenStatus().code() == StatusCode::kBusy ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  (*pool)->Close();
  EXPECT_TRUE(OpenStatus().ok());
}

TEST_F(PoolTest, AnotherLayoutIsNamed) {
  Create();
  const Status status = OpenStatus("wanted");
  EXPECT_EQ(status.code(), StatusCode::kCorrupt);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'pool-test', not 'wanted'"));
}

TEST_F(PoolTest, WhatIsNoPoolIsSaidSo) {
  std::filesystem::create_directories(path_.parent_path());
  for (const std::string& content :
       {std::string(), std::string("text"), std::string(1 << 20, 'x')}) {
    std::ofstream(path_, std::ios::trunc) << content;
    const Status status = OpenStatus();
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_THAT(std::string(status.message()), HasSubstr("no libpmemobj pool"));
  }
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(OpenStatus().ok());
}

TEST_F(PoolTest, ATruncatedPoolIsCorrupt) {
  Create();
  for (uint64_t bytes : {kMinPoolBytes - 4096, kMinPoolBytes / 2, uint64_t{100'000}}) {
    std::filesystem::resize_file(path_, bytes);
    const Status status = OpenStatus();
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_THAT(std::string(status.message()), HasSubstr("the file has"));
  }
}

TEST_F(PoolTest, FlippedBitsInTheHeaderAreCorrupt) {
  Create();
  for (int offset : {0, 9, 30, 100, 5120, 5136, 6136}) {
    std::filesystem::copy_file(path_, path_.string() + ".good");
    std::ifstream in(path_, std::ios::binary);
    in.seekg(offset);
    const char flipped = static_cast<char>(in.get() ^ 0x10);
    Overwrite(offset, std::string(1, flipped));
    EXPECT_EQ(OpenStatus().code(), StatusCode::kCorrupt) << "at " << offset;
    std::filesystem::rename(path_.string() + ".good", path_);
    EXPECT_TRUE(OpenStatus().ok());
  }
}

TEST_F(PoolTest, APathThatMayNotBeWrittenIsAnIoError) {
  Create();
  const pid_t child = fork();
  if (child == 0) {
    std::filesystem::permissions(path_, std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    std::filesystem::permissions(folder_.path(), std::filesystem::perms::others_all,
                                 std::filesystem::perm_options::add);
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && seteuid(kNobody) != 0) _exit(2);
    const bool refused = OpenStatus().code() == StatusCode::kIoError;
    const Status made =
        Pool::Create("/proc/fencepost/pool", kLayout, kMinPoolBytes, kRootBytes, kNothing);
    _exit(refused && !made.ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace fencepost::pmem
