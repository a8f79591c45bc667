// SPDX-License-Identifier: BSD-3-Clause
// Counts what an engine's operations read, flush and fence, and puts the same events to the models
// of media in virtual time: the same run, the same numbers.
//
// Reads go through a simulated cache of the CPU: a line that it holds costs nothing. A flush leaves
// its line there, as CLWB does; a store around the cache takes it away.
//
// Invariants:
//   1. What comes between two operations (opening, statistics) is counted with the next.
// Threads: one at a time.
// Not covered: what is between the accesses: an operation's modelled time is the memory's alone.
// Source: engines/media/memory_system.h.
#ifndef FENCEPOST_ENGINES_PMEM_ACCESS_COUNTER_H_
#define FENCEPOST_ENGINES_PMEM_ACCESS_COUNTER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engines/media/memory_system.h"
#include "engines/pmem/access.h"

namespace fencepost::pmem {

// Of one operation or of many.
struct AccessCounts {
  uint64_t operations = 0;
  uint64_t lines_touched = 0;  // told as read
  uint64_t lines_read = 0;     // of them, in no cache
  uint64_t lines_flushed = 0;
  uint64_t fences = 0;
  struct OnMedium {
    uint64_t blocks_read = 0;
    uint64_t blocks_written = 0;
    double ns = 0;  // modelled
  };
  std::vector<OnMedium> media;  // in the order of the models

  AccessCounts& operator+=(const AccessCounts& other);
};

class AccessCounter final : public AccessObserver {
 public:
  // While it lives it is the AccessObserver; or, where it is not to be, what it is told is up to
  // its owner. `cache_bytes`: of the CPU's caches; REQUIRES: at least a line.
  enum class Observes : unsigned char { kYes, kNo };
  AccessCounter(std::span<const media::MemoryModel* const> models, uint64_t cache_bytes,
                Observes observes = Observes::kYes);
  ~AccessCounter() override;
  AccessCounter(const AccessCounter&) = delete;
  AccessCounter& operator=(const AccessCounter&) = delete;

  void OnRead(const void* address, size_t bytes) override;
  void OnFlush(const void* address, size_t bytes, bool around_cache) override;
  void OnFence() override;
  void OnOperationEnd(OperationKind kind) override;

  // The sum of the operations of each kind so far.
  const std::array<AccessCounts, kOperationKinds>& counts() const { return counts_; }

 private:
  void Do(const media::MemoryEvent& event);
  AccessCounts TakeOperation();

  const bool observes_;
  std::vector<uint64_t> tags_;
  std::vector<media::MemorySystem> systems_;
  std::vector<AccessCounts::OnMedium> before_;  // at the end of the last operation
  AccessCounts current_;
  std::array<AccessCounts, kOperationKinds> counts_;
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_ACCESS_COUNTER_H_
