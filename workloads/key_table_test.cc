// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/key_table.h"

#include <gtest/gtest.h>

#include <string>

#include "workloads/values.h"

namespace fencepost {
namespace {

constexpr uint64_t kRoomy = uint64_t{1} << 30;

TEST(KeyTable, HoldsWhatTheFormatWrites) {
  for (const bool hashed : {false, true}) {
    const KeyFormat format(hashed, 12);
    // Across powers of ten, and a count that is no multiple of a block.
    const KeyTable table(format, 999'950, 201, kRoomy);
    ASSERT_EQ(table.size(), 201u);
    for (uint64_t number = 999'950; number < 1'000'151; ++number) {
      char buffer[KeyFormat::kMaxKeyBytes];
      const std::string expected(buffer, format.Format(number, buffer));
      const KeyTable::Entry* entry = table.Find(number);
      ASSERT_NE(entry, nullptr);
      EXPECT_EQ(entry->key(), expected);
      EXPECT_EQ(entry->key_hash, KeyHash(expected));
    }
  }
}

TEST(KeyTable, HasNothingOutsideItsRange) {
  const KeyTable table(KeyFormat(true, 1), 100, 50, kRoomy);
  for (const uint64_t number : {uint64_t{0}, uint64_t{99}, uint64_t{150}, 120 | kMissBit}) {
    EXPECT_EQ(table.Find(number), nullptr) << number;
  }
}

TEST(KeyTable, IsCutToItsBudget) {
  const KeyTable table(KeyFormat(true, 1), 0, 1000, 100 * sizeof(KeyTable::Entry) + 31);
  EXPECT_EQ(table.size(), 100u);
  EXPECT_NE(table.Find(99), nullptr);
  EXPECT_EQ(table.Find(100), nullptr);
  EXPECT_EQ(KeyTable(KeyFormat(true, 1), 0, 1000, 0).size(), 0u);
}

TEST(KeyTable, TakesTheLongestKeyOfItsEntriesAndNoLonger) {
  EXPECT_EQ(KeyTable(KeyFormat(false, 20), 0, 10, kRoomy).Find(3)->key().size(), 24u);
  EXPECT_EQ(KeyTable(KeyFormat(false, 21), 0, 10, kRoomy).size(), 0u);
}

}  // namespace
}  // namespace fencepost
