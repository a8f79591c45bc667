// SPDX-License-Identifier: BSD-3-Clause
// Time to format a key: one at a time, and in blocks of 256. Target: 8 ns a key in blocks.
#include <benchmark/benchmark.h>

#include <array>

#include "workloads/keys.h"
#include "workloads/rng.h"

namespace fencepost {
namespace {

std::array<uint64_t, 256> Numbers() {
  std::array<uint64_t, 256> numbers;
  Rng rng(1);
  for (uint64_t& number : numbers) number = rng.Below(1'000'000);
  return numbers;
}

void SetRate(benchmark::State& state, size_t keys) {
  state.counters["ns_per_key"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(keys) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Block(benchmark::State& state, bool hashed, unsigned zero_padding) {
  const KeyFormat format(hashed, zero_padding);
  const auto numbers = Numbers();
  KeyBlock block;
  for (auto _ : state) {
    block.Build(format, numbers);
    benchmark::DoNotOptimize(block[0].data());
    benchmark::ClobberMemory();
  }
  SetRate(state, numbers.size());
}
BENCHMARK_CAPTURE(Block, hashed, true, 1u);
BENCHMARK_CAPTURE(Block, ordered, false, 1u);
BENCHMARK_CAPTURE(Block, ordered_padded, false, 12u);
BENCHMARK_CAPTURE(Block, hashed_padded_40, true, 40u);

void OneByOne(benchmark::State& state) {
  const KeyFormat format(true, 1);
  const auto numbers = Numbers();
  char key[KeyFormat::kMaxKeyBytes];
  for (auto _ : state) {
    for (const uint64_t number : numbers) {
      benchmark::DoNotOptimize(format.Format(number, key));
      benchmark::ClobberMemory();
    }
  }
  SetRate(state, numbers.size());
}
BENCHMARK(OneByOne);

}  // namespace
}  // namespace fencepost
