// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pending_stores.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace fencepost::pmem {
namespace {

// Few stores are looked up one by one, many by hash: both, and the step between them.
TEST(PendingStores, MatchAMapForFewAndForMany) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> words(200);
  for (const size_t store_count : {size_t{0}, size_t{1}, size_t{32}, size_t{33}, size_t{500}}) {
    PendingStores stores;
    std::map<uint64_t*, uint64_t> model;
    for (size_t i = 0; i < store_count; ++i) {
      uint64_t* const word = &words[random() % words.size()];
      const uint64_t value = random();
      stores.Store(word, value);
      model[word] = value;
    }
    EXPECT_EQ(stores.size(), model.size());
    for (uint64_t& word : words) {
      const PendingStore* const found = stores.Find(&word);
      ASSERT_EQ(found != nullptr, model.contains(&word));
      if (found != nullptr) {
        ASSERT_EQ(found->value, model[&word]);
      }
    }
    stores.Clear();
    EXPECT_TRUE(stores.empty());
    EXPECT_EQ(stores.Find(&words[0]), nullptr);
  }
}

TEST(PendingStores, KeepTheOrderOfFirstStores) {
  uint64_t words[3] = {};
  PendingStores stores;
  stores.Store(&words[2], 1);
  stores.Store(&words[0], 2);
  stores.Store(&words[2], 3);
  std::vector<uint64_t> values;
  for (const PendingStore& store : stores) values.push_back(store.value);
  EXPECT_EQ(values, (std::vector<uint64_t>{3, 2}));
}

}  // namespace
}  // namespace fencepost::pmem
