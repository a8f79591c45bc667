// SPDX-License-Identifier: BSD-3-Clause
// pmemkv_open: which config each engine takes, and what it answers to the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmemkv.h>
#include <libpmemobj/base.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "engines/cmap/pmemkv_api/pmemkv_test_util.h"

namespace fencepost::pmemkv_api {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PmemkvOpenTest : public ::testing::Test {
 protected:
  // Status of opening cmap with `config`, which is taken over.
  int TryOpen(pmemkv_config* config, const char* engine = "cmap") {
    OpenDb db;
    return db.Open(engine, config);
  }
  pmemkv_config* OnlyPath() {
    pmemkv_config* config = pmemkv_config_new();
    EXPECT_EQ(pmemkv_config_put_path(config, path_.c_str()), PMEMKV_STATUS_OK);
    return config;
  }
  pmemkv_config* Create(uint64_t pool_bytes = kPoolBytes) {
    pmemkv_config* config = OnlyPath();
    EXPECT_EQ(pmemkv_config_put_size(config, pool_bytes), PMEMKV_STATUS_OK);
    EXPECT_EQ(pmemkv_config_put_create_or_error_if_exists(config, true), PMEMKV_STATUS_OK);
    return config;
  }

  const pmem::TestFolder folder_;
  const std::string path_ = (folder_.path() / "pool").string();
};

TEST_F(PmemkvOpenTest, CreateOrErrorCreatesOnce) {
  EXPECT_EQ(TryOpen(Create()), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(Create()), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("[pmemkv_open] the file exists: " + path_));
  EXPECT_EQ(TryOpen(OnlyPath()), PMEMKV_STATUS_OK);
}

TEST_F(PmemkvOpenTest, ForceCreateIsItsOldName) {
  for (const int wanted : {PMEMKV_STATUS_OK, PMEMKV_STATUS_INVALID_ARGUMENT}) {
    pmemkv_config* config = OnlyPath();
    ASSERT_EQ(pmemkv_config_put_size(config, kPoolBytes), PMEMKV_STATUS_OK);
    ASSERT_EQ(pmemkv_config_put_int64(config, "force_create", 1), PMEMKV_STATUS_OK);
    EXPECT_EQ(TryOpen(config), wanted);
  }
}

TEST_F(PmemkvOpenTest, CreateIfMissingCreatesOrOpensAndKeepsThePairs) {
  {
    OpenDb db;
    ASSERT_EQ(db.Open("cmap", PoolConfig(path_)), PMEMKV_STATUS_OK);
    ASSERT_EQ(Put(db, "key", "value"), PMEMKV_STATUS_OK);
  }
  OpenDb db;
  // The size of a pool that exists is what it is.
  ASSERT_EQ(db.Open("cmap", PoolConfig(path_, 2 * kPoolBytes)), PMEMKV_STATUS_OK)
      << pmemkv_errormsg();
  EXPECT_EQ(Get(db, "key"), "value");
}

TEST_F(PmemkvOpenTest, WithoutAFlagAnAbsentPoolIsInvalid) {
  EXPECT_EQ(TryOpen(OnlyPath()), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr(path_));
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(PmemkvOpenTest, ContradictionsAndGapsInTheConfigAreInvalid) {
  EXPECT_EQ(TryOpen(nullptr), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(pmemkv_config_new()), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("neither \"path\" nor \"oid\""));

  pmemkv_config* no_size = OnlyPath();
  ASSERT_EQ(pmemkv_config_put_create_if_missing(no_size, true), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(no_size), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("no item \"size\""));

  pmemkv_config* both = Create();
  ASSERT_EQ(pmemkv_config_put_create_if_missing(both, true), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(both), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(Create(4096)), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(PmemkvOpenTest, ItemsOfTheWrongTypeAreTypeErrors) {
  pmemkv_config* path = pmemkv_config_new();
  ASSERT_EQ(pmemkv_config_put_uint64(path, "path", 1), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(path), PMEMKV_STATUS_CONFIG_TYPE_ERROR);

  pmemkv_config* size = OnlyPath();
  ASSERT_EQ(pmemkv_config_put_string(size, "size", "1G"), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_create_if_missing(size, true), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(size), PMEMKV_STATUS_CONFIG_TYPE_ERROR);

  pmemkv_config* flag = OnlyPath();
  ASSERT_EQ(pmemkv_config_put_string(flag, "create_if_missing", "yes"), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(flag), PMEMKV_STATUS_CONFIG_TYPE_ERROR);

  pmemkv_config* negative = OnlyPath();
  ASSERT_EQ(pmemkv_config_put_int64(negative, "size", -1), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_create_if_missing(negative, true), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(negative), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(PmemkvOpenTest, AnOidIsInvalidBesideAPath) {
  PMEMoid oid = OID_NULL;
  pmemkv_config* both = OnlyPath();
  ASSERT_EQ(pmemkv_config_put_oid(both, &oid), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(both), PMEMKV_STATUS_INVALID_ARGUMENT);
}

TEST_F(PmemkvOpenTest, APoolThatIsOpenIsRefusedHereAndInAnotherProcess) {
  OpenDb db;
  ASSERT_EQ(db.Open("cmap", Create()), PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(OnlyPath()), PMEMKV_STATUS_UNKNOWN_ERROR);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr(path_));
  const pid_t child = fork();
  if (child == 0) _exit(TryOpen(OnlyPath()) == PMEMKV_STATUS_UNKNOWN_ERROR ? 0 : 1);
  int exit_status = -1;
  ASSERT_EQ(waitpid(child, &exit_status, 0), child);
  EXPECT_EQ(exit_status, 0);
  EXPECT_EQ(Put(db, "still", "works"), PMEMKV_STATUS_OK);
  db.Close();
  EXPECT_EQ(TryOpen(OnlyPath()), PMEMKV_STATUS_OK) << pmemkv_errormsg();
}

TEST_F(PmemkvOpenTest, AFileThatIsNoPoolIsInvalidAndStaysAsItIs) {
  const std::string text(1 << 20, 't');
  std::ofstream(path_) << text;
  EXPECT_EQ(TryOpen(OnlyPath()), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(PoolConfig(path_)), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(fs::file_size(path_), text.size());
}

TEST_F(PmemkvOpenTest, AMediumWithoutThatMuchSpaceIsOutOfMemory) {
  EXPECT_EQ(TryOpen(Create(uint64_t{1} << 50)), PMEMKV_STATUS_OUT_OF_MEMORY);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(PmemkvOpenTest, UnknownEnginesAreNamedWithThoseThereAre) {
  EXPECT_EQ(TryOpen(PoolConfig(path_), "radix"), PMEMKV_STATUS_WRONG_ENGINE_NAME);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("\"radix\": there are blackhole, cmap, vcmap"));
  EXPECT_EQ(TryOpen(PoolConfig(path_), ""), PMEMKV_STATUS_WRONG_ENGINE_NAME);
}

TEST_F(PmemkvOpenTest, NullIsInvalidAndTheConfigIsTakenAllTheSame) {
  int deleted = 0;
  const auto count = [](void* counter) { ++*static_cast<int*>(counter); };
  pmemkv_db* db = nullptr;
  for (const char* engine : {static_cast<const char*>(nullptr), "cmap"}) {
    pmemkv_config* config = OnlyPath();
    ASSERT_EQ(pmemkv_config_put_object(config, "object", &deleted, count), PMEMKV_STATUS_OK);
    EXPECT_EQ(pmemkv_open(engine, config, engine == nullptr ? &db : nullptr),
              PMEMKV_STATUS_INVALID_ARGUMENT);
  }
  EXPECT_EQ(deleted, 2);
  EXPECT_EQ(db, nullptr);
  pmemkv_close(nullptr);
}

TEST_F(PmemkvOpenTest, AComparatorIsTakenAndDeletedWithTheConfig) {
  const auto compare = [](const char*, size_t, const char*, size_t, void*) { return 0; };
  pmemkv_config* config = PoolConfig(path_);
  ASSERT_EQ(pmemkv_config_put_comparator(config, pmemkv_comparator_new(compare, "name", nullptr)),
            PMEMKV_STATUS_OK);
  EXPECT_EQ(TryOpen(config), PMEMKV_STATUS_OK);
}

TEST_F(PmemkvOpenTest, VcmapLeavesNothingBehindAndNothingIsThereWhileItIsOpen) {
  OpenDb db;
  ASSERT_EQ(db.Open("vcmap", PoolConfig(folder_.path().string())), PMEMKV_STATUS_OK)
      << pmemkv_errormsg();
  ASSERT_EQ(Put(db, "key", "value"), PMEMKV_STATUS_OK);
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  OpenDb other;
  ASSERT_EQ(other.Open("vcmap", PoolConfig(folder_.path().string())), PMEMKV_STATUS_OK);
  EXPECT_EQ(Get(db, "key"), "value");
  EXPECT_EQ(Count(other), 0u);
}

TEST_F(PmemkvOpenTest, VcmapOfAProcessThatIsKilledLeavesNothing) {
  const pid_t child = fork();
  if (child == 0) {
    OpenDb db;
    if (db.Open("vcmap", PoolConfig(folder_.path().string())) != PMEMKV_STATUS_OK) _exit(1);
    raise(SIGKILL);
  }
  int exit_status = 0;
  ASSERT_EQ(waitpid(child, &exit_status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(exit_status) && WTERMSIG(exit_status) == SIGKILL) << exit_status;
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

// Of a process that was killed while it made the pool.
TEST_F(PmemkvOpenTest, VcmapRemovesWhatOthersLeftLongAgo) {
  if (FileSystemOf(folder_.path())->type != "tmpfs") GTEST_SKIP() << "no tmpfs";
  const fs::path old_folder = folder_.path() / "fencepost-vcmap-old";
  const fs::path new_folder = folder_.path() / "fencepost-vcmap-new";
  fs::create_directory(old_folder);
  fs::create_directory(new_folder);
  std::ofstream(old_folder / "pool.creating") << "left";
  fs::last_write_time(old_folder, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(TryOpen(PoolConfig(folder_.path().string()), "vcmap"), PMEMKV_STATUS_OK);
  EXPECT_FALSE(fs::exists(old_folder));
  EXPECT_TRUE(fs::exists(new_folder));
}

TEST_F(PmemkvOpenTest, VcmapWantsAFolderAndEnoughBytes) {
  EXPECT_EQ(TryOpen(PoolConfig(path_), "vcmap"), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(PoolConfig(folder_.path().string(), kPoolBytes - 1), "vcmap"),
            PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(OnlyPath(), "vcmap"), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(pmemkv_config_new(), "vcmap"), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(TryOpen(nullptr, "vcmap"), PMEMKV_STATUS_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace fencepost::pmemkv_api
