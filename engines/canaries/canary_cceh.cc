// SPDX-License-Identifier: BSD-3-Clause
// canary-cceh: an extendible hash table like CCEH: a directory of segments by the low bits of the
// hash.
//
// A segment serves the hashes that end in its pattern of `depth` bits. To split it, the pairs of
// the upper half are copied to a new segment; the directory's entries for those go over to it; then
// the old segment's depth grows, which is the commit; then the copies left in it are cleared. A
// directory that is too small is first copied to the other, twice as large, and one word makes that
// the directory.
//
// Invariants:
//   1. While some entries for a segment's hashes refer to a deeper segment and the segment's depth
//      has not grown, the segment still has all its pairs: recovery puts the entries back.
//   2. A slot whose pair does not end in the segment's pattern is a copy left by a split.
//   3. A slot is claimed (kClaimed) while its record is written; recovery frees claimed slots and
//      releases segments' locks, neither of which means anything after a crash.
// Threads: CanaryEngine's lock; the segment's lock is there for the sake of its bug.
// Source: Nam, Cha, Choi, Noh, Nam. Write-optimized dynamic hashing for persistent memory.
//   FAST 2019.
#include "engines/canaries/raw_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kSlots = 16;
constexpr uint64_t kClaimed = UINT64_MAX;
constexpr uint64_t kFirstDepth = 1;
constexpr uint64_t kMaxDepth = 8;
constexpr uint64_t kSegments = 160;

enum class Bug : size_t {
  kNone,
  kLocalDepth,
  kDirectoryOrder,
  kSlotStaysClaimed,
  kSegmentStaysLocked,
  kSplitShortFlush,
  kSplitClearsFirst,
  kCount
};

