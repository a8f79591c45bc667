// SPDX-License-Identifier: BSD-3-Clause
// The C++ interface: what it adds to the C one, which has tests of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmemkv.h>

#include <algorithm>
#include <libpmemkv.hpp>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "engines/cmap/pmemkv_api/pmemkv_test_util.h"

namespace fencepost::pmemkv_api {
namespace {

using ::pmem::kv::config;
using ::pmem::kv::db;
using ::pmem::kv::result;
using ::pmem::kv::status;
using ::pmem::kv::string_view;
using ::testing::HasSubstr;

static_assert(std::is_same_v<string_view, std::string_view>);
static_assert(!std::is_copy_constructible_v<db> && std::is_move_constructible_v<db>);

class PmemkvHppTest : public ::testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open() {
    config cfg;
    ASSERT_EQ(cfg.put_path((folder_.path() / "pool").string()), status::OK);
    ASSERT_EQ(cfg.put_size(kPoolBytes), status::OK);
    ASSERT_EQ(cfg.put_create_if_missing(true), status::OK);
    ASSERT_EQ(db_.open("cmap", std::move(cfg)), status::OK) << db_.errormsg();
  }
  Pairs Contents() {
    Pairs pairs;
    EXPECT_EQ(db_.get_all([&](string_view key, string_view value) {
      pairs.emplace(key, value);
      return 0;
    }),
              status::OK);
    return pairs;
  }

