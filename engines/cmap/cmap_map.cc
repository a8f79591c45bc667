// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/cmap_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <shared_mutex>

#include "engines/cmap/cmap_chain.h"
#include "engines/pmem/access.h"

namespace fencepost::cmap {
namespace {

// A record of a slab is copied through the cache and flushed; the value of a larger one goes the
// way libpmem finds best.
constexpr uint64_t kCopyThroughCacheBytes = kMaxSlabRecordBytes;

constexpr uint64_t kPrefetchedBytes = 256;

constexpr uint64_t kMaxStripes = 1024;

// Beside readers of what a split is changing.
struct LoadDirectly {
  uint64_t operator()(uint64_t* word) const {
    return std::atomic_ref(*word).load(std::memory_order_acquire);
  }
};

// Sees what the change is going to store: a batch may change a key twice.
struct LoadThrough {
  const Change& change;
  uint64_t operator()(uint64_t* word) const { return change.LoadWord(word); }
};

// A bucket, all of it seen once, without a branch that depends on where something is.
struct Look {
  template <typename Load>
  Look(const Load& load, Bucket& bucket, uint64_t fingerprint) {
    sum = overflow = load(&bucket.overflow);
    const uint64_t wanted = fingerprint << kOffsetBits;
    for (size_t i = 0; i < kSlotsPerBucket; ++i) {
      const uint64_t slot = slots[i] = load(&bucket.slots[i]);
      sum ^= slot;
      matches |= static_cast<unsigned>((slot ^ wanted) <= kOffsetMask) << i;
    }
  }

  // The number of the first; kSlotsPerBucket if there is none.
  size_t FirstEmpty() const {
    return static_cast<size_t>(std::find(slots.begin(), slots.end(), 0) - slots.begin());
  }

  std::array<uint64_t, kSlotsPerBucket> slots;
  uint64_t overflow;
  uint64_t sum;          // sound unless the bucket is damaged
  unsigned matches = 0;  // bit i: slot i has the fingerprint; 0 is that of an empty one, too
};

}  // namespace

// Where a key is, or where it would go.
struct Map::Place {
  uint64_t* slot = nullptr;  // null if the key is absent
  RecordRef record;
  uint64_t record_bytes = 0;
  std::string_view value;          // in the record
  uint64_t* empty_slot = nullptr;  // the first of the chain, if the key is absent
  Bucket* last = nullptr;          // of the chain, if the key is absent
};

Map::Map(std::unique_ptr<Store> store)
    : store_(std::move(store)),
      stripe_mask_(std::min(kMaxStripes, store_->root().initial_buckets) - 1),
      stripes_(stripe_mask_ + 1) {}

template <typename Load>
Status Map::Find(const Load& load, uint64_t hash, std::string_view key, Place* place) const {
  Bucket* bucket = BucketOf(hash);
  for (uint64_t length = 1;; ++length) {
    pmem::ToldRead(bucket, sizeof(*bucket));
    const Look look(load, *bucket, Fingerprint(hash));
    for (unsigned matches = look.matches; matches != 0; matches &= matches - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(matches));
      const uint64_t value = look.slots[i];
      if (value == 0) continue;
      RecordView record;
      if (!IsSound(value) || !store_->ReadRecord(SlotRecord(value), &record)) [[unlikely]]
        return store_->Corrupt(fmt::format("a slot refers to no record ({:#x})", value));
      // From the header, which is in front of the key.
      pmem::ToldRead(record.key.data() - sizeof(uint64_t), sizeof(uint64_t) + record.key.size());
      if (record.key != key) [[unlikely]] {
        // Two keys of one fingerprint; or a bit of the key has been flipped, which would hide it.
        ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t other, store_->ReadPair(value, &record));
        continue;
      }
      place->slot = &bucket->slots[i];
      place->record = SlotRecord(value);
      place->record_bytes = RecordBytes(record.key.size(), record.value.size());
      place->value = record.value;
      return Status::Ok();
    }
    if (!IsSound(look.sum)) [[unlikely]]
      return store_->Corrupt(fmt::format("a bucket of the chain of {:#x} is damaged", hash));
    if (place->empty_slot == nullptr) {
      const size_t empty = look.FirstEmpty();
      if (empty < kSlotsPerBucket) place->empty_slot = &bucket->slots[empty];
    }
    if (look.overflow == 0) break;
    bucket = store_->OverflowIn(look.overflow);
    if (bucket == nullptr || length == kMaxChainBuckets) [[unlikely]]
      return store_->Corrupt(fmt::format("a chain of buckets is broken ({:#x})", look.overflow));
  }
  place->last = bucket;
  return Status::Ok();
}

