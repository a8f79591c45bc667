// SPDX-License-Identifier: BSD-3-Clause
// StripeLock: a small reader-writer spin lock on a line of its own, in DRAM.
//
// Held for a bucket's lookup or one publication, a microsecond or so, by any number of readers or
// by one writer. A waiting writer keeps new readers out, so it is not starved. Meets the standard's
// SharedLockable, for std::unique_lock and std::shared_lock.
// Not covered: recursion; a reader may not lock again.
#ifndef FENCEPOST_ENGINES_CMAP_STRIPE_LOCK_H_
#define FENCEPOST_ENGINES_CMAP_STRIPE_LOCK_H_

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace fencepost::cmap {

class alignas(64) StripeLock {
 public:
  void lock() {
    uint32_t state = state_.load(std::memory_order_relaxed);
    for (unsigned spins = 0;; Pause(spins++)) {
      if ((state & kWriter) == 0 &&
          state_.compare_exchange_weak(state, state | kWriter, std::memory_order_acquire)) {
        break;
      }
      state = state_.load(std::memory_order_relaxed);
    }
    for (unsigned spins = 0; state_.load(std::memory_order_acquire) != kWriter; Pause(spins++)) {
    }
  }
  // A reader on its way out again may be in the count, hence no plain store.
  void unlock() { state_.fetch_and(~kWriter, std::memory_order_release); }

  void lock_shared() {
    for (unsigned spins = 0;; Pause(spins++)) {
      if ((state_.fetch_add(1, std::memory_order_acquire) & kWriter) == 0) return;
      state_.fetch_sub(1, std::memory_order_relaxed);
      while ((state_.load(std::memory_order_relaxed) & kWriter) != 0) Pause(spins++);
    }
  }
  void unlock_shared() { state_.fetch_sub(1, std::memory_order_release); }

 private:
  static constexpr uint32_t kWriter = uint32_t{1} << 31;
  static constexpr unsigned kSpinsBeforeYield = 64;

  // With more threads than cores the holder may be asleep: give it the core.
  static void Pause(unsigned spins) {
    if (spins < kSpinsBeforeYield) {
      __builtin_ia32_pause();
    } else {
      sched_yield();
    }
  }

  std::atomic<uint32_t> state_{0};  // kWriter, and the number of readers
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_STRIPE_LOCK_H_
