// SPDX-License-Identifier: BSD-3-Clause
// Memory in virtual time: what a thread's reads, flushes and fences cost on modules that others use
// at the same time.
//
// Invariants:
//   1. The same events in the same order give the same times.
//   2. A module reads at most one block in read_block_ns and writes at most one in write_block_ns,
//      times the contention of the threads that wait for it.
//   3. A fence ends when every flush of its thread before it is durable.
// Threads: none; the threads that are simulated are numbers.
// Not covered: caches of the CPU: whoever calls says which reads reach the memory.
// Source: engines/media/memory_model.h; docs/media.md.
#ifndef FENCEPOST_ENGINES_MEDIA_MEMORY_SYSTEM_H_
#define FENCEPOST_ENGINES_MEDIA_MEMORY_SYSTEM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "engines/media/memory_model.h"
#include "engines/media/write_buffer.h"

namespace fencepost::media {

// What a thread does to memory.
struct MemoryEvent {
  enum class Kind : unsigned char {
    kRead,          // of a line; the next ones need not wait for it
    kReadAndWait,   // of a line that says where the next one is
    kNtStore,       // of a line, around the cache
    kStoreAndClwb,  // of a line that is not in the cache: it is read first
    kClwb,          // of a line that is in the cache
    kFence,
    kCompute,  // for `ns`
  };
  Kind kind = Kind::kFence;
  uint64_t line = 0;
  double ns = 0;
};

struct MemoryTotals {
  uint64_t lines_read = 0;
  uint64_t blocks_read = 0;  // by the medium
  uint64_t lines_written = 0;
  uint64_t blocks_written = 0;  // by the medium
  uint64_t fences = 0;
};

class MemorySystem {
 public:
  MemorySystem(const MemoryModel& model, size_t threads);

  // Carries out the event of the thread, whose clock it advances.
  // REQUIRES: no other thread's clock is behind, or what it finds is a little out of order.
  void Do(size_t thread, const MemoryEvent& event);
  double now_ns(size_t thread) const { return threads_[thread].now_ns; }
  // Waits for reads that are still under way.
  void Finish(size_t thread);

  const MemoryTotals& totals() const { return totals_; }

 private:
  // Of the blocks that a thread read last: it is not told whether another thread's read has brought
  // one.
  static constexpr size_t kRecentReads = 16;
  struct ReadBlock {
    uint64_t block = UINT64_MAX;
    double ready_ns = 0;
  };
  struct Module {
    std::optional<WriteBuffer> buffer;
    double read_free_ns = 0;
    double write_free_ns = 0;
    std::vector<double> reads_until_ns;   // by thread: it waits for a read
    std::vector<double> writes_until_ns;  // by thread: it waits for room
  };
  struct Thread {
    double now_ns = 0;
    double durable_ns = 0;  // of all that was flushed
    std::queue<double> reads;
    std::array<ReadBlock, kRecentReads> recent;  // a ring
    size_t next_recent = 0;
  };

  Module& ModuleOf(uint64_t line, uint64_t* module_line);
  double Read(size_t thread, uint64_t line);
  void Write(size_t thread, uint64_t line, double latency_ns);
  void WaitForReads(Thread& thread, size_t left);

  const MemoryModel& model_;
  std::vector<Module> modules_;
  std::vector<Thread> threads_;
  MemoryTotals totals_;
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_MEMORY_SYSTEM_H_