void Map::PrefetchForWriting(uint64_t hash) {
  __builtin_prefetch(&StripeOf(hash), 1);
  __builtin_prefetch(BucketOf(hash), 1);
}

std::unique_lock<StripeLock> Map::LockForWriting(Stripe& stripe) {
  std::unique_lock lock(stripe.lock);
  if (!stripe.unlinked.empty()) [[unlikely]]
    FreeUnlinked(stripe);
  return lock;
}

void Map::FreeUnlinked(Stripe& stripe) {
  for (const uint64_t offset : stripe.unlinked) store_->heap().Free(offset, kBucketClass);
  stripe.unlinked.clear();
}

void Map::FreeUnlinkedIfUnread(Stripe& stripe) {
  if (!stripe.unlinked.empty() && !stripe.lock.MayHaveReaders()) FreeUnlinked(stripe);
}

void Map::FreeAllUnlinkedIfUnread() {
  for (Stripe& stripe : stripes_) {
    const UpdateLock lock(stripe.lock);
    FreeUnlinkedIfUnread(stripe);
  }
}

// Before the lock is taken, a look at the bucket. Most absent keys have neither their fingerprint
// in it nor an overflow bucket: that takes no lock. Nor may a writer have been at it meanwhile:
// what it stored may not be durable yet, and the answer would be given on the strength of it. Of a
// key that may be there, the record is on its way from memory while the lock is taken.
Map::Glance Map::GlanceAt(const Stripe& stripe, uint64_t hash) const {
  const uint32_t moves = stripe.moves.load(std::memory_order_acquire);
  const bool had_writer = stripe.lock.HasWriter();
  Bucket* const bucket = BucketOf(hash);
  pmem::ToldRead(bucket, sizeof(*bucket));
  const Look look(LoadDirectly(), *bucket, Fingerprint(hash));
  if (look.matches != 0) {
    const auto first = static_cast<size_t>(std::countr_zero(look.matches));
    const char* const record = store_->pool().At<char>(SlotRecord(look.slots[first]).offset);
    __builtin_prefetch(record);
    __builtin_prefetch(record + kLineBytes);
    return {.absent = false, .slot = &bucket->slots[first], .value = look.slots[first]};
  }
  return {.absent = look.overflow == 0 && IsSound(look.sum) && moves % 2 == 0 && !had_writer &&
                    !stripe.lock.HasWriter() &&
                    stripe.moves.load(std::memory_order_relaxed) == moves};
}

// Under the lock: what was seen without it is still there, and is the key's.
bool Map::IsStillThere(const Glance& glance, std::string_view key, RecordView* record) const {
  if (glance.value == 0 || LoadDirectly()(glance.slot) != glance.value || !IsSound(glance.value) ||
      !store_->ReadRecord(SlotRecord(glance.value), record)) {
    return false;
  }
  pmem::ToldRead(record->key.data() - sizeof(uint64_t), sizeof(uint64_t) + record->key.size());
  return record->key == key;
}

Status Map::Get(std::string_view key, ValueVisitor visit) {
  const uint64_t hash = store_->Hash(key);
  Stripe& stripe = StripeOf(hash);
  const Glance glance = GlanceAt(stripe, hash);
  if (glance.absent) return Status::NotFound();
  const std::shared_lock lock(stripe.lock);
  if (RecordView record; IsStillThere(glance, key, &record)) [[likely]] {
    pmem::ToldRead(record.value.data(), record.value.size());
    visit(record.value);
    return Status::Ok();
  }
  for (;;) {
    const uint32_t moves = stripe.moves.load(std::memory_order_acquire);
    Place place;
    RETURN_IF_ERROR(Find(LoadDirectly(), hash, key, &place));
    if (place.slot != nullptr) {
      pmem::ToldRead(place.value.data(), place.value.size());
      visit(place.value);
      return Status::Ok();
    }
    // Nothing was moved from where we had not looked yet to where we had.
    if (moves % 2 == 0 && stripe.moves.load(std::memory_order_relaxed) == moves) {
      return Status::NotFound();
    }
    __builtin_ia32_pause();
  }
}

