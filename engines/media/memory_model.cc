// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/memory_model.h"

#include <algorithm>
#include <array>

#include "engines/media/published.h"

namespace fencepost::media {
namespace {

constexpr size_t kModulesASocket = 6;
constexpr uint64_t kOptaneBlockBytes = 256;
// What table 09 shows best with a victim drawn from the older half (write_buffer.h); the buffer is
// said to have 16 KiB, but 72 blocks that are half written still find their other halves.
constexpr size_t kOptaneBufferBlocks = 71;

double Best(const PublishedSeries& series) {
  double best = 0;
  for (const PublishedPoint& point : series.points) best = std::max(best, point.value);
  return best;
}

// The share of the best bandwidth that is left, of as many threads as there are points; 1 as long
// as there are too few threads to reach it.
ContentionCurve CurveOf(const PublishedSeries& series) {
  const double best = Best(series);
  std::vector<double> factors;
  bool reached = false;
  for (const PublishedPoint& point : series.points) {
    reached = reached || point.value >= best;
    factors.push_back(reached ? best / point.value : 1);
  }
  return ContentionCurve(std::move(factors));
}

double ValueAt(const PublishedSeries& series, double x) {
  for (const PublishedPoint& point : series.points) {
    if (point.x == x) return point.value;
  }
  return 0;
}

MemoryModel OptaneModule() {
  const PublishedSeries& read = FindPublished("04_ni", "read");
  const PublishedSeries& ntstore = FindPublished("04_ni", "ntstore");
  const PublishedSeries& clwb = FindPublished("04_ni", "clwb");
  MemoryModel model;
  model.name = "optane-module";
  model.block_bytes = kOptaneBlockBytes;
  model.buffer_blocks = kOptaneBufferBlocks;
  model.read_random_ns = kOptaneLatency.random_read_ns;
  // Of four lines in order, one is read from the medium and three from the block that it brought.
  const auto lines = static_cast<double>(model.block_lines());
  model.read_near_ns =
      (lines * kOptaneLatency.sequential_read_ns - model.read_random_ns) / (lines - 1);
  model.ntstore_ns = kOptaneLatency.ntstore_ns;
  model.clwb_ns = kOptaneLatency.clwb_ns;
  model.read_block_ns = kOptaneBlockBytes / Best(read);
  model.write_block_ns = kOptaneBlockBytes / Best(ntstore);
  // A store of a line that is not in the cache reads it first: clwb's best is ntstore's and that.
  model.read_delays_writes_ns = (kOptaneBlockBytes / Best(clwb) - model.write_block_ns) / lines;
  model.read_contention = CurveOf(read);
  model.write_contention = CurveOf(ntstore);
  model.read_line_ns = kLineBytes / ValueAt(read, 1);
  // One thread fills a module with ntstores: what a thread can do shows on DRAM only.
  model.ntstore_line_ns = kLineBytes / ValueAt(FindPublished("04_dram", "ntstore"), 1);
  model.clwb_line_ns = kLineBytes / ValueAt(clwb, 1);
  return model;
}

MemoryModel Optane() {
  MemoryModel model = OptaneModule();
  model.name = "optane";
  model.modules = kModulesASocket;
  return model;
}

MemoryModel OptaneRemote() {
  MemoryModel model = Optane();
  model.name = "optane-remote";
  model.read_random_ns += kRemoteHopNs;
  model.read_near_ns += kRemoteHopNs;
  model.ntstore_ns += kRemoteHopNs;
  model.clwb_ns += kRemoteHopNs;
  model.ntstore_line_ns /= kRemoteShare.write_1;
  model.clwb_line_ns /= kRemoteShare.write_1;
  model.read_block_ns /= kRemoteShare.read_4;
  model.write_block_ns /= kRemoteShare.write_4;
  return model;
}

MemoryModel Dram() {
  const PublishedSeries& read = FindPublished("04_dram", "read");
  const PublishedSeries& ntstore = FindPublished("04_dram", "ntstore");
  const PublishedSeries& clwb = FindPublished("04_dram", "clwb");
  MemoryModel model;
  model.name = "dram";
  model.read_random_ns = kDramLatency.random_read_ns;
  model.read_near_ns = kDramLatency.sequential_read_ns;
  model.ntstore_ns = kDramLatency.ntstore_ns;
  model.clwb_ns = kDramLatency.clwb_ns;
  model.read_block_ns = kLineBytes / Best(read);
  model.write_block_ns = kLineBytes / Best(ntstore);
  model.read_line_ns = kLineBytes / ValueAt(read, 1);
  model.ntstore_line_ns = kLineBytes / ValueAt(ntstore, 1);
  model.clwb_line_ns = kLineBytes / ValueAt(clwb, 1);
  return model;
}

}  // namespace

const MemoryModel* FindMemoryModel(std::string_view name) {
  static const std::array<MemoryModel, 4> models = {Dram(), Optane(), OptaneModule(),
                                                    OptaneRemote()};
  for (const MemoryModel& model : models) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

}  // namespace fencepost::media