constexpr std::string_view kName = "canary-cceh";
constexpr Planting kPlantings[] = {
    {kName, "local-depth", "local depth", 'O',
     "a split segment's depth is durable before the directory: entries for the new half still "
     "refer to the old segment; the pool is taken for corrupt"},
    {kName, "directory-order", "resize order", 'O',
     "the doubled directory is put in force before its entries persist: entries are missing"},
    {kName, "slot-stays-claimed", "lock in memory", 'L',
     "recovery leaves slots claimed that were being filled: they are lost; the audit counts them"},
    {kName, "segment-stays-locked", "lock in memory", 'S',
     "recovery does not release a segment's lock that reached memory held: puts to it are refused"},
    {kName, "split-short-flush", "wrong flush range", 'D',
     "the new segment is flushed but for its last line: pairs that the split moved are lost"},
    {kName, "split-clears-first", "two-token move", 'A',
     "moved pairs leave the old segment before the directory knows the new one: they are lost"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Segment {
  alignas(kLineBytes) uint64_t pattern_and_depth;  // the depth in the low 8 bits
  uint64_t lock;
  alignas(kLineBytes) uint64_t slots[kSlots];  // number of a record + 1, 0, or kClaimed

  uint64_t depth() const { return pattern_and_depth & 0xff; }
  uint64_t pattern() const { return pattern_and_depth >> 8; }
};

uint64_t PatternAndDepth(uint64_t pattern, uint64_t depth) { return (pattern << 8) | depth; }
uint64_t LowBits(uint64_t value, uint64_t bits) { return value & ((uint64_t{1} << bits) - 1); }

struct Layout {
  PoolHeader header;
  alignas(kLineBytes) uint64_t directory_and_depth;  // which directory; its depth in the low 8 bits
  alignas(kLineBytes) uint64_t directories[2][1 << kMaxDepth];  // number of a segment + 1
  Segment segments[kSegments];
  RecordArray records;
};
constexpr uint64_t kMagic = 0x31686563636e6143;

class CcehEngine final : public RecordCanary<Layout, Bug> {
 public:
  CcehEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : RecordCanary(std::move(pool), options, bug), segments_(kSegments) {}

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  Result<AuditReport> DoAudit() override;

  uint64_t* Entries() { return layout_.directories[directory_]; }
  uint64_t EntryCount() const { return uint64_t{1} << depth_; }
  Segment& SegmentAt(uint64_t entry) { return layout_.segments[Entries()[entry] - 1]; }
  Segment& SegmentOf(uint64_t hash) { return SegmentAt(LowBits(hash, depth_)); }

  Status CheckDirectory();
  Status RollBackSplits();
  Status RecoverSegment(Segment& segment);
  uint64_t* Find(std::string_view key);
  Status PutNew(std::string_view key, std::string_view value, uint64_t record);
  bool Split(Segment& segment);
  bool DoubleDirectory();
  void ClearMoved(Segment& segment, uint64_t depth);
  uint64_t HashAt(uint64_t slot) const { return HashOf(records_.KeyOf(slot - 1)); }

  FreeNumbers segments_;
  uint64_t directory_ = 0;
  uint64_t depth_ = 0;
};

bool HoldsPair(uint64_t slot) { return slot != 0 && slot != kClaimed; }

// A free slot, looked for from where the hash says; null if there is none.
uint64_t* FreeSlot(Segment& segment, uint64_t hash) {
  for (uint64_t i = 0; i < kSlots; ++i) {
    uint64_t* const slot = &segment.slots[((hash >> 48) + i) % kSlots];
    if (*slot == 0) return slot;
  }
  return nullptr;
}

void Initialise(Layout& layout) {
  layout.directory_and_depth = kFirstDepth;
  for (uint64_t i = 0; i < uint64_t{1} << kFirstDepth; ++i) {
    layout.directories[0][i] = i + 1;
    layout.segments[i].pattern_and_depth = PatternAndDepth(i, kFirstDepth);
  }
}

Status CcehEngine::Recover() {
  directory_ = layout_.directory_and_depth >> 8;
  depth_ = layout_.directory_and_depth & 0xff;
  if (directory_ > 1 || depth_ < kFirstDepth || depth_ > kMaxDepth) {
    return CorruptPool(path(), "a senseless directory");
  }
  RETURN_IF_ERROR(CheckDirectory());
  RETURN_IF_ERROR(RollBackSplits());
  for (uint64_t entry = 0; entry < EntryCount(); ++entry) {
    if (!segments_.Claim(Entries()[entry] - 1)) continue;  // seen through another entry
    RETURN_IF_ERROR(RecoverSegment(SegmentAt(entry)));
  }
  return Status::Ok();
}

Status CcehEngine::CheckDirectory() {
  for (uint64_t entry = 0; entry < EntryCount(); ++entry) {
    if (Entries()[entry] == 0 || Entries()[entry] > kSegments) {
      return CorruptPool(path(), "an entry of the directory refers to no segment");
    }
    const Segment& segment = SegmentAt(entry);
    if (segment.depth() < kFirstDepth || segment.depth() > depth_ ||
        LowBits(entry, segment.depth()) != segment.pattern()) {
      return CorruptPool(path(), "an entry of the directory refers to another pattern's segment");
    }
  }
  return Status::Ok();
}

// Invariant 1.
Status CcehEngine::RollBackSplits() {
  for (uint64_t entry = 0; entry < EntryCount(); ++entry) {
    const uint64_t depth = SegmentAt(entry).depth();
    for (uint64_t other = LowBits(entry, depth); other < EntryCount();
         other += uint64_t{1} << depth) {
      uint64_t& word = Entries()[other];
      if (word == Entries()[entry] || SegmentAt(other).depth() < depth) continue;
      if (SegmentAt(other).depth() == depth) {
        return CorruptPool(path(), "two segments for one pattern");
      }
      StoreWord(&word, Entries()[entry]);
      PersistWord(&word);
    }
  }
  return Status::Ok();
}

Status CcehEngine::RecoverSegment(Segment& segment) {
  if (bug_ != Bug::kSegmentStaysLocked) StoreWord(&segment.lock, 0);
  for (uint64_t& slot : segment.slots) {
    if (slot == 0) continue;
    if (slot == kClaimed) {
      if (bug_ != Bug::kSlotStaysClaimed) StoreWord(&slot, 0);
    } else if (!records_.IsSane(slot - 1)) {
      return CorruptPool(path(), "a slot holds no pair");
    } else if (LowBits(HashAt(slot), segment.depth()) != segment.pattern()) {
      StoreWord(&slot, 0);  // left by a split
    } else if (!records_.Claim(slot - 1)) {
      return CorruptPool(path(), "two slots hold the same record");
    }
    if (slot == 0) PersistWord(&slot);
  }
  return Status::Ok();
}

uint64_t* CcehEngine::Find(std::string_view key) {
  for (uint64_t& slot : SegmentOf(HashOf(key)).slots) {
    if (HoldsPair(slot) && records_.KeyOf(slot - 1) == key) return &slot;
  }
  return nullptr;
}

Result<std::string_view> CcehEngine::DoGet(std::string_view key) {
  const uint64_t* const slot = Find(key);
  if (slot == nullptr) return Status::NotFound();
  return records_.ValueOf(*slot - 1);
}

void CcehEngine::DoForEach(PairVisitor visit) {
  for (uint64_t entry = 0; entry < EntryCount(); ++entry) {
    const Segment& segment = SegmentAt(entry);
    if (segment.pattern() != entry) continue;  // visited through its first entry
    for (const uint64_t slot : segment.slots) {
      if (!HoldsPair(slot)) continue;
      if (!visit(records_.KeyOf(slot - 1), records_.ValueOf(slot - 1))) return;
    }
  }
}

Status CcehEngine::DoPut(std::string_view key, std::string_view value) {
  const std::optional<uint64_t> record = records_.Take();
  if (!record) return Full();
  if (uint64_t* const slot = Find(key); slot != nullptr) {
    records_.WritePersist(*record, key, value);
    const uint64_t old = *slot - 1;
    StoreWord(slot, *record + 1);
    PersistWord(slot);
    records_.Give(old);
    return Status::Ok();
  }
  Status status = PutNew(key, value, *record);
  if (!status.ok()) records_.Give(*record);
  return status;
}

Status CcehEngine::PutNew(std::string_view key, std::string_view value, uint64_t record) {
  const uint64_t hash = HashOf(key);
  while (FreeSlot(SegmentOf(hash), hash) == nullptr) {
    if (!Split(SegmentOf(hash))) return Full();
  }
  Segment& segment = SegmentOf(hash);
  if (segment.lock != 0) return Status::Busy("a segment is locked: " + path().string());
  StoreWord(&segment.lock, 1);
  uint64_t* const slot = FreeSlot(segment, hash);
  StoreWord(slot, kClaimed);
  records_.WritePersist(record, key, value);
  StoreWord(slot, record + 1);
  PersistWord(slot);
  StoreWord(&segment.lock, 0);
  return Status::Ok();
}

Status CcehEngine::DoDelete(std::string_view key) {
  uint64_t* const slot = Find(key);
  if (slot == nullptr) return Status::NotFound();
  const uint64_t record = *slot - 1;
  StoreWord(slot, 0);
  PersistWord(slot);
  records_.Give(record);
  return Status::Ok();
}

// False if there is no room.
bool CcehEngine::Split(Segment& segment) {
  const uint64_t depth = segment.depth();
  if (depth == depth_ && !DoubleDirectory()) return false;
  const std::optional<uint64_t> number = segments_.Take();
  if (!number) return false;
  Segment& upper = layout_.segments[*number];
  const uint64_t pattern = segment.pattern() | (uint64_t{1} << depth);
  StoreWord(&upper.pattern_and_depth, PatternAndDepth(pattern, depth + 1));
  StoreWord(&upper.lock, 0);
  for (uint64_t& slot : upper.slots) StoreWord(&slot, 0);
  for (const uint64_t slot : segment.slots) {
    if (!HoldsPair(slot) || LowBits(HashAt(slot), depth + 1) != pattern) continue;
    StoreWord(FreeSlot(upper, HashAt(slot)), slot);
  }
  Persist(&upper, sizeof upper - (bug_ == Bug::kSplitShortFlush ? kLineBytes : 0));

  const uint64_t old_pattern = segment.pattern();
  const auto deepen = [&] {
    StoreWord(&segment.pattern_and_depth, PatternAndDepth(old_pattern, depth + 1));
    PersistWord(&segment.pattern_and_depth);
  };
  if (bug_ == Bug::kSplitClearsFirst) ClearMoved(segment, depth + 1);
  if (bug_ == Bug::kLocalDepth) deepen();
  for (uint64_t entry = pattern; entry < EntryCount(); entry += uint64_t{2} << depth) {
    StoreWord(&Entries()[entry], *number + 1);
    FlushWord(&Entries()[entry]);
  }
  Drain();
  if (bug_ != Bug::kLocalDepth) deepen();
  ClearMoved(segment, depth + 1);
  return true;
}

void CcehEngine::ClearMoved(Segment& segment, uint64_t depth) {
  for (uint64_t& slot : segment.slots) {
    if (!HoldsPair(slot) || LowBits(HashAt(slot), depth) == segment.pattern()) continue;
    StoreWord(&slot, 0);
  }
  Persist(segment.slots, sizeof segment.slots);
}

bool CcehEngine::DoubleDirectory() {
  if (depth_ == kMaxDepth) return false;
  const uint64_t target = 1 - directory_;
  uint64_t* const entries = layout_.directories[target];
  for (uint64_t i = 0; i < 2 * EntryCount(); ++i) {
    StoreWord(&entries[i], Entries()[LowBits(i, depth_)]);
  }
  const uint64_t bytes = 2 * EntryCount() * sizeof(uint64_t);
  if (bug_ != Bug::kDirectoryOrder) Persist(entries, bytes);
  StoreWord(&layout_.directory_and_depth, (target << 8) | (depth_ + 1));
  PersistWord(&layout_.directory_and_depth);
  if (bug_ == Bug::kDirectoryOrder) Persist(entries, bytes);
  directory_ = target;
  ++depth_;
  return true;
}

// Slots that are neither free nor hold a pair are allocated and cannot be reached.
Result<AuditReport> CcehEngine::DoAudit() {
  uint64_t taken = 0, reachable = 0;
  for (uint64_t entry = 0; entry < EntryCount(); ++entry) {
    const Segment& segment = SegmentAt(entry);
    if (segment.pattern() != entry) continue;
    for (const uint64_t slot : segment.slots) {
      taken += slot != 0 ? 1 : 0;
      reachable += HoldsPair(slot) ? 1 : 0;
    }
  }
  return AuditReport{taken * sizeof(Record), reachable * sizeof(Record), taken, reachable};
}

Result<std::unique_ptr<Engine>> OpenCceh(const EngineOptions& options) {
  return OpenRawCanary<CcehEngine>(options, kPlantings, kMagic,
                                   [](Layout& layout) { Initialise(layout); });
}

}  // namespace

constinit const Structure kCcehStructure = {
    .name = kName,
    .description = "canary: extendible hash table of segments",
    .open = OpenCceh,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