Status Map::StageRecord(Change& change, std::string_view key, std::string_view value,
                        RecordRef* reserved) {
  const uint64_t bytes = RecordBytes(key.size(), value.size());
  *reserved = change.ReserveRecord(bytes);
  if (reserved->offset == 0) return store_->Full(fmt::format("no space for {} bytes", bytes));
  pmem::Pool& pool = store_->pool();
  char* const record = pool.At<char>(reserved->offset);
  const uint64_t header = PackHeader(key.size(), value.size());
  std::memcpy(record, &header, sizeof(header));
  char* const key_at = record + sizeof(header);
  char* const value_at = key_at + key.size() + 1;
  if (!key.empty()) std::memcpy(key_at, key.data(), key.size());
  key_at[key.size()] = '\0';
  value_at[value.size()] = '\0';
  if (bytes <= kCopyThroughCacheBytes) {
    if (!value.empty()) std::memcpy(value_at, value.data(), value.size());
    return Status::Ok();
  }
  // Whole lines of a large value; what is before the first and behind the last shares its line with
  // the rest of the record, and is flushed with that, once.
  const auto to_line = static_cast<size_t>(-reinterpret_cast<uintptr_t>(value_at) % kLineBytes);
  const size_t head_bytes = std::min(to_line, value.size());
  const size_t line_bytes = (value.size() - head_bytes) / kLineBytes * kLineBytes;
  const std::string_view tail = value.substr(head_bytes + line_bytes);
  char* const lines_at = value_at + head_bytes;
  char* const tail_at = lines_at + line_bytes;
  value.copy(value_at, head_bytes);
  pool.Flush(record, static_cast<uint64_t>(lines_at - record));
  if (line_bytes != 0) pool.CopyFlush(lines_at, value.data() + head_bytes, line_bytes);
  tail.copy(tail_at, tail.size());
  pool.Flush(tail_at, tail.size() + 1);
  return Status::Ok();
}

void Map::FlushRecord(RecordRef record, std::string_view key, std::string_view value) const {
  const uint64_t bytes = RecordBytes(key.size(), value.size());
  if (bytes <= kCopyThroughCacheBytes) {
    store_->pool().Flush(store_->pool().At<char>(record.offset), bytes);
  }
}

Status Map::StagePut(Change& change, uint64_t hash, RecordRef record, const Place& place) {
  const uint64_t slot_value = PackSlot(record, hash);
  if (place.slot != nullptr) {
    change.StoreWord(place.slot, slot_value);
    // The next record of this size is most likely written where this one was: the lines that no
    // lookup has touched are there by then.
    if (!place.record.is_object) {
      const char* const old = store_->pool().At<char>(place.record.offset);
      const uint64_t bytes = std::min(place.record_bytes, kPrefetchedBytes);
      for (uint64_t at = kLineBytes; at < bytes; at += kLineBytes) __builtin_prefetch(old + at, 1);
    }
    change.FreeRecord(place.record, place.record_bytes);
    return Status::Ok();
  }
  if (place.empty_slot != nullptr) {
    change.StoreWord(place.empty_slot, slot_value);
    return Status::Ok();
  }
  const uint64_t overflow = change.ReserveBucket();
  if (overflow == 0) return store_->Full("no space for an overflow bucket");
  pmem::Pool& pool = store_->pool();
  Bucket& bucket = *pool.At<Bucket>(overflow);
  bucket = Bucket{};
  bucket.slots[0] = slot_value;
  pool.Flush(&bucket, sizeof(bucket));
  change.StoreWord(&place.last->overflow, Checked(overflow));
  return Status::Ok();
}

void Map::StageDelete(Change& change, const Place& place) {
  change.StoreWord(place.slot, 0);
  change.FreeRecord(place.record, place.record_bytes);
}

// The bucket, and the lock that another core may have had last, are on their way while the record
// is written; its write-back begins before the key is looked up, whose cache misses go by
// meanwhile. Not before the lock: that would be a fence.
Status Map::Put(std::string_view key, std::string_view value) {
  const uint64_t hash = store_->Hash(key);
  PrefetchForWriting(hash);
  bool inserted;
  {
    pmem::Charge charge(AccountNumber(Account::kInsert));
    Change change(*store_);
    RecordRef record;
    RETURN_IF_ERROR(StageRecord(change, key, value, &record));
    const std::unique_lock lock = LockForWriting(StripeOf(hash));
    FlushRecord(record, key, value);
    Place place;
    RETURN_IF_ERROR(Find(LoadDirectly(), hash, key, &place));
    inserted = place.slot == nullptr;
    if (!inserted) charge.MoveTo(AccountNumber(Account::kOverwrite));
    RETURN_IF_ERROR(StagePut(change, hash, record, place));
    RETURN_IF_ERROR(change.Commit());
  }
  if (inserted) CountInserted();
  return Status::Ok();
}

