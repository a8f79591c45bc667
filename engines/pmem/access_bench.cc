// SPDX-License-Identifier: BSD-3-Clause
// What the hooks cost while nobody observes: the same loop without and with them.
#include <benchmark/benchmark.h>

#include <array>

#include "engines/pmem/access.h"

namespace fencepost::pmem {
namespace {

template <bool kHooks>
void Operation(benchmark::State& state) {
  std::array<uint64_t, 8> line{1, 2, 3, 4, 5, 6, 7, 8};
  for (auto _ : state) {
    uint64_t sum = 0;
    // A bucket, a key and a value: what an operation of cmap tells of.
    for (int i = 0; i < 3; ++i) {
      if constexpr (kHooks) ToldRead(line.data(), sizeof(line));
      for (uint64_t& word : line) benchmark::DoNotOptimize(sum += word);
    }
    if constexpr (kHooks) {
      const ObservedOperation observed(OperationKind::kGet);
    }
  }
}
BENCHMARK(Operation<false>)->Name("without_hooks");
BENCHMARK(Operation<true>)->Name("hooks_off");

}  // namespace
}  // namespace fencepost::pmem
