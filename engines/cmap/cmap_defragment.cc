// SPDX-License-Identifier: BSD-3-Clause
// Defragmentation of cmap: chains are packed, so that overflow buckets that deletes have emptied
// are freed; the records of sparse slabs are moved into fuller ones, each by a change of its own,
// as an overwrite with the same value would; extents that become empty go back to libpmemobj. A
// crash in between leaves a record where it was or where it went.
#include <fmt/format.h>

#include <atomic>
#include <mutex>

#include "engines/cmap/cmap_chain.h"
#include "engines/cmap/cmap_map.h"

namespace fencepost::cmap {

// Whether there was a record to move: it may be gone since the slab was looked at.
Result<bool> Map::MoveRecord(uint64_t offset) {
  // The position may hold anything by now: only what the index says counts. Its key is read without
  // a lock to find the stripe, and again under it.
  RecordView seen;
  if (!store_->ReadRecord({offset, false}, &seen)) return false;
  const uint64_t hash = store_->Hash(seen.key);
  const std::unique_lock lock = LockForWriting(StripeOf(hash));
  Bucket* bucket = BucketOf(hash);
  for (uint64_t length = 1; length <= kMaxChainBuckets; ++length) {
    for (uint64_t& slot : bucket->slots) {
      if (slot == 0 || SlotRecord(slot).offset != offset || SlotRecord(slot).is_object) continue;
      RecordView record;
      ASSIGN_OR_RETURN(const uint64_t hash_now, store_->ReadPair(slot, &record));
      // Another pair's by now: what was read without the lock was what the position had held.
      if (hash_now != hash) return false;
      const uint64_t bytes = RecordBytes(record.key.size(), record.value.size());
      const pmem::Charge charge(AccountNumber(Account::kDefragment));
      Change change(*store_);
      const RecordRef target = change.ReserveRecord(bytes);
      if (target.offset == 0) return store_->Full("no space to move a record to");
      store_->pool().CopyFlush(store_->pool().At<char>(target.offset),
                               store_->pool().At<char>(offset), bytes);
      change.StoreWord(&slot, PackSlot(target, hash));
      change.FreeRecord(SlotRecord(slot), bytes);
      RETURN_IF_ERROR(change.Commit());
      return true;
    }
    if (bucket->overflow == 0) return false;
    bucket = store_->OverflowIn(bucket->overflow);
    if (bucket == nullptr) break;
  }
  return store_->Corrupt("a chain of buckets is broken");
}

Status Map::PackChains() {
  for (uint64_t i = 0; i < store_->bucket_count(); ++i) {
    if (std::atomic_ref(store_->BucketAt(i)->overflow).load(std::memory_order_relaxed) == 0)
      continue;
    const pmem::Charge charge(AccountNumber(Account::kDefragment));
    RETURN_IF_ERROR(CompactChain(i));
  }
  FreeAllUnlinkedIfUnread();
  return Status::Ok();
}

Result<uint64_t> Map::Defragment() {
  // One at a time: the sparse slabs of another are not to be given back meanwhile.
  const std::lock_guard defragmenting(defragment_mutex_);
  RETURN_IF_ERROR(PackChains());
  uint64_t moved = 0;
  Status status;
  for (const uint64_t offset : store_->heap().RetireSparseSlabs()) {
    const Result<bool> done = MoveRecord(offset);
    if (!done.ok()) {
      status = done.status();
      break;
    }
    moved += *done ? 1 : 0;
  }
  store_->heap().ReturnRetiredSlabs();
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN([[maybe_unused]] const bool released, store_->heap().ReleaseEmptyExtents());
  return moved;
}

}  // namespace fencepost::cmap
