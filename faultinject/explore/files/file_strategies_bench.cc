// SPDX-License-Identifier: BSD-3-Clause
// States a second: of a log that is never synced, and of a tree of pages written all over.
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "faultinject/explore/files/file_strategies.h"

namespace fencepost {
namespace {

IoEvent Write(uint64_t offset, size_t bytes, char with) {
  IoEvent event;
  event.kind = IoEvent::Kind::kWrite;
  event.inode = 1;
  event.offset = offset;
  event.data = std::string(bytes, with);
  return event;
}

PosixModel Model(uint64_t file_bytes, const std::string& file_system) {
  FileTree tree;
  Inode file;
  file.content.Write(0, std::string(file_bytes, 'x'));
  tree.Add(1, std::move(file));
  tree.mutable_inode(kRootInode).entries["file"] = 1;
  return PosixModel(**FindFileSystem(file_system), {}, tree);
}

// 200 records of 1100 bytes.
PosixModel LogOf200() {
  PosixModel model = Model(0, "ext4-ordered");
  for (uint64_t i = 0; i < 200; ++i) {
    CHECK_OK(model.Apply(Write(1100 * i, 1100, static_cast<char>(i)), i));
  }
  return model;
}

// 1000 pages of a file of 16 MiB.
PosixModel PagesOf200() {
  PosixModel model = Model(16 << 20, "posix");
  std::mt19937_64 random(1);
  for (uint64_t i = 0; i < 1000; ++i) {
    CHECK_OK(model.Apply(Write(random() % 4096 * 4096, 4096, static_cast<char>(i)), i));
  }
  return model;
}

void BM_FileStates(benchmark::State& state, PosixModel (*make)(), const char* strategy) {
  const PosixModel model = make();
  const auto parsed = ParseFileStrategy(strategy);
  int64_t states = 0;
  for (auto _ : state) {
    int64_t left = 200;
    parsed->Generate(model, 1, 0, [&](const PosixModel::Survivors& survivors) {
      benchmark::DoNotOptimize(model.Build(survivors).Hash());
      return --left > 0;
    });
    states += 200 - left;
  }
  state.counters["pieces"] = static_cast<double>(model.pending().size());
  state.counters["states_per_s"] =
      benchmark::Counter(static_cast<double>(states), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(BM_FileStates, log_prefix, LogOf200, "prefix");
BENCHMARK_CAPTURE(BM_FileStates, log_one_missing, LogOf200, "one-missing");
BENCHMARK_CAPTURE(BM_FileStates, log_sample, LogOf200, "sample:200");
BENCHMARK_CAPTURE(BM_FileStates, pages_prefix, PagesOf200, "prefix");
BENCHMARK_CAPTURE(BM_FileStates, pages_one_missing, PagesOf200, "one-missing");
BENCHMARK_CAPTURE(BM_FileStates, pages_sample, PagesOf200, "sample:200");

void BM_FileEvents(benchmark::State& state, PosixModel (*make)()) {
  for (auto _ : state) benchmark::DoNotOptimize(make().pending().size());
}
BENCHMARK_CAPTURE(BM_FileEvents, log, LogOf200);
BENCHMARK_CAPTURE(BM_FileEvents, pages, PagesOf200);

}  // namespace
}  // namespace fencepost
