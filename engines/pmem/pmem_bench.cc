// SPDX-License-Identifier: BSD-3-Clause
// Persistence primitives by size, on a libpmem mapping of a tmpfs file (so: of DRAM): the floor
// under every write of a persistent engine.
#include <benchmark/benchmark.h>
#include <libpmem.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "engines/pmem/pmem_environment.h"
#include "engines/pmem/test_pool.h"

namespace fencepost::pmem {
namespace {

constexpr size_t kMappedBytes = size_t{64} << 20;

// A mapped file for the whole program, walked through so that lines are not in the cache by luck.
class Mapping {
 public:
  Mapping() {
    const std::filesystem::path path = folder_.path() / "mapped";
    CHECK_OK(PreparePmem(*MediumOf(path), path));
    base_ = static_cast<char*>(
        pmem_map_file(path.c_str(), kMappedBytes, PMEM_FILE_CREATE, 0600, nullptr, nullptr));
    CHECK(base_ != nullptr);
    std::memset(base_, 1, kMappedBytes);
  }
  ~Mapping() { pmem_unmap(base_, kMappedBytes); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  char* Next(size_t bytes) {
    if (next_ + bytes > kMappedBytes) next_ = 0;
    char* address = base_ + next_;
    next_ += (bytes + 63) / 64 * 64;
    return address;
  }

 private:
  TestFolder folder_;
  char* base_ = nullptr;
  size_t next_ = 0;
};

Mapping& SharedMapping() {
  static Mapping mapping;
  return mapping;
}

void SetBytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void StoreFlushFence(benchmark::State& state) {
  Mapping& mapping = SharedMapping();
  const auto bytes = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    char* to = mapping.Next(bytes);
    std::memset(to, 2, bytes);
    pmem_persist(to, bytes);
  }
  SetBytes(state);
}
BENCHMARK(StoreFlushFence)->RangeMultiplier(4)->Range(8, 64 << 10);

void StoreFlushWithoutFence(benchmark::State& state) {
  Mapping& mapping = SharedMapping();
  const auto bytes = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    char* to = mapping.Next(bytes);
    std::memset(to, 2, bytes);
    pmem_flush(to, bytes);
  }
  pmem_drain();
  SetBytes(state);
}
BENCHMARK(StoreFlushWithoutFence)->RangeMultiplier(8)->Range(64, 4 << 10);

void NonTemporalCopy(benchmark::State& state) {
  Mapping& mapping = SharedMapping();
  const auto bytes = static_cast<size_t>(state.range(0));
  const std::string source(bytes, 's');
  for (auto _ : state) {
    pmem_memcpy(mapping.Next(bytes), source.data(), bytes, PMEM_F_MEM_NONTEMPORAL);
  }
  SetBytes(state);
}
BENCHMARK(NonTemporalCopy)->RangeMultiplier(4)->Range(64, 64 << 10);

void FenceAlone(benchmark::State& state) {
  for (auto _ : state) pmem_drain();
}
BENCHMARK(FenceAlone);

// The floor of an insert: 100 bytes made durable, then a word that points to them.
void CopyPersistSetWordPersist(benchmark::State& state) {
  Mapping& mapping = SharedMapping();
  const std::string source(100, 's');
  for (auto _ : state) {
    char* value = mapping.Next(128);
    pmem_memcpy_persist(value, source.data(), source.size());
    auto* word = reinterpret_cast<uint64_t*>(mapping.Next(64));
    *word = reinterpret_cast<uintptr_t>(value);
    pmem_persist(word, sizeof(*word));
  }
}
BENCHMARK(CopyPersistSetWordPersist);

}  // namespace
}  // namespace fencepost::pmem
