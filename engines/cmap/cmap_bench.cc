// SPDX-License-Identifier: BSD-3-Clause
// cmap by operation: key 16, value 100 bytes, 1,000,000 pairs, pool on tmpfs, 1 and 2 threads.
//
// Each benchmark has a pool of its own and meets every pair once, in a scattered order: inserting
// grows the table from 1,024 buckets, deleting empties it. The floor of each is measured beside it,
// with as many threads: what two threads gain there is what the machine gives. The large benchmarks
// have 10,000,000 pairs (2.5 GB): how long opening takes, and the longest an insert takes while the
// table grows.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <libpmem.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engines/cmap/cmap_engine.h"
#include "engines/pmem/test_pool.h"

namespace fencepost {
namespace {

constexpr uint64_t kPairs = 1'000'000;
constexpr size_t kKeyBytes = 16;
constexpr size_t kValueBytes = 100;
// Odd, so that different i have different keys.
constexpr uint64_t kScatter = 0x9E3779B97F4A7C15;

// The i-th key; keys from kPairs on are absent.
struct Key {
  explicit Key(uint64_t i) { std::snprintf(bytes, sizeof(bytes), "%016lx", i * kScatter); }
  std::string_view view() const { return {bytes, kKeyBytes}; }
  char bytes[kKeyBytes + 1];
};

// Keys made ahead: printing one costs as much as a lookup.
const std::vector<Key>& Keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> made;
    made.reserve(2 * kPairs);
    for (uint64_t i = 0; i < 2 * kPairs; ++i) made.emplace_back(i);
    return made;
  }();
  return keys;
}

// A pool of its own for each benchmark, empty or loaded.
class Fixture {
 public:
  explicit Fixture(bool loaded) {
    Keys();
    EngineOptions options;
    options.path = folder_.path() / "pool";
    options.size_hint = {2 * kPairs, kKeyBytes, kValueBytes};
    engine_ = OpenCmap(options).value();
    if (!loaded) return;
    const std::string value(kValueBytes, 'v');
    for (uint64_t i = 0; i < kPairs; ++i) CHECK_OK(engine_->Put(Keys()[i].view(), value));
  }
  Engine& engine() { return *engine_; }

 private:
  pmem::TestFolder folder_;
  std::unique_ptr<Engine> engine_;
};

std::unique_ptr<Fixture> fixture;

void SetUpEmpty(const benchmark::State&) { fixture = std::make_unique<Fixture>(false); }
void SetUpLoaded(const benchmark::State&) { fixture = std::make_unique<Fixture>(true); }
void TearDown(const benchmark::State&) { fixture.reset(); }

// Runs operation(engine, key index) for this thread's share of the pairs, and reports the cost in
// lines and fences of all threads together.
template <typename Operation>
void RunShare(benchmark::State& state, Operation&& operation) {
  Engine& engine = fixture->engine();
  const EngineStats before = engine.Stats().value();
  auto i = static_cast<uint64_t>(state.thread_index());
  const auto step = static_cast<uint64_t>(state.threads());
  for (auto _ : state) {
    operation(engine, i);
    i += step;
  }
  const EngineStats after = engine.Stats().value();
  state.SetItemsProcessed(state.iterations());
  if (state.threads() > 1) return;
  const auto operations = static_cast<double>(state.iterations());
  state.counters["lines/op"] =
      static_cast<double>(after.flushed_lines - before.flushed_lines) / operations;
  state.counters["fences/op"] = static_cast<double>(after.fences - before.fences) / operations;
}

