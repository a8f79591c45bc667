// SPDX-License-Identifier: BSD-3-Clause
// Makes this machine's DRAM as slow as a medium: live runs are charged with what the medium would
// have taken longer, and spin it off before each operation returns.
//
// Of a run of lines that is read, the first that no cache holds is charged with the
// published random latency less DRAM's, each further one with the sequential latencies' difference:
// as if a thread waited for each, which is too much for long runs (a core reads ahead). A fence
// with something to wait for is charged with the difference of clwb's latencies. All threads share
// one bucket of the medium's bandwidth, in blocks of the medium; who finds it too full waits until
// it is not. The caches of the CPU are a direct-mapped cache of tags for each thread. What charging
// takes is measured when the injector is made, for each kind of call, and is part of what is
// injected: a reading of the clock in each call would take longer than the call.
//
// Invariants:
//   1. At most one injector at a time; while it lives it is the AccessObserver.
//   2. An operation is charged with nothing that another thread read.
// Threads: those whose operations are charged: any. Start, Stop: while no operation is under way.
// Not covered: what this machine's DRAM takes is taken to be what the study's DRAM took; locks are
//   not held while a debt is spun off, so waiting for each other is less than it would be; what
//   charging takes of the caches from the engine (docs/media.md has it measured).
// Source: engines/media/memory_model.h.
#ifndef FENCEPOST_ENGINES_PMEM_DELAY_INJECTOR_H_
#define FENCEPOST_ENGINES_PMEM_DELAY_INJECTOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engines/media/memory_model.h"
#include "engines/pmem/access.h"

namespace fencepost::pmem {

struct InjectionReport {
  uint64_t operations = 0;
  uint64_t lines_read = 0;
  uint64_t lines_missed = 0;  // read, and in no cache
  uint64_t blocks_written = 0;
  uint64_t fences = 0;
  double asked_ns = 0;     // what the model charged
  double charging_ns = 0;  // what charging takes, by its measured costs: part of what was injected
  double spun_ns = 0;      // what was waited besides
  // Operations whose thread was taken off its CPU while it waited, and how long: in none of the
  // above.
  uint64_t interrupted = 0;
  double interrupted_ns = 0;

  double injected_ns() const { return charging_ns + spun_ns; }
  InjectionReport operator-(const InjectionReport& before) const;
};

class DelayInjector final : public AccessObserver {
 public:
  // Takes some 12 ms, to measure the clock and what charging takes.
  explicit DelayInjector(const media::MemoryModel& model);
  ~DelayInjector() override;
  DelayInjector(const DelayInjector&) = delete;
  DelayInjector& operator=(const DelayInjector&) = delete;

  void OnRead(const void* address, size_t bytes) override;
  void OnFlush(const void* address, size_t bytes, bool around_cache) override;
  void OnFence() override;
  void OnOperationEnd(OperationKind kind) override;

  // The sum over all threads, since the start. At rest.
  InjectionReport Report() const;

 private:
  // The second-level cache of the study's cores: 1 MiB.
  static constexpr size_t kTags = (size_t{1} << 20) / media::kLineBytes;

  struct alignas(64) Thread {
    // Lines' low bits: of two lines 256 GiB apart one is taken for the other.
    std::vector<uint32_t> tags = std::vector<uint32_t>(kTags, UINT32_MAX);
    uint64_t last_block_written = UINT64_MAX;
    bool flushed = false;
    // In this operation.
    double debt_ns = 0;
    double bandwidth_ns = 0;       // of one module's, for all blocks
    uint64_t bandwidth_since = 0;  // ticks, when the first of them was asked for
    double charging_ns = 0;
    InjectionReport report;
  };
  // What a call takes of the thread's time.
  struct ChargingCosts {
    double read_ns = 0;   // of one line
    double line_ns = 0;   // each further line
    double flush_ns = 0;  // of one line
    double flush_line_ns = 0;
    double fence_ns = 0;
    double end_ns = 0;
    double take_ns = 0;  // asking for bandwidth, and taking it at the end
  };

  ChargingCosts MeasureCosts();
  Thread& Self();
  void Ask(Thread& thread, double ns);
  // Takes what the thread has asked for of the bandwidth that all share. Comes back with the ticks
  // until which it must wait; 0: none.
  uint64_t Take(const Thread& thread, uint64_t now_ticks);

  const media::MemoryModel& model_;
  const uint64_t number_;       // of this injector: what a thread remembers of another is void
  const unsigned block_shift_;  // from a line to its block
  // What the medium takes longer than DRAM.
  const double first_read_ns_;
  const double further_read_ns_;
  const double fence_ns_;
  const double ticks_a_ns_;
  ChargingCosts costs_;
  std::atomic<uint64_t> busy_until_ticks_{0};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Thread>> threads_;
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_DELAY_INJECTOR_H_
