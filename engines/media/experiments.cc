// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/experiments.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engines/media/memory_system.h"
#include "engines/media/virtual_threads.h"
#include "engines/status.h"

namespace fencepost::media {
namespace {

using Kind = MemoryEvent::Kind;

// Each thread's own; far enough apart that no module's stripe is shared.
constexpr uint64_t kThreadLines = uint64_t{1} << 24;
constexpr uint64_t kLinesAPoint = 60'000;
constexpr uint64_t kBlockBytesOf04 = 256;

Kind KindOf(std::string_view series) {
  if (series == "read") return Kind::kRead;
  return series == "ntstore" ? Kind::kNtStore : Kind::kStoreAndClwb;
}

// Accesses of one size, one after another or anywhere in the thread's own memory.
class Stream {
 public:
  Stream(Kind kind, uint64_t access_bytes, bool is_random, bool fences)
      : kind_(kind), lines_(access_bytes / kLineBytes), is_random_(is_random), fences_(fences) {}

  void operator()(size_t thread, uint64_t access, std::vector<MemoryEvent>* events) const {
    const uint64_t places = kThreadLines / lines_;
    const uint64_t place =
        is_random_ ? Scramble(thread * 0x9E3779B9u + access) % places : access % places;
    // Threads that begin at multiples of a power of two would walk the modules in step.
    const uint64_t begin = thread * (kThreadLines + 64 * 7) + place * lines_;
    for (uint64_t i = 0; i < lines_; ++i) events->push_back({kind_, begin + i, 0});
    if (fences_) events->push_back({Kind::kFence, 0, 0});
  }

