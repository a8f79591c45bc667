// SPDX-License-Identifier: BSD-3-Clause
// A cmap in a pool of the program's own, which finds it by a PMEMoid: what it does there, and what
// becomes of everything else in the pool. What a crash leaves is asked by faultinject/corpus.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmemkv.h>
#include <libpmemobj.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "engines/cmap/pmemkv_api/pmemkv_test_util.h"
#include "engines/pmem/pmem_environment.h"

namespace fencepost::pmemkv_api {
namespace {

using ::testing::HasSubstr;

constexpr char kLayout[] = "somebody's program";
constexpr char kText[] = "the program's own";
constexpr uint64_t kTextType = 1;

struct Root {
  PMEMoid first_map;
  PMEMoid text;
  PMEMoid second_map;
};

class PmemkvOidTest : public ::testing::Test {
 protected:
  void SetUp() override { MakePool(kPoolBytes); }
  void TearDown() override { ClosePool(); }

  void MakePool(uint64_t bytes) {
    // A program on tmpfs sets PMEM_IS_PMEM_FORCE itself; here that is ours.
    ASSERT_TRUE(pmem::PreparePmem(*MediumOf(folder_.path()), path_).ok());
    pool_ = pmemobj_create(path_.c_str(), kLayout, bytes, 0600);
    ASSERT_NE(pool_, nullptr) << pmemobj_errormsg();
    FindRoot();
    ASSERT_EQ(pmemobj_alloc(pool_, &root_->text, sizeof(kText), kTextType, nullptr, nullptr), 0);
    pmemobj_memcpy_persist(pool_, pmemobj_direct(root_->text), kText, sizeof(kText));
  }
  void ClosePool() {
    if (pool_ != nullptr) pmemobj_close(pool_);
    pool_ = nullptr;
  }
  void ReopenPool() {
    ClosePool();
    pool_ = pmemobj_open(path_.c_str(), kLayout);
    ASSERT_NE(pool_, nullptr) << pmemobj_errormsg();
    FindRoot();
  }
  void FindRoot() { root_ = static_cast<Root*>(pmemobj_direct(pmemobj_root(pool_, sizeof(Root)))); }

  static pmemkv_config* ByOid(PMEMoid* oid) {
    pmemkv_config* config = pmemkv_config_new();
    EXPECT_EQ(pmemkv_config_put_oid(config, oid), PMEMKV_STATUS_OK);
    return config;
  }
  int TryOpen(PMEMoid* oid) {
    OpenDb db;
    return db.Open("cmap", ByOid(oid));
  }

  std::string Text() const { return static_cast<const char*>(pmemobj_direct(root_->text)); }
  size_t Objects() const {
    size_t count = 0;
    for (PMEMoid at = pmemobj_first(pool_); !OID_IS_NULL(at); at = pmemobj_next(at)) ++count;
    return count;
  }

