// SPDX-License-Identifier: BSD-3-Clause
// canary-btree: a B-link tree over hashes of keys whose nodes are changed in place, like FAST and
// FAIR.
//
// A slot is one word: 48 bits of hash and a reference, to a record in a leaf, to a child in an
// inner node. Slots are sorted and end at a zero. They are shifted word by word, so that at every
// moment all are there and at most one is there twice; a line is made durable before the shift goes
// on in the next. A node that splits is first copied, then linked as a sibling, then cut off; the
// parent comes last, and a node that it does not know is found through its sibling.
//
// Invariants:
//   1. A node serves hashes from its `low` on, up to its sibling's. Slots beyond that are copies
//      left by a split, which recovery cuts off.
//   2. Two equal slots side by side are a shift that was cut short; recovery removes one.
// Threads: CanaryEngine's lock.
// Not covered: merging nodes; an empty leaf stays.
// Source: Hwang, Kim, Won, Nam. Endurable transient inconsistency in byte-addressable persistent
//   B+-tree. FAST 2018.
#include <vector>

#include "engines/canaries/raw_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kSlots = 24;
constexpr uint64_t kNodes = 160;
constexpr uint64_t kMaxLevel = 8;
constexpr uint64_t kLineWords = kLineBytes / sizeof(uint64_t);

enum class Bug : size_t {
  kNone,
  kSplitCutsFirst,
  kRootSplitOrphan,
  kSiblingFirst,
  kWrongPointer,
  kNoBoundaryFlush,
  kSplitKeepsCopies,
  kCount
};

