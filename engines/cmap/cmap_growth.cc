// SPDX-License-Identifier: BSD-3-Clause
// Growth of cmap: a few buckets are split at a time, in order, by whoever inserts.
//
// The new buckets lie beyond bucket_count, where nobody looks, so they are written in place and
// made durable first. One change then takes the moved slots out of the old chains and advances
// bucket_count: after a crash the split has happened or it has not, and the buckets that an
// unfinished split left behind are written anew by the next. Readers go on meanwhile: they find a
// pair in the old chain or in the new one, or look again. One may be in an overflow bucket that is
// being unlinked, for as long as a visit lasts: neither waits for the other, the bucket is freed
// once the readers of its stripe have gone.
#include <algorithm>
#include <bit>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "engines/cmap/cmap_chain.h"
#include "engines/cmap/cmap_map.h"

namespace fencepost::cmap {
namespace {

// The table grows above this many pairs a bucket. At 4 of 7 slots one chain in eight overflows on
// average over a round of splits.
constexpr uint64_t kPairsPerBucket = 4;

// Buckets split by one change. A power of two not above kMinInitialBuckets, so that those of a
// group have stripes in ascending order, one segment, and the same bit to be told apart by.
constexpr uint64_t kSplitGroup = 4;

// As many as one split makes room for.
constexpr int64_t kInsertsASplit = kPairsPerBucket * kSplitGroup;

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
  std::vector<uint64_t> slots;     // all, in the order of the chain
  std::vector<uint64_t> moving;    // those that go to the new bucket
  std::vector<uint64_t> staying;   // the others
  std::vector<uint64_t> unlinked;  // overflow buckets that the chain does without
};

// To know how many pairs there are takes a look at what each thread has counted: once a split's
// worth of inserts.
void Map::CountInserted() {
  constexpr size_t kMaxSplits = 2;
  if (count_.Add(1) % kInsertsASplit == 0) Grow(kMaxSplits);
}

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
    if (!SplitNextBuckets().ok()) {
      grow_above_.store(count() + kInsertsBetweenAttempts, std::memory_order_relaxed);
    }
  }
}

// Lets readers know that slots are being moved from place to place under them.
class Map::MoveWatcher final : public CommitWatcher {
 public:
  // `new_bucket_count`: if it changes.
  MoveWatcher(Map& map, uint64_t first_index, std::span<const Chain> chains,
              std::optional<uint64_t> new_bucket_count = std::nullopt)
      : map_(map),
        first_index_(first_index),
        chains_(chains),
        new_bucket_count_(new_bucket_count) {}

  void BeforeStores() override {
    ForEachStripe(
        [](Stripe& stripe, const Chain&) { stripe.moves.fetch_add(1, std::memory_order_relaxed); });
    if (new_bucket_count_) map_.store_->SetBucketCount(*new_bucket_count_);
  }

  void AfterStores() override {
    ForEachStripe(
        [](Stripe& stripe, const Chain&) { stripe.moves.fetch_add(1, std::memory_order_release); });
  }

 private:
  template <typename F>
  void ForEachStripe(F&& visit) {
    for (size_t i = 0; i < chains_.size(); ++i) {
      visit(map_.stripes_[(first_index_ + i) & map_.stripe_mask_], chains_[i]);
    }
  }

  Map& map_;
  const uint64_t first_index_;
  const std::span<const Chain> chains_;
  const std::optional<uint64_t> new_bucket_count_;
};

Status Map::SplitNextBuckets() {
  const pmem::Charge charge(AccountNumber(Account::kGrowth));
  const uint64_t bucket_count = store_->bucket_count();
  const uint64_t moved_bit = std::bit_floor(bucket_count);
  const uint64_t first_index = bucket_count - moved_bit;
  const size_t group = kSplitGroup - bucket_count % kSplitGroup;
  if (bucket_count % kBucketsPerSegment == 0) {
    RETURN_IF_ERROR(store_->AddSegment(bucket_count / kBucketsPerSegment));
  }
  std::vector<UpdateLock> locks;
  locks.reserve(group);
  std::vector<Chain> chains(group);
  for (size_t i = 0; i < group; ++i) {
    locks.emplace_back(stripes_[(first_index + i) & stripe_mask_].lock);
    RETURN_IF_ERROR(ReadChain(first_index + i, &chains[i]));
  }
  Change change(*store_);
  for (size_t i = 0; i < group; ++i) {
    RETURN_IF_ERROR(DivideChain(moved_bit, &chains[i]));
    RETURN_IF_ERROR(StageNewChain(change, chains[i], bucket_count + i));
    StageOldChain(change, chains[i]);
  }
  change.StoreWord(store_->bucket_count_word(), CheckedNumber(bucket_count + group));
  // The new buckets, which may hold what an earlier split that a crash cut off has left there.
  change.NoteWrittenInPlace();
  if (!change.FitsIntentLog()) return store_->Full("a chain is too long to be split");
  MoveWatcher watcher(*this, first_index, chains, bucket_count + group);
  change.CommitWords(&watcher);
  for (size_t i = 0; i < group; ++i) {
    Unlink(stripes_[(first_index + i) & stripe_mask_], chains[i]);
  }
  return Status::Ok();
}

