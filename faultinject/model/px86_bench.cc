// SPDX-License-Identifier: BSD-3-Clause
// Events a second of the model on traces as of puts, and a fence among many dirty lines.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "faultinject/model/px86.h"

namespace fencepost {
namespace {

constexpr uint64_t kPoolLines = 1 << 16;
constexpr auto kCached = Px86::StoreKind::kCached;
constexpr auto kWeak = Px86::FlushKind::kWeak;

class FlatImage final : public DurableImage {
 public:
  void ReadLine(LineId line, LineBytes* bytes) const override { *bytes = lines_[line.number]; }
  void WriteLine(LineId line, const LineBytes& bytes) override { lines_[line.number] = bytes; }

 private:
  std::vector<LineBytes> lines_{2 * kPoolLines};
};

// A put: 50 stores of 8 bytes into 7 lines, each of which is flushed; 5 fences.
class Puts {
 public:
  static constexpr int kEvents = 50 + 7 + 5;

  void Put(Px86* model, bool asks) {
    uint64_t lines[7];
    for (uint64_t& line : lines) line = random_() % kPoolLines;
    int fences = 0;
    for (int store = 0; store < 50; ++store) {
      const uint64_t value = ++event_;
      const uint64_t line = lines[store / 8];
      model->Store({event_, 1, 0}, 1, line * kLineBytes + 8 * (value % 8),
                   {reinterpret_cast<const uint8_t*>(&value), 8}, kCached);
      if (store % 8 != 7 && store != 49) continue;
      model->Flush({++event_, 1, 0}, 1, line * kLineBytes, kLineBytes, kWeak);
      if (++fences > 2) Fence(model, asks);
    }
  }

 private:
  void Fence(Px86* model, bool asks) {
    if (asks) benchmark::DoNotOptimize(model->FenceShrinks(1));
    model->Fence({++event_, 1, 0});
  }

  std::mt19937_64 random_{1};
  uint64_t event_ = 0;
};

// `asks`: whether each fence shrinks the states, as the search for crash points does.
void BM_Px86Puts(benchmark::State& state, bool asks) {
  FlatImage image;
  Px86 model({}, &image);
  Puts puts;
  for (auto _ : state) puts.Put(&model, asks);
  if (!model.lines().empty()) state.SkipWithError("a line is left");
  state.SetItemsProcessed(state.iterations() * Puts::kEvents);
}
BENCHMARK_CAPTURE(BM_Px86Puts, told, false);
BENCHMARK_CAPTURE(BM_Px86Puts, asked, true);

// One line is stored, flushed and fenced while others are dirty, flushed by another thread.
void BM_Px86FenceAmongDirtyLines(benchmark::State& state) {
  FlatImage image;
  Px86 model({}, &image);
  uint64_t event = 0;
  const uint64_t value = 1;
  const std::span<const uint8_t> bytes = {reinterpret_cast<const uint8_t*>(&value), 8};
  const auto dirty = static_cast<uint64_t>(state.range(0));
  for (uint64_t line = 1; line <= dirty; ++line) {
    model.Store({++event, 2, 0}, 1, line * kLineBytes, bytes, kCached);
    model.Flush({++event, 2, 0}, 1, line * kLineBytes, 1, kWeak);
  }
  for (auto _ : state) {
    model.Store({++event, 1, 0}, 1, 0, bytes, kCached);
    model.Flush({++event, 1, 0}, 1, 0, 1, kWeak);
    model.Fence({++event, 1, 0});
  }
  if (model.lines().size() != dirty) state.SkipWithError("not the dirty lines are left");
}
BENCHMARK(BM_Px86FenceAmongDirtyLines)->Arg(0)->Arg(100'000);

// A line of one non-temporal store of 64 bytes, and one of 256 cached stores: 256 contents each.
void BM_Px86States(benchmark::State& state) {
  FlatImage image;
  Px86 model({}, &image);
  const bool cached = state.range(0) != 0;
  const std::vector<uint8_t> bytes(64, 1);
  if (!cached) model.Store({1, 1, 0}, 1, 0, bytes, Px86::StoreKind::kNonTemporal);
  for (uint64_t value = 1; cached && value < 256; ++value) {
    model.Store({value, 1, 0}, 1, 0, {reinterpret_cast<const uint8_t*>(&value), 8}, kCached);
  }
  for (auto _ : state) {
    const auto states = model.lines().begin()->second.States(1000);
    if (!states || states->size() != 256) state.SkipWithError("not 256 states");
  }
  state.SetItemsProcessed(state.iterations() * 256);
}
BENCHMARK(BM_Px86States)->ArgName("cached")->Arg(0)->Arg(1);

}  // namespace
}  // namespace fencepost