constexpr std::string_view kName = "canary-btree";
constexpr Planting kPlantings[] = {
    {kName, "split-cuts-first", "split without log", 'A',
     "a node is cut off before its new sibling is linked: the upper half is lost in between"},
    {kName, "root-split-orphan", "root split orphan", 'A',
     "the new root is in force before its slots are durable: both halves are orphans"},
    {kName, "sibling-first", "flag-first", 'O',
     "the link to the new sibling is durable before the sibling's contents"},
    {kName, "wrong-pointer", "wrong flush range", 'D',
     "after a split the old node is flushed in place of the new one: its pairs are lost"},
    {kName, "no-boundary-flush", "wrong flush range", 'O',
     "a shift flushes all lines at its end: a slot that went over to another line is lost"},
    {kName, "split-keeps-copies", "two-token move", 'A',
     "recovery does not cut off what a split has copied: seen twice, and back after a delete"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Node {
  alignas(kLineBytes) uint64_t level;  // 0: a leaf
  uint64_t low;
  uint64_t sibling;  // number + 1
  alignas(kLineBytes) uint64_t slots[kSlots];
};

struct Layout {
  PoolHeader header;
  alignas(kLineBytes) uint64_t root;  // number + 1
  Node nodes[kNodes];
  RecordArray records;
};
constexpr uint64_t kMagic = 0x6565727462796e43;

uint64_t Slot(uint64_t hash48, uint64_t number) { return (hash48 << 16) | (number + 1); }
uint64_t HashIn(uint64_t slot) { return slot >> 16; }
uint64_t NumberIn(uint64_t slot) { return (slot & 0xffff) - 1; }
uint64_t Hash48(std::string_view key) { return HashOf(key) >> 16; }

uint64_t CountOf(const Node& node) {
  uint64_t count = 0;
  while (count < kSlots && node.slots[count] != 0) ++count;
  return count;
}

class BtreeEngine final : public RecordCanary<Layout, Bug> {
 public:
  BtreeEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : RecordCanary(std::move(pool), options, bug), nodes_(kNodes) {}

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;

  Node& At(uint64_t number) { return layout_.nodes[number]; }
  Node& Root() { return At(layout_.root - 1); }
  uint64_t NumberOf(const Node& node) const { return static_cast<uint64_t>(&node - layout_.nodes); }
  Node* SiblingOf(const Node& node) { return node.sibling == 0 ? nullptr : &At(node.sibling - 1); }
  Node& Descend(uint64_t hash, uint64_t level);

  Status RecoverLevel(uint64_t first, uint64_t level, std::vector<uint64_t>* children);
  Status RecoverNode(Node& node);
  bool SlotIsSane(const Node& node, uint64_t slot);

  struct Place {
    Node* leaf = nullptr;
    uint64_t index = 0;
  };
  Place Find(std::string_view key);
  void ShiftPersist(const uint64_t* word);
  void InsertSlot(Node& node, uint64_t slot);
  void RemoveSlot(Node& node, uint64_t index);
  bool InsertWithSplits(uint64_t level, uint64_t slot);
  bool Split(Node& node);
  bool MakeRoot(const Node& left, const Node& right);
  void LinkAndCut(Node& node, uint64_t right_number, uint64_t at);

  FreeNumbers nodes_;
};

// --- recovery -------------------------------------------------------------------------------

Status BtreeEngine::Recover() {
  const uint64_t root = layout_.root;
  if (root == 0 || root > kNodes) return CorruptPool(path(), "no such root");
  const uint64_t top = Root().level;
  if (top > kMaxLevel) return CorruptPool(path(), "a senseless level");
  uint64_t first = root - 1;
  std::vector<uint64_t> children;  // slots of the level above
  for (uint64_t level = top + 1; level-- > 0;) {
    std::vector<uint64_t> below;
    RETURN_IF_ERROR(RecoverLevel(first, level, &below));
    for (const uint64_t slot : children) {
      const uint64_t child = NumberIn(slot);
      if (child >= kNodes || !nodes_.IsTaken(child) || At(child).level != level ||
          At(child).low != HashIn(slot)) {
        return CorruptPool(path(), "a child that is not among its level's nodes");
      }
    }
    if (level > 0) {
      if (NumberIn(below.front()) >= kNodes) return CorruptPool(path(), "no such child");
      first = NumberIn(below.front());
    }
    children = std::move(below);
  }
  return Status::Ok();
}

// Walks a level from its first node, repairs the nodes and appends their slots to `children`.
Status BtreeEngine::RecoverLevel(uint64_t first, uint64_t level, std::vector<uint64_t>* children) {
  uint64_t least = 0;
  for (uint64_t number = first;;) {
    if (!nodes_.Claim(number)) return CorruptPool(path(), "a node that is reached twice");
    Node& node = At(number);
    if (node.level != level || node.low < least || (number == first && node.low != 0)) {
      return CorruptPool(path(), "a node that is out of place");
    }
    if (node.sibling > kNodes) return CorruptPool(path(), "no such sibling");
    least = node.low + 1;
    RETURN_IF_ERROR(RecoverNode(node));
    if (level > 0) children->insert(children->end(), node.slots, node.slots + CountOf(node));
    if (node.sibling == 0) return Status::Ok();
    number = node.sibling - 1;
  }
}

Status BtreeEngine::RecoverNode(Node& node) {
  for (uint64_t i = 1; i < CountOf(node); ++i) {
    if (node.slots[i] != node.slots[i - 1]) continue;
    RemoveSlot(node, i);
    break;
  }
  if (node.level > 0 && (node.slots[0] == 0 || HashIn(node.slots[0]) != node.low)) {
    return CorruptPool(path(), "an inner node without its first child");
  }
  const Node* const sibling = SiblingOf(node);
  uint64_t previous = node.low;
  for (uint64_t i = 0; i < CountOf(node); ++i) {
    const uint64_t hash = HashIn(node.slots[i]);
    if (sibling != nullptr && hash >= sibling->low && bug_ != Bug::kSplitKeepsCopies) {
      StoreWord(&node.slots[i], 0);
      PersistWord(&node.slots[i]);
      break;
    }
    if (hash < previous) return CorruptPool(path(), "slots out of order");
    previous = hash;
    if (node.level == 0 && !SlotIsSane(node, node.slots[i])) {
      return CorruptPool(path(), "a slot that holds no pair of its hash");
    }
  }
  return Status::Ok();
}

// Claims the record of a leaf's slot.
bool BtreeEngine::SlotIsSane(const Node& node, uint64_t slot) {
  const uint64_t record = NumberIn(slot);
  if (!records_.IsSane(record) || Hash48(records_.KeyOf(record)) != HashIn(slot)) return false;
  const Node* const sibling = SiblingOf(node);
  const bool is_copy = sibling != nullptr && HashIn(slot) >= sibling->low;
  return is_copy || records_.Claim(record);
}

// --- reading --------------------------------------------------------------------------------

// The node of `level` that serves a hash.
Node& BtreeEngine::Descend(uint64_t hash, uint64_t level) {
  for (Node* node = &Root();;) {
    for (Node* next = SiblingOf(*node); next != nullptr && next->low <= hash;
         next = SiblingOf(*node)) {
      node = next;
    }
    if (node->level == level) return *node;
    uint64_t i = 1;
    while (i < kSlots && node->slots[i] != 0 && HashIn(node->slots[i]) <= hash) ++i;
    node = &At(NumberIn(node->slots[i - 1]));
  }
}

BtreeEngine::Place BtreeEngine::Find(std::string_view key) {
  const uint64_t hash = Hash48(key);
  Node& leaf = Descend(hash, 0);
  for (uint64_t i = 0; i < kSlots && leaf.slots[i] != 0; ++i) {
    if (HashIn(leaf.slots[i]) == hash && records_.KeyOf(NumberIn(leaf.slots[i])) == key) {
      return {&leaf, i};
    }
  }
  return {};
}

Result<std::string_view> BtreeEngine::DoGet(std::string_view key) {
  const Place place = Find(key);
  if (place.leaf == nullptr) return Status::NotFound();
  return records_.ValueOf(NumberIn(place.leaf->slots[place.index]));
}

void BtreeEngine::DoForEach(PairVisitor visit) {
  for (const Node* leaf = &Descend(0, 0); leaf != nullptr; leaf = SiblingOf(*leaf)) {
    for (uint64_t i = 0; i < kSlots && leaf->slots[i] != 0; ++i) {
      const uint64_t record = NumberIn(leaf->slots[i]);
      if (!visit(records_.KeyOf(record), records_.ValueOf(record))) return;
    }
  }
}

// --- changing -------------------------------------------------------------------------------

Status BtreeEngine::DoPut(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> record = records_.Take();
  if (!record) return Full();
  records_.WritePersist(*record, key, value);
  const uint64_t slot = Slot(Hash48(key), *record);
  if (const Place place = Find(key); place.leaf != nullptr) {
    uint64_t& old = place.leaf->slots[place.index];
    const uint64_t old_record = NumberIn(old);
    StoreWord(&old, slot);
    PersistWord(&old);
    records_.Give(old_record);
    return Status::Ok();
  }
  if (InsertWithSplits(0, slot)) return Status::Ok();
  records_.Give(*record);
  return Full();
}

Status BtreeEngine::DoDelete(std::string_view key) {
  const Place place = Find(key);
  if (place.leaf == nullptr) return Status::NotFound();
  const uint64_t record = NumberIn(place.leaf->slots[place.index]);
  RemoveSlot(*place.leaf, place.index);
  records_.Give(record);
  return Status::Ok();
}

void BtreeEngine::ShiftPersist(const uint64_t* word) {
  if (bug_ != Bug::kNoBoundaryFlush) PersistWord(word);
}

// REQUIRES: the node is not full.
void BtreeEngine::InsertSlot(Node& node, uint64_t slot) {
  const uint64_t count = CountOf(node);
  uint64_t index = count;
  while (index > 0 && HashIn(node.slots[index - 1]) > HashIn(slot)) --index;
  if (count + 1 < kSlots) {
    // What lies behind the end may be old; the new end comes first.
    StoreWord(&node.slots[count + 1], 0);
    if ((count + 1) % kLineWords == 0) ShiftPersist(&node.slots[count + 1]);
  }
  for (uint64_t i = count; i > index; --i) {
    StoreWord(&node.slots[i], node.slots[i - 1]);
    if (i % kLineWords == 0) ShiftPersist(&node.slots[i]);
  }
  StoreWord(&node.slots[index], slot);
  if (bug_ == Bug::kNoBoundaryFlush) Flush(node.slots, sizeof node.slots);
  PersistWord(&node.slots[index]);
}

void BtreeEngine::RemoveSlot(Node& node, uint64_t index) {
  const uint64_t count = CountOf(node);
  for (uint64_t i = index; i + 1 < count; ++i) {
    StoreWord(&node.slots[i], node.slots[i + 1]);
    if ((i + 1) % kLineWords == 0) ShiftPersist(&node.slots[i]);
  }
  StoreWord(&node.slots[count - 1], 0);
  if (bug_ == Bug::kNoBoundaryFlush) Flush(node.slots, sizeof node.slots);
  PersistWord(&node.slots[count - 1]);
}

// False if there is no room.
bool BtreeEngine::InsertWithSplits(uint64_t level, uint64_t slot) {
  Node* node = &Descend(HashIn(slot), level);
  if (CountOf(*node) == kSlots) {
    if (!Split(*node)) return false;
    node = &Descend(HashIn(slot), level);
    if (CountOf(*node) == kSlots) return false;
  }
  InsertSlot(*node, slot);
  return true;
}

bool BtreeEngine::Split(Node& node) {
  // Equal hashes stay together.
  uint64_t at = kSlots / 2;
  while (at < kSlots && HashIn(node.slots[at]) == HashIn(node.slots[at - 1])) ++at;
  if (at == kSlots) return false;
  const std::optional<uint64_t> number = nodes_.Take();
  if (!number) return false;
  Node& right = At(*number);
  StoreWord(&right.level, node.level);
  StoreWord(&right.low, HashIn(node.slots[at]));
  StoreWord(&right.sibling, node.sibling);
  for (uint64_t i = 0; i < kSlots; ++i) {
    StoreWord(&right.slots[i], at + i < kSlots ? node.slots[at + i] : 0);
  }
  LinkAndCut(node, *number, at);
  // A parent that cannot be told is no harm: the sibling's link leads there.
  if (&node == &Root() || node.level == Root().level) return MakeRoot(Root(), right);
  (void)InsertWithSplits(node.level + 1, Slot(right.low, *number));
  return true;
}

// Makes the new sibling durable, links it, and cuts off what it has taken over.
void BtreeEngine::LinkAndCut(Node& node, uint64_t right_number, uint64_t at) {
  const Node& right = At(right_number);
  const auto link = [&] {
    StoreWord(&node.sibling, right_number + 1);
    PersistWord(&node.sibling);
  };
  const auto cut = [&] {
    StoreWord(&node.slots[at], 0);
    PersistWord(&node.slots[at]);
  };
  switch (bug_) {
    case Bug::kSiblingFirst:
      link();
      Persist(&right, sizeof right);
      cut();
      return;
    case Bug::kSplitCutsFirst:
      Persist(&right, sizeof right);
      cut();
      link();
      return;
    case Bug::kWrongPointer:
      Persist(&node, sizeof node);
      break;
    default:
      Persist(&right, sizeof right);
  }
  link();
  cut();
}

bool BtreeEngine::MakeRoot(const Node& left, const Node& right) {
  const std::optional<uint64_t> number = nodes_.Take();
  if (!number) return true;  // the sibling's link leads to the right half
  Node& root = At(*number);
  const auto link = [&] {
    StoreWord(&layout_.root, *number + 1);
    PersistWord(&layout_.root);
  };
  StoreWord(&root.level, left.level + 1);
  StoreWord(&root.low, 0);
  StoreWord(&root.sibling, 0);
  for (uint64_t& slot : root.slots) StoreWord(&slot, 0);
  if (bug_ == Bug::kRootSplitOrphan) {
    Persist(&root, sizeof root);
    link();
  }
  StoreWord(&root.slots[0], Slot(0, NumberOf(left)));
  StoreWord(&root.slots[1], Slot(right.low, NumberOf(right)));
  Persist(&root, sizeof root);
  if (bug_ != Bug::kRootSplitOrphan) link();
  return true;
}

Result<std::unique_ptr<Engine>> OpenBtree(const EngineOptions& options) {
  return OpenRawCanary<BtreeEngine>(options, kPlantings, kMagic,
                                    [](Layout& layout) { layout.root = 1; });
}

}  // namespace

constinit const Structure kBtreeStructure = {
    .name = kName,
    .description = "canary: B-link tree with nodes changed in place",
    .open = OpenBtree,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
