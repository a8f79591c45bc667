// SPDX-License-Identifier: BSD-3-Clause
// Get and put of every engine of the table, in its weakest durability, so that it is the engine's
// own work that is timed and not the medium's sync: 100,000 pairs, keys of 16 and values of 100
// bytes, one thread. The scripts that compare engines use the driver; this is for a quick look at
// one engine while working on it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engines/engine_table.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPairs = 100'000;
constexpr size_t kKeyBytes = 16, kValueBytes = 100;

// An engine with all pairs in it, and its files for as long as it lives.
class Loaded {
 public:
  explicit Loaded(const EngineRow& row) {
    const bool shared_memory = row.capabilities.persistent_memory && access("/dev/shm", W_OK) == 0;
    std::string name =
        (fs::path(shared_memory ? "/dev/shm" : fs::temp_directory_path()) / "fencepost-XXXXXX")
            .string();
    CHECK(mkdtemp(name.data()) != nullptr);
    root_ = name;
    EngineOptions options;
    options.path = root_ / "store";
    options.durability = row.durabilities.back();
    options.size_hint = {.pairs = kPairs, .key_bytes = kKeyBytes, .value_bytes = kValueBytes};
    options.tuning = Tuning(std::string(row.name), {});
    auto engine = OpenEngine(row, options);
    CHECK_OK(engine);
    engine_ = std::move(engine).value();
    for (uint64_t i = 0; i < kPairs; ++i) keys_.push_back(fmt::format("user{:012}", i));
    for (const std::string& key : keys_) CHECK_OK(engine_->Put(key, value_));
    CHECK_OK(engine_->Settle());
  }
  ~Loaded() {
    (void)engine_->Close();
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  Engine* engine() { return engine_.get(); }
  const std::string& RandomKey() { return keys_[random_() % kPairs]; }
  std::string& value() { return value_; }

 private:
  fs::path root_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::string> keys_;
  std::string value_ = std::string(kValueBytes, 'v');
  std::minstd_rand random_{1};
};

void Get(benchmark::State& state, const EngineRow* row) {
  Loaded loaded(*row);
  size_t seen_bytes = 0;
  for (auto _ : state) {
    CHECK_OK(
        loaded.engine()->Get(loaded.RandomKey(), [&](auto value) { seen_bytes += value.size(); }));
  }
  benchmark::DoNotOptimize(seen_bytes);
  state.SetItemsProcessed(state.iterations());
}

void Put(benchmark::State& state, const EngineRow* row) {
  Loaded loaded(*row);
  for (auto _ : state) {
    ++loaded.value()[0];
    CHECK_OK(loaded.engine()->Put(loaded.RandomKey(), loaded.value()));
  }
  state.SetItemsProcessed(state.iterations());
}

void RegisterAll() {
  for (const EngineRow& row : Engines()) {
    const std::string suffix =
        fmt::format("/{}/{}", row.name, DurabilityName(row.durabilities.back()));
    // A fixed number, since each further attempt at a good one would load the pairs again.
    benchmark::RegisterBenchmark(("Get" + suffix).c_str(), Get, &row)->Iterations(200'000);
    benchmark::RegisterBenchmark(("Put" + suffix).c_str(), Put, &row)->Iterations(200'000);
  }
}

}  // namespace
}  // namespace fencepost

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  fencepost::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
