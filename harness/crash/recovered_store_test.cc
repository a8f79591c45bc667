// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/recovered_store.h"

#include <gtest/gtest.h>

#include <random>

namespace fencepost {
namespace {

std::string AnyBytes(std::mt19937_64& rng, size_t most) {
  std::string bytes(rng() % (most + 1), '\0');
  for (char& c : bytes) c = static_cast<char>(rng());
  return bytes;
}

RecoveredStore AnyStore(std::mt19937_64& rng) {
  RecoveredStore store;
  for (uint64_t i = rng() % 20; i > 0; --i) {
    store.contents[AnyBytes(rng, 40)] = VersionToken(static_cast<uint32_t>(rng()));
  }
  for (uint64_t i = rng() % 3; i > 0; --i) {
    store.faults.push_back({AnyBytes(rng, 40), "torn", rng() >> rng() % 64});
  }
  if (rng() % 2 == 0) store.failed_call = "open";
  if (rng() % 2 == 0) store.failure = AnyBytes(rng, 300);
  if (rng() % 2 == 0) store.afterwards = AnyBytes(rng, 300);
  if (rng() % 2 == 0) store.audit = AuditReport{rng(), rng(), rng(), rng()};
  if (rng() % 2 == 0) store.count = rng();
  return store;
}

void ExpectEqual(const RecoveredStore& a, const RecoveredStore& b) {
  EXPECT_EQ(a.contents, b.contents);
  ASSERT_EQ(a.faults.size(), b.faults.size());
  for (size_t i = 0; i < a.faults.size(); ++i) {
    EXPECT_EQ(a.faults[i].key, b.faults[i].key);
    EXPECT_EQ(a.faults[i].fault, b.faults[i].fault);
    EXPECT_EQ(a.faults[i].bytes, b.faults[i].bytes);
  }
  EXPECT_EQ(a.failed_call, b.failed_call);
  EXPECT_EQ(a.failure, b.failure);
  EXPECT_EQ(a.afterwards, b.afterwards);
  EXPECT_EQ(a.count, b.count);
  ASSERT_EQ(a.audit.has_value(), b.audit.has_value());
  if (!a.audit) return;
  EXPECT_EQ(a.audit->allocated_bytes, b.audit->allocated_bytes);
  EXPECT_EQ(a.audit->reachable_bytes, b.audit->reachable_bytes);
  EXPECT_EQ(a.audit->allocated_objects, b.audit->allocated_objects);
  EXPECT_EQ(a.audit->reachable_objects, b.audit->reachable_objects);
}

TEST(RecoveredStore, IsDecodedAsItWasWhateverBytesItHolds) {
  std::mt19937_64 rng(1);
  for (int i = 0; i < 300; ++i) {
    SCOPED_TRACE(testing::Message() << "store " << i << " of seed 1");
    const RecoveredStore store = AnyStore(rng);
    const Result<RecoveredStore> decoded = RecoveredStore::Decode(store.Encode());
    ASSERT_TRUE(decoded.ok()) << decoded.message();
    ExpectEqual(*decoded, store);
  }
}

TEST(RecoveredStore, EqualStoresAreEqualAnswers) {
  RecoveredStore a, b;
  a.contents = {{"k1", "v1"}, {"k2", "v2"}};
  b.contents["k2"] = "v2";
  b.contents["k1"] = "v1";
  EXPECT_EQ(a.Encode(), b.Encode());
  b.contents["k1"] = "v2";
  EXPECT_NE(a.Encode(), b.Encode());
}

TEST(RecoveredStore, AnAbsentCountIsNotZero) {
  RecoveredStore absent, zero;
  zero.count = 0;
  zero.audit = AuditReport{};
  EXPECT_FALSE(RecoveredStore::Decode(absent.Encode())->count.has_value());
  EXPECT_FALSE(RecoveredStore::Decode(absent.Encode())->audit.has_value());
  EXPECT_EQ(RecoveredStore::Decode(zero.Encode())->count, 0u);
  EXPECT_TRUE(RecoveredStore::Decode(zero.Encode())->audit.has_value());
}

TEST(RecoveredStore, GarbageIsCorrupt) {
  const auto code = [](const std::string& text) {
    return RecoveredStore::Decode(text).status().code();
  };
  RecoveredStore store;
  store.contents = {{"key", "v1"}};
  const std::string whole = store.Encode();
  EXPECT_EQ(code(""), StatusCode::kCorrupt);
  EXPECT_EQ(code("exit 0 "), StatusCode::kCorrupt);
  EXPECT_EQ(code("\xa0"), StatusCode::kCorrupt) << "an empty map";
  EXPECT_EQ(code(whole + "x"), StatusCode::kCorrupt) << "more than a whole one";
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_EQ(code(whole.substr(0, bytes)), StatusCode::kCorrupt) << "cut at " << bytes;
  }
}

TEST(RecoveredStore, RandomDamageNeverEndsTheProcess) {
  std::mt19937_64 rng(2);
  for (int i = 0; i < 2000; ++i) {
    std::string text = AnyStore(rng).Encode();
    text[rng() % text.size()] = static_cast<char>(rng());
    const Result<RecoveredStore> decoded = RecoveredStore::Decode(text);
    if (!decoded.ok()) {
      EXPECT_EQ(decoded.status().code(), StatusCode::kCorrupt) << "store " << i << " of seed 2";
    }
  }
}

}  // namespace
}  // namespace fencepost
