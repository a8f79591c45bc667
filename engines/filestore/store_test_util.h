// SPDX-License-Identifier: BSD-3-Clause
// For tests: small stores on a FakeDisk, and what is in them.
#ifndef FENCEPOST_ENGINES_FILESTORE_STORE_TEST_UTIL_H_
#define FENCEPOST_ENGINES_FILESTORE_STORE_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "engines/filestore/fake_storage.h"
#include "engines/filestore/store.h"

namespace fencepost::filestore {

using Model = std::map<std::string, std::string>;

// Small enough that evictions and checkpoints happen all the time.
inline StoreOptions SmallOptions(Durability durability = Durability::kPowerFail) {
  StoreOptions options;
  options.durability = durability;
  options.cache_bytes = BufferPool::kMinFrames * kPageBytes;
  options.log_bytes = 32 << 10;
  options.log_buffer_bytes = 8 << 10;
  return options;
}

inline Result<std::unique_ptr<Store>> OpenOn(const std::shared_ptr<FakeDisk>& disk,
                                             const StoreOptions& options = SmallOptions()) {
  return Store::Open(disk->Mount(), options);
}

inline Status Dump(Store& store, Model* model) {
  model->clear();
  return store.ForEach([&](std::string_view key, std::string_view value) {
    model->emplace(key, value);
    return true;
  });
}

// The value, or the name of the status in angle brackets.
inline std::string GetOr(Store& store, std::string_view key) {
  std::string value;
  const Status status = store.Get(key, [&](std::string_view v) { value = v; });
  return status.ok() ? value : "<" + std::string(StatusCodeName(status.code())) + ">";
}

// Contents, count and space: everything must agree with the model.
inline void ExpectHolds(Store& store, const Model& model) {
  Model found;
  const Status status = Dump(store, &found);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_TRUE(found == model) << found.size() << " pairs instead of " << model.size();
  EXPECT_EQ(store.Stats().value().count, model.size());
  const Result<AuditReport> audit = store.Audit();
  ASSERT_TRUE(audit.ok()) << audit.message();
  EXPECT_EQ(audit->allocated_objects, audit->reachable_objects);
}

// Bytes that tell where they were meant to be.
inline std::string ValueOf(uint64_t version, size_t bytes) {
  std::mt19937_64 random(version * 7919 + bytes);
  std::string value(bytes, '\0');
  for (char& c : value) c = static_cast<char>(random());
  return value;
}

// Mostly small values, some that nearly fill a page, some in overflow chains.
inline size_t SomeValueBytes(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
      return 0;
    case 1:
      return 1500 + random() % 700;
    case 2:
      return 3000 + random() % 12000;
    default:
      return random() % 300;
  }
}

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_STORE_TEST_UTIL_H_
