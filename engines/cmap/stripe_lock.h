// SPDX-License-Identifier: BSD-3-Clause
// StripeLock: a small reader-writer spin lock on a line of its own, in DRAM.
//
// Held for a bucket's lookup or one change, a microsecond or so, by any number of readers or by one
// writer; or for update, which keeps writers and other updaters out and lets readers in. A waiting
// writer keeps new readers out, so it is not starved. Meets the standard's SharedLockable, for
// std::unique_lock and std::shared_lock.
// Not covered: recursion; a reader may not lock again.
#ifndef FENCEPOST_ENGINES_CMAP_STRIPE_LOCK_H_
#define FENCEPOST_ENGINES_CMAP_STRIPE_LOCK_H_

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <utility>

namespace fencepost::cmap {

class alignas(64) StripeLock {
 public:
  void lock() {
    Claim(kWriter);
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

  // Whether somebody has it exclusively, or is about to. Who sees no writer sees all that the last
  // one did.
  bool HasWriter() const { return (state_.load(std::memory_order_acquire) & kWriter) != 0; }

  void lock_update() { Claim(kUpdater); }
  void unlock_update() { state_.fetch_and(~kUpdater, std::memory_order_release); }
  // False: whoever read has gone, and whoever comes sees all that was stored before this call. A
  // change of the state, not a load: a reader's own change of it comes before this one, and is
  // seen, or after it, and sees. REQUIRES: locked for update.
  bool MayHaveReaders() {
    return (state_.fetch_add(0, std::memory_order_acq_rel) & ~(kWriter | kUpdater)) != 0;
  }

 private:
  static constexpr uint32_t kWriter = uint32_t{1} << 31;
  static constexpr uint32_t kUpdater = uint32_t{1} << 30;
  static constexpr unsigned kSpinsBeforeYield = 64;

  void Claim(uint32_t bit) {
    uint32_t state = state_.load(std::memory_order_relaxed);
    for (unsigned spins = 0;; Pause(spins++)) {
      if ((state & (kWriter | kUpdater)) == 0 &&
          state_.compare_exchange_weak(state, state | bit, std::memory_order_acquire)) {
        return;
      }
      state = state_.load(std::memory_order_relaxed);
    }
  }

  // With more threads than cores the holder may be asleep: give it the core.
  static void Pause(unsigned spins) {
    if (spins < kSpinsBeforeYield) {
      __builtin_ia32_pause();
    } else {
      sched_yield();
    }
  }

  std::atomic<uint32_t> state_{0};  // kWriter, kUpdater, and the number of readers
};

// Holds a lock for update while it lives.
class UpdateLock {
 public:
  explicit UpdateLock(StripeLock& lock) : lock_(&lock) { lock.lock_update(); }
  ~UpdateLock() {
    if (lock_ != nullptr) lock_->unlock_update();
  }
  UpdateLock(UpdateLock&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
  UpdateLock(const UpdateLock&) = delete;
  UpdateLock& operator=(const UpdateLock&) = delete;
  UpdateLock& operator=(UpdateLock&&) = delete;

 private:
  StripeLock* lock_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_STRIPE_LOCK_H_
