// SPDX-License-Identifier: BSD-3-Clause
// A latch for many readers and one writer that is held for moments only. Readers count themselves
// in a cache line of their own, so that they do not slow each other; the writer looks at all of
// them. A waiting writer keeps new readers out, so it cannot starve.
// Threads: any number of readers; writers are one at a time by the caller's own lock.
#ifndef FENCEPOST_ENGINES_FILESTORE_TREE_LATCH_H_
#define FENCEPOST_ENGINES_FILESTORE_TREE_LATCH_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace fencepost::filestore {

class TreeLatch {
 public:
  class Shared {
   public:
    explicit Shared(TreeLatch& latch) : readers_(latch.LockShared()) {}
    ~Shared() { readers_.fetch_sub(1, std::memory_order_release); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

   private:
    std::atomic<uint32_t>& readers_;
  };

  class Exclusive {
   public:
    explicit Exclusive(TreeLatch& latch) : latch_(latch) { latch.Lock(); }
    ~Exclusive() { latch_.Unlock(); }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    TreeLatch& latch_;
  };

 private:
  static constexpr size_t kSlots = 16;
  struct alignas(64) Slot {
    std::atomic<uint32_t> readers{0};
  };

  std::atomic<uint32_t>& LockShared() {
    static std::atomic<size_t> next_thread{0};
    static thread_local const size_t mine = next_thread.fetch_add(1) % kSlots;
    std::atomic<uint32_t>& readers = slots_[mine].readers;
    // Announce, then look; the writer announces, then looks: one of them sees the other.
    while (true) {
      readers.fetch_add(1, std::memory_order_seq_cst);
      if (writer_.load(std::memory_order_seq_cst) == 0) [[likely]]
        return readers;
      readers.fetch_sub(1, std::memory_order_release);
      writer_.wait(1, std::memory_order_acquire);
    }
  }

  void Lock() {
    writer_.store(1, std::memory_order_seq_cst);
    for (Slot& slot : slots_) {
      for (unsigned spins = 0; slot.readers.load(std::memory_order_seq_cst) != 0; ++spins) {
        if (spins >= 64) std::this_thread::yield();  // a reader may be reading from the disk
      }
    }
  }

  void Unlock() {
    writer_.store(0, std::memory_order_seq_cst);
    writer_.notify_all();
  }

  Slot slots_[kSlots];
  alignas(64) std::atomic<uint32_t> writer_{0};
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_TREE_LATCH_H_
