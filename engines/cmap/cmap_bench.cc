// SPDX-License-Identifier: BSD-3-Clause
// cmap by operation: key 16, value 100 bytes, 1,000,000 pairs, pool on tmpfs, 1 and 2 threads.
//
// Each benchmark has a pool of its own and meets every pair once, in a scattered order: inserting
// grows the table from 1,024 buckets, deleting empties it.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engines/cmap/cmap_engine.h"
#include "engines/pmem/test_pool.h"

namespace fencepost {
namespace {

constexpr uint64_t kPairs = 1'000'000;
constexpr size_t kKeyBytes = 16;
constexpr size_t kValueBytes = 100;
// Odd, so that different i have different keys.
constexpr uint64_t kScatter = 0x9E3779B97F4A7C15;

// The i-th key; keys from kPairs on are absent.
struct Key {
  explicit Key(uint64_t i) { std::snprintf(bytes, sizeof(bytes), "%016lx", i * kScatter); }
  std::string_view view() const { return {bytes, kKeyBytes}; }
  char bytes[kKeyBytes + 1];
};

// Keys made ahead: printing one costs as much as a lookup.
const std::vector<Key>& Keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> made;
    made.reserve(2 * kPairs);
    for (uint64_t i = 0; i < 2 * kPairs; ++i) made.emplace_back(i);
    return made;
  }();
  return keys;
}

// A pool of its own for each benchmark, empty or loaded.
class Fixture {
 public:
  explicit Fixture(bool loaded) {
    Keys();
    EngineOptions options;
    options.path = folder_.path() / "pool";
    options.size_hint = {2 * kPairs, kKeyBytes, kValueBytes};
    engine_ = OpenCmap(options).value();
    if (!loaded) return;
    const std::string value(kValueBytes, 'v');
    for (uint64_t i = 0; i < kPairs; ++i) CHECK_OK(engine_->Put(Keys()[i].view(), value));
  }
  Engine& engine() { return *engine_; }

 private:
  pmem::TestFolder folder_;
  std::unique_ptr<Engine> engine_;
};

std::unique_ptr<Fixture> fixture;

void SetUpEmpty(const benchmark::State&) { fixture = std::make_unique<Fixture>(false); }
void SetUpLoaded(const benchmark::State&) { fixture = std::make_unique<Fixture>(true); }
void TearDown(const benchmark::State&) { fixture.reset(); }

// Runs operation(engine, key index) for this thread's share of the pairs, and reports the cost in
// lines and fences of all threads together.
template <typename Operation>
void RunShare(benchmark::State& state, Operation&& operation) {
  Engine& engine = fixture->engine();
  const EngineStats before = engine.Stats().value();
  auto i = static_cast<uint64_t>(state.thread_index());
  const auto step = static_cast<uint64_t>(state.threads());
  for (auto _ : state) {
    operation(engine, i);
    i += step;
  }
  const EngineStats after = engine.Stats().value();
  state.SetItemsProcessed(state.iterations());
  if (state.threads() > 1) return;
  const auto operations = static_cast<double>(state.iterations());
  state.counters["lines/op"] =
      static_cast<double>(after.flushed_lines - before.flushed_lines) / operations;
  state.counters["fences/op"] = static_cast<double>(after.fences - before.fences) / operations;
}

// Indexes in an order that no prefetcher guesses; 500,009 is prime to the number of pairs.
uint64_t Scattered(uint64_t i) { return i * 500'009 % kPairs; }

void Insert(benchmark::State& state) {
  const std::string value(kValueBytes, 'v');
  RunShare(state,
           [&](Engine& engine, uint64_t i) { CHECK_OK(engine.Put(Keys()[i].view(), value)); });
}

void Overwrite(benchmark::State& state) {
  const std::string value(kValueBytes, 'w');
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK_OK(engine.Put(Keys()[Scattered(i)].view(), value));
  });
}

void Get(benchmark::State& state) {
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK_OK(engine.Get(Keys()[Scattered(i)].view(),
                        [](std::string_view value) { benchmark::DoNotOptimize(value[0]); }));
  });
}

void GetMissing(benchmark::State& state) {
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK(engine.Get(Keys()[kPairs + Scattered(i)].view(), [](std::string_view) {}).IsNotFound());
  });
}

void Delete(benchmark::State& state) {
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK_OK(engine.Delete(Keys()[Scattered(i)].view()));
  });
}

// Every pair is met once: iterations are counted by thread.
#define FENCEPOST_CMAP_BENCHMARK(operation, set_up)                                           \
  BENCHMARK(operation)->Setup(set_up)->Teardown(TearDown)->Iterations(kPairs)->UseRealTime(); \
  BENCHMARK(operation)                                                                        \
      ->Setup(set_up)                                                                         \
      ->Teardown(TearDown)                                                                    \
      ->Iterations(kPairs / 2)                                                                \
      ->Threads(2)                                                                            \
      ->UseRealTime()

FENCEPOST_CMAP_BENCHMARK(Insert, SetUpEmpty);
FENCEPOST_CMAP_BENCHMARK(Overwrite, SetUpLoaded);
FENCEPOST_CMAP_BENCHMARK(Get, SetUpLoaded);
FENCEPOST_CMAP_BENCHMARK(GetMissing, SetUpLoaded);
FENCEPOST_CMAP_BENCHMARK(Delete, SetUpLoaded);

}  // namespace
}  // namespace fencepost
