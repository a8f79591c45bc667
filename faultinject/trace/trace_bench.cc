// SPDX-License-Identifier: BSD-3-Clause
// Events a second of the writer and of the reader: stores of 8 bytes, every tenth event a flush.
#include <benchmark/benchmark.h>

#include <vector>

#include "faultinject/trace/trace_reader.h"
#include "faultinject/trace/trace_writer.h"

namespace fencepost {
namespace {

constexpr uint64_t kEvents = 1'000'000;

int Append(void* arg, const void* bytes, size_t count) {
  auto* out = static_cast<std::vector<uint8_t>*>(arg);
  const auto* from = static_cast<const uint8_t*>(bytes);
  out->insert(out->end(), from, from + count);
  return 0;
}

void WriteTrace(std::vector<uint8_t>* out) {
  static std::vector<uint8_t> buffer(1 << 20);
  out->clear();
  fpt_writer writer;
  fpt_writer_init(&writer, Append, out, buffer.data(), buffer.size(), 1);
  for (uint64_t i = 0; i < kEvents; ++i) {
    const uint64_t address = 0x7f0000000000 + i * 0x9e3779b9 % (1 << 20);
    const auto stack = static_cast<uint32_t>(i * 31 % 16384);
    if (i % 10 == 0) {
      fpt_flush(&writer, 1, address, 64, FPT_FLUSH_CLWB, stack);
    } else {
      fpt_store(&writer, 1, address, &i, 8, 0, stack);
    }
  }
  fpt_writer_finish(&writer);
}

void BM_TraceWrite(benchmark::State& state) {
  std::vector<uint8_t> out;
  WriteTrace(&out);
  for (auto _ : state) WriteTrace(&out);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kEvents));
}
BENCHMARK(BM_TraceWrite)->Unit(benchmark::kMillisecond);

void BM_TraceRead(benchmark::State& state) {
  std::vector<uint8_t> trace;
  WriteTrace(&trace);
  for (auto _ : state) {
    fpt_reader reader;
    fpt_event event;
    fpt_reader_init(&reader, trace.data(), trace.size());
    uint64_t sum = 0;
    while (fpt_next(&reader, &event) != 0) sum += event.address;
    benchmark::DoNotOptimize(sum);
    if (reader.end != FPT_END_COMPLETE) state.SkipWithError("the trace is not complete");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kEvents));
}
BENCHMARK(BM_TraceRead)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fencepost
