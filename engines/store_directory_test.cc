// SPDX-License-Identifier: BSD-3-Clause
#include "engines/store_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr StoreLayout kLayout = {
    .engine = "Test", .marker = "data", .is_leftover = [](auto name) { return name == "lock"; }};

class StoreDirectoryTest : public testing::Test {
 protected:
  StoreDirectoryTest() {
    std::string name = (fs::temp_directory_path() / "fencepost-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  ~StoreDirectoryTest() override { fs::remove_all(root_); }
  static void Touch(const fs::path& path) { std::ofstream(path) << "x"; }

  fs::path root_;
};

TEST_F(StoreDirectoryTest, FailedCreationLeavesNothing) {
  {
    auto directory = StoreDirectory::Open(root_ / "a" / "b", true, kLayout);
    ASSERT_TRUE(directory.ok()) << directory.message();
    Touch(root_ / "a" / "b" / "data");
  }
  EXPECT_FALSE(fs::exists(root_ / "a"));
}

TEST_F(StoreDirectoryTest, KeptStoreStays) {
  {
    auto directory = StoreDirectory::Open(root_ / "a", true, kLayout);
    ASSERT_TRUE(directory.ok()) << directory.message();
    Touch(root_ / "a" / "data");
    CHECK_OK((*directory)->Sync());
    (*directory)->Keep();
  }
  auto again = StoreDirectory::Open(root_ / "a", false, kLayout);
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_TRUE((*again)->had_store());
}

TEST_F(StoreDirectoryTest, FailureOverAnExistingStoreRemovesNothing) {
  Touch(root_ / "data");
  {
    auto directory = StoreDirectory::Open(root_, true, kLayout);
    ASSERT_TRUE(directory.ok()) << directory.message();
    Touch(root_ / "recovered");
  }
  EXPECT_TRUE(fs::exists(root_ / "data"));
  EXPECT_TRUE(fs::exists(root_ / "recovered"));
}

TEST_F(StoreDirectoryTest, AFailureInAnOldDirectoryRemovesOnlyWhatIsNew) {
  Touch(root_ / "lock");
  {
    auto directory = StoreDirectory::Open(root_, true, kLayout);
    ASSERT_TRUE(directory.ok()) << directory.message();
    Touch(root_ / "data");
  }
  EXPECT_TRUE(fs::exists(root_ / "lock"));
  EXPECT_FALSE(fs::exists(root_ / "data"));
}

TEST_F(StoreDirectoryTest, FilesOfOthersAreRefused) {
  Touch(root_ / "thesis.tex");
  auto directory = StoreDirectory::Open(root_, true, kLayout);
  EXPECT_EQ(directory.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(directory.message()), testing::HasSubstr("thesis.tex"));
  EXPECT_TRUE(fs::exists(root_ / "thesis.tex"));
}

TEST_F(StoreDirectoryTest, SecondOpenerIsBusyUntilTheFirstIsGone) {
  auto first = StoreDirectory::Open(root_ / "a", true, kLayout);
  ASSERT_TRUE(first.ok()) << first.message();
  EXPECT_EQ(StoreDirectory::Open(root_ / "a", true, kLayout).status().code(), StatusCode::kBusy);
  EXPECT_TRUE(fs::exists(root_ / "a"));
  first->reset();
  EXPECT_TRUE(StoreDirectory::Open(root_ / "a", true, kLayout).ok());
}

TEST_F(StoreDirectoryTest, AbsentStoreIsNotFoundUnlessItMayBeCreated) {
  EXPECT_EQ(StoreDirectory::Open(root_ / "a", false, kLayout).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(StoreDirectory::Open(root_, false, kLayout).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(fs::exists(root_ / "a"));
}

TEST_F(StoreDirectoryTest, OccupiedBytesAreBlocksNotLengths) {
  std::ofstream(root_ / "sparse") << "x";
  fs::resize_file(root_ / "sparse", uint64_t{1} << 30);
  EXPECT_GT(OccupiedBytes(root_), 0u);
  EXPECT_LT(OccupiedBytes(root_), uint64_t{1} << 20);
}

}  // namespace
}  // namespace fencepost