// A new file of that size, mapped shared; removed with its folder.
class MappedFile {
 public:
  MappedFile(const std::filesystem::path& path, uint64_t bytes) : bytes_count_(bytes) {
    const int fd = open(path.c_str(), O_CREAT | O_RDWR | O_EXCL, 0600);
    CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes)) == 0);
    void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED);
    close(fd);
    bytes_ = static_cast<char*>(at);
  }
  ~MappedFile() { munmap(bytes_, bytes_count_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  char* bytes() { return bytes_; }

 private:
  char* bytes_ = nullptr;
  const uint64_t bytes_count_;
};

// Indexes far from one another, each once: the step is prime to the number of pairs, and no small
// multiple of it comes back to where it was.
uint64_t Scattered(uint64_t i) { return i * 618'033'989 % kPairs; }

void Insert(benchmark::State& state) {
  const std::string value(kValueBytes, 'v');
  RunShare(state,
           [&](Engine& engine, uint64_t i) { CHECK_OK(engine.Put(Keys()[i].view(), value)); });
}

void Overwrite(benchmark::State& state) {
  const std::string value(kValueBytes, 'w');
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK_OK(engine.Put(Keys()[Scattered(i)].view(), value));
  });
}

void Get(benchmark::State& state) {
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK_OK(engine.Get(Keys()[Scattered(i)].view(),
                        [](std::string_view value) { benchmark::DoNotOptimize(value[0]); }));
  });
}

void GetMissing(benchmark::State& state) {
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK(engine.Get(Keys()[kPairs + Scattered(i)].view(), [](std::string_view) {}).IsNotFound());
  });
}

void Delete(benchmark::State& state) {
  RunShare(state, [&](Engine& engine, uint64_t i) {
    CHECK_OK(engine.Delete(Keys()[Scattered(i)].view()));
  });
}

// What an operation must do to memory, and nothing else: the floor beneath it, for one thread and
// for as many as run at once. A table as large as the buckets, each line with the number of a
// record; each access waits for the one before.
class Floor {
 public:
  static constexpr uint64_t kLines = kPairs / 4, kRecordBytes = 128;
  static constexpr uint64_t kWordsALine = 64 / sizeof(uint64_t);

  Floor()
      : file_(folder_.path() / "floor", kLines * 64 + 2 * kPairs * kRecordBytes),
        lines_(reinterpret_cast<uint64_t*>(file_.bytes())),
        records_(file_.bytes() + kLines * 64) {
    for (uint64_t i = 0; i < kLines; ++i) lines_[i * kWordsALine] = Scattered(i);
    for (uint64_t i = 0; i < 2 * kPairs; ++i) records_[i * kRecordBytes] = 0;
  }

  uint64_t* WordAtRandom(uint64_t i) const {
    return &lines_[(i * kScatter >> 32) % kLines * kWordsALine];
  }
  char* RecordAt(uint64_t i) const { return records_ + i % (2 * kPairs) * kRecordBytes; }
  // 0, which the compiler does not know.
  uint64_t ReadRecord(uint64_t named) const {
    return static_cast<uint64_t>(*static_cast<volatile char*>(RecordAt(named)));
  }

 private:
  const pmem::TestFolder folder_;
  MappedFile file_;
  uint64_t* const lines_;
  char* const records_;
};

std::unique_ptr<Floor> the_floor;
void SetUpFloor(const benchmark::State&) { the_floor = std::make_unique<Floor>(); }
void TearDownFloor(const benchmark::State&) { the_floor.reset(); }

uint64_t Load(uint64_t* word) { return std::atomic_ref(*word).load(std::memory_order_relaxed); }

// Calls step(floor, i) for this thread's share of as many steps as there are pairs; what it
// returns, always 0, the next one waits for.
template <typename Step>
void RunFloor(benchmark::State& state, Step&& step) {
  auto i = static_cast<uint64_t>(state.thread_index()) * kPairs;
  for (auto _ : state) i += 1 + step(*the_floor, i);
  state.SetItemsProcessed(state.iterations());
}

void GetFloor(benchmark::State& state) {
  RunFloor(state, [](const Floor& floor, uint64_t i) {
    return floor.ReadRecord(Load(floor.WordAtRandom(i)) + i);
  });
}

void GetMissingFloor(benchmark::State& state) {
  RunFloor(state, [](const Floor& floor, uint64_t i) { return Load(floor.WordAtRandom(i)) >> 63; });
}

