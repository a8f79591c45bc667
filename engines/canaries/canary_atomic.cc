// SPDX-License-Identifier: BSD-3-Clause
// canary-atomic: a chained hash map on libpmemobj's atomic operations, like PMDK's example
// hashmap_atomic.
//
// Objects are written by constructors, or while they are reserved, and appear in the same redo log
// that links them. The number of pairs is a word of its own: a dirty flag is raised before it and
// the map differ and lowered afterwards, and recovery counts again if it finds the flag raised. The
// map itself is allocated by the first put.
//
// Threads: CanaryEngine's lock.
#include <libpmemobj.h>

#include <cstring>
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_object_pool.h"
#include "engines/canaries/canary_pool.h"
#include "engines/canaries/canary_structure.h"
#include "engines/pmem/publication.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kBuckets = 64;
constexpr uint64_t kSeed = 0x5eed;
constexpr uint64_t kEntryType = 1;
constexpr uint64_t kMapType = 2;

enum class Bug : size_t {
  kNone,
  kNoRecoveryCall,
  kConstructorUnpersisted,
  kInvertedRecovery,
  kRecoveryKeepsFlag,
  kFlagLoweredFirst,
  kFlagRaisedLate,
  kEntryUnpersisted,
  kAllocateThenLink,
  kFreeAfterUnlink,
  kFreeBeforeUnlink,
  kCount
};

