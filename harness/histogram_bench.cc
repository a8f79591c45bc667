// SPDX-License-Identifier: BSD-3-Clause
// What recording a latency costs, and what is done with a histogram once an interval.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <vector>

#include "harness/clock.h"
#include "harness/hdr_log.h"
#include "harness/histogram.h"

namespace fencepost {
namespace {

constexpr size_t kValueCount = 1 << 14;

// Latencies with a long tail: log-normal around `median_ns`, sigma in natural logs.
std::vector<uint64_t> Latencies(double median_ns, double sigma) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(std::log(median_ns), sigma);
  std::vector<uint64_t> values_ns;
  while (values_ns.size() < kValueCount) {
    values_ns.push_back(static_cast<uint64_t>(std::exp(normal(random))));
  }
  return values_ns;
}

// Argument: median in ns, and sigma in tenths.
void BM_HistogramRecord(benchmark::State& state) {
  const std::vector<uint64_t> values_ns =
      Latencies(static_cast<double>(state.range(0)), static_cast<double>(state.range(1)) / 10);
  Histogram histogram;
  size_t i = 0;
  for (auto _ : state) {
    histogram.Record(values_ns[i++ % kValueCount]);
    benchmark::ClobberMemory();
  }
  benchmark::DoNotOptimize(histogram.counts().data());
}
BENCHMARK(BM_HistogramRecord)->Args({50, 1})->Args({1000, 5})->Args({20000, 10})->Args({20000, 30});

// What the driver does for each operation: read the clock, convert, record.
void BM_ClockAndRecord(benchmark::State& state) {
  Clock::Calibrate();
  Histogram histogram;
  uint64_t begin = Clock::Ticks();
  for (auto _ : state) {
    const uint64_t end = Clock::Ticks();
    histogram.Record(Clock::TicksToNs(end - begin));
    begin = end;
  }
}
BENCHMARK(BM_ClockAndRecord);

void BM_HistogramAdd(benchmark::State& state) {
  Histogram sum, part;
  for (uint64_t value_ns : Latencies(20000, 1)) part.Record(value_ns);
  for (auto _ : state) sum.Add(part);
}
BENCHMARK(BM_HistogramAdd);

void BM_HistogramPercentile(benchmark::State& state) {
  Histogram histogram;
  for (uint64_t value_ns : Latencies(20000, 1)) histogram.Record(value_ns);
  for (auto _ : state) benchmark::DoNotOptimize(histogram.Percentile(99.9));
}
BENCHMARK(BM_HistogramPercentile);

void BM_HistogramEncode(benchmark::State& state) {
  Histogram histogram;
  for (uint64_t value_ns : Latencies(20000, 1)) histogram.Record(value_ns);
  for (auto _ : state) benchmark::DoNotOptimize(EncodeHistogramBase64(histogram));
}
BENCHMARK(BM_HistogramEncode);

}  // namespace
}  // namespace fencepost
