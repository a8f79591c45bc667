// SPDX-License-Identifier: BSD-3-Clause
// The read transactions of an LMDB environment, kept for reuse. Internal to the lmdb engine.
//
// Invariants:
//   1. A slot is used by one thread at a time: whoever turned `taken` from false to true.
//   2. After TakeAll, until GiveBackAll, no read transaction is under way and none begins.
// Threads: any number; more than there are slots wait for one.
#ifndef FENCEPOST_ENGINES_LMDB_READERS_H_
#define FENCEPOST_ENGINES_LMDB_READERS_H_

#include <array>
#include <atomic>
#include <cstddef>

struct MDB_cursor;
struct MDB_env;
struct MDB_txn;

namespace fencepost {

// A line of its own, so that readers do not slow each other down.
struct alignas(64) ReaderSlot {
  std::atomic<bool> taken{false};
  MDB_txn* txn = nullptr;        // owned; reset while the slot is free
  MDB_cursor* cursor = nullptr;  // owned; over the pairs
};

class ReaderSlots {
 public:
  static constexpr size_t kCount = 128;

  ReaderSlots() = default;
  ~ReaderSlots() { Destroy(); }
  ReaderSlots(const ReaderSlots&) = delete;
  ReaderSlots& operator=(const ReaderSlots&) = delete;

  ReaderSlot* Take();
  static void GiveBack(ReaderSlot* slot) { slot->taken.store(false, std::memory_order_release); }

  // Waits for the readers under way and keeps others out. REQUIRES: one caller at a time.
  void TakeAll();
  void GiveBackAll();

  // Ends all transactions. REQUIRES: no reader, and the environment still open.
  void Destroy();

 private:
  std::array<ReaderSlot, kCount> slots_;
  std::atomic<int> held_back_{0};  // 1: no slot is to be taken
};

// A read transaction for the length of a scope.
class Reading {
 public:
  Reading(ReaderSlots* slots, MDB_env* env);
  ~Reading();
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  int code() const { return code_; }  // of LMDB; unless 0 there is no transaction
  MDB_txn* txn() const { return slot_->txn; }

  // A cursor over database `dbi`, the same at every call, valid as long as this. Returns LMDB's
  // code.
  int Pairs(unsigned dbi, MDB_cursor** cursor);

 private:
  ReaderSlot* const slot_;
  int code_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_LMDB_READERS_H_
