// SPDX-License-Identifier: BSD-3-Clause
// For tests of cmap: opening a small one, and comparing it with a model.
#ifndef FENCEPOST_ENGINES_CMAP_CMAP_TEST_UTIL_H_
#define FENCEPOST_ENGINES_CMAP_CMAP_TEST_UTIL_H_

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engines/cmap/cmap_engine.h"
#include "engines/pmem/test_pool.h"

namespace fencepost::cmap {

using Model = std::map<std::string, std::string, std::less<>>;

inline EngineOptions TestOptions(const std::filesystem::path& path, std::string pool_bytes = "16M",
                                 std::string initial_buckets = "16") {
  EngineOptions options;
  options.path = path;
  options.tuning = Tuning("cmap", {{"pool_bytes", std::move(pool_bytes)},
                                   {"initial_buckets", std::move(initial_buckets)}});
  return options;
}

inline std::unique_ptr<Engine> MustOpen(const EngineOptions& options) {
  Result<std::unique_ptr<Engine>> engine = OpenCmap(options);
  CHECK_OK(engine);
  return std::move(engine).value();
}

// The value, or "<not found>".
inline std::string GetValue(Engine& engine, std::string_view key) {
  std::string out = "<not found>";
  const Status status = engine.Get(key, [&](std::string_view value) { out = value; });
  if (!status.ok() && !status.IsNotFound()) out = fmt::format("<{}>", status.message());
  return out;
}

inline Model Contents(Engine& engine) {
  Model contents;
  CHECK_OK(engine.ForEach([&](std::string_view key, std::string_view value) {
    const bool is_new = contents.emplace(key, value).second;
    EXPECT_TRUE(is_new) << "seen twice";
    return true;
  }));
  return contents;
}

// Not EXPECT_EQ of the maps: its message would print them.
inline void ExpectHolds(Engine& engine, const Model& model) {
  EXPECT_TRUE(Contents(engine) == model);
  EXPECT_EQ(engine.Stats()->count, model.size());
  for (const auto& [key, value] : model) {
    ASSERT_TRUE(GetValue(engine, key) == value) << "key of " << key.size() << " bytes";
  }
}

inline void ExpectNoLeak(Engine& engine) {
  const Result<AuditReport> audit = engine.Audit();
  ASSERT_TRUE(audit.ok()) << audit.message();
  EXPECT_EQ(audit->allocated_bytes, audit->reachable_bytes);
  EXPECT_EQ(audit->allocated_objects, audit->reachable_objects);
}

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_TEST_UTIL_H_