 private:
  Kind kind_;
  uint64_t lines_;
  bool is_random_;
  bool fences_;
};

const MemoryModel& Model(std::string_view name) {
  const MemoryModel* model = FindMemoryModel(name);
  CHECK(model != nullptr);
  return *model;
}

double Bandwidth(const MemoryModel& model, size_t threads, const Stream& stream) {
  VirtualThreads run(model, threads, stream);
  run.RunLines(kLinesAPoint / 2);
  const double begin_ns = run.now_ns();
  run.RunLines(kLinesAPoint);
  return static_cast<double>(kLinesAPoint * kLineBytes) / (run.now_ns() - begin_ns);
}

// 02: one access, and then long enough nothing.
double Latency02(const PublishedSeries& series) {
  const std::string name(series.series);
  const MemoryModel& model = Model(name.starts_with("dram") ? "dram" : "optane");
  const bool is_sequential = name.ends_with("sequential");
  const bool is_read = name.find("read") != std::string::npos;
  MemorySystem memory(model, 1);
  constexpr uint64_t kAccesses = 4000;
  double total_ns = 0;
  for (uint64_t i = 0; i < kAccesses; ++i) {
    const uint64_t line = is_sequential ? i : Scramble(i) % kThreadLines;
    const double begin_ns = memory.now_ns(0);
    if (is_read) {
      memory.Do(0, {Kind::kReadAndWait, line, 0});
    } else {
      memory.Do(0, {name.ends_with("ntstore") ? Kind::kNtStore : Kind::kClwb, line, 0});
      memory.Do(0, {Kind::kFence, 0, 0});
    }
    total_ns += memory.now_ns(0) - begin_ns;
    if (!is_read) memory.Do(0, {Kind::kCompute, 0, 1000});
  }
  return total_ns / kAccesses;
}

double Bandwidth04(const PublishedSeries& series, double threads) {
  const MemoryModel& model = Model(series.table == "04_dram" ? "dram" : "optane-module");
  return Bandwidth(model, static_cast<size_t>(threads),
                   Stream(KindOf(series.series), kBlockBytesOf04, false, false));
}

// With the number of threads that table 04 shows to be best for each.
double Bandwidth05(const PublishedSeries& series, double bytes) {
  struct Best {
    std::string_view table, model;
    size_t read, ntstore, clwb;
  };
  constexpr Best kBest[] = {{"05_dram", "dram", 24, 24, 24},
                            {"05_ni", "optane-module", 4, 1, 2},
                            {"05_optane", "optane", 16, 4, 12}};
  const Best* best = std::find_if(std::begin(kBest), std::end(kBest),
                                  [&](const Best& b) { return b.table == series.table; });
  CHECK(best != std::end(kBest));
  const size_t threads = series.series == "read"      ? best->read
                         : series.series == "ntstore" ? best->ntstore
                                                      : best->clwb;
  return Bandwidth(Model(best->model), threads,
                   Stream(KindOf(series.series), static_cast<uint64_t>(bytes), true, false));
}

// 09: a region's blocks are written by halves: all first halves, then all second ones.
double Amplification09(double region_bytes) {
  const MemoryModel& model = Model("optane-module");
  const auto blocks = static_cast<uint64_t>(region_bytes) / model.block_bytes;
  const uint64_t half = model.block_lines() / 2;
  MemorySystem memory(model, 1);
  const uint64_t rounds = 8 + 10'000 / blocks;
  MemoryTotals begin;
  for (uint64_t round = 0; round < rounds; ++round) {
    if (round == rounds / 4) begin = memory.totals();
    for (uint64_t i = 0; i < 2 * blocks; ++i) {
      const uint64_t line = i % blocks * model.block_lines() + i / blocks * half;
      for (uint64_t j = 0; j < half; ++j) memory.Do(0, {Kind::kNtStore, line + j, 0});
    }
  }
  const MemoryTotals& end = memory.totals();
  const auto written =
      static_cast<double>((end.blocks_written - begin.blocks_written) * model.block_lines());
  return kWriteOverhead * written / static_cast<double>(end.lines_written - begin.lines_written);
}

double Latency12(const PublishedSeries& series, double bytes) {
  const Stream stream(KindOf(series.series), static_cast<uint64_t>(bytes), true, true);
  MemorySystem memory(Model("optane"), 1);
  constexpr uint64_t kAccesses = 200;
  double total_ns = 0;
  for (uint64_t access = 0; access < kAccesses; ++access) {
    std::vector<MemoryEvent> events;
    stream(0, access, &events);
    const double begin_ns = memory.now_ns(0);
    for (const MemoryEvent& event : events) memory.Do(0, event);
    total_ns += memory.now_ns(0) - begin_ns;
    memory.Do(0, {Kind::kCompute, 0, 10'000});
  }
  return total_ns / kAccesses;
}

double Bandwidth12(const PublishedSeries& series, double bytes) {
  constexpr size_t kThreads = 6;
  return Bandwidth(Model("optane"), kThreads,
                   Stream(KindOf(series.series), static_cast<uint64_t>(bytes), false, true));
}

double Bandwidth13(const PublishedSeries& series, double bytes) {
  return Bandwidth(Model("optane-module"), 1,
                   Stream(KindOf(series.series), static_cast<uint64_t>(bytes), false, true));
}

// 18: an overwrite of libpmemkv's cmap. What the study does not say is assumed: 4 KiB values, and
// that an overwrite is a transaction: the old value is copied to the undo log, then the new one is
// written in its place, and a few words at beginning and end. How long the program computes is
// taken from DRAM's points, each for its number of threads; the rest of the table is what the model
// makes of it.
class Overwrite {
 public:
  explicit Overwrite(double compute_ns) : compute_ns_(compute_ns) {}

  static constexpr uint64_t kValueLines = 4096 / kLineBytes;

  void operator()(size_t thread, uint64_t access, std::vector<MemoryEvent>* events) const {
    const uint64_t own = thread * (kThreadLines + 64 * 7);
    const uint64_t value =
        own + Scramble(thread * 0x9E3779B9u + access) % (kThreadLines / 128) * 64;
    const uint64_t log = own + kThreadLines / 2;
    events->push_back({Kind::kCompute, 0, compute_ns_});
    events->push_back({Kind::kReadAndWait, value ^ 0x15555 << 6, 0});  // the bucket
    events->push_back({Kind::kClwb, log, 0});
    events->push_back({Kind::kFence, 0, 0});
    for (uint64_t i = 0; i < kValueLines; ++i) events->push_back({Kind::kNtStore, value + i, 0});
    events->push_back({Kind::kFence, 0, 0});
    events->push_back({Kind::kClwb, log + kValueLines, 0});
    events->push_back({Kind::kFence, 0, 0});
  }

 private:
  double compute_ns_;
};

double Bandwidth18(std::string_view model, size_t threads, double compute_ns) {
  constexpr uint64_t kOverwrites = 1000;
  VirtualThreads run(Model(model), threads, Overwrite(compute_ns));
  run.RunAccesses(kOverwrites / 4);
  const double begin_ns = run.now_ns();
  run.RunAccesses(kOverwrites);
  return static_cast<double>(kOverwrites * Overwrite::kValueLines * kLineBytes) /
         (run.now_ns() - begin_ns);
}

double Compute18(size_t threads) {
  constexpr double kValueBytes = Overwrite::kValueLines * kLineBytes;
  const auto count = static_cast<double>(threads);
  for (const PublishedPoint& point : FindPublished("18", "dram").points) {
    if (point.x != count) continue;
    const double memory_ns = kValueBytes * count / Bandwidth18("dram", threads, 0);
    return std::max(0.0, kValueBytes * count / point.value - memory_ns);
  }
  return 0;
}

double ModelOf(const PublishedSeries& series, double x) {
  const std::string_view table = series.table;
  if (table == "02") return Latency02(series);
  if (table.starts_with("04")) return Bandwidth04(series, x);
  if (table.starts_with("05")) return Bandwidth05(series, x);
  if (table == "09") return Amplification09(x);
  if (table == "12_latency") return Latency12(series, x);
  if (table == "12_bandwidth") return Bandwidth12(series, x);
  if (table == "13") return Bandwidth13(series, x);
  CHECK(table == "18");
  const auto threads = static_cast<size_t>(x);
  return Bandwidth18(series.series, threads, Compute18(threads));
}

}  // namespace

double ComparedSeries::median_error() const {
  std::vector<double> errors;
  for (const ComparedPoint& point : points) errors.push_back(std::abs(point.error()));
  CHECK(!errors.empty());
  const auto middle = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
  std::nth_element(errors.begin(), middle, errors.end());
  return *middle;
}

double ComparedSeries::largest_error() const {
  double largest = 0;
  for (const ComparedPoint& point : points) largest = std::max(largest, std::abs(point.error()));
  return largest;
}

ComparedSeries RunExperiment(const PublishedSeries& published) {
  ComparedSeries compared;
  compared.published = &published;
  for (const PublishedPoint& point : published.points) {
    compared.points.push_back({point.x, point.value, ModelOf(published, point.x)});
  }
  return compared;
}

std::vector<ComparedSeries> RunExperiments() {
  std::vector<ComparedSeries> all;
  for (const PublishedSeries& published : Published()) all.push_back(RunExperiment(published));
  return all;
}

}  // namespace fencepost::media
