// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/keys.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "workloads/rng.h"

namespace fencepost {
namespace {

std::string Key(bool hashed, unsigned zero_padding, uint64_t number) {
  char buffer[KeyFormat::kMaxKeyBytes];
  return {buffer, KeyFormat(hashed, zero_padding).Format(number, buffer)};
}

// The same in the plainest way.
std::string ExpectedKey(bool hashed, unsigned zero_padding, uint64_t number) {
  const uint64_t base = number & kMaxKeyNumber;
  std::string key =
      fmt::format("user{:0>{}}", hashed ? Fnv1a64(base) : base, std::max(zero_padding, 1u));
  if (number & kMissBit) key.back() = static_cast<char>(key.back() + ('A' - '0'));
  return key;
}

// Numbers of all lengths, powers of ten and their neighbours among them.
std::vector<uint64_t> Numbers() {
  std::vector<uint64_t> numbers{0};
  for (uint64_t power = 1; power <= kMaxKeyNumber; power *= 10) {
    for (const uint64_t number : {power - 1, power, power + 1}) numbers.push_back(number);
  }
  Rng rng(1);
  for (int i = 0; i < 20000; ++i) numbers.push_back(rng.Next() >> (5 + rng.Below(58)));
  for (size_t i = 0; i < numbers.size(); i += 7) numbers[i] |= kMissBit;
  return numbers;
}

TEST(Keys, AreYcsbs) {
  EXPECT_EQ(Key(true, 1, 0), "user6284781860667377211");
  EXPECT_EQ(Key(true, 1, 1), "user8517097267634966620");
  EXPECT_EQ(Key(true, 1, 2), "user1820151046732198393");
  EXPECT_EQ(Key(true, 1, 999), "user2071219101098386137");
}

TEST(Keys, OrderedKeysAreTheNumber) {
  EXPECT_EQ(Key(false, 1, 0), "user0");
  EXPECT_EQ(Key(false, 0, 42), "user42");
  EXPECT_EQ(Key(false, 1, kMaxKeyNumber), "user576460752303423487");
}

TEST(Keys, PaddingFillsUpToItsDigits) {
  EXPECT_EQ(Key(false, 8, 42), "user00000042");
  EXPECT_EQ(Key(false, 2, 123456), "user123456");
  EXPECT_EQ(Key(true, 24, 0), "user000006284781860667377211");
  EXPECT_EQ(Key(false, 40, 7), "user" + std::string(39, '0') + "7");
  EXPECT_EQ(Key(true, KeyFormat::kMaxZeroPadding, 1).size(), 4 + KeyFormat::kMaxZeroPadding);
}

TEST(Keys, OneByOneAndInBlocksGiveThePlainResult) {
  const std::vector<uint64_t> numbers = Numbers();
  for (const bool hashed : {false, true}) {
    for (const unsigned padding : {0u, 1u, 7u, 8u, 9u, 15u, 16u, 17u, 19u, 20u, 21u, 40u, 300u}) {
      const KeyFormat format(hashed, padding);
      KeyBlock block;
      block.Build(format, numbers);
      ASSERT_EQ(block.size(), numbers.size());
      for (size_t i = 0; i < numbers.size(); ++i) {
        const std::string expected = ExpectedKey(hashed, padding, numbers[i]);
        ASSERT_EQ(block[i], expected) << numbers[i] << " padded to " << padding;
        ASSERT_LE(expected.size(), format.max_key_bytes());
        if (i % 16 == 0) {
          ASSERT_EQ(Key(hashed, padding, numbers[i]), expected);
        }
      }
    }
  }
}

TEST(Keys, BlocksOfAnySizeAndOfSmallNumbersAgree) {
  Rng rng(2);
  KeyBlock block;
  for (size_t i = 0; i < 1000; ++i) {
    const size_t size = i % 20;
    std::vector<uint64_t> numbers(size);
    for (uint64_t& number : numbers) number = rng.Below(uint64_t{1} << (20 + i % 7));
    block.Build(KeyFormat(true, 1), numbers);
    ASSERT_EQ(block.size(), size);
    for (size_t k = 0; k < size; ++k) ASSERT_EQ(block[k], ExpectedKey(true, 1, numbers[k]));
  }
}

TEST(Keys, AMissIsLikeNoKeyButBesideOne) {
  for (const bool hashed : {false, true}) {
    for (uint64_t number = 0; number < 1000; ++number) {
      const std::string key = Key(hashed, 1, number);
      const std::string miss = Key(hashed, 1, number | kMissBit);
      ASSERT_EQ(miss.size(), key.size());
      ASSERT_EQ(miss.substr(0, miss.size() - 1), key.substr(0, key.size() - 1));
      // Keys have digits only.
      ASSERT_TRUE(std::isdigit(static_cast<unsigned char>(key.back())));
      ASSERT_FALSE(std::isdigit(static_cast<unsigned char>(miss.back())));
    }
  }
}

TEST(Keys, FormatStaysWithinItsBuffer) {
  for (const bool hashed : {false, true}) {
    for (const unsigned padding : {0u, 1u, 9u, 17u, 20u, 40u, KeyFormat::kMaxZeroPadding}) {
      const KeyFormat format(hashed, padding);
      ASSERT_LE(format.buffer_bytes(), size_t{KeyFormat::kMaxKeyBytes});
      for (const uint64_t number : Numbers()) {
        std::vector<char> buffer(format.buffer_bytes() + 16, '#');
        ASSERT_LE(format.Format(number, buffer.data()), format.max_key_bytes());
        ASSERT_TRUE(std::all_of(buffer.end() - 16, buffer.end(), [](char c) { return c == '#'; }));
        if (padding > 40) break;
      }
    }
  }
}

}  // namespace
}  // namespace fencepost