// A new record made durable, then the word that names it; the record named before is looked at.
void OverwriteFloor(benchmark::State& state) {
  const std::string source(Floor::kRecordBytes, '\0');
  RunFloor(state, [&](const Floor& floor, uint64_t i) {
    char* const record = floor.RecordAt(i);
    std::memcpy(record, source.data(), source.size());
    pmem_flush(record, source.size());
    uint64_t* const word = floor.WordAtRandom(i);
    const uint64_t zero = floor.ReadRecord(Load(word) + i);
    pmem_drain();
    std::atomic_ref(*word).store(Scattered(i + zero), std::memory_order_release);
    pmem_persist(word, sizeof(*word));
    return zero;
  });
}

// The word that names a record is made durable after a look at the record.
void DeleteFloor(benchmark::State& state) {
  RunFloor(state, [](const Floor& floor, uint64_t i) {
    uint64_t* const word = floor.WordAtRandom(i);
    const uint64_t zero = floor.ReadRecord(Load(word) + i);
    std::atomic_ref(*word).store(Scattered(i + zero), std::memory_order_release);
    pmem_persist(word, sizeof(*word));
    return zero;
  });
}

constexpr uint64_t kManyPairs = 10'000'000;

EngineOptions ManyPairs(const pmem::TestFolder& folder) {
  EngineOptions options;
  options.path = folder.path() / "pool";
  options.size_hint = {kManyPairs, kKeyBytes, kValueBytes};
  return options;
}

