// SPDX-License-Identifier: BSD-3-Clause
// Time to generate an operation, all included. Targets: workload c 40 ns, the others 60 ns.
#include <benchmark/benchmark.h>

#include <initializer_list>
#include <string_view>
#include <vector>

#include "workloads/op_trace.h"

namespace fencepost {
namespace {

void Generate(benchmark::State& state, std::initializer_list<std::string_view> settings) {
  Properties properties;
  for (const char* common :
       {"recordcount=1000000", "operationcount=0", "maxexecutiontime=1", "readproportion=1",
        "updateproportion=0", "requestdistribution=zipfian"}) {
    CHECK_OK(properties.Set(common));
  }
  for (const std::string_view setting : settings) CHECK_OK(properties.Set(setting));
  const WorkloadSpec spec = ParseWorkload(properties).value();
  const auto source = MakeTraceSource(spec, Phase::kRun, 0, 1);
  std::vector<uint64_t> words;
  size_t operations = 0;
  for (auto _ : state) {
    words.clear();
    source->Fill(4096, &words);
    for (size_t i = 0; i < words.size(); i += OpWords(Op{words[i]})) ++operations;
  }
  state.counters["ns_per_op"] =
      benchmark::Counter(static_cast<double>(operations) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

using Settings = std::initializer_list<std::string_view>;

BENCHMARK_CAPTURE(Generate, a, Settings{"readproportion=0.5", "updateproportion=0.5"});
BENCHMARK_CAPTURE(Generate, b, Settings{"readproportion=0.95", "updateproportion=0.05"});
BENCHMARK_CAPTURE(Generate, c, Settings{});
BENCHMARK_CAPTURE(Generate, c_exact, Settings{"fencepost.zipfian=exact"});
BENCHMARK_CAPTURE(Generate, c_uniform, Settings{"requestdistribution=uniform"});
BENCHMARK_CAPTURE(Generate, c_exponential, Settings{"requestdistribution=exponential"});
BENCHMARK_CAPTURE(Generate, c_hotspot, Settings{"requestdistribution=hotspot"});
BENCHMARK_CAPTURE(Generate, d,
                  Settings{"readproportion=0.95", "insertproportion=0.05",
                           "requestdistribution=latest"});
BENCHMARK_CAPTURE(Generate, e,
                  Settings{"readproportion=0", "scanproportion=0.95", "insertproportion=0.05",
                           "maxscanlength=100"});
BENCHMARK_CAPTURE(Generate, f, Settings{"readproportion=0.5", "readmodifywriteproportion=0.5"});
BENCHMARK_CAPTURE(Generate, batches, Settings{"readproportion=0", "fencepost.batchproportion=1"});

}  // namespace
}  // namespace fencepost
