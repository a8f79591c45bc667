// SPDX-License-Identifier: BSD-3-Clause
// filestore's get and put, with everything in the buffer pool and with a tenth of it there.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engines/filestore/filestore_engine.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPairs = 100000;
constexpr size_t kValueBytes = 100;

// A loaded store in a fresh directory of TMPDIR.
class LoadedStore {
 public:
  LoadedStore(Durability durability, uint64_t cache_bytes) {
    std::string pattern = (fs::temp_directory_path() / "filestore-bench-XXXXXX").string();
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    EngineOptions options;
    options.path = path_;
    options.cache_bytes = cache_bytes;
    options.durability = Durability::kBuffered;
    engine_ = OpenFilestore(options).value();
    const std::string value(kValueBytes, 'v');
    for (uint64_t i = 0; i < kPairs; ++i) CHECK_OK(engine_->Put(Key(i), value));
    CHECK_OK(engine_->Close());
    engine_.reset();
    options.durability = durability;
    engine_ = OpenFilestore(options).value();
    for (uint64_t i = 0; i < kPairs; ++i) CHECK_OK(engine_->Get(Key(i), [](std::string_view) {}));
  }
  ~LoadedStore() {
    engine_.reset();
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  LoadedStore(const LoadedStore&) = delete;
  LoadedStore& operator=(const LoadedStore&) = delete;

  // Scattered, as YCSB's hashed keys are.
  static std::string Key(uint64_t i) { return fmt::format("user{:020}", i * 0x9e3779b97f4a7c15u); }
  static std::vector<std::string> RandomKeys() {
    std::mt19937_64 random(1);
    std::vector<std::string> keys;
    for (int i = 0; i < 1 << 16; ++i) keys.push_back(Key(random() % kPairs));
    return keys;
  }

  Engine& operator*() { return *engine_; }

 private:
  fs::path path_;
  std::unique_ptr<Engine> engine_;
};

void Get(benchmark::State& state, uint64_t cache_bytes) {
  LoadedStore store(Durability::kPowerFail, cache_bytes);
  const std::vector<std::string> keys = LoadedStore::RandomKeys();
  size_t i = 0;
  for (auto _ : state) {
    CHECK_OK((*store).Get(keys[i++ % keys.size()],
                          [](std::string_view value) { benchmark::DoNotOptimize(value.data()); }));
  }
}

void Put(benchmark::State& state, Durability durability) {
  LoadedStore store(durability, uint64_t{64} << 20);
  const std::vector<std::string> keys = LoadedStore::RandomKeys();
  std::string value(kValueBytes, 'w');
  size_t i = 0;
  for (auto _ : state) {
    value[0] = static_cast<char>(i);
    CHECK_OK((*store).Put(keys[i++ % keys.size()], value));
  }
}

BENCHMARK_CAPTURE(Get, cached, uint64_t{64} << 20);
BENCHMARK_CAPTURE(Get, a_tenth_cached, uint64_t{2} << 20);
BENCHMARK_CAPTURE(Put, buffered, Durability::kBuffered);
BENCHMARK_CAPTURE(Put, prefix, Durability::kPrefix);
BENCHMARK_CAPTURE(Put, power_fail, Durability::kPowerFail);

}  // namespace
}  // namespace fencepost