Status Map::CompactChain(uint64_t bucket_index) {
  Stripe& stripe = stripes_[bucket_index & stripe_mask_];
  const UpdateLock lock(stripe.lock);
  Chain chain;
  RETURN_IF_ERROR(ReadChain(bucket_index, &chain));
  chain.staying = chain.slots;
  Change change(*store_);
  StageOldChain(change, chain);
  // A longer one serves as well, unpacked.
  if (!change.FitsIntentLog()) return Status::Ok();
  MoveWatcher watcher(*this, bucket_index, {&chain, 1});
  change.CommitWords(&watcher);
  Unlink(stripe, chain);
  return Status::Ok();
}

Status Map::ReadChain(uint64_t bucket_index, Chain* chain) const {
  return WalkChain(*store_, bucket_index, [&](Bucket& bucket, uint64_t offset) {
    chain->nodes.push_back({&bucket, offset});
    for (const uint64_t slot : bucket.slots) {
      if (slot == 0) continue;
      chain->slots.push_back(slot);
      // All records are read later, each a cache miss: let the misses overlap.
      __builtin_prefetch(store_->pool().At<char>(SlotRecord(slot).offset));
    }
    return Status::Ok();
  });
}

Status Map::DivideChain(uint64_t moved_bit, Chain* chain) const {
  for (const uint64_t slot : chain->slots) {
    RecordView record;
    ASSIGN_OR_RETURN(const uint64_t hash, store_->ReadPair(slot, &record));
    const bool moves = (hash & moved_bit) != 0;
    (moves ? chain->moving : chain->staying).push_back(slot);
  }
  return Status::Ok();
}

Status Map::StageNewChain(Change& change, const Chain& chain, uint64_t new_index) {
  pmem::Pool& pool = store_->pool();
  Bucket* bucket = store_->BucketAt(new_index);
  size_t next = 0;
  for (;;) {
    Bucket content{};
    uint64_t overflow = 0;
    for (size_t i = 0; i < kSlotsPerBucket && next < chain.moving.size(); ++i) {
      content.slots[i] = chain.moving[next++];
    }
    if (next < chain.moving.size()) {
      overflow = change.ReserveBucket();
      if (overflow == 0) return store_->Full("no space for an overflow bucket");
      content.overflow = Checked(overflow);
    }
    *bucket = content;
    pool.Flush(bucket, sizeof(*bucket));
    if (overflow == 0) return Status::Ok();
    bucket = pool.At<Bucket>(overflow);
  }
}

// What stays is packed into as few buckets as hold it, moving as few slots as can be; the buckets
// behind those are unlinked.
void Map::StageOldChain(Change& change, Chain& chain) {
  const size_t kept_nodes =
      std::max<size_t>(1, (chain.staying.size() + kSlotsPerBucket - 1) / kSlotsPerBucket);
  const auto stays = [&](uint64_t slot) {
    return std::find(chain.staying.begin(), chain.staying.end(), slot) != chain.staying.end();
  };
  std::vector<uint64_t> homeless;  // staying, in a bucket that is unlinked
  for (size_t i = kept_nodes; i < chain.nodes.size(); ++i) {
    for (const uint64_t slot : chain.nodes[i].bucket->slots) {
      if (slot != 0 && stays(slot)) homeless.push_back(slot);
    }
    chain.unlinked.push_back(chain.nodes[i].offset);
  }
  for (size_t i = 0; i < kept_nodes; ++i) {
    for (uint64_t& slot : chain.nodes[i].bucket->slots) {
      if (slot != 0 && stays(slot)) continue;
      uint64_t value = 0;
      if (!homeless.empty()) {
        value = homeless.back();
        homeless.pop_back();
      }
      if (slot != value) change.StoreWord(&slot, value);
    }
  }
  Bucket& last = *chain.nodes[kept_nodes - 1].bucket;
  if (last.overflow != 0 && kept_nodes < chain.nodes.size()) change.StoreWord(&last.overflow, 0);
}

// Once the change is durable.
void Map::Unlink(Stripe& stripe, const Chain& chain) {
  stripe.unlinked.insert(stripe.unlinked.end(), chain.unlinked.begin(), chain.unlinked.end());
  FreeUnlinkedIfUnread(stripe);
}

}  // namespace fencepost::cmap