  const pmem::TestFolder folder_;
  const std::string path_ = (folder_.path() / "pool").string();
  PMEMobjpool* pool_ = nullptr;
  Root* root_ = nullptr;
};

std::string KeyOf(int i) { return "key " + std::to_string(i); }

TEST_F(PmemkvOidTest, ANullOidBecomesAMapThatIsFoundAgainAfterThePoolWasClosed) {
  constexpr int kPairs = 3000;  // the table grows from 256 buckets
  const std::string large(300'000, 'v');
  {
    OpenDb db;
    ASSERT_EQ(db.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK) << pmemkv_errormsg();
    EXPECT_FALSE(OID_IS_NULL(root_->first_map));
    EXPECT_EQ(Count(db), 0u);
    for (int i = 0; i < kPairs; ++i) ASSERT_EQ(Put(db, KeyOf(i), "value"), PMEMKV_STATUS_OK);
    ASSERT_EQ(Put(db, "large", large), PMEMKV_STATUS_OK);
    ASSERT_EQ(Remove(db, KeyOf(0)), PMEMKV_STATUS_OK);
  }
  // The pool is the program's, and open still.
  EXPECT_EQ(Text(), kText);
  ReopenPool();
  EXPECT_EQ(Text(), kText);
  OpenDb db;
  ASSERT_EQ(db.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  EXPECT_EQ(Count(db), static_cast<size_t>(kPairs));
  EXPECT_EQ(Exists(db, KeyOf(0)), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(Get(db, KeyOf(kPairs - 1)), "value");
  EXPECT_EQ(Get(db, "large"), large);
}

TEST_F(PmemkvOidTest, TwoMapsInOnePoolKnowNothingOfEachOther) {
  OpenDb first;
  OpenDb second;
  ASSERT_EQ(first.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK);
  ASSERT_EQ(second.Open("cmap", ByOid(&root_->second_map)), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  std::thread other([&] {
    for (int i = 0; i < 2000; ++i) EXPECT_EQ(Put(second, KeyOf(i), "second"), PMEMKV_STATUS_OK);
  });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Put(first, KeyOf(i), "first"), PMEMKV_STATUS_OK);
  other.join();
  EXPECT_EQ(Count(first), 1000u);
  EXPECT_EQ(Count(second), 2000u);
  EXPECT_EQ(Get(first, KeyOf(7)), "first");
  EXPECT_EQ(Get(second, KeyOf(7)), "second");
  EXPECT_EQ(Exists(first, KeyOf(1500)), PMEMKV_STATUS_NOT_FOUND);
}

TEST_F(PmemkvOidTest, TheProgramAllocatesAndFreesBesideIt) {
  OpenDb db;
  ASSERT_EQ(db.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK);
  for (int i = 0; i < 500; ++i) {
    PMEMoid oid = OID_NULL;
    ASSERT_EQ(
        pmemobj_alloc(pool_, &oid, 64 + static_cast<size_t>(i % 32) * 16, 3, nullptr, nullptr), 0);
    std::memset(pmemobj_direct(oid), 0xff, pmemobj_alloc_usable_size(oid));
    ASSERT_EQ(Put(db, KeyOf(i), std::string(100, 'v')), PMEMKV_STATUS_OK);
    if (i % 2 == 0) pmemobj_free(&oid);
  }
  db.Close();
  ASSERT_EQ(db.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  EXPECT_EQ(Count(db), 500u);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(Get(db, KeyOf(i)), std::string(100, 'v'));
}

// libpmemobj has room for some two hundred classes of objects.
TEST_F(PmemkvOidTest, AMapIsOpenedAsOftenAsOneLikes) {
  for (int i = 0; i < 300; ++i) {
    OpenDb db;
    ASSERT_EQ(db.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK) << pmemkv_errormsg();
    ASSERT_EQ(Put(db, KeyOf(i), "value"), PMEMKV_STATUS_OK);
  }
}

TEST_F(PmemkvOidTest, AMapThatIsOpenIsRefusedUntilItIsClosed) {
  OpenDb db;
  ASSERT_EQ(db.Open("cmap", ByOid(&root_->first_map)), PMEMKV_STATUS_OK);
  PMEMoid copy = root_->first_map;
  root_->second_map = copy;
  EXPECT_EQ(TryOpen(&root_->second_map), PMEMKV_STATUS_UNKNOWN_ERROR);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("open already"));
  EXPECT_EQ(Put(db, "still", "works"), PMEMKV_STATUS_OK);
  db.Close();
  EXPECT_EQ(TryOpen(&root_->second_map), PMEMKV_STATUS_OK) << pmemkv_errormsg();
}

TEST_F(PmemkvOidTest, AnOidOutsideOfAPoolIsInvalid) {
  PMEMoid oid = OID_NULL;
  EXPECT_EQ(TryOpen(&oid), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("in no libpmemobj pool"));
  EXPECT_TRUE(OID_IS_NULL(oid));
}

TEST_F(PmemkvOidTest, AnOidOfSomethingElseIsInvalidAndThatStaysAsItIs) {
  EXPECT_EQ(TryOpen(&root_->text), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(Text(), kText);
  root_->second_map = {root_->text.pool_uuid_lo, uint64_t{1} << 40};
  EXPECT_EQ(TryOpen(&root_->second_map), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("refers to nothing in the pool"));
  root_->second_map = {root_->text.pool_uuid_lo + 1, root_->text.off};
  EXPECT_EQ(TryOpen(&root_->second_map), PMEMKV_STATUS_INVALID_ARGUMENT);
}

TEST_F(PmemkvOidTest, InATransactionOfLibpmemobjItIsNotOpened) {
  TX_BEGIN(pool_) { EXPECT_EQ(TryOpen(&root_->first_map), PMEMKV_STATUS_TRANSACTION_SCOPE_ERROR); }
  TX_END;
  EXPECT_TRUE(OID_IS_NULL(root_->first_map));
}

TEST_F(PmemkvOidTest, APoolWithoutSpaceHasNoMapAndLosesNothing) {
  PMEMoid filler = OID_NULL;
  for (size_t bytes = kPoolBytes; bytes >= 64; bytes /= 2) {
    while (pmemobj_alloc(pool_, &filler, bytes, 3, nullptr, nullptr) == 0) {
    }
  }
  const size_t objects = Objects();
  EXPECT_EQ(TryOpen(&root_->first_map), PMEMKV_STATUS_OUT_OF_MEMORY);
  EXPECT_TRUE(OID_IS_NULL(root_->first_map));
  EXPECT_EQ(Objects(), objects);
  pmemobj_free(&filler);
  EXPECT_EQ(Text(), kText);
}

// What libpmemobj would put into another place than the map is read from, or make larger.
TEST_F(PmemkvOidTest, PoolSetsWithReplicasOrThatGrowAreNotSupported) {
  const std::string folder = folder_.path().string();
  const std::pair<const char*, std::string> sets[] = {
      {"replicas", "PMEMPOOLSET\n16M " + folder + "/a\nREPLICA\n16M " + folder + "/b\n"},
      {"grows", "PMEMPOOLSET\nOPTION SINGLEHDR\n64M " + folder + "/parts\n"}};
  std::filesystem::create_directory(folder_.path() / "parts");
  for (const auto& [word, text] : sets) {
    const std::string path = folder + "/" + word;
    std::ofstream(path) << text;
    PMEMobjpool* const set = pmemobj_create(path.c_str(), kLayout, 0, 0600);
    ASSERT_NE(set, nullptr) << pmemobj_errormsg();
    auto* const root = static_cast<Root*>(pmemobj_direct(pmemobj_root(set, sizeof(Root))));
    EXPECT_EQ(TryOpen(&root->first_map), PMEMKV_STATUS_NOT_SUPPORTED) << word;
    EXPECT_THAT(pmemkv_errormsg(), HasSubstr(word));
    EXPECT_TRUE(OID_IS_NULL(root->first_map));
    pmemobj_close(set);
  }
}

TEST_F(PmemkvOidTest, APoolSetOfSeveralPartsIsOnePool) {
  const std::string folder = folder_.path().string();
  const std::string path = folder + "/set";
  std::ofstream(path) << "PMEMPOOLSET\n16M " << folder << "/a\n16M " << folder << "/b\n";
  PMEMobjpool* const set = pmemobj_create(path.c_str(), kLayout, 0, 0600);
  ASSERT_NE(set, nullptr) << pmemobj_errormsg();
  auto* const root = static_cast<Root*>(pmemobj_direct(pmemobj_root(set, sizeof(Root))));
  {
    OpenDb db;
    ASSERT_EQ(db.Open("cmap", ByOid(&root->first_map)), PMEMKV_STATUS_OK) << pmemkv_errormsg();
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(Put(db, KeyOf(i), std::string(100'000, 'v')), PMEMKV_STATUS_OK);
    }
    EXPECT_EQ(Get(db, KeyOf(199)), std::string(100'000, 'v'));
  }
  pmemobj_close(set);
}

// A small process of its own: libpmem decides once.
TEST_F(PmemkvOidTest, APoolOnADiskAfterOneOnTmpfsIsRefusedForNothingWouldBeDurable) {
  if (*MediumOf(folder_.path()) != Medium::kTmpfs) GTEST_SKIP() << "no tmpfs";
  if (std::getenv("PMEM_IS_PMEM_FORCE") != nullptr) GTEST_SKIP() << "PMEM_IS_PMEM_FORCE is set";
  const std::filesystem::path disk = std::filesystem::current_path() / "oid-on-a-disk.pool";
  if (*MediumOf(disk) != Medium::kPageCache) GTEST_SKIP() << "the working directory is on no disk";
  PMEMobjpool* const pool = pmemobj_create(disk.c_str(), kLayout, kPoolBytes, 0600);
  ASSERT_NE(pool, nullptr) << pmemobj_errormsg();
  auto* const root = static_cast<Root*>(pmemobj_direct(pmemobj_root(pool, sizeof(Root))));
  EXPECT_EQ(TryOpen(&root->first_map), PMEMKV_STATUS_NOT_SUPPORTED);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("nothing is made durable"));
  pmemobj_close(pool);
  std::filesystem::remove(disk);
}

TEST_F(PmemkvOidTest, ADatabaseThatIsAGlobalIsClosedAfterMain) {
  struct ProgramsPool {
    explicit ProgramsPool(const std::string& path) : pool(pmemobj_open(path.c_str(), kLayout)) {}
    ~ProgramsPool() { pmemobj_close(pool); }
    PMEMobjpool* const pool;
  };
  ClosePool();  // what libpmemobj keeps in the mapping would be the child's and the parent's
  const auto run = [&] {
    static const ProgramsPool pool(path_);  // closed last: what is not freed by then has leaked
    static OpenDb global;
    auto* const root = static_cast<Root*>(pmemobj_direct(pmemobj_root(pool.pool, sizeof(Root))));
    if (global.Open("cmap", ByOid(&root->first_map)) != PMEMKV_STATUS_OK) std::abort();
    std::exit(0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fencepost::pmemkv_api
