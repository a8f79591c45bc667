// SPDX-License-Identifier: BSD-3-Clause
// Time to make a value and to verify it, by size. Target: both for 1,000 bytes well below 50 ns.
#include <benchmark/benchmark.h>

#include <vector>

#include "workloads/values.h"
#include "workloads/xxh3.h"

namespace fencepost {
namespace {

WorkloadSpec Spec(size_t value_bytes) {
  WorkloadSpec spec;
  spec.field_count = 1;
  spec.field_bytes = value_bytes;
  return spec;
}

void Make(benchmark::State& state) {
  const ValueMaker maker(Spec(static_cast<size_t>(state.range(0))));
  std::vector<char> buffer(maker.max_value_bytes());
  uint32_t version = 0;
  for (auto _ : state) {
    ++version;
    benchmark::DoNotOptimize(maker.Make(version, version * 2654435761u, version, buffer.data()));
    benchmark::ClobberMemory();
  }
}

void Verify(benchmark::State& state, VerifyLevel level) {
  const ValueMaker maker(Spec(static_cast<size_t>(state.range(0))));
  std::vector<char> buffer(maker.max_value_bytes());
  const std::string_view value = maker.Make(1, 2, 3, buffer.data());
  for (auto _ : state) {
    benchmark::DoNotOptimize(ReadValue(2, value, level));
    benchmark::ClobberMemory();
  }
}

void VaryingMake(benchmark::State& state, LengthDistribution distribution) {
  WorkloadSpec spec;
  spec.field_count = 10;
  spec.field_bytes = 200;
  spec.min_field_bytes = 1;
  spec.field_length_distribution = distribution;
  const ValueMaker maker(spec);
  std::vector<char> buffer(maker.max_value_bytes());
  uint32_t version = 0;
  for (auto _ : state) {
    ++version;
    benchmark::DoNotOptimize(maker.Make(version, version * 2654435761u, version, buffer.data()));
    benchmark::ClobberMemory();
  }
}

void HashKey(benchmark::State& state) {
  const std::string_view key = "user6284781860667377211";
  for (auto _ : state) {
    benchmark::DoNotOptimize(KeyHash(key));
    benchmark::ClobberMemory();
  }
}

void HashBody(benchmark::State& state, internal::Xxh3Function hash) {
  const std::vector<char> body(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    benchmark::DoNotOptimize(hash(body.data(), body.size()));
    benchmark::ClobberMemory();
  }
}

BENCHMARK(Make)->Arg(8)->Arg(16)->Arg(100)->Arg(1000)->Arg(4096)->Arg(65536);
BENCHMARK_CAPTURE(Verify, full, VerifyLevel::kFull)->Arg(16)->Arg(100)->Arg(1000)->Arg(4096);
BENCHMARK_CAPTURE(Verify, stamp, VerifyLevel::kStamp)->Arg(1000);
BENCHMARK_CAPTURE(VaryingMake, uniform, LengthDistribution::kUniform);
BENCHMARK_CAPTURE(VaryingMake, zipfian, LengthDistribution::kZipfian);
BENCHMARK(HashKey);
BENCHMARK_CAPTURE(HashBody, baseline, internal::Xxh3Baseline)->Arg(984);
BENCHMARK_CAPTURE(HashBody, best, internal::BestXxh3())->Arg(984);

}  // namespace
}  // namespace fencepost
