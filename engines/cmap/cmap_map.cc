// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/cmap_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <shared_mutex>

#include "engines/cmap/cmap_chain.h"

namespace fencepost::cmap {
namespace {

// A record up to this size is copied through the cache and flushed; the value of a larger one goes
// the way libpmem finds best.
constexpr uint64_t kCopyThroughCacheBytes = 1024;

constexpr uint64_t kMaxStripes = 1024;

struct LoadDirectly {
  uint64_t operator()(const uint64_t* word) const { return *word; }
};

// Sees what the publication is going to store: a batch may change a key twice.
struct LoadThrough {
  const pmem::Publication& publication;
  uint64_t operator()(const uint64_t* word) const { return publication.Load(word); }
};

// The stripes of a batch, locked in ascending order for as long as this lives.
class LockedStripes {
 public:
  LockedStripes(std::vector<StripeLock>& stripes, std::vector<uint64_t> indexes)
      : stripes_(stripes), indexes_(std::move(indexes)) {
    std::sort(indexes_.begin(), indexes_.end());
    indexes_.erase(std::unique(indexes_.begin(), indexes_.end()), indexes_.end());
    for (uint64_t index : indexes_) stripes_[index].lock();
  }
  ~LockedStripes() {
    for (uint64_t index : indexes_) stripes_[index].unlock();
  }
  LockedStripes(const LockedStripes&) = delete;
  LockedStripes& operator=(const LockedStripes&) = delete;

