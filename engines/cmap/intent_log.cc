// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/intent_log.h"

#include <fmt/format.h>

#include <atomic>

namespace fencepost::cmap {

void IntentLog::SetCount(uint64_t count) {
  unit_->count = CheckedNumber(count);
  pool_.Persist(&unit_->count, sizeof(unit_->count));
}

Status IntentLog::Recover() {
  const uint64_t count = NumberOf(unit_->count);
  if (unit_->count == 0) return Status::Ok();
  if (!IsSound(unit_->count) || count > kIntentEntries) {
    return Status::Corrupt(fmt::format("the intent log has an impossible count ({:#x}): {}",
                                       unit_->count, pool_.path().string()));
  }
  for (uint64_t i = 0; i < count; ++i) {
    const IntentEntry& entry = unit_->entries[i];
    const uint64_t offset = NumberOf(entry.word);
    if (!IsSound(entry.word) || !IsSound(entry.value) || offset % sizeof(uint64_t) != 0 ||
        !pool_.Contains(offset, sizeof(uint64_t))) {
      return Status::Corrupt(
          fmt::format("the intent log has an impossible entry ({:#x}, {:#x}): {}", entry.word,
                      entry.value, pool_.path().string()));
    }
  }
  for (uint64_t i = 0; i < count; ++i) {
    const IntentEntry& entry = unit_->entries[i];
    auto* const word = pool_.At<uint64_t>(NumberOf(entry.word));
    *word = entry.value;
    pool_.Flush(word, sizeof(*word));
  }
  pool_.Drain();
  SetCount(0);
  return Status::Ok();
}

void IntentLog::CarryOut(const pmem::PendingStores& stores, CommitWatcher* watcher) {
  CHECK(stores.size() <= kIntentEntries);
  const std::lock_guard lock(mutex_);
  IntentEntry* entry = unit_->entries.data();
  for (const pmem::PendingStore& store : stores) {
    *entry++ = {CheckedNumber(pool_.OffsetOf(store.word)), store.value};
  }
  pool_.Flush(unit_->entries.data(), stores.size() * sizeof(IntentEntry));
  // The entries are durable before the count can say that they are to be stored.
  pool_.Drain();
  SetCount(stores.size());
  if (watcher != nullptr) watcher->BeforeStores();
  for (const pmem::PendingStore& store : stores) {
    std::atomic_ref(*store.word).store(store.value, std::memory_order_release);
  }
  if (watcher != nullptr) watcher->AfterStores();
  // Stores to one line mostly come one after the other: it is flushed once.
  const void* flushed_line = nullptr;
  for (const pmem::PendingStore& store : stores) {
    const void* const line =
        reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(store.word) & ~(kLineBytes - 1));
    if (line != flushed_line) pool_.Flush(line, 1);
    flushed_line = line;
  }
  // The words are durable before the log forgets them, and it has forgotten them before another
  // change of theirs can be durable.
  pool_.Drain();
  SetCount(0);
}

}  // namespace fencepost::cmap
