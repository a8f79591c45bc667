// SPDX-License-Identifier: BSD-3-Clause
// What a reading of the clock costs, and what its conversion does.
#include <benchmark/benchmark.h>

#include "harness/clock.h"

namespace fencepost {
namespace {

void BM_ClockTicks(benchmark::State& state) {
  const ClockInfo info = Clock::Calibrate(static_cast<ClockSource>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(Clock::Ticks());
  state.SetLabel(info.source_name);
}
BENCHMARK(BM_ClockTicks)
    ->Arg(static_cast<int>(ClockSource::kTsc))
    ->Arg(static_cast<int>(ClockSource::kSystem));

void BM_ClockTicksToNs(benchmark::State& state) {
  Clock::Calibrate();
  uint64_t ticks = Clock::Ticks();
  for (auto _ : state) benchmark::DoNotOptimize(ticks = Clock::TicksToNs(ticks) + 12345);
}
BENCHMARK(BM_ClockTicksToNs);

void BM_ClockCalibrate(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Clock::Calibrate());
}
BENCHMARK(BM_ClockCalibrate)->Unit(benchmark::kMillisecond)->Iterations(20);

}  // namespace
}  // namespace fencepost