 private:
  std::vector<StripeLock>& stripes_;
  std::vector<uint64_t> indexes_;
};

}  // namespace

// Where a key is, or where it would go.
struct Map::Place {
  uint64_t* slot = nullptr;        // null if the key is absent
  uint64_t offset = 0;             // of its record
  std::string_view value;          // in the record
  uint64_t* empty_slot = nullptr;  // the first of the chain, if the key is absent
  Bucket* last = nullptr;          // of the chain, if the key is absent
};

Map::Map(std::unique_ptr<Store> store)
    : store_(std::move(store)),
      stripe_mask_(std::min(kMaxStripes, store_->root().initial_buckets) - 1),
      stripes_(stripe_mask_ + 1) {}

Result<std::unique_ptr<Map>> Map::Open(std::unique_ptr<Store> store) {
  std::unique_ptr<Map> map(new Map(std::move(store)));
  uint64_t count = 0;
  for (uint64_t i = 0; i < map->store_->bucket_count(); ++i) {
    RETURN_IF_ERROR(WalkChain(*map->store_, i, [&](Bucket& bucket, uint64_t) {
      for (const uint64_t slot : bucket.slots) count += slot != 0 ? 1 : 0;
      return Status::Ok();
    }));
  }
  map->count_ = count;
  return map;
}

template <typename Load>
Status Map::Find(const Load& load, uint64_t hash, std::string_view key, Place* place) const {
  Bucket* bucket = BucketOf(hash);
  for (uint64_t length = 1;; ++length) {
    for (uint64_t& slot : bucket->slots) {
      const uint64_t value = load(&slot);
      if (value == 0) {
        if (place->empty_slot == nullptr) place->empty_slot = &slot;
        continue;
      }
      if (SlotFingerprint(value) != Fingerprint(hash)) continue;
      RecordView record;
      if (!store_->ReadRecord(SlotOffset(value), &record)) [[unlikely]] {
        return store_->Corrupt(fmt::format("a slot refers to no record ({:#x})", value));
      }
      if (record.key != key) continue;
      place->slot = &slot;
      place->offset = SlotOffset(value);
      place->value = record.value;
      return Status::Ok();
    }
    const uint64_t overflow = load(&bucket->overflow);
    if (overflow == 0) break;
    bucket = store_->OverflowAt(overflow);
    if (bucket == nullptr || length == kMaxChainBuckets) [[unlikely]]
      return store_->Corrupt(fmt::format("a chain of buckets is broken ({:#x})", overflow));
  }
  place->last = bucket;
  return Status::Ok();
}

Status Map::Get(std::string_view key, ValueVisitor visit) {
  const uint64_t hash = store_->Hash(key);
  StripeLock& stripe = StripeOf(hash);
  __builtin_prefetch(BucketOf(hash));  // may be another by the time of the lock: only a hint
  const std::shared_lock lock(stripe);
  Place place;
  RETURN_IF_ERROR(Find(LoadDirectly(), hash, key, &place));
  if (place.slot == nullptr) return Status::NotFound();
  visit(place.value);
  return Status::Ok();
}

Result<uint64_t> Map::StageRecord(pmem::Publication& publication, std::string_view key,
                                  std::string_view value) {
  const uint64_t bytes = RecordBytes(key.size(), value.size());
  const uint64_t offset = publication.Reserve(bytes, kRecordType);
  if (offset == 0) return store_->Full(fmt::format("no space for {} bytes", bytes));
  pmem::Pool& pool = store_->pool();
  char* const record = pool.At<char>(offset);
  const uint64_t header = PackHeader(key.size(), value.size());
  std::memcpy(record, &header, sizeof(header));
  char* const key_at = record + sizeof(header);
  char* const value_at = key_at + key.size() + 1;
  if (!key.empty()) std::memcpy(key_at, key.data(), key.size());
  key_at[key.size()] = '\0';
  value_at[value.size()] = '\0';
  if (bytes <= kCopyThroughCacheBytes) {
    if (!value.empty()) std::memcpy(value_at, value.data(), value.size());
    pool.Flush(record, bytes);
  } else {
    pool.CopyFlush(value_at, value.data(), value.size());
    pool.Flush(record, static_cast<uint64_t>(value_at - record));
    pool.Flush(value_at + value.size(), 1);
  }
  return offset;
}

Status Map::StagePut(pmem::Publication& publication, uint64_t hash, std::string_view key,
                     std::string_view value, int64_t* count_change) {
  Place place;
  RETURN_IF_ERROR(Find(LoadThrough{publication}, hash, key, &place));
  ASSIGN_OR_RETURN(const uint64_t record, StageRecord(publication, key, value));
  const uint64_t slot_value = PackSlot(record, hash);
  if (place.slot != nullptr) {
    publication.Store(place.slot, slot_value);
    publication.Free(place.offset);
    return Status::Ok();
  }
  ++*count_change;
  if (place.empty_slot != nullptr) {
    publication.Store(place.empty_slot, slot_value);
    return Status::Ok();
  }
  const uint64_t overflow = publication.ReserveUnit(store_->bucket_unit());
  if (overflow == 0) return store_->Full("no space for an overflow bucket");
  pmem::Pool& pool = store_->pool();
  Bucket& bucket = *pool.At<Bucket>(overflow);
  bucket = Bucket{};
  bucket.slots[0] = slot_value;
  pool.Flush(&bucket, sizeof(bucket));
  publication.Store(&place.last->overflow, overflow);
  return Status::Ok();
}

Status Map::StageDelete(pmem::Publication& publication, uint64_t hash, std::string_view key,
                        int64_t* count_change) {
  Place place;
  RETURN_IF_ERROR(Find(LoadThrough{publication}, hash, key, &place));
  if (place.slot == nullptr) return Status::NotFound();
  publication.Store(place.slot, 0);
  publication.Free(place.offset);
  --*count_change;
  return Status::Ok();
}

Status Map::Put(std::string_view key, std::string_view value) {
  const uint64_t hash = store_->Hash(key);
  int64_t count_change = 0;
  {
    const std::unique_lock lock(StripeOf(hash));
    pmem::Publication publication(store_->pool());
    RETURN_IF_ERROR(StagePut(publication, hash, key, value, &count_change));
    // The record is durable before a slot can refer to it.
    store_->pool().Drain();
    RETURN_IF_ERROR(publication.Publish());
  }
  if (count_change != 0) {
    count_.fetch_add(1, std::memory_order_relaxed);
    constexpr size_t kSplitsAnInsert = 2;  // one in four would do; the second catches up
    Grow(kSplitsAnInsert);
  }
  return Status::Ok();
}

Status Map::Delete(std::string_view key) {
  const uint64_t hash = store_->Hash(key);
  int64_t count_change = 0;
  const std::unique_lock lock(StripeOf(hash));
  pmem::Publication publication(store_->pool());
  RETURN_IF_ERROR(StageDelete(publication, hash, key, &count_change));
  RETURN_IF_ERROR(publication.Publish());
  count_.fetch_sub(1, std::memory_order_relaxed);
  return Status::Ok();
}

Status Map::Apply(std::span<const Write> batch) {
  std::vector<uint64_t> hashes(batch.size());
  std::vector<uint64_t> stripe_indexes(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    hashes[i] = store_->Hash(batch[i].key);
    stripe_indexes[i] = hashes[i] & stripe_mask_;
  }
  int64_t count_change = 0;
  {
    const LockedStripes locked(stripes_, std::move(stripe_indexes));
    pmem::Publication publication(store_->pool());
    for (size_t i = 0; i < batch.size(); ++i) {
      const Write& write = batch[i];
      if (write.kind == Write::Kind::kPut) {
        RETURN_IF_ERROR(StagePut(publication, hashes[i], write.key, write.value, &count_change));
      } else if (Status status = StageDelete(publication, hashes[i], write.key, &count_change);
                 !status.ok() && !status.IsNotFound()) {
        return status;
      }
    }
    store_->pool().Drain();
    RETURN_IF_ERROR(publication.Publish());
  }
  count_.fetch_add(static_cast<uint64_t>(count_change), std::memory_order_relaxed);
  Grow(batch.size());
  return Status::Ok();
}

// Stripe by stripe: a pair never leaves its stripe, so growth meanwhile neither hides nor repeats
// one.
Status Map::ForEach(PairVisitor visit) {
  bool go_on = true;
  for (uint64_t stripe = 0; stripe <= stripe_mask_ && go_on; ++stripe) {
    const std::shared_lock lock(stripes_[stripe]);
    const uint64_t bucket_count = store_->bucket_count();
    for (uint64_t i = stripe; i < bucket_count && go_on; i += stripe_mask_ + 1) {
      RETURN_IF_ERROR(WalkChain(*store_, i, [&](Bucket& bucket, uint64_t) {
        for (const uint64_t slot : bucket.slots) {
          if (slot == 0 || !go_on) continue;
          RecordView record;
          if (!store_->ReadRecord(SlotOffset(slot), &record)) {
            return store_->Corrupt(fmt::format("a slot refers to no record ({:#x})", slot));
          }
          go_on = visit(record.key, record.value);
        }
        return Status::Ok();
      }));
    }
  }
  return Status::Ok();
}

}  // namespace fencepost::cmap
