// SPDX-License-Identifier: BSD-3-Clause
// canary-tx: a chained hash map on libpmemobj transactions, like PMDK's example hashmap_tx.
//
// Every change is one transaction: each word is logged before it is changed, objects are allocated
// and freed within. The number of pairs is part of the pool and of the transaction.
//
// Threads: CanaryEngine's lock.
#include <libpmemobj.h>

#include <cstring>
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_object_pool.h"
#include "engines/canaries/canary_pool.h"
#include "engines/canaries/canary_structure.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kFirstBuckets = 4;
constexpr uint64_t kMaxBuckets = 256;
constexpr uint64_t kEntryType = 1;
constexpr uint64_t kBucketsType = 2;

enum class Bug : size_t {
  kNone,
  kCountNotLogged,
  kLoggedTooLate,
  kRehashWithoutNode,
  kRehashShortRange,
  kAllocateOutside,
  kFreeOutside,
  kLogOfUnchangedRange,
  kCount
};

constexpr std::string_view kName = "canary-tx";
constexpr Planting kPlantings[] = {
    {kName, "count-not-logged", "count not logged", 'A',
     "the number of pairs is changed outside the undo log: after a rollback it is off by one"},
    {kName, "logged-too-late", "logged too late", 'A',
     "a link is logged after it was changed: a rollback leaves it on an object that is free"},
    {kName, "rehash-without-node", "split without log", 'A',
     "a rehash relinks entries that are not in the transaction: a rollback leaves chains mixed up"},
    {kName, "rehash-short-range", "wrong flush range", 'A',
     "a rehash logs the array and not its length: a rollback leaves the new length"},
    {kName, "allocate-outside", "leak on crash", 'L',
     "the entry is allocated before the transaction that links it: the audit finds it lost"},
    {kName, "free-outside", "leak on crash", 'L',
     "the old entry is freed after the transaction that unlinks it: the audit finds it lost"},
    {kName, "log-of-unchanged-range", "log of unchanged range", 'P',
     "each change also logs the pointer to the array, which it does not change"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Root {
  uint64_t buckets;  // an array of links
  uint64_t bucket_count;
  uint64_t count;
};

struct Entry {
  uint64_t next;
  PairLengths pair;
};

uint64_t EntryBytes(std::string_view key, std::string_view value) {
  return sizeof(Entry) + key.size() + value.size();
}

class TxEngine final : public CanaryEngine {
 public:
  TxEngine(std::unique_ptr<pmem::Pool> pool, uint64_t root, const EngineOptions& options, Bug bug)
      : CanaryEngine(options.path, pool->medium()),
        pool_(std::move(pool)),
        root_(*pool_->At<Root>(root)),
        bug_(bug) {}
  ~TxEngine() override { (void)Close(); }

  static void Initialise(pmem::Pool& pool, uint64_t root_offset);
  Status Check();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return root_.count; }
  Result<AuditReport> DoAudit() override;
  Status DoClose() override {
    pool_.reset();
    return Status::Ok();
  }

  Entry& At(uint64_t offset) const { return *pool_->At<Entry>(offset); }
  uint64_t* Buckets() const { return pool_->At<uint64_t>(root_.buckets); }
  uint64_t BucketOf(std::string_view key) const { return HashOf(key) & (root_.bucket_count - 1); }
  uint64_t* FindLink(std::string_view key) const;
  uint64_t Allocate(Transaction& transaction, std::string_view key, std::string_view value);
  bool SetLink(Transaction& transaction, uint64_t* link, uint64_t offset);
  bool AddToCount(Transaction& transaction, int64_t difference);
  bool FreeEntry(Transaction& transaction, uint64_t offset);
  void FreeAtLast(uint64_t offset);
  bool Rehash();
  bool Relink(Transaction& transaction, uint64_t* buckets, uint64_t bucket_count);

  std::unique_ptr<pmem::Pool> pool_;
  Root& root_;
  const Bug bug_;
};

void TxEngine::Initialise(pmem::Pool& pool, uint64_t root_offset) {
  auto& root = *pool.At<Root>(root_offset);
  Transaction transaction(pool);
  const uint64_t buckets = transaction.Allocate(kFirstBuckets * sizeof(uint64_t), kBucketsType);
  CHECK(buckets != 0 && transaction.Add(&root, sizeof root));
  std::memset(pool.At<char>(buckets), 0, kFirstBuckets * sizeof(uint64_t));
  root.buckets = buckets;
  root.bucket_count = kFirstBuckets;
  CHECK_OK(transaction.Commit());
}

// libpmemobj has already undone what was not committed; this only looks.
Status TxEngine::Check() {
  const uint64_t buckets = root_.bucket_count;
  if (buckets < kFirstBuckets || buckets > kMaxBuckets || (buckets & (buckets - 1)) != 0 ||
      root_.buckets % 8 != 0 || !pool_->Contains(root_.buckets, buckets * sizeof(uint64_t))) {
    return CorruptPool(path(), "a senseless array of buckets");
  }
  uint64_t left = pool_->bytes() / sizeof(Entry);  // more entries than this are a cycle
  for (uint64_t i = 0; i < buckets; ++i) {
    for (uint64_t offset = Buckets()[i]; offset != 0; offset = At(offset).next) {
      if (!PairIsSane(*pool_, offset, offsetof(Entry, pair)) || --left == 0) {
        return CorruptPool(path(), "a chain leads to what is no entry");
      }
      if (BucketOf(At(offset).pair.key()) != i) {
        return CorruptPool(path(), "an entry is in the wrong bucket");
      }
    }
  }
  return Status::Ok();
}

// The word that refers to the key's entry; if there is none, the 0 at its chain's end.
uint64_t* TxEngine::FindLink(std::string_view key) const {
  uint64_t* link = &Buckets()[BucketOf(key)];
  while (*link != 0 && At(*link).pair.key() != key) link = &At(*link).next;
  return link;
}

Result<std::string_view> TxEngine::DoGet(std::string_view key) {
  const uint64_t offset = *FindLink(key);
  if (offset == 0) return Status::NotFound();
  return At(offset).pair.value();
}

void TxEngine::DoForEach(PairVisitor visit) {
  for (uint64_t i = 0; i < root_.bucket_count; ++i) {
    for (uint64_t offset = Buckets()[i]; offset != 0; offset = At(offset).next) {
      if (!visit(At(offset).pair.key(), At(offset).pair.value())) return;
    }
  }
}

Status TxEngine::DoPut(std::string_view key, std::string_view value) {
  if (root_.count >= 2 * root_.bucket_count && root_.bucket_count < kMaxBuckets && !Rehash()) {
    return Full();
  }
  uint64_t* const link = FindLink(key);
  const uint64_t old = *link;
  {
    Transaction transaction(*pool_);
    const uint64_t offset = Allocate(transaction, key, value);
    if (offset == 0) return Full();
    StoreWord(&At(offset).next, old == 0 ? 0 : At(old).next);
    const bool fits = SetLink(transaction, link, offset) &&
                      (old == 0 ? AddToCount(transaction, 1) : FreeEntry(transaction, old));
    if (!fits) return Full();
    RETURN_IF_ERROR(transaction.Commit());
  }
  if (old != 0) FreeAtLast(old);
  return Status::Ok();
}

Status TxEngine::DoDelete(std::string_view key) {
  uint64_t* const link = FindLink(key);
  const uint64_t old = *link;
  if (old == 0) return Status::NotFound();
  {
    Transaction transaction(*pool_);
    const bool fits = SetLink(transaction, link, At(old).next) && AddToCount(transaction, -1) &&
                      FreeEntry(transaction, old);
    if (!fits) return Full();
    RETURN_IF_ERROR(transaction.Commit());
  }
  FreeAtLast(old);
  return Status::Ok();
}

// A new entry with its pair, flushed by the commit; or, with a bug, durable by itself at once.
uint64_t TxEngine::Allocate(Transaction& transaction, std::string_view key,
                            std::string_view value) {
  const uint64_t bytes = EntryBytes(key, value);
  if (bug_ != Bug::kAllocateOutside) {
    const uint64_t offset = transaction.Allocate(bytes, kEntryType);
    if (offset != 0) At(offset).pair.Fill(key, value);
    return offset;
  }
  PMEMoid oid = OID_NULL;
  if (pmemobj_alloc(pool_->handle(), &oid, bytes, kEntryType, nullptr, nullptr) != 0) return 0;
  At(oid.off).pair.Fill(key, value);
  if (!transaction.Add(&At(oid.off), bytes)) return 0;  // only for the flush
  return oid.off;
}

bool TxEngine::SetLink(Transaction& transaction, uint64_t* link, uint64_t offset) {
  if (bug_ == Bug::kLogOfUnchangedRange && !transaction.Add(&root_.buckets, sizeof root_.buckets)) {
    return false;
  }
  if (bug_ == Bug::kLoggedTooLate) StoreWord(link, offset);
  if (!transaction.Add(link, sizeof *link)) return false;
  StoreWord(link, offset);
  return true;
}

bool TxEngine::AddToCount(Transaction& transaction, int64_t difference) {
  const uint64_t count = root_.count + static_cast<uint64_t>(difference);
  if (bug_ == Bug::kCountNotLogged) {
    StoreWord(&root_.count, count);
    pool_->Persist(&root_.count, sizeof root_.count);
    return true;
  }
  if (!transaction.Add(&root_.count, sizeof root_.count)) return false;
  StoreWord(&root_.count, count);
  return true;
}

bool TxEngine::FreeEntry(Transaction& transaction, uint64_t offset) {
  return bug_ == Bug::kFreeOutside || transaction.Free(offset);
}

void TxEngine::FreeAtLast(uint64_t offset) {
  if (bug_ != Bug::kFreeOutside) return;
  PMEMoid oid{pool_->uuid(), offset};
  pmemobj_free(&oid);
}

// Twice the buckets, in one transaction. False if that does not fit into the pool.
bool TxEngine::Rehash() {
  const uint64_t bucket_count = 2 * root_.bucket_count;
  const uint64_t bytes = bucket_count * sizeof(uint64_t);
  Transaction transaction(*pool_);
  const uint64_t old = root_.buckets;
  const uint64_t offset = transaction.Allocate(bytes, kBucketsType);
  if (offset == 0) return false;
  auto* const buckets = pool_->At<uint64_t>(offset);
  std::memset(buckets, 0, bytes);
  const uint64_t logged_bytes = bug_ == Bug::kRehashShortRange
                                    ? sizeof root_.buckets
                                    : sizeof root_.buckets + sizeof root_.bucket_count;
  if (!Relink(transaction, buckets, bucket_count)) return false;
  if (!transaction.Add(&root_, logged_bytes)) return false;
  StoreWord(&root_.buckets, offset);
  StoreWord(&root_.bucket_count, bucket_count);
  return transaction.Free(old) && transaction.Commit().ok();
}

// Puts every entry into a chain of the new array.
bool TxEngine::Relink(Transaction& transaction, uint64_t* buckets, uint64_t bucket_count) {
  for (uint64_t i = 0; i < root_.bucket_count; ++i) {
    uint64_t next = 0;
    for (uint64_t offset = Buckets()[i]; offset != 0; offset = next) {
      Entry& entry = At(offset);
      next = entry.next;
      uint64_t& bucket = buckets[HashOf(entry.pair.key()) & (bucket_count - 1)];
      if (bug_ != Bug::kRehashWithoutNode && !transaction.Add(&entry.next, sizeof entry.next)) {
        return false;
      }
      StoreWord(&entry.next, bucket);
      StoreWord(&bucket, offset);
    }
  }
  return true;
}

Result<AuditReport> TxEngine::DoAudit() {
  std::vector<uint64_t> reachable = {root_.buckets};
  for (uint64_t i = 0; i < root_.bucket_count; ++i) {
    for (uint64_t offset = Buckets()[i]; offset != 0; offset = At(offset).next) {
      reachable.push_back(offset);
    }
  }
  return AuditObjects(*pool_, reachable);
}

Result<std::unique_ptr<Engine>> OpenTx(const EngineOptions& options) {
  ASSIGN_OR_RETURN(const size_t bug, FindBug(options, kPlantings));
  ASSIGN_OR_RETURN(auto pool, OpenObjectPool(options, std::string(kName), sizeof(Root),
                                             [](pmem::Pool& created, uint64_t created_root) {
                                               TxEngine::Initialise(created, created_root);
                                             }));
  ASSIGN_OR_RETURN(const uint64_t root, pool->Root(sizeof(Root)));
  auto engine = std::make_unique<TxEngine>(std::move(pool), root, options, static_cast<Bug>(bug));
  RETURN_IF_ERROR(engine->Check());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace

constinit const Structure kTxStructure = {
    .name = kName,
    .description = "canary: chained hash map on libpmemobj transactions",
    .open = OpenTx,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
