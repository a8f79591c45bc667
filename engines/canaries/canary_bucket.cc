// SPDX-License-Identifier: BSD-3-Clause
// canary-bucket: buckets of one line, in which the order of stores inside the line is all that
// makes a change atomic, as in P-ART's nodes; full buckets are chained, as in P-CLHT.
//
// A child is stored, then the count that publishes it; one flush covers both. To remove a child,
// the last one is stored over it, then the count goes down.
//
// Invariants:
//   1. Of a line only a prefix of its stores can survive, so a child is never counted before it is
//      there; a child that is there twice is a removal that was cut short, which recovery finishes.
//   2. A bucket is durable before it is linked into a chain, and stays there.
// Threads: CanaryEngine's lock.
// Source: Lee, Mohan, Kashyap, Kim, Chidambaram. RECIPE: converting concurrent DRAM indexes to
//   persistent-memory indexes. SOSP 2019.
#include "engines/canaries/raw_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kChildren = 6;
constexpr uint64_t kChains = 4;
constexpr uint64_t kBuckets = 512;  // the first kChains begin the chains

enum class Bug : size_t {
  kNone,
  kCountFirst,
  kRemoveCountFirst,
  kWrongPointer,
  kRecoveryKeepsDuplicate,
  kCount
};

constexpr std::string_view kName = "canary-bucket";
constexpr Planting kPlantings[] = {
    {kName, "count-first", "same-line prefix", 'A',
     "count stored before the child, one flush: a prefix of the line counts an empty or old child"},
    {kName, "remove-count-first", "same-line prefix", 'A',
     "a removal lowers the count before it saves the last child: a prefix of the line loses it"},
    {kName, "wrong-pointer", "wrong flush range", 'D',
     "the old bucket is flushed in place of the new one: an acknowledged pair is lost"},
    {kName, "recovery-keeps-duplicate", "two-token move", 'A',
     "recovery does not finish a removal that was cut short: the last pair is there twice"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct alignas(kLineBytes) Bucket {
  uint64_t count;
  uint64_t children[kChildren];  // numbers of records
  uint64_t next;                 // number of a bucket, or 0
};
static_assert(sizeof(Bucket) == kLineBytes);

struct Layout {
  PoolHeader header;
  Bucket buckets[kBuckets];
  RecordArray records;
};
constexpr uint64_t kMagic = 0x74656b6375427943;

class BucketEngine final : public RecordCanary<Layout, Bug> {
 public:
  BucketEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : RecordCanary(std::move(pool), options, bug), buckets_(kBuckets) {}

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;

  struct Place {
    Bucket* bucket = nullptr;
    uint64_t index = 0;
  };
  Bucket& ChainOf(std::string_view key) { return layout_.buckets[HashOf(key) % kChains]; }
  Bucket* NextOf(const Bucket& bucket) {
    return bucket.next == 0 ? nullptr : &layout_.buckets[bucket.next];
  }
  Status RecoverBucket(Bucket& bucket);
  Place Find(std::string_view key);
  void AddChild(Bucket& bucket, uint64_t record);
  bool AddBucket(Bucket& last, uint64_t record);

  FreeNumbers buckets_;
};

Status BucketEngine::Recover() {
  for (uint64_t chain = 0; chain < kChains; ++chain) {
    for (uint64_t number = chain;;) {
      if (!buckets_.Claim(number)) return CorruptPool(path(), "a chain that is no chain");
      Bucket& bucket = layout_.buckets[number];
      RETURN_IF_ERROR(RecoverBucket(bucket));
      number = bucket.next;
      if (number == 0) break;
      if (number < kChains) return CorruptPool(path(), "a chain that leads into another");
    }
  }
  return Status::Ok();
}

Status BucketEngine::RecoverBucket(Bucket& bucket) {
  if (bucket.count > kChildren) return CorruptPool(path(), "a senseless count");
  for (uint64_t i = 0; i + 1 < bucket.count; ++i) {
    if (bug_ == Bug::kRecoveryKeepsDuplicate) break;
    if (bucket.children[i] != bucket.children[bucket.count - 1]) continue;
    StoreWord(&bucket.count, bucket.count - 1);
    PersistWord(&bucket.count);
    break;
  }
  for (uint64_t i = 0; i < bucket.count; ++i) {
    if (!records_.IsSane(bucket.children[i])) return CorruptPool(path(), "a child is no pair");
    const bool claimed = records_.Claim(bucket.children[i]);
    if (!claimed && bug_ != Bug::kRecoveryKeepsDuplicate) {
      return CorruptPool(path(), "a pair that is there twice");
    }
  }
  return Status::Ok();
}

BucketEngine::Place BucketEngine::Find(std::string_view key) {
  for (Bucket* bucket = &ChainOf(key); bucket != nullptr; bucket = NextOf(*bucket)) {
    for (uint64_t i = 0; i < bucket->count; ++i) {
      if (records_.KeyOf(bucket->children[i]) == key) return {bucket, i};
    }
  }
  return {};
}

Result<std::string_view> BucketEngine::DoGet(std::string_view key) {
  const Place place = Find(key);
  if (place.bucket == nullptr) return Status::NotFound();
  return records_.ValueOf(place.bucket->children[place.index]);
}

void BucketEngine::DoForEach(PairVisitor visit) {
  for (uint64_t chain = 0; chain < kChains; ++chain) {
    for (const Bucket* bucket = &layout_.buckets[chain]; bucket != nullptr;
         bucket = NextOf(*bucket)) {
      for (uint64_t i = 0; i < bucket->count; ++i) {
        const uint64_t record = bucket->children[i];
        if (!visit(records_.KeyOf(record), records_.ValueOf(record))) return;
      }
    }
  }
}

Status BucketEngine::DoPut(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> record = records_.Take();
  if (!record) return Full();
  records_.WritePersist(*record, key, value);
  if (const Place place = Find(key); place.bucket != nullptr) {
    uint64_t& child = place.bucket->children[place.index];
    const uint64_t old = child;
    StoreWord(&child, *record);
    PersistWord(&child);
    records_.Give(old);
    return Status::Ok();
  }
  Bucket* bucket = &ChainOf(key);
  while (bucket->count == kChildren && NextOf(*bucket) != nullptr) bucket = NextOf(*bucket);
  if (bucket->count < kChildren) {
    AddChild(*bucket, *record);
  } else if (!AddBucket(*bucket, *record)) {
    records_.Give(*record);
    return Full();
  }
  return Status::Ok();
}

void BucketEngine::AddChild(Bucket& bucket, uint64_t record) {
  const uint64_t count = bucket.count;
  if (bug_ == Bug::kCountFirst) StoreWord(&bucket.count, count + 1);
  StoreWord(&bucket.children[count], record);
  if (bug_ != Bug::kCountFirst) StoreWord(&bucket.count, count + 1);
  Persist(&bucket, sizeof bucket);
}

// A new bucket behind the last of a chain, with one child.
bool BucketEngine::AddBucket(Bucket& last, uint64_t record) {
  const std::optional<uint64_t> number = buckets_.Take();
  if (!number) return false;
  Bucket& bucket = layout_.buckets[*number];
  StoreWord(&bucket.next, 0);
  StoreWord(&bucket.children[0], record);
  StoreWord(&bucket.count, 1);
  if (bug_ == Bug::kWrongPointer) {
    Persist(&last, sizeof last);
  } else {
    Persist(&bucket, sizeof bucket);
  }
  StoreWord(&last.next, *number);
  PersistWord(&last.next);
  return true;
}

Status BucketEngine::DoDelete(std::string_view key) {
  const Place place = Find(key);
  if (place.bucket == nullptr) return Status::NotFound();
  Bucket& bucket = *place.bucket;
  const uint64_t record = bucket.children[place.index];
  const uint64_t last = bucket.children[bucket.count - 1];
  if (bug_ == Bug::kRemoveCountFirst) StoreWord(&bucket.count, bucket.count - 1);
  StoreWord(&bucket.children[place.index], last);
  if (bug_ != Bug::kRemoveCountFirst) StoreWord(&bucket.count, bucket.count - 1);
  Persist(&bucket, sizeof bucket);
  records_.Give(record);
  return Status::Ok();
}

Result<std::unique_ptr<Engine>> OpenBucket(const EngineOptions& options) {
  return OpenRawCanary<BucketEngine>(options, kPlantings, kMagic, [](Layout&) {});
}

}  // namespace

constinit const Structure kBucketStructure = {
    .name = kName,
    .description = "canary: chains of one-line buckets published by store order",
    .open = OpenBucket,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