Result<bool> Map::CompareAndPut(std::string_view key, std::string_view expected,
                                std::string_view value) {
  const uint64_t hash = store_->Hash(key);
  const std::unique_lock lock = LockForWriting(StripeOf(hash));
  Place place;
  RETURN_IF_ERROR(Find(LoadDirectly(), hash, key, &place));
  if (place.slot == nullptr) return Status::NotFound();
  pmem::ToldRead(place.value.data(), place.value.size());
  if (place.value != expected) return false;
  const pmem::Charge charge(AccountNumber(Account::kCompareAndPut));
  Change change(*store_);
  RecordRef record;
  RETURN_IF_ERROR(StageRecord(change, key, value, &record));
  FlushRecord(record, key, value);
  RETURN_IF_ERROR(StagePut(change, hash, record, place));
  RETURN_IF_ERROR(change.Commit());
  return true;
}

Status Map::Delete(std::string_view key) {
  const uint64_t hash = store_->Hash(key);
  PrefetchForWriting(hash);
  const std::unique_lock lock = LockForWriting(StripeOf(hash));
  Place place;
  RETURN_IF_ERROR(Find(LoadDirectly(), hash, key, &place));
  if (place.slot == nullptr) return Status::NotFound();
  const pmem::Charge charge(AccountNumber(Account::kDelete));
  Change change(*store_);
  StageDelete(change, place);
  RETURN_IF_ERROR(change.Commit());
  count_.Add(-1);
  return Status::Ok();
}

Status Map::StageWrite(Change& change, uint64_t hash, const Write& write, int64_t* count_change) {
  Place place;
  RETURN_IF_ERROR(Find(LoadThrough{change}, hash, write.key, &place));
  if (write.kind == Write::Kind::kPut) {
    RecordRef record;
    RETURN_IF_ERROR(StageRecord(change, write.key, write.value, &record));
    FlushRecord(record, write.key, write.value);
    if (place.slot == nullptr) ++*count_change;
    return StagePut(change, hash, record, place);
  }
  if (place.slot == nullptr) return Status::Ok();
  --*count_change;
  StageDelete(change, place);
  return Status::Ok();
}

Status Map::Apply(std::span<const Write> batch) {
  std::vector<uint64_t> hashes(batch.size());
  std::vector<uint64_t> stripe_indexes(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    hashes[i] = store_->Hash(batch[i].key);
    stripe_indexes[i] = hashes[i] & stripe_mask_;
  }
  std::sort(stripe_indexes.begin(), stripe_indexes.end());
  stripe_indexes.erase(std::unique(stripe_indexes.begin(), stripe_indexes.end()),
                       stripe_indexes.end());
  int64_t count_change = 0;
  {
    std::vector<std::unique_lock<StripeLock>> locks;
    locks.reserve(stripe_indexes.size());
    const pmem::Charge charge(AccountNumber(Account::kBatch));
    for (const uint64_t index : stripe_indexes) locks.push_back(LockForWriting(stripes_[index]));
    Change change(*store_);
    for (size_t i = 0; i < batch.size(); ++i) {
      RETURN_IF_ERROR(StageWrite(change, hashes[i], batch[i], &count_change));
    }
    RETURN_IF_ERROR(change.Commit());
  }
  count_.Add(count_change);
  Grow(batch.size());
  return Status::Ok();
}

// Stripe by stripe: a pair never leaves its stripe, and nothing moves in one that is held for
// update, so growth neither hides nor repeats one.
Status Map::ForEach(PairVisitor visit) {
  bool go_on = true;
  for (uint64_t stripe = 0; stripe <= stripe_mask_ && go_on; ++stripe) {
    const UpdateLock lock(stripes_[stripe].lock);
    const uint64_t bucket_count = store_->bucket_count();
    for (uint64_t i = stripe; i < bucket_count && go_on; i += stripe_mask_ + 1) {
      RETURN_IF_ERROR(WalkChain(*store_, i, [&](Bucket& bucket, uint64_t) {
        for (const uint64_t slot : bucket.slots) {
          if (slot == 0 || !go_on) continue;
          RecordView record;
          ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t hash, store_->ReadPair(slot, &record));
          go_on = visit(record.key, record.value);
        }
        return Status::Ok();
      }));
    }
  }
  return Status::Ok();
}

}  // namespace fencepost::cmap
