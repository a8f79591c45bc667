// SPDX-License-Identifier: BSD-3-Clause
// Threads in virtual time: each puts its events to one MemorySystem, the one whose clock is
// furthest behind next.
//
// Invariants:
//   1. Deterministic: of threads whose clocks are equal the first goes on.
// Threads: none.
#ifndef FENCEPOST_ENGINES_MEDIA_VIRTUAL_THREADS_H_
#define FENCEPOST_ENGINES_MEDIA_VIRTUAL_THREADS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "engines/media/memory_system.h"

namespace fencepost::media {

// A number that looks drawn: the same for the same `value` (the finaliser of MurmurHash3).
constexpr uint64_t Scramble(uint64_t value) {
  value = (value ^ value >> 33) * 0xFF51AFD7ED558CCDu;
  value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53u;
  return value ^ value >> 33;
}

class VirtualThreads {
 public:
  // Appends the events of the thread's next access.
  using NextAccess =
      std::function<void(size_t thread, uint64_t access, std::vector<MemoryEvent>* events)>;

  VirtualThreads(const MemoryModel& model, size_t threads, NextAccess next);

  // Goes on until that many more lines were read or written, or accesses ended.
  void RunLines(uint64_t lines);
  void RunAccesses(uint64_t accesses);

  // The clock of the thread that is furthest behind.
  double now_ns() const;
  const MemoryTotals& totals() const { return memory_.totals(); }

 private:
  struct Thread {
    std::vector<MemoryEvent> events;
    size_t done = 0;
    uint64_t accesses = 0;
  };

  size_t Behind() const;
  void Step();

  MemorySystem memory_;
  NextAccess next_;
  std::vector<Thread> threads_;
  uint64_t accesses_ended_ = 0;
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_VIRTUAL_THREADS_H_
