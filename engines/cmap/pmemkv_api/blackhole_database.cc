// SPDX-License-Identifier: BSD-3-Clause
// pmemkv's blackhole: takes everything and has nothing. Its answers are those of libpmemkv 1.5.
//
// Not engines/blackhole, whose get hands back a value, as a measurement of the harness needs it.
#include <libpmemkv.h>

#include "engines/cmap/pmemkv_api/database.h"

namespace fencepost::pmemkv_api {
namespace {

class BlackholeCursor final : public Cursor {
 public:
  Answer Seek(std::string_view) override { return {}; }
  Answer Key(std::string_view*) override { return Answer(PMEMKV_STATUS_NOT_FOUND); }
  Answer Read(size_t, size_t, std::string_view*) override {
    return Answer(PMEMKV_STATUS_NOT_FOUND);
  }
};

class BlackholeDatabase final : public Database {
 public:
  Answer Put(std::string_view, std::string_view) override { return {}; }
  Answer Remove(std::string_view) override { return {}; }
  Answer Exists(std::string_view) override { return Answer(PMEMKV_STATUS_NOT_FOUND); }
  Answer Get(std::string_view, ValueCallback) override { return Answer(PMEMKV_STATUS_NOT_FOUND); }
  Answer GetAll(PairCallback) override { return Answer(PMEMKV_STATUS_NOT_FOUND); }
  Answer GetOrdered() override { return Answer(PMEMKV_STATUS_NOT_FOUND); }
  Answer CountAll(size_t* count) override {
    *count = 0;
    return {};
  }
  Answer CountOrdered(size_t* count) override { return CountAll(count); }
  Answer NewCursor(bool, std::unique_ptr<Cursor>* cursor) override {
    *cursor = std::make_unique<BlackholeCursor>();
    return {};
  }
  void Close() override {}
};

}  // namespace

std::shared_ptr<Database> OpenBlackholeDatabase() { return std::make_shared<BlackholeDatabase>(); }

}  // namespace fencepost::pmemkv_api
