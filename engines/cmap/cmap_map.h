// SPDX-License-Identifier: BSD-3-Clause
// Map: the operations of cmap. A linear-hashing table whose every change is one publication.
//
// Invariants:
//   1. What can be reached from the root changes only by a Publication, so a crash shows the state
//      before an operation or after it, and libpmemobj's recovery is all the recovery there is.
//   2. A pair's bucket is BucketIndex(hash, bucket_count). The number of stripes is a power of two
//      not above the initial bucket count, so a bucket and the one split from it have one stripe:
//      with that stripe locked, neither a key's bucket nor the bucket's contents change.
//   3. A record is written once, before it is published, and never changed.
// Threads: any. Readers hold a stripe shared during the visit; writers exclusively. Lock order:
//   growth_mutex_, then stripes in ascending order; growth_mutex_ is never waited for.
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

#include "engines/cmap/cmap_store.h"
#include "engines/cmap/stripe_lock.h"
#include "engines/engine.h"
#include "engines/status.h"

namespace fencepost::cmap {

class Map {
 public:
  // Counts the pairs by walking all bucket lines; reads no record. kCorrupt if a chain is broken.
  static Result<std::unique_ptr<Map>> Open(std::unique_ptr<Store> store);

  // REQUIRES of all: the key and the value are of legal length.
  Status Put(std::string_view key, std::string_view value);
  Status Get(std::string_view key, ValueVisitor visit);
  Status Delete(std::string_view key);
  Status ForEach(PairVisitor visit);
  Status Apply(std::span<const Write> batch);

  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  Store& store() { return *store_; }

  // Walks every allocation and everything that can be reached, and checks each link, each pair's
  // bucket and fingerprint, and the count; kCorrupt where one is wrong. At rest only.
  Result<AuditReport> Audit();

 private:
  struct Place;
  struct Chain;

  explicit Map(std::unique_ptr<Store> store);

  StripeLock& StripeOf(uint64_t hash) { return stripes_[hash & stripe_mask_]; }
  Bucket* BucketOf(uint64_t hash) const {
    return store_->BucketAt(BucketIndex(hash, store_->bucket_count()));
  }
  template <typename Load>
  Status Find(const Load& load, uint64_t hash, std::string_view key, Place* place) const;

  // Add one change to a publication. REQUIRES: the hash's stripe is held exclusively.
  Status StagePut(pmem::Publication& publication, uint64_t hash, std::string_view key,
                  std::string_view value, int64_t* count_change);
  Status StageDelete(pmem::Publication& publication, uint64_t hash, std::string_view key,
                     int64_t* count_change);
  Result<uint64_t> StageRecord(pmem::Publication& publication, std::string_view key,
                               std::string_view value);

  // Splits at most `max_splits` buckets if the table is fuller than it should be.
  void Grow(size_t max_splits);
  Status SplitNextBucket();
  Result<Chain> ReadChain(uint64_t bucket_index, uint64_t moved_bit) const;
  Status StageNewChain(pmem::Publication& publication, const Chain& chain, uint64_t new_index);
  void StageOldChain(pmem::Publication& publication, const Chain& chain);

  class Auditor;

  std::unique_ptr<Store> store_;
  const uint64_t stripe_mask_;
  std::vector<StripeLock> stripes_;
  alignas(64) std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> grow_above_{0};  // no split at or below this count
  std::mutex growth_mutex_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_MAP_H_