// The thread's own time: what it waited for a core is not in it.
uint64_t ThreadNanoseconds() {
  timespec now{};
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// Inserts from an empty table; what is reported is the longest insert, in a pass that has thousands
// of splits, hundreds of new segments and extents, and whatever else the machine does: by the
// clock, and in the thread's own time.
void LongestInsertOfTenMillion(benchmark::State& state) {
  const std::string value(kValueBytes, 'v');
  for (auto _ : state) {
    const pmem::TestFolder folder;
    const std::unique_ptr<Engine> engine = OpenCmap(ManyPairs(folder)).value();
    std::vector<uint32_t> took_ns(kManyPairs), thread_ns(kManyPairs);
    for (uint64_t i = 0; i < kManyPairs; ++i) {
      const Key key(i);
      const auto begin = std::chrono::steady_clock::now();
      const uint64_t thread_begin = ThreadNanoseconds();
      CHECK_OK(engine->Put(key.view(), value));
      thread_ns[i] = static_cast<uint32_t>(ThreadNanoseconds() - thread_begin);
      const auto took = std::chrono::steady_clock::now() - begin;
      took_ns[i] = static_cast<uint32_t>(std::chrono::nanoseconds(took).count());
    }
    const auto report = [&](std::vector<uint32_t>& ns, const std::string& clock) {
      state.counters[clock + "_first_us"] = std::exchange(ns.front(), 0) * 1e-3;
      std::sort(ns.begin(), ns.end());
      state.counters[clock + "_p99.99_us"] = ns[kManyPairs - kManyPairs / 10'000] * 1e-3;
      state.counters[clock + "_p99.999_us"] = ns[kManyPairs - kManyPairs / 100'000] * 1e-3;
      state.counters[clock + "_longest_us"] = ns.back() * 1e-3;
    };
    report(took_ns, "wall");
    report(thread_ns, "thread");
    const AuditReport audit = engine->Audit().value();
    state.counters["space"] = static_cast<double>(audit.occupied_bytes) /
                              static_cast<double>(kManyPairs * (kKeyBytes + kValueBytes));
  }
}
BENCHMARK(LongestInsertOfTenMillion)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

void OpenTenMillion(benchmark::State& state) {
  const pmem::TestFolder folder;
  const EngineOptions options = ManyPairs(folder);
  {
    const std::unique_ptr<Engine> engine = OpenCmap(options).value();
    const std::string value(kValueBytes, 'v');
    for (uint64_t i = 0; i < kManyPairs; ++i) CHECK_OK(engine->Put(Key(i).view(), value));
  }
  std::unique_ptr<Engine> engine;
  for (auto _ : state) {
    engine = OpenCmap(options).value();
    state.PauseTiming();
    CHECK(engine->Stats()->count == kManyPairs);
    engine.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(OpenTenMillion)->Iterations(5)->Unit(benchmark::kMillisecond)->UseRealTime();

// Pairs of mixed sizes come and go: inserts, overwrites with another size and deletes, until ten
// times as many bytes have been written as are there. `space`: bytes occupied over bytes of the
// keys and values that are there, after filling, after the churn, and after a defragmentation.
void Churn(benchmark::State& state) {
  constexpr uint64_t kChurned = 200'000, kMaxBytes = 1024;
  for (auto _ : state) {
    const pmem::TestFolder folder;
    EngineOptions options;
    options.path = folder.path() / "pool";
    options.size_hint = {kChurned * 2, kKeyBytes, kMaxBytes};
    const std::unique_ptr<Engine> engine = OpenCmap(options).value();
    std::mt19937_64 random(1);
    const std::string bytes(kMaxBytes, 'v');
    std::vector<uint64_t> sizes(kChurned);  // of values; 0: not there
    uint64_t live = 0, written = 0;
    const auto put = [&](uint64_t i) {
      const uint64_t size = 16 + random() % (kMaxBytes - 15);
      CHECK_OK(engine->Put(Key(i).view(), std::string_view(bytes).substr(0, size)));
      live += size + kKeyBytes - (sizes[i] == 0 ? 0 : sizes[i] + kKeyBytes);
      written += size;
      sizes[i] = size;
    };
    const auto space = [&] {
      return static_cast<double>(engine->Audit()->occupied_bytes) / static_cast<double>(live);
    };
    for (uint64_t i = 0; i < kChurned; ++i) put(i);
    state.counters["filled"] = space();
    const uint64_t enough = 10 * live;
    written = 0;
    while (written < enough) {
      const uint64_t i = random() % kChurned;
      if (sizes[i] != 0 && random() % 3 == 0) {
        CHECK_OK(engine->Delete(Key(i).view()));
        live -= sizes[i] + kKeyBytes;
        sizes[i] = 0;
      } else {
        put(i);
      }
    }
    state.counters["churned"] = space();
    CHECK_OK(engine->defragments()->Defragment());
    state.counters["defragmented"] = space();
  }
}
BENCHMARK(Churn)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

// Every pair is met once: iterations are counted by thread.
#define FENCEPOST_CMAP_BENCHMARK(operation, set_up, tear_down)                                 \
  BENCHMARK(operation)->Setup(set_up)->Teardown(tear_down)->Iterations(kPairs)->UseRealTime(); \
  BENCHMARK(operation)                                                                         \
      ->Setup(set_up)                                                                          \
      ->Teardown(tear_down)                                                                    \
      ->Iterations(kPairs / 2)                                                                 \
      ->Threads(2)                                                                             \
      ->UseRealTime()

FENCEPOST_CMAP_BENCHMARK(Insert, SetUpEmpty, TearDown);
FENCEPOST_CMAP_BENCHMARK(Overwrite, SetUpLoaded, TearDown);
FENCEPOST_CMAP_BENCHMARK(OverwriteFloor, SetUpFloor, TearDownFloor);
FENCEPOST_CMAP_BENCHMARK(Get, SetUpLoaded, TearDown);
FENCEPOST_CMAP_BENCHMARK(GetFloor, SetUpFloor, TearDownFloor);
FENCEPOST_CMAP_BENCHMARK(GetMissing, SetUpLoaded, TearDown);
FENCEPOST_CMAP_BENCHMARK(GetMissingFloor, SetUpFloor, TearDownFloor);
FENCEPOST_CMAP_BENCHMARK(Delete, SetUpLoaded, TearDown);
FENCEPOST_CMAP_BENCHMARK(DeleteFloor, SetUpFloor, TearDownFloor);

}  // namespace
}  // namespace fencepost
