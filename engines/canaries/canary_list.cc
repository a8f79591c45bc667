// SPDX-License-Identifier: BSD-3-Clause
// canary-list: a sorted, doubly linked list on libpmemobj transactions: what an insertion into a
// balanced tree does to its neighbours, without the tree.
//
// The root is a node without a pair; the list is a ring through it. A change logs both neighbours'
// links before it stores to them.
//
// Threads: CanaryEngine's lock.
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_object_pool.h"
#include "engines/canaries/canary_pool.h"
#include "engines/canaries/canary_structure.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kNodeType = 1;

enum class Bug : size_t {
  kNone,
  kInsertWithoutUndo,
  kDeleteWithoutUndo,
  kNeighbourNotFlushed,
  kNeighbourLoggedLate,
  kCount
};

constexpr std::string_view kName = "canary-list";
constexpr Planting kPlantings[] = {
    {kName, "insert-without-undo", "insert without undo", 'A',
     "the predecessor's link is changed outside the undo log: after a rollback it leads to an "
     "object that is free"},
    {kName, "delete-without-undo", "insert without undo", 'A',
     "a delete changes the successor's link outside the undo log: after a rollback the ring does "
     "not close"},
    {kName, "neighbour-not-flushed", "wrong flush range", 'D',
     "the successor's link is logged and not flushed by the commit: the ring does not close"},
    {kName, "neighbour-logged-late", "logged too late", 'A',
     "the predecessor's link is logged after it was changed: a rollback keeps the change"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Node {
  uint64_t next;
  uint64_t previous;
  PairLengths pair;  // the root has none
};

struct Root {
  uint64_t next;
  char another_line[kLineBytes];  // a flush of one link is none of the other
  uint64_t previous;
};

class ListEngine final : public CanaryEngine {
 public:
  ListEngine(std::unique_ptr<pmem::Pool> pool, uint64_t root, const EngineOptions& options, Bug bug)
      : CanaryEngine(options.path, pool->medium()),
        pool_(std::move(pool)),
        root_(root),
        bug_(bug) {}
  ~ListEngine() override { (void)Close(); }

  Status Check();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return count_; }
  Result<AuditReport> DoAudit() override;
  Status DoClose() override {
    pool_.reset();
    return Status::Ok();
  }

  const PairLengths& PairAt(uint64_t offset) const { return pool_->At<Node>(offset)->pair; }
  uint64_t* NextOf(uint64_t offset) const {
    return offset == root_ ? &pool_->At<Root>(offset)->next : &pool_->At<Node>(offset)->next;
  }
  uint64_t* PreviousOf(uint64_t offset) const {
    return offset == root_ ? &pool_->At<Root>(offset)->previous
                           : &pool_->At<Node>(offset)->previous;
  }
  uint64_t FirstNotBefore(std::string_view key) const;
  uint64_t Find(std::string_view key) const;
  bool SetNext(Transaction& transaction, uint64_t of, uint64_t to, bool is_insert);
  bool SetPrevious(Transaction& transaction, uint64_t of, uint64_t to, bool is_insert);

  std::unique_ptr<pmem::Pool> pool_;
  const uint64_t root_;
  const Bug bug_;
  uint64_t count_ = 0;
};

// libpmemobj has already undone what was not committed; this only looks.
Status ListEngine::Check() {
  const uint64_t most = pool_->bytes() / sizeof(Node);  // more nodes than this are a cycle
  uint64_t previous = root_;
  for (uint64_t offset = *NextOf(root_); offset != root_; offset = *NextOf(offset)) {
    if (!PairIsSane(*pool_, offset, offsetof(Node, pair)) || ++count_ > most) {
      return CorruptPool(path(), "the list leads to what is no node");
    }
    if (*PreviousOf(offset) != previous) return CorruptPool(path(), "the links do not agree");
    if (previous != root_ && PairAt(previous).key() >= PairAt(offset).key()) {
      return CorruptPool(path(), "the list is not sorted");
    }
    previous = offset;
  }
  if (*PreviousOf(root_) != previous) return CorruptPool(path(), "the ring does not close");
  return Status::Ok();
}

// The first node whose key is not less, or the root.
uint64_t ListEngine::FirstNotBefore(std::string_view key) const {
  uint64_t offset = *NextOf(root_);
  while (offset != root_ && PairAt(offset).key() < key) offset = *NextOf(offset);
  return offset;
}

// The key's node, or 0.
uint64_t ListEngine::Find(std::string_view key) const {
  const uint64_t offset = FirstNotBefore(key);
  return offset != root_ && PairAt(offset).key() == key ? offset : 0;
}

Result<std::string_view> ListEngine::DoGet(std::string_view key) {
  const uint64_t offset = Find(key);
  if (offset == 0) return Status::NotFound();
  return PairAt(offset).value();
}

void ListEngine::DoForEach(PairVisitor visit) {
  for (uint64_t offset = *NextOf(root_); offset != root_; offset = *NextOf(offset)) {
    if (!visit(PairAt(offset).key(), PairAt(offset).value())) return;
  }
}

Status ListEngine::DoPut(std::string_view key, std::string_view value) {
  const uint64_t at = FirstNotBefore(key);
  const uint64_t old = at != root_ && PairAt(at).key() == key ? at : 0;
  const uint64_t previous = *PreviousOf(at);
  const uint64_t next = old == 0 ? at : *NextOf(old);

  Transaction transaction(*pool_);
  const uint64_t node = transaction.Allocate(sizeof(Node) + key.size() + value.size(), kNodeType);
  if (node == 0) return Full();
  pool_->At<Node>(node)->pair.Fill(key, value);
  StoreWord(NextOf(node), next);
  StoreWord(PreviousOf(node), previous);
  const bool fits = SetNext(transaction, previous, node, true) &&
                    SetPrevious(transaction, next, node, true) &&
                    (old == 0 || transaction.Free(old));
  if (!fits) return Full();
  RETURN_IF_ERROR(transaction.Commit());
  count_ += old == 0 ? 1 : 0;
  return Status::Ok();
}

Status ListEngine::DoDelete(std::string_view key) {
  const uint64_t old = Find(key);
  if (old == 0) return Status::NotFound();
  const uint64_t previous = *PreviousOf(old);
  const uint64_t next = *NextOf(old);
  Transaction transaction(*pool_);
  const bool fits = SetNext(transaction, previous, next, false) &&
                    SetPrevious(transaction, next, previous, false) && transaction.Free(old);
  if (!fits) return Full();
  RETURN_IF_ERROR(transaction.Commit());
  --count_;
  return Status::Ok();
}

bool ListEngine::SetNext(Transaction& transaction, uint64_t of, uint64_t to, bool is_insert) {
  uint64_t* const link = NextOf(of);
  if (is_insert && bug_ == Bug::kInsertWithoutUndo) {
    StoreWord(link, to);
    pool_->Persist(link, sizeof *link);
    return true;
  }
  if (bug_ == Bug::kNeighbourLoggedLate) StoreWord(link, to);
  if (!transaction.Add(link, sizeof *link)) return false;
  StoreWord(link, to);
  return true;
}

bool ListEngine::SetPrevious(Transaction& transaction, uint64_t of, uint64_t to, bool is_insert) {
  uint64_t* const link = PreviousOf(of);
  if (!is_insert && bug_ == Bug::kDeleteWithoutUndo) {
    StoreWord(link, to);
    pool_->Persist(link, sizeof *link);
    return true;
  }
  const bool fits = bug_ == Bug::kNeighbourNotFlushed
                        ? transaction.AddWithoutFlush(link, sizeof *link)
                        : transaction.Add(link, sizeof *link);
  if (!fits) return false;
  StoreWord(link, to);
  return true;
}

Result<AuditReport> ListEngine::DoAudit() {
  std::vector<uint64_t> reachable;
  for (uint64_t offset = *NextOf(root_); offset != root_; offset = *NextOf(offset)) {
    reachable.push_back(offset);
  }
  return AuditObjects(*pool_, reachable);
}

Result<std::unique_ptr<Engine>> OpenList(const EngineOptions& options) {
  ASSIGN_OR_RETURN(const size_t bug, FindBug(options, kPlantings));
  ASSIGN_OR_RETURN(auto pool, OpenObjectPool(options, std::string(kName), sizeof(Root),
                                             [](pmem::Pool& created, uint64_t root) {
                                               created.At<Root>(root)->next = root;
                                               created.At<Root>(root)->previous = root;
                                             }));
  ASSIGN_OR_RETURN(const uint64_t root, pool->Root(sizeof(Root)));
  auto engine = std::make_unique<ListEngine>(std::move(pool), root, options, static_cast<Bug>(bug));
  RETURN_IF_ERROR(engine->Check());
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace

constinit const Structure kListStructure = {
    .name = kName,
    .description = "canary: sorted doubly linked list on libpmemobj transactions",
    .open = OpenList,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
