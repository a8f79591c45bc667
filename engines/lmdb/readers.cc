// SPDX-License-Identifier: BSD-3-Clause
#include "engines/lmdb/readers.h"

#include <lmdb.h>

#include <thread>

namespace fencepost {
namespace {

// Threads start at different slots, so that few meet.
size_t PreferredSlot() {
  static std::atomic<size_t> next{0};
  thread_local const size_t mine =
      next.fetch_add(1, std::memory_order_relaxed) % ReaderSlots::kCount;
  return mine;
}

}  // namespace

ReaderSlot* ReaderSlots::Take() {
  // Without this a busy reader would have its slot back before TakeAll sees it free.
  while (held_back_.load(std::memory_order_relaxed) != 0) [[unlikely]] held_back_.wait(1);
  for (size_t i = PreferredSlot(), tried = 0;; i = (i + 1) % kCount) {
    ReaderSlot& slot = slots_[i];
    if (!slot.taken.load(std::memory_order_relaxed) &&
        !slot.taken.exchange(true, std::memory_order_acquire)) {
      return &slot;
    }
    if (++tried % kCount == 0) std::this_thread::yield();
  }
}

void ReaderSlots::TakeAll() {
  held_back_.store(1);
  for (ReaderSlot& slot : slots_) {
    while (slot.taken.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
}

void ReaderSlots::GiveBackAll() {
  for (ReaderSlot& slot : slots_) GiveBack(&slot);
  held_back_.store(0);
  held_back_.notify_all();
}

void ReaderSlots::Destroy() {
  for (ReaderSlot& slot : slots_) {
    if (slot.cursor != nullptr) mdb_cursor_close(slot.cursor);
    if (slot.txn != nullptr) mdb_txn_abort(slot.txn);
    slot.cursor = nullptr;
    slot.txn = nullptr;
  }
}

namespace {

// LMDB 0.9.24 begins a read in two steps: it notes the newest published transaction N, then takes
// the root from meta page N mod 2. A thread that is suspended between the two while two commits go
// by takes the root of N + 2, which its writer may not have published (nor synced) yet; its next
// read could then see N + 1, older than what it has seen. While no transaction after N + 1 has
// reached a meta page, that cannot have happened.
bool MayHoldALaterSnapshot(MDB_env* env, MDB_txn* txn) {
  MDB_envinfo info;
  return mdb_env_info(env, &info) == 0 && info.me_last_txnid > mdb_txn_id(txn) + 1;
}

}  // namespace

Reading::Reading(ReaderSlots* slots, MDB_env* env) : slot_(slots->Take()) {
  for (;;) {
    code_ = slot_->txn != nullptr ? mdb_txn_renew(slot_->txn)
                                  : mdb_txn_begin(env, nullptr, MDB_RDONLY, &slot_->txn);
    if (code_ != 0 || !MayHoldALaterSnapshot(env, slot_->txn)) return;
    mdb_txn_reset(slot_->txn);
  }
}

Reading::~Reading() {
  if (code_ == 0) mdb_txn_reset(slot_->txn);
  ReaderSlots::GiveBack(slot_);
}

int Reading::Pairs(unsigned dbi, MDB_cursor** cursor) {
  const int code = slot_->cursor != nullptr ? mdb_cursor_renew(slot_->txn, slot_->cursor)
                                            : mdb_cursor_open(slot_->txn, dbi, &slot_->cursor);
  *cursor = slot_->cursor;
  return code;
}

}  // namespace fencepost
