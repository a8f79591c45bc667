// SPDX-License-Identifier: BSD-3-Clause
// Growth of cmap: one bucket is split at a time, in order, by whoever inserts.
//
// The new bucket lies beyond bucket_count, where nobody looks, so it is written in place and made
// durable first. One publication then links its overflow buckets, takes the moved slots out of the
// old chain and advances bucket_count: after a crash the split has happened or it has not, and the
// bucket that an unfinished split left behind is written anew by the next.
#include <algorithm>
#include <bit>
#include <mutex>
#include <vector>

#include "engines/cmap/cmap_chain.h"
#include "engines/cmap/cmap_map.h"

namespace fencepost::cmap {
namespace {

// The table grows above this many pairs a bucket. At 4 of 7 slots one chain in eight overflows on
// average over a round of splits.
constexpr uint64_t kPairsPerBucket = 4;

// After a split that failed (the pool is full), this many inserts go by before the next attempt.
constexpr uint64_t kInsertsBetweenAttempts = 1024;

}  // namespace

// A chain about to be split.
struct Map::Chain {
  struct Node {
    Bucket* bucket;
    uint64_t offset;  // 0 for the first, which is part of a segment
  };
  std::vector<Node> nodes;
  std::vector<uint64_t> moving;   // slot values that go to the new bucket
  std::vector<uint64_t> staying;  // the others
};

void Map::Grow(size_t max_splits) {
  const auto wanted = [this] {
    const uint64_t pairs = count();
    return pairs > kPairsPerBucket * store_->bucket_count() &&
           pairs > grow_above_.load(std::memory_order_relaxed);
  };
  if (!wanted()) return;
  // One thread splits at a time; the others have better things to do than to wait.
  const std::unique_lock growing(growth_mutex_, std::try_to_lock);
  if (!growing) return;
  for (size_t i = 0; i < max_splits && wanted(); ++i) {
    // A table that cannot grow is slower, not wrong: the insert that brought us here has succeeded.
    if (!SplitNextBucket().ok()) {
      grow_above_.store(count() + kInsertsBetweenAttempts, std::memory_order_relaxed);
    }
  }
}

Status Map::SplitNextBucket() {
  const uint64_t bucket_count = store_->bucket_count();
  const uint64_t moved_bit = std::bit_floor(bucket_count);
  const uint64_t old_index = bucket_count - moved_bit;
  if (bucket_count % kBucketsPerSegment == 0) {
    RETURN_IF_ERROR(store_->AddSegment(bucket_count / kBucketsPerSegment));
  }
  const std::unique_lock lock(stripes_[old_index & stripe_mask_]);
  ASSIGN_OR_RETURN(const Chain chain, ReadChain(old_index, moved_bit));
  pmem::Publication publication(store_->pool());
  RETURN_IF_ERROR(StageNewChain(publication, chain, bucket_count));
  StageOldChain(publication, chain);
  publication.Store(store_->bucket_count_word(), bucket_count + 1);
  // The new chain is durable before bucket_count lets anybody find it.
  store_->pool().Drain();
  RETURN_IF_ERROR(publication.Publish());
  store_->SetBucketCount(bucket_count + 1);
  return Status::Ok();
}

Result<Map::Chain> Map::ReadChain(uint64_t bucket_index, uint64_t moved_bit) const {
  Chain chain;
  std::vector<uint64_t> slots;
  RETURN_IF_ERROR(WalkChain(*store_, bucket_index, [&](Bucket& bucket, uint64_t offset) {
    chain.nodes.push_back({&bucket, offset});
    for (const uint64_t slot : bucket.slots) {
      if (slot == 0) continue;
      slots.push_back(slot);
      // All records are read below, each a cache miss: let the misses overlap.
      __builtin_prefetch(store_->pool().At<char>(SlotOffset(slot)));
    }
    return Status::Ok();
  }));
  for (const uint64_t slot : slots) {
    RecordView record;
    if (!store_->ReadRecord(SlotOffset(slot), &record)) {
      return store_->Corrupt("a slot refers to no record");
    }
    const bool moves = (store_->Hash(record.key) & moved_bit) != 0;
    (moves ? chain.moving : chain.staying).push_back(slot);
  }
  return chain;
}

Status Map::StageNewChain(pmem::Publication& publication, const Chain& chain, uint64_t new_index) {
  pmem::Pool& pool = store_->pool();
  Bucket* bucket = store_->BucketAt(new_index);
  size_t next = 0;
  for (;;) {
    Bucket content{};
    for (size_t i = 0; i < kSlotsPerBucket && next < chain.moving.size(); ++i) {
      content.slots[i] = chain.moving[next++];
    }
    if (next < chain.moving.size()) {
      content.overflow = publication.ReserveUnit(store_->bucket_unit());
      if (content.overflow == 0) return store_->Full("no space for an overflow bucket");
    }
    *bucket = content;
    pool.Flush(bucket, sizeof(*bucket));
    if (content.overflow == 0) return Status::Ok();
    bucket = pool.At<Bucket>(content.overflow);
  }
}

// What stays is packed into as few buckets as hold it, moving as few slots as can be; the buckets
// behind those are freed.
void Map::StageOldChain(pmem::Publication& publication, const Chain& chain) {
  const size_t kept_nodes =
      std::max<size_t>(1, (chain.staying.size() + kSlotsPerBucket - 1) / kSlotsPerBucket);
  const auto stays = [&](uint64_t slot) {
    return std::find(chain.staying.begin(), chain.staying.end(), slot) != chain.staying.end();
  };
  std::vector<uint64_t> homeless;  // staying, in a bucket that is freed
  for (size_t i = kept_nodes; i < chain.nodes.size(); ++i) {
    for (const uint64_t slot : chain.nodes[i].bucket->slots) {
      if (slot != 0 && stays(slot)) homeless.push_back(slot);
    }
    publication.Free(chain.nodes[i].offset);
  }
  for (size_t i = 0; i < kept_nodes; ++i) {
    for (uint64_t& slot : chain.nodes[i].bucket->slots) {
      if (slot != 0 && stays(slot)) continue;
      uint64_t value = 0;
      if (!homeless.empty()) {
        value = homeless.back();
        homeless.pop_back();
      }
      if (slot != value) publication.Store(&slot, value);
    }
  }
  Bucket& last = *chain.nodes[kept_nodes - 1].bucket;
  if (last.overflow != 0 && kept_nodes < chain.nodes.size()) publication.Store(&last.overflow, 0);
}

}  // namespace fencepost::cmap
