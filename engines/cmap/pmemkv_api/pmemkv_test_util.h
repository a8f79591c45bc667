// SPDX-License-Identifier: BSD-3-Clause
// For tests of the pmemkv API: a folder for pools, and databases of each engine.
#ifndef FENCEPOST_ENGINES_CMAP_PMEMKV_API_PMEMKV_TEST_UTIL_H_
#define FENCEPOST_ENGINES_CMAP_PMEMKV_API_PMEMKV_TEST_UTIL_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "engines/pmem/test_pool.h"

// The types and calls are those of libpmemkv.h, which a test includes before this.
namespace fencepost::pmemkv_api {

using Pairs = std::map<std::string, std::string>;

inline constexpr uint64_t kPoolBytes = uint64_t{16} << 20;

// Open for the life of a test, closed before its folder goes.
class OpenDb {
 public:
  OpenDb() = default;
  ~OpenDb() { pmemkv_close(db_); }
  OpenDb(const OpenDb&) = delete;
  OpenDb& operator=(const OpenDb&) = delete;

  int Open(const char* engine, pmemkv_config* config) { return pmemkv_open(engine, config, &db_); }
  void Close() {
    pmemkv_close(db_);
    db_ = nullptr;
  }
  operator pmemkv_db*() const { return db_; }  // NOLINT: stands for the handle

 private:
  pmemkv_db* db_ = nullptr;
};

inline pmemkv_config* PoolConfig(const std::string& path, uint64_t pool_bytes = kPoolBytes) {
  pmemkv_config* config = pmemkv_config_new();
  EXPECT_EQ(pmemkv_config_put_path(config, path.c_str()), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_config_put_size(config, pool_bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_config_put_create_if_missing(config, true), PMEMKV_STATUS_OK);
  return config;
}

inline int Put(pmemkv_db* db, std::string_view key, std::string_view value) {
  return pmemkv_put(db, key.data(), key.size(), value.data(), value.size());
}
inline int Remove(pmemkv_db* db, std::string_view key) {
  return pmemkv_remove(db, key.data(), key.size());
}
inline int Exists(pmemkv_db* db, std::string_view key) {
  return pmemkv_exists(db, key.data(), key.size());
}

// The value, or "<status N>".
inline std::string Get(pmemkv_db* db, std::string_view key) {
  std::string out;
  const auto assign = [](const char* value, size_t bytes, void* arg) {
    static_cast<std::string*>(arg)->assign(value, bytes);
  };
  const int status = pmemkv_get(db, key.data(), key.size(), assign, &out);
  return status == PMEMKV_STATUS_OK ? out : "<status " + std::to_string(status) + ">";
}

inline Pairs All(pmemkv_db* db) {
  Pairs pairs;
  const auto add = [](const char* key, size_t key_bytes, const char* value, size_t value_bytes,
                      void* arg) {
    const bool is_new = static_cast<Pairs*>(arg)
                            ->emplace(std::string(key, key_bytes), std::string(value, value_bytes))
                            .second;
    EXPECT_TRUE(is_new) << "seen twice";
    return 0;
  };
  EXPECT_EQ(pmemkv_get_all(db, add, &pairs), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  return pairs;
}

inline size_t Count(pmemkv_db* db) {
  size_t count = SIZE_MAX;
  EXPECT_EQ(pmemkv_count_all(db, &count), PMEMKV_STATUS_OK) << pmemkv_errormsg();
  return count;
}

// The same tests for the map in a pool and for the one in DRAM.
class MapTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ASSERT_EQ(Open(), PMEMKV_STATUS_OK) << pmemkv_errormsg(); }
  int Open(uint64_t pool_bytes = kPoolBytes) {
    const std::string folder = folder_.path().string();
    const bool is_vcmap = std::string_view(GetParam()) == "vcmap";
    return db_.Open(GetParam(), PoolConfig(is_vcmap ? folder : folder + "/pool", pool_bytes));
  }

  const pmem::TestFolder folder_;
  OpenDb db_;
};

#define FOR_BOTH_MAPS(suite)                                                \
  INSTANTIATE_TEST_SUITE_P(Maps, suite, ::testing::Values("cmap", "vcmap"), \
                           [](const auto& row) { return std::string(row.param); })

}  // namespace fencepost::pmemkv_api

#endif  // FENCEPOST_ENGINES_CMAP_PMEMKV_API_PMEMKV_TEST_UTIL_H_
