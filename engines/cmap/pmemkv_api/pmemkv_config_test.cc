// SPDX-License-Identifier: BSD-3-Clause
// Config items through the C interface: types, conversions, ownership.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmemkv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace fencepost::pmemkv_api {
namespace {

using ::testing::HasSubstr;

struct ConfigDelete {
  void operator()(pmemkv_config* config) const { pmemkv_config_delete(config); }
};

class PmemkvConfigTest : public ::testing::Test {
 protected:
  pmemkv_config* config() const { return config_.get(); }
  std::unique_ptr<pmemkv_config, ConfigDelete> config_{pmemkv_config_new()};
};

TEST_F(PmemkvConfigTest, EachTypeComesBackAsItWent) {
  ASSERT_EQ(pmemkv_config_put_uint64(config(), "u", UINT64_MAX), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_int64(config(), "i", INT64_MIN), PMEMKV_STATUS_OK);
  std::string text = "text";
  ASSERT_EQ(pmemkv_config_put_string(config(), "s", text.c_str()), PMEMKV_STATUS_OK);
  const char bytes[] = {'a', '\0', 'b'};
  ASSERT_EQ(pmemkv_config_put_data(config(), "d", bytes, sizeof(bytes)), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_data(config(), "none", nullptr, 0), PMEMKV_STATUS_OK);
  int object = 0;
  ASSERT_EQ(pmemkv_config_put_object(config(), "o", &object, nullptr), PMEMKV_STATUS_OK);
  text = "changed";

  uint64_t u = 0;
  int64_t i = 0;
  const char* s = nullptr;
  const void* d = nullptr;
  size_t d_bytes = 0;
  void* o = nullptr;
  ASSERT_EQ(pmemkv_config_get_uint64(config(), "u", &u), PMEMKV_STATUS_OK);
  EXPECT_EQ(u, UINT64_MAX);
  ASSERT_EQ(pmemkv_config_get_int64(config(), "i", &i), PMEMKV_STATUS_OK);
  EXPECT_EQ(i, INT64_MIN);
  ASSERT_EQ(pmemkv_config_get_string(config(), "s", &s), PMEMKV_STATUS_OK);
  EXPECT_STREQ(s, "text");
  ASSERT_EQ(pmemkv_config_get_data(config(), "d", &d, &d_bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(std::string(static_cast<const char*>(d), d_bytes), std::string(bytes, sizeof(bytes)));
  ASSERT_EQ(pmemkv_config_get_data(config(), "none", &d, &d_bytes), PMEMKV_STATUS_OK);
  EXPECT_EQ(d_bytes, 0u);
  ASSERT_EQ(pmemkv_config_get_object(config(), "o", &o), PMEMKV_STATUS_OK);
  EXPECT_EQ(o, &object);
}

TEST_F(PmemkvConfigTest, AnotherTypeIsATypeErrorWithAMessage) {
  ASSERT_EQ(pmemkv_config_put_string(config(), "s", "text"), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_uint64(config(), "u", 1), PMEMKV_STATUS_OK);
  uint64_t u = 7;
  int64_t i = 7;
  const char* s = nullptr;
  const void* d = nullptr;
  size_t d_bytes = 7;
  void* o = nullptr;
  EXPECT_EQ(pmemkv_config_get_uint64(config(), "s", &u), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_EQ(pmemkv_config_get_int64(config(), "s", &i), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_EQ(pmemkv_config_get_data(config(), "s", &d, &d_bytes), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_EQ(pmemkv_config_get_object(config(), "s", &o), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_EQ(pmemkv_config_get_string(config(), "u", &s), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("\"u\" is of type uint64, not string"));
  EXPECT_EQ(u, 7u);
  EXPECT_EQ(i, 7);
  EXPECT_EQ(d_bytes, 7u);
}

TEST_F(PmemkvConfigTest, IntegersConvertWhereTheValueAllows) {
  ASSERT_EQ(pmemkv_config_put_uint64(config(), "large", uint64_t{1} << 63), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_uint64(config(), "fits", INT64_MAX), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_int64(config(), "negative", -1), PMEMKV_STATUS_OK);
  ASSERT_EQ(pmemkv_config_put_int64(config(), "positive", 5), PMEMKV_STATUS_OK);
  uint64_t u = 0;
  int64_t i = 0;
  EXPECT_EQ(pmemkv_config_get_int64(config(), "large", &i), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_EQ(pmemkv_config_get_int64(config(), "fits", &i), PMEMKV_STATUS_OK);
  EXPECT_EQ(i, INT64_MAX);
  EXPECT_EQ(pmemkv_config_get_uint64(config(), "negative", &u), PMEMKV_STATUS_CONFIG_TYPE_ERROR);
  EXPECT_EQ(pmemkv_config_get_uint64(config(), "positive", &u), PMEMKV_STATUS_OK);
  EXPECT_EQ(u, 5u);
}

TEST_F(PmemkvConfigTest, ANameIsPutOnceAndAnAbsentOneIsNotFound) {
  ASSERT_EQ(pmemkv_config_put_int64(config(), "name", 1), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_config_put_string(config(), "name", "2"), PMEMKV_STATUS_UNKNOWN_ERROR);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("[pmemkv_config_put_string] config item \"name\""));
  int64_t i = 0;
  EXPECT_EQ(pmemkv_config_get_int64(config(), "name", &i), PMEMKV_STATUS_OK);
  EXPECT_EQ(i, 1);
  EXPECT_EQ(pmemkv_config_get_int64(config(), "other", &i), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_STREQ(pmemkv_errormsg(), "");
  // The two flags and their old name.
  EXPECT_EQ(pmemkv_config_put_create_or_error_if_exists(config(), true), PMEMKV_STATUS_OK);
  uint64_t flag = 0;
  EXPECT_EQ(pmemkv_config_get_uint64(config(), "create_or_error_if_exists", &flag),
            PMEMKV_STATUS_OK);
  EXPECT_EQ(flag, 1u);
}

TEST_F(PmemkvConfigTest, ADeleterRunsOnceAlsoForAnItemThatIsRefused) {
  const auto count = [](void* counter) { ++*static_cast<int*>(counter); };
  int kept = 0;
  int refused = 0;
  ASSERT_EQ(pmemkv_config_put_object(config(), "o", &kept, count), PMEMKV_STATUS_OK);
  EXPECT_EQ(pmemkv_config_put_object(config(), "o", &refused, count), PMEMKV_STATUS_UNKNOWN_ERROR);
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(kept, 0);
  config_.reset();
  EXPECT_EQ(kept, 1);
  EXPECT_EQ(refused, 1);
}

TEST_F(PmemkvConfigTest, AGetterSaysWhatAnObjectIs) {
  struct Two {
    int first = 1;
    int second = 2;
  } two;
  const auto second = [](void* object) -> void* { return &static_cast<Two*>(object)->second; };
  ASSERT_EQ(pmemkv_config_put_object_cb(config(), "o", &two, second, nullptr), PMEMKV_STATUS_OK);
  void* found = nullptr;
  ASSERT_EQ(pmemkv_config_get_object(config(), "o", &found), PMEMKV_STATUS_OK);
  EXPECT_EQ(found, &two.second);
}

TEST_F(PmemkvConfigTest, NullIsAnInvalidArgument) {
  uint64_t u = 0;
  EXPECT_EQ(pmemkv_config_put_uint64(nullptr, "k", 1), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_THAT(pmemkv_errormsg(), HasSubstr("config is null"));
  EXPECT_EQ(pmemkv_config_put_uint64(config(), nullptr, 1), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_put_string(config(), "k", nullptr), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_put_data(config(), "k", nullptr, 1), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_put_object_cb(config(), "k", &u, nullptr, nullptr),
            PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_put_comparator(config(), nullptr), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_get_uint64(nullptr, "k", &u), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_get_uint64(config(), "k", nullptr), PMEMKV_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(pmemkv_config_get_uint64(config(), "k", &u), PMEMKV_STATUS_NOT_FOUND);
  EXPECT_EQ(pmemkv_comparator_new(nullptr, "name", nullptr), nullptr);
  pmemkv_config_delete(nullptr);
  pmemkv_comparator_delete(nullptr);
}

TEST_F(PmemkvConfigTest, AMessageIsItsThreadsOwn) {
  EXPECT_EQ(pmemkv_config_put_uint64(nullptr, "k", 1), PMEMKV_STATUS_INVALID_ARGUMENT);
  std::string other = "unset";
  std::thread([&] { other = pmemkv_errormsg(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_STRNE(pmemkv_errormsg(), "");
}

}  // namespace
}  // namespace fencepost::pmemkv_api
