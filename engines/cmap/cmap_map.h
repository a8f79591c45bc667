// SPDX-License-Identifier: BSD-3-Clause
// Map: the operations of cmap. A linear-hashing table whose every change is one Change.
//
// Invariants:
//   1. What can be reached from the root changes only by a Change, so a crash shows the state
//      before an operation or after it.
//   2. A pair's bucket is BucketIndex(hash, bucket_count). The number of stripes is a power of two
//      not above the initial bucket count, so a bucket and the one split from it have one stripe,
//      and a pair never leaves its stripe.
//   3. A record is written once, before it is published, and never changed.
//   4. Whoever holds a stripe shared sees no record or overflow bucket of it freed; whoever holds
//      it for update or exclusively is the only one to change its chains.
// Threads: any. Readers hold a stripe shared during the visit; writers exclusively; a split for
//   update, beside readers, of whom neither waits for the other: what a split unlinks under readers
//   is freed later, by who next holds the stripe and finds them gone. Lock order: growth_mutex_,
//   then stripes in ascending order, then the intent log; growth_mutex_ is never waited for.
// Not covered: shrinking; the table keeps its buckets when pairs are deleted.
// Source: Litwin, Linear Hashing, VLDB 1980. Fingerprints: Oukid et al., FPTree, SIGMOD 2016; Lu et
//   al., Dash, VLDB 2020.
#ifndef FENCEPOST_ENGINES_CMAP_CMAP_MAP_H_
#define FENCEPOST_ENGINES_CMAP_CMAP_MAP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "engines/cmap/change.h"
#include "engines/cmap/cmap_store.h"
#include "engines/cmap/pair_count.h"
#include "engines/cmap/stripe_lock.h"
#include "engines/engine.h"
#include "engines/pmem/flush_counters.h"
#include "engines/status.h"

namespace fencepost::cmap {

// What flushes are charged to (engines/pmem/flush_counters.h).
enum class Account : size_t {
  kOther,
  kInsert,
  kOverwrite,
  kDelete,
  kBatch,
  kCompareAndPut,
  kGrowth,
  kDefragment,
};
inline constexpr std::string_view kAccountNames[] = {
    "other", "insert", "overwrite", "delete", "batch", "compare-and-put", "growth", "defragment"};
static_assert(std::size(kAccountNames) == pmem::kFlushAccounts);
inline size_t AccountNumber(Account account) { return static_cast<size_t>(account); }

class Map {
 public:
  // Walks all bucket lines, in several threads where there are many; reads no record of a slab.
  // kCorrupt if a chain is broken or refers to what is not there.
  static Result<std::unique_ptr<Map>> Open(std::unique_ptr<Store> store);

  // REQUIRES of all: the key and the value are of legal length.
  Status Put(std::string_view key, std::string_view value);
  Status Get(std::string_view key, ValueVisitor visit);
  Status Delete(std::string_view key);
  Status ForEach(PairVisitor visit);
  Status Apply(std::span<const Write> batch);

  // Replaces the value if it is `expected`; whether it was. kNotFound if there is none.
  Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                             std::string_view value);

  // Moves the records of sparse slabs together and gives what becomes empty back to the pool;
  // others may work meanwhile. The number of records moved.
  Result<uint64_t> Defragment();

  // The part of it that packs chains, so that overflow buckets that deletes have emptied are freed.
  Status PackChains();

  uint64_t count() const { return count_.Sum(); }
  Store& store() { return *store_; }

  // Walks every allocation and everything that can be reached, and checks each link, each pair's
  // bucket and fingerprint, and the count; kCorrupt where one is wrong. At rest only.
  Result<AuditReport> Audit();

 private:
  struct Place;
  struct Chain;

  // In DRAM, for all buckets with the same low bits of their index.
  struct alignas(64) Stripe {
    StripeLock lock;
    // Odd while a split moves slots: a reader that finds nothing then looks again.
    std::atomic<uint32_t> moves{0};
    // Overflow buckets that no durable word refers to any more, but in which readers may be. For
    // who holds the lock for update or exclusively.
    std::vector<uint64_t> unlinked;
  };

  explicit Map(std::unique_ptr<Store> store);

  Stripe& StripeOf(uint64_t hash) { return stripes_[hash & stripe_mask_]; }
  Bucket* BucketOf(uint64_t hash) const {
    return store_->BucketAt(BucketIndex(hash, store_->bucket_count()));
  }
  void PrefetchForWriting(uint64_t hash);
  std::unique_lock<StripeLock> LockForWriting(Stripe& stripe);
  void FreeUnlinked(Stripe& stripe);
  // REQUIRES: the stripe is held for update.
  void FreeUnlinkedIfUnread(Stripe& stripe);
  void FreeAllUnlinkedIfUnread();
  // What can be seen of a key without a lock.
  struct Glance {
    bool absent = false;       // certainly; false: not known
    uint64_t* slot = nullptr;  // the first with its fingerprint
    uint64_t value = 0;        // of that slot
  };
  Glance GlanceAt(const Stripe& stripe, uint64_t hash) const;
  bool IsStillThere(const Glance& glance, std::string_view key, RecordView* record) const;
  template <typename Load>
  Status Find(const Load& load, uint64_t hash, std::string_view key, Place* place) const;

  // Add one change. REQUIRES: the hash's stripe is held exclusively.
  Status StagePut(Change& change, uint64_t hash, RecordRef record, const Place& place);
  // Needs no stripe: nothing refers to it yet. FlushRecord then flushes what this has not.
  Status StageRecord(Change& change, std::string_view key, std::string_view value,
                     RecordRef* reserved);
  void FlushRecord(RecordRef record, std::string_view key, std::string_view value) const;
  void StageDelete(Change& change, const Place& place);
  Status StageWrite(Change& change, uint64_t hash, const Write& write, int64_t* count_change);
  void CountInserted();

  // Splits buckets if the table is fuller than it should be.
  void Grow(size_t max_splits);
  Status SplitNextBuckets();
  Status ReadChain(uint64_t bucket_index, Chain* chain) const;
  Status DivideChain(uint64_t moved_bit, Chain* chain) const;
  Status StageNewChain(Change& change, const Chain& chain, uint64_t new_index);
  void StageOldChain(Change& change, Chain& chain);
  void Unlink(Stripe& stripe, const Chain& chain);

  // Packs a chain into as few buckets as hold it.
  Status CompactChain(uint64_t bucket_index);
  Result<bool> MoveRecord(uint64_t offset);

  class Auditor;
  class Opener;
  class MoveWatcher;

  std::unique_ptr<Store> store_;
  const uint64_t stripe_mask_;
  std::vector<Stripe> stripes_;
  PairCount count_;
  std::atomic<uint64_t> grow_above_{0};  // no split at or below this count
  std::mutex growth_mutex_;
  std::mutex defragment_mutex_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_MAP_H_
