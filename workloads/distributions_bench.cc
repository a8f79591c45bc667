// SPDX-License-Identifier: BSD-3-Clause
// Time of a draw, in blocks of 256. Targets: a zipfian rank 10 ns, a scrambled draw 25 ns.
#include <benchmark/benchmark.h>

#include <array>

#include "workloads/distributions.h"

namespace fencepost {
namespace {

constexpr uint64_t kItems = 1'000'000;

template <typename Distribution>
void Draw(benchmark::State& state, Distribution distribution) {
  Rng rng(1);
  std::array<uint64_t, 256> block;
  for (auto _ : state) {
    distribution.Fill(rng, block);
    benchmark::DoNotOptimize(block.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * block.size()));
  state.counters["ns_per_draw"] =
      benchmark::Counter(static_cast<double>(state.iterations() * block.size()) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(Draw, uniform, Uniform(kItems));
BENCHMARK_CAPTURE(Draw, zipfian_rank, Zipfian(kItems));
BENCHMARK_CAPTURE(Draw, exact_zipfian_rank, ExactZipfian(kItems));
BENCHMARK_CAPTURE(Draw, scrambled_zipfian, ScrambledZipfian(kItems + 1));
BENCHMARK_CAPTURE(Draw, scattered_zipfian, ScatteredZipfian(kItems));
BENCHMARK_CAPTURE(Draw, latest, Latest<Zipfian>(kItems - 1));
BENCHMARK_CAPTURE(Draw, hotspot, Hotspot(kItems, 0.2, 0.8));
BENCHMARK_CAPTURE(Draw, exponential, Exponential::FromPercentile(95, kItems * 0.8571428571));
BENCHMARK_CAPTURE(Draw, sequential, Sequential(kItems));

}  // namespace
}  // namespace fencepost