constexpr std::string_view kName = "canary-atomic";
constexpr Planting kPlantings[] = {
    {kName, "no-recovery-call", "no recovery call", 'D',
     "opening does not recover: after a crash between map and count, the count is off by one"},
    {kName, "constructor-unpersisted", "no recovery call", 'D',
     "the map's constructor does not persist its fields: seed and size can be lost after the "
     "first put was acknowledged; the pool is taken for corrupt"},
    {kName, "inverted-recovery", "inverted recovery", 'S',
     "recovery counts again if the flag is not raised: a crash leaves the count off by one"},
    {kName, "recovery-keeps-flag", "inverted recovery", 'S',
     "recovery lowers the flag without counting: a crash leaves the count off by one"},
    {kName, "flag-lowered-first", "inverted recovery", 'S',
     "the flag is lowered before the count is durable: a crash leaves the count off by one"},
    {kName, "flag-raised-late", "inverted recovery", 'S',
     "the flag is raised after the map has changed: a crash in between leaves the count off by "
     "one"},
    {kName, "entry-unpersisted", "wrong flush range", 'D',
     "the entry's constructor does not persist the pair: an acknowledged put is torn or lost"},
    {kName, "allocate-then-link", "leak on crash", 'L',
     "an entry is allocated first and linked by a store: the audit finds it lost in between"},
    {kName, "free-after-unlink", "leak on crash", 'L',
     "an entry is unlinked by a store and freed afterwards: the audit finds it lost in between"},
    {kName, "free-before-unlink", "flag-first", 'O',
     "an entry is freed before it is unlinked: it is reachable, and the next put reuses it"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Root {
  PMEMoid map;
};

struct Map {
  uint64_t seed;
  uint64_t bucket_count;
  char other_lines[2 * kLineBytes];  // a flush of what follows is none of what precedes
  uint64_t count;
  uint64_t dirty;
  PMEMoid buckets[kBuckets];
};

struct Entry {
  uint64_t next;
  PairLengths pair;
};

struct EntryArguments {
  std::string_view key;
  std::string_view value;
  uint64_t next;
  bool persist;
};

int ConstructEntry(PMEMobjpool* pool, void* at, void* arguments) {
  const auto& with = *static_cast<EntryArguments*>(arguments);
  auto* entry = static_cast<Entry*>(at);
  entry->next = with.next;
  entry->pair.Fill(with.key, with.value);
  if (with.persist) {
    pmemobj_persist(pool, entry, sizeof *entry + with.key.size() + with.value.size());
  } else {
    pmemobj_persist(pool, &entry->next, sizeof entry->next);
  }
  return 0;
}

int ConstructMap(PMEMobjpool* pool, void* at, void* persist) {
  auto* map = static_cast<Map*>(at);
  std::memset(&map->count, 0, sizeof *map - offsetof(Map, count));
  pmemobj_persist(pool, &map->count, sizeof *map - offsetof(Map, count));
  map->seed = kSeed;
  map->bucket_count = kBuckets;
  if (*static_cast<bool*>(persist)) pmemobj_persist(pool, map, sizeof *map);
  return 0;
}

class AtomicEngine final : public CanaryEngine {
 public:
  AtomicEngine(std::unique_ptr<pmem::Pool> pool, uint64_t root, const EngineOptions& options,
               Bug bug)
      : CanaryEngine(options.path, pool->medium()),
        pool_(std::move(pool)),
        root_(*pool_->At<Root>(root)),
        bug_(bug) {}
  ~AtomicEngine() override { (void)Close(); }

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return HasMap() ? TheMap().count : 0; }
  Result<AuditReport> DoAudit() override;
  Status DoClose() override {
    pool_.reset();
    return Status::Ok();
  }

  bool HasMap() const { return root_.map.off != 0; }
  Map& TheMap() const { return *pool_->At<Map>(root_.map.off); }
  Entry& At(uint64_t offset) const { return *pool_->At<Entry>(offset); }
  PMEMoid* BucketOf(std::string_view key) const {
    return &TheMap().buckets[(HashOf(key) ^ TheMap().seed) % kBuckets];
  }
  template <typename Visit>
  void ForEachEntry(Visit visit) const;
  Status CheckChains(uint64_t* count) const;
  uint64_t* FindLink(std::string_view key) const;
  bool MakeMap();
  Status PutNew(std::string_view key, std::string_view value);
  Status Replace(uint64_t* link, std::string_view key, std::string_view value);
  Status Unlink(uint64_t* link);
  void SetWord(uint64_t* word, uint64_t value);
  template <typename Change>
  Status Counted(int64_t difference, Change change);

  std::unique_ptr<pmem::Pool> pool_;
  Root& root_;
  const Bug bug_;
};

Status AtomicEngine::Recover() {
  if (!HasMap()) return Status::Ok();
  const uint64_t map = root_.map.off;
  if (map % 8 != 0 || !pool_->Contains(map, sizeof(Map)) || TheMap().seed != kSeed ||
      TheMap().bucket_count != kBuckets) {
    return CorruptPool(path(), "what should be the map is none");
  }
  uint64_t count = 0;
  RETURN_IF_ERROR(CheckChains(&count));
  if (bug_ == Bug::kNoRecoveryCall) return Status::Ok();
  const bool is_dirty = TheMap().dirty != 0;
  if (is_dirty == (bug_ != Bug::kInvertedRecovery) && bug_ != Bug::kRecoveryKeepsFlag) {
    SetWord(&TheMap().count, count);
  }
  if (is_dirty) SetWord(&TheMap().dirty, 0);
  return Status::Ok();
}

Status AtomicEngine::CheckChains(uint64_t* count) const {
  const uint64_t most = pool_->bytes() / sizeof(Entry);  // more entries than this are a cycle
  for (PMEMoid& bucket : TheMap().buckets) {
    for (uint64_t offset = bucket.off; offset != 0; offset = At(offset).next) {
      if (!PairIsSane(*pool_, offset, offsetof(Entry, pair)) || ++*count > most) {
        return CorruptPool(path(), "a chain leads to what is no entry");
      }
    }
  }
  return Status::Ok();
}

// visit(offset, entry) until it says false.
template <typename Visit>
void AtomicEngine::ForEachEntry(Visit visit) const {
  if (!HasMap()) return;
  for (const PMEMoid& bucket : TheMap().buckets) {
    for (uint64_t offset = bucket.off; offset != 0; offset = At(offset).next) {
      if (!visit(offset, At(offset))) return;
    }
  }
}

// The word that refers to the key's entry, or null.
uint64_t* AtomicEngine::FindLink(std::string_view key) const {
  if (!HasMap()) return nullptr;
  uint64_t* link = &BucketOf(key)->off;
  while (*link != 0 && At(*link).pair.key() != key) link = &At(*link).next;
  return *link == 0 ? nullptr : link;
}

Result<std::string_view> AtomicEngine::DoGet(std::string_view key) {
  const uint64_t* const link = FindLink(key);
  if (link == nullptr) return Status::NotFound();
  return At(*link).pair.value();
}

void AtomicEngine::DoForEach(PairVisitor visit) {
  ForEachEntry(
      [&](uint64_t, const Entry& entry) { return visit(entry.pair.key(), entry.pair.value()); });
}

Status AtomicEngine::DoPut(std::string_view key, std::string_view value) {
  if (!HasMap() && !MakeMap()) return Full();
  if (uint64_t* const link = FindLink(key); link != nullptr) return Replace(link, key, value);
  return Counted(1, [&] { return PutNew(key, value); });
}

Status AtomicEngine::DoDelete(std::string_view key) {
  uint64_t* const link = FindLink(key);
  if (link == nullptr) return Status::NotFound();
  return Counted(-1, [&] { return Unlink(link); });
}

bool AtomicEngine::MakeMap() {
  bool persist = bug_ != Bug::kConstructorUnpersisted;
  return pmemobj_alloc(pool_->handle(), &root_.map, sizeof(Map), kMapType, ConstructMap,
                       &persist) == 0;
}

void AtomicEngine::SetWord(uint64_t* word, uint64_t value) {
  StoreWord(word, value);
  pool_->Persist(word, sizeof *word);
}

// A change of the map and of the count, under the dirty flag.
template <typename Change>
Status AtomicEngine::Counted(int64_t difference, Change change) {
  Map& map = TheMap();
  if (bug_ != Bug::kFlagRaisedLate) SetWord(&map.dirty, 1);
  const Status status = change();
  if (bug_ == Bug::kFlagRaisedLate) SetWord(&map.dirty, 1);
  if (bug_ == Bug::kFlagLoweredFirst) SetWord(&map.dirty, 0);
  if (status.ok()) SetWord(&map.count, map.count + static_cast<uint64_t>(difference));
  if (bug_ != Bug::kFlagLoweredFirst) SetWord(&map.dirty, 0);
  return status;
}

// At the head of its chain.
Status AtomicEngine::PutNew(std::string_view key, std::string_view value) {
  PMEMoid* const bucket = BucketOf(key);
  EntryArguments arguments{key, value, bucket->off, bug_ != Bug::kEntryUnpersisted};
  const uint64_t bytes = sizeof(Entry) + key.size() + value.size();
  const bool links_apart = bug_ == Bug::kAllocateThenLink;
  PMEMoid apart = OID_NULL;
  if (pmemobj_alloc(pool_->handle(), links_apart ? &apart : bucket, bytes, kEntryType,
                    ConstructEntry, &arguments) != 0) {
    return Full();
  }
  if (links_apart) {
    if (bucket->pool_uuid_lo == 0) SetWord(&bucket->pool_uuid_lo, apart.pool_uuid_lo);
    SetWord(&bucket->off, apart.off);
  }
  return Status::Ok();
}

Status AtomicEngine::Replace(uint64_t* link, std::string_view key, std::string_view value) {
  pmem::Publication publication(*pool_);
  const uint64_t bytes = sizeof(Entry) + key.size() + value.size();
  const uint64_t offset = publication.Reserve(bytes, kEntryType);
  if (offset == 0) return Full();
  At(offset).next = At(*link).next;
  At(offset).pair.Fill(key, value);
  pool_->Persist(&At(offset), bytes);
  publication.Free(*link);
  publication.Store(link, offset);
  return publication.Publish();
}

Status AtomicEngine::Unlink(uint64_t* link) {
  PMEMoid entry{pool_->uuid(), *link};
  const uint64_t next = At(*link).next;
  switch (bug_) {
    case Bug::kFreeAfterUnlink:
      SetWord(link, next);
      pmemobj_free(&entry);
      return Status::Ok();
    case Bug::kFreeBeforeUnlink:
      pmemobj_free(&entry);
      SetWord(link, next);
      return Status::Ok();
    default: {
      pmem::Publication publication(*pool_);
      publication.Free(*link);
      publication.Store(link, next);
      return publication.Publish();
    }
  }
}

Result<AuditReport> AtomicEngine::DoAudit() {
  std::vector<uint64_t> reachable;
  if (HasMap()) reachable.push_back(root_.map.off);
  ForEachEntry([&](uint64_t offset, const Entry&) {
    reachable.push_back(offset);
    return true;
  });
  return AuditObjects(*pool_, reachable);
}

Result<std::unique_ptr<Engine>> OpenAtomic(const EngineOptions& options) {
  ASSIGN_OR_RETURN(const size_t bug, FindBug(options, kPlantings));
  ASSIGN_OR_RETURN(auto pool, OpenObjectPool(options, std::string(kName), sizeof(Root),
                                             [](pmem::Pool&, uint64_t) {}));
  ASSIGN_OR_RETURN(const uint64_t root, pool->Root(sizeof(Root)));
  auto engine =
      std::make_unique<AtomicEngine>(std::move(pool), root, options, static_cast<Bug>(bug));
  RETURN_IF_ERROR(engine->Recover());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace

constinit const Structure kAtomicStructure = {
    .name = kName,
    .description = "canary: chained hash map on libpmemobj's atomic operations",
    .open = OpenAtomic,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