  const pmem::TestFolder folder_;
  db db_;
};

TEST_F(PmemkvHppTest, PutGetInAllItsFormsRemoveReopen) {
  ASSERT_EQ(db_.put("key", "value"), status::OK);
  std::string value;
  EXPECT_EQ(db_.get("key", &value), status::OK);
  EXPECT_EQ(value, "value");
  value.clear();
  EXPECT_EQ(db_.get("key", [&](string_view found) { value = found; }), status::OK);
  EXPECT_EQ(value, "value");
  EXPECT_EQ(db_.get(
                "key",
                [](const char* v, size_t n, void* out) {
                  static_cast<std::string*>(out)->assign(v, n - 1);
                },
                &value),
            status::OK);
  EXPECT_EQ(value, "valu");
  EXPECT_EQ(db_.get("absent", &value), status::NOT_FOUND);
  EXPECT_EQ(value, "valu");
  EXPECT_EQ(db_.exists("key"), status::OK);
  std::size_t count = 0;
  EXPECT_EQ(db_.count_all(count), status::OK);
  EXPECT_EQ(count, 1u);
  db_.close();
  Open();
  EXPECT_EQ(Contents(), (Pairs{{"key", "value"}}));
  EXPECT_EQ(db_.remove("key"), status::OK);
  EXPECT_EQ(db_.remove("key"), status::NOT_FOUND);
  EXPECT_EQ(db_.defrag(), status::OK);
  EXPECT_EQ(db_.defrag(50, 51), status::INVALID_ARGUMENT);
}

TEST_F(PmemkvHppTest, AfterCloseAndBeforeOpenEveryCallIsInvalid) {
  db_.close();
  db_.close();
  std::size_t count = 0;
  std::string value;
  const auto kv = [](string_view, string_view) { return 0; };
  EXPECT_EQ(db_.put("k", "v"), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.get("k", &value), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.exists("k"), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.remove("k"), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.count_all(count), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.count_above("k", count), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.get_all(kv), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.get_below("k", kv), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.defrag(), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.tx_begin().get_status(), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.new_read_iterator(), status::INVALID_ARGUMENT);
  EXPECT_EQ(db_.new_write_iterator(), status::INVALID_ARGUMENT);
}

TEST_F(PmemkvHppTest, OrderedCallsAreNotSupported) {
  std::size_t n = 0;
  const auto kv = [](string_view, string_view) { return 0; };
  EXPECT_EQ(db_.count_above("a", n), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.count_equal_above("a", n), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.count_equal_below("a", n), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.count_below("a", n), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.count_between("a", "b", n), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.get_above("a", kv), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.get_equal_above("a", kv), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.get_equal_below("a", kv), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.get_below("a", kv), status::NOT_SUPPORTED);
  EXPECT_EQ(db_.get_between("a", "b", kv), status::NOT_SUPPORTED);
}

TEST_F(PmemkvHppTest, AWalkStopsAndAnExceptionOfACallbackIsAnError) {
  ASSERT_EQ(db_.put("a", "1"), status::OK);
  ASSERT_EQ(db_.put("b", "2"), status::OK);
  int seen = 0;
  EXPECT_EQ(db_.get_all([&](string_view, string_view) { return ++seen; }), status::STOPPED_BY_CB);
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(db_.get_all([](string_view, string_view) -> int { throw std::logic_error("mine"); }),
            status::UNKNOWN_ERROR);
  EXPECT_THAT(::pmem::kv::errormsg(), HasSubstr("mine"));
}

TEST_F(PmemkvHppTest, ATransactionCommitsAllOrAbortsAll) {
  ASSERT_EQ(db_.put("old", "1"), status::OK);
  auto begun = db_.tx_begin();
  ASSERT_TRUE(begun.is_ok());
  auto& tx = begun.get_value();
  EXPECT_EQ(tx.remove("old"), status::OK);
  EXPECT_EQ(tx.put("new", "2"), status::OK);
  EXPECT_EQ(db_.exists("new"), status::NOT_FOUND);
  EXPECT_EQ(tx.commit(), status::OK);
  EXPECT_EQ(Contents(), (Pairs{{"new", "2"}}));
  {
    auto moved = db_.tx_begin().get_value();
    EXPECT_EQ(moved.put("dropped", "3"), status::OK);
    moved.abort();
    EXPECT_EQ(moved.commit(), status::OK);
  }
  EXPECT_EQ(Contents(), (Pairs{{"new", "2"}}));
}

TEST_F(PmemkvHppTest, AWriteIteratorChangesAValueThroughItsRange) {
  ASSERT_EQ(db_.put("key", "abcdef"), status::OK);
  auto made = db_.new_write_iterator();
  ASSERT_TRUE(made.is_ok());
  db::write_iterator& it = made.get_value();
  ASSERT_EQ(it.seek("key"), status::OK);
  auto all = it.write_range();
  ASSERT_TRUE(all.is_ok());
  EXPECT_EQ(all.get_value().size(), 6u);
  for (auto& c : all.get_value()) c = 'x';
  auto part = it.write_range(2, 2).get_value();
  part[0] = 'y';
  part.at(1) = 'z';
  EXPECT_THROW(part.at(2), std::out_of_range);
  EXPECT_EQ(it.read_range().get_value(), "abcdef");
  EXPECT_EQ(it.commit(), status::OK);
  EXPECT_EQ(it.key().get_value(), "key");
  EXPECT_EQ(it.read_range().get_value(), "xxyzxx");
  const std::string text = "12";
  auto range = it.write_range(4, 100).get_value();
  std::copy(text.begin(), text.end(), range.begin());
  it.abort();
  EXPECT_EQ(it.commit(), status::OK);
  EXPECT_EQ(it.write_range(7), status::INVALID_ARGUMENT);
  EXPECT_EQ(Contents(), (Pairs{{"key", "xxyzxx"}}));
}

TEST_F(PmemkvHppTest, AReadIteratorSeeksAndHasNoOrder) {
  ASSERT_EQ(db_.put("key", "abcdef"), status::OK);
  auto made = db_.new_read_iterator();
  ASSERT_TRUE(made.is_ok());
  db::read_iterator it = std::move(made).get_value();
  EXPECT_EQ(it.key(), status::NOT_FOUND);
  EXPECT_EQ(it.seek("absent"), status::NOT_FOUND);
  ASSERT_EQ(it.seek("key"), status::OK);
  EXPECT_EQ(it.read_range(1, 3).get_value(), "bcd");
  EXPECT_EQ(it.seek_lower("key"), status::NOT_SUPPORTED);
  EXPECT_EQ(it.seek_lower_eq("key"), status::NOT_SUPPORTED);
  EXPECT_EQ(it.seek_higher("key"), status::NOT_SUPPORTED);
  EXPECT_EQ(it.seek_higher_eq("key"), status::NOT_SUPPORTED);
  EXPECT_EQ(it.seek_to_first(), status::NOT_SUPPORTED);
  EXPECT_EQ(it.seek_to_last(), status::NOT_SUPPORTED);
  EXPECT_EQ(it.is_next(), status::NOT_SUPPORTED);
  EXPECT_EQ(it.next(), status::NOT_SUPPORTED);
  EXPECT_EQ(it.prev(), status::NOT_SUPPORTED);
}

TEST(PmemkvHppConfig, ItemsComeBackAndObjectsAreOwned) {
  struct Counted {
    explicit Counted(int* c) : counter(c) {}
    ~Counted() { ++*counter; }
    int* counter;
  };
  int destroyed = 0;
  {
    config cfg;
    uint64_t u = 0;
    EXPECT_EQ(cfg.get_uint64("u", u), status::NOT_FOUND);  // before there is any item
    const int numbers[] = {1, 2, 3};
    ASSERT_EQ(cfg.put_data("data", numbers, 3), status::OK);
    ASSERT_EQ(cfg.put_uint64("u", 5), status::OK);
    ASSERT_EQ(cfg.put_int64("i", -5), status::OK);
    ASSERT_EQ(cfg.put_string("s", "text"), status::OK);
    ASSERT_EQ(cfg.put_object("o", std::make_unique<Counted>(&destroyed)), status::OK);
    EXPECT_EQ(cfg.put_object("o", std::make_unique<Counted>(&destroyed)), status::UNKNOWN_ERROR);
    EXPECT_EQ(destroyed, 1);

    const int* found = nullptr;
    std::size_t n = 0;
    ASSERT_EQ(cfg.get_data("data", found, n), status::OK);
    EXPECT_EQ(n, 3u);
    EXPECT_TRUE(std::equal(numbers, numbers + 3, found));
    int64_t i = 0;
    std::string s;
    Counted* o = nullptr;
    EXPECT_EQ(cfg.get_uint64("u", u), status::OK);
    EXPECT_EQ(u, 5u);
    EXPECT_EQ(cfg.get_int64("i", i), status::OK);
    EXPECT_EQ(i, -5);
    EXPECT_EQ(cfg.get_string("s", s), status::OK);
    EXPECT_EQ(s, "text");
    ASSERT_EQ(cfg.get_object("o", o), status::OK);
    EXPECT_EQ(o->counter, &destroyed);
    EXPECT_EQ(cfg.get_string("u", s), status::CONFIG_TYPE_ERROR);
    EXPECT_EQ(cfg.get_uint64("i", u), status::CONFIG_TYPE_ERROR);
  }
  EXPECT_EQ(destroyed, 2);
}

TEST(PmemkvHppConfig, AComparatorOfAClassIsTaken) {
  struct Backwards {
    int compare(string_view a, string_view b) { return b.compare(a); }
    std::string name() { return "backwards"; }
  } lvalue;
  config cfg;
  EXPECT_EQ(cfg.put_comparator(lvalue), status::OK);
  EXPECT_EQ(cfg.put_comparator(Backwards{}), status::UNKNOWN_ERROR);  // there is one
  db blackhole;
  EXPECT_EQ(blackhole.open("blackhole", std::move(cfg)), status::OK);
  EXPECT_EQ(db().open("blackhole"), status::OK);
  EXPECT_EQ(db().open("no such engine"), status::WRONG_ENGINE_NAME);
}

TEST(PmemkvHppStatus, EachPrintsItsNameAndNumber) {
  const auto text = [](status s) {
    std::ostringstream out;
    out << s;
    return out.str();
  };
  EXPECT_EQ(text(status::OK), "OK (0)");
  EXPECT_EQ(text(status::NOT_FOUND), "NOT_FOUND (2)");
  EXPECT_EQ(text(status::CONFIG_TYPE_ERROR), "CONFIG_TYPE_ERROR (6)");
  EXPECT_EQ(text(status::OUT_OF_MEMORY), "OUT_OF_MEMORY (8)");
  EXPECT_EQ(text(status::COMPARATOR_MISMATCH), "COMPARATOR_MISMATCH (12)");
}

TEST(PmemkvHppResult, HoldsAValueOrAStatus) {
  result<std::string> value(std::string("text"));
  result<std::string> error(status::NOT_FOUND);
  EXPECT_TRUE(value.is_ok());
  EXPECT_EQ(value, status::OK);
  EXPECT_EQ(value.get_value(), "text");
  EXPECT_FALSE(error.is_ok());
  EXPECT_TRUE(status::NOT_FOUND == error && error != status::OK);
  EXPECT_THROW(error.get_value(), ::pmem::kv::bad_result_access);

  result<std::string> copy = value;
  copy = error;
  EXPECT_EQ(copy, status::NOT_FOUND);
  copy = value;
  EXPECT_EQ(copy.get_value(), "text");
  result<std::string> moved = std::move(copy);
  EXPECT_EQ(moved.get_value(), "text");
  moved = result<std::string>(status::OUT_OF_MEMORY);
  EXPECT_EQ(moved, status::OUT_OF_MEMORY);

  result<std::unique_ptr<int>> only_moves(std::make_unique<int>(7));
  const std::unique_ptr<int> taken = std::move(only_moves).get_value();
  EXPECT_EQ(*taken, 7);
}

}  // namespace
}  // namespace fencepost::pmemkv_api
