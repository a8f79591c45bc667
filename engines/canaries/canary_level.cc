// SPDX-License-Identifier: BSD-3-Clause
// canary-level: a two-level table like Level Hashing's. A key has two buckets in the top level and
// two in the bottom one, half its size; a bucket is a line of tokens and a line of slots.
//
// A slot is made durable before the token that publishes it. To make room in the top level a pair
// may move to its other bucket; when the bottom level is full, too, a new top level of twice the
// size takes over the bottom level's pairs, and one word makes it the top.
//
// Invariants:
//   1. A slot whose token is set refers to a whole record; two refer to the same one only after a
//      crash within a move, until recovery clears the second.
//   2. A level is filled while it is out of use and never used again after it was the bottom.
// Threads: CanaryEngine's lock.
// Source: Zuo, Hua, Wu. Write-optimized and high-performance hashing index scheme for persistent
//   memory. OSDI 2018.
#include <array>

#include "engines/canaries/raw_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kSlots = 4;
constexpr uint64_t kMinLog2 = 1;       // of the smallest level
constexpr uint64_t kFirstTopLog2 = 2;  // top and bottom to begin with
constexpr uint64_t kMaxTopLog2 = 7;

enum class Bug : size_t {
  kNone,
  kTokenFirst,
  kTokenWithSlot,
  kWrongPointer,
  kMoveClearsFirst,
  kMoveKeepsDuplicate,
  kOverwriteTwoTokens,
  kResizeOrder,
  kResizeShortFlush,
  kCountApart,
  kCount
};

constexpr std::string_view kName = "canary-level";
constexpr Planting kPlantings[] = {
    {kName, "token-first", "token-first", 'O',
     "the token is durable before its slot, on another line: it publishes an empty or stale slot"},
    {kName, "token-with-slot", "token-first", 'O',
     "one fence for slot and token: the token can survive alone"},
    {kName, "wrong-pointer", "wrong flush range", 'D',
     "the token's line is flushed in place of the slot's: an acknowledged slot is lost"},
    {kName, "move-clears-first", "two-token move", 'A',
     "a pair that moves leaves its old bucket before it is in the new one: it is lost in between"},
    {kName, "move-keeps-duplicate", "two-token move", 'A',
     "recovery keeps both places of a pair that was moving: seen twice, and back after a delete"},
    {kName, "overwrite-two-tokens", "two-token move", 'A',
     "new version published, then the old one cleared: both are there, and one outlives a delete"},
    {kName, "resize-order", "resize order", 'O',
     "the new capacity is durable before the new buckets: the old bottom level's pairs are lost"},
    {kName, "resize-short-flush", "wrong flush range", 'D',
     "the loop over the new buckets leaves out the second half: their pairs are lost"},
    {kName, "count-apart", "count not logged", 'A',
     "the number of pairs is kept in the pool and updated after the pair: off by one"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct Bucket {
  alignas(kLineBytes) uint64_t tokens;         // bit i: slots[i] is in use
  alignas(kLineBytes) uint64_t slots[kSlots];  // number of a record + 1
};

struct Layout {
  PoolHeader header;
  alignas(kLineBytes) uint64_t top_log2;  // the bottom level is one less
  alignas(kLineBytes) uint64_t count;     // only with kCountApart
  Bucket buckets[(2 << kMaxTopLog2) - (1 << kMinLog2)];
  RecordArray records;
};
constexpr uint64_t kMagic = 0x6c6576656c796e43;

struct Place {
  Bucket* bucket = nullptr;
  uint64_t slot = 0;

  explicit operator bool() const { return bucket != nullptr; }
  uint64_t record() const { return bucket->slots[slot] - 1; }
};

bool IsUsed(const Bucket& bucket, uint64_t slot) { return ((bucket.tokens >> slot) & 1) != 0; }

Place FreeSlotIn(Bucket* bucket) {
  for (uint64_t slot = 0; slot < kSlots; ++slot) {
    if (!IsUsed(*bucket, slot)) return {bucket, slot};
  }
  return {};
}

class LevelEngine final : public RecordCanary<Layout, Bug> {
 public:
  LevelEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : RecordCanary(std::move(pool), options, bug) {}

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return bug_ == Bug::kCountApart ? layout_.count : count_; }

  Bucket* Level(uint64_t log2) {
    return layout_.buckets + (uint64_t{1} << log2) - (uint64_t{1} << kMinLog2);
  }
  // The two buckets of a hash in a level.
  std::array<Bucket*, 2> BucketsOf(uint64_t hash, uint64_t log2) {
    const uint64_t mask = (uint64_t{1} << log2) - 1;
    return {Level(log2) + (hash & mask), Level(log2) + ((hash >> 32) & mask)};
  }
  template <typename Visit>
  void ForEachPlace(Visit visit);
  Place Find(std::string_view key);
  Place FreePlace(uint64_t hash, uint64_t log2);
  Place MoveOneAway(uint64_t hash);
  bool Resize();
  bool FillLevel(uint64_t log2);
  void Publish(const Place& place, uint64_t record);
  void Clear(const Place& place);
  void Overwrite(const Place& old, uint64_t record);
  void AddToCount(int64_t difference);

  uint64_t top_log2_ = 0;
  uint64_t count_ = 0;
};

// visit(place) for every slot in use; stops when it says false.
template <typename Visit>
void LevelEngine::ForEachPlace(Visit visit) {
  for (uint64_t log2 = top_log2_ - 1; log2 <= top_log2_; ++log2) {
    for (uint64_t i = 0; i < uint64_t{1} << log2; ++i) {
      for (uint64_t slot = 0; slot < kSlots; ++slot) {
        Bucket* bucket = Level(log2) + i;
        if (IsUsed(*bucket, slot) && !visit(Place{bucket, slot})) return;
      }
    }
  }
}

Status LevelEngine::Recover() {
  top_log2_ = layout_.top_log2;
  if (top_log2_ < kFirstTopLog2 || top_log2_ > kMaxTopLog2) {
    return CorruptPool(path(), "a senseless size of the top level");
  }
  bool sane = true;
  ForEachPlace([&](const Place& place) {
    sane = sane && place.bucket->tokens < (1 << kSlots) && records_.IsSane(place.record());
    if (!sane) return false;
    if (records_.Claim(place.record())) {
      ++count_;
    } else if (bug_ != Bug::kMoveKeepsDuplicate) {
      Clear(place);  // a crash within a move: this one is superfluous
    }
    return true;
  });
  return sane ? Status::Ok() : CorruptPool(path(), "a token for a slot that holds no pair");
}

Place LevelEngine::Find(std::string_view key) {
  const uint64_t hash = HashOf(key);
  for (uint64_t log2 : {top_log2_, top_log2_ - 1}) {
    for (Bucket* bucket : BucketsOf(hash, log2)) {
      for (uint64_t slot = 0; slot < kSlots; ++slot) {
        const Place place{bucket, slot};
        if (IsUsed(*bucket, slot) && records_.KeyOf(place.record()) == key) return place;
      }
    }
  }
  return {};
}

Result<std::string_view> LevelEngine::DoGet(std::string_view key) {
  const Place place = Find(key);
  if (!place) return Status::NotFound();
  return records_.ValueOf(place.record());
}

void LevelEngine::DoForEach(PairVisitor visit) {
  ForEachPlace([&](const Place& place) {
    return visit(records_.KeyOf(place.record()), records_.ValueOf(place.record()));
  });
}

Status LevelEngine::DoPut(std::string_view key, std::string_view value) {
  const Place old = Find(key);
  Place place;
  if (!old) {
    const uint64_t hash = HashOf(key);
    place = FreePlace(hash, top_log2_);
    if (!place) place = MoveOneAway(hash);
    if (!place) place = FreePlace(hash, top_log2_ - 1);
    while (!place && Resize()) place = FreePlace(hash, top_log2_);
    if (!place) return Full();
  }
  const std::optional<uint64_t> record = records_.Take();
  if (!record) return Full();
  records_.WritePersist(*record, key, value);
  if (old) {
    Overwrite(old, *record);
  } else {
    Publish(place, *record);
    AddToCount(1);
  }
  return Status::Ok();
}

Status LevelEngine::DoDelete(std::string_view key) {
  const Place place = Find(key);
  if (!place) return Status::NotFound();
  const uint64_t record = place.record();
  Clear(place);
  records_.Give(record);
  AddToCount(-1);
  return Status::Ok();
}

void LevelEngine::Publish(const Place& place, uint64_t record) {
  uint64_t* const slot = &place.bucket->slots[place.slot];
  uint64_t* const tokens = &place.bucket->tokens;
  const uint64_t with_token = *tokens | (uint64_t{1} << place.slot);
  switch (bug_) {
    case Bug::kTokenFirst:
      StoreWord(tokens, with_token);
      PersistWord(tokens);
      StoreWord(slot, record + 1);
      PersistWord(slot);
      return;
    case Bug::kTokenWithSlot:
      StoreWord(slot, record + 1);
      FlushWord(slot);
      break;
    case Bug::kWrongPointer:
      StoreWord(slot, record + 1);
      PersistWord(tokens);
      break;
    default:
      StoreWord(slot, record + 1);
      PersistWord(slot);
  }
  StoreWord(tokens, with_token);
  PersistWord(tokens);
}

void LevelEngine::Clear(const Place& place) {
  StoreWord(&place.bucket->tokens, place.bucket->tokens & ~(uint64_t{1} << place.slot));
  PersistWord(&place.bucket->tokens);
}

// The slot is one word: storing the new record's number replaces the pair at once.
void LevelEngine::Overwrite(const Place& old, uint64_t record) {
  const uint64_t old_record = old.record();
  const Place beside = FreeSlotIn(old.bucket);
  if (bug_ == Bug::kOverwriteTwoTokens && beside) {
    Publish(beside, record);
    Clear(old);
  } else {
    StoreWord(&old.bucket->slots[old.slot], record + 1);
    PersistWord(&old.bucket->slots[old.slot]);
  }
  records_.Give(old_record);
}

void LevelEngine::AddToCount(int64_t difference) {
  count_ += static_cast<uint64_t>(difference);
  if (bug_ != Bug::kCountApart) return;
  StoreWord(&layout_.count, layout_.count + static_cast<uint64_t>(difference));
  PersistWord(&layout_.count);
}

Place LevelEngine::FreePlace(uint64_t hash, uint64_t log2) {
  for (Bucket* bucket : BucketsOf(hash, log2)) {
    if (const Place place = FreeSlotIn(bucket)) return place;
  }
  return {};
}

// Moves a pair of one of the hash's top buckets to that pair's other bucket.
Place LevelEngine::MoveOneAway(uint64_t hash) {
  for (Bucket* bucket : BucketsOf(hash, top_log2_)) {
    for (uint64_t slot = 0; slot < kSlots; ++slot) {
      const Place from{bucket, slot};
      const uint64_t record = from.record();
      const auto buckets = BucketsOf(HashOf(records_.KeyOf(record)), top_log2_);
      Bucket* const other = buckets[0] == bucket ? buckets[1] : buckets[0];
      const Place to = FreeSlotIn(other);
      if (other == bucket || !to) continue;
      if (bug_ == Bug::kMoveClearsFirst) Clear(from);
      Publish(to, record);
      if (bug_ != Bug::kMoveClearsFirst) Clear(from);
      return from;
    }
  }
  return {};
}

// Copies the bottom level's pairs into the level above the top, without a flush. False if one does
// not fit.
bool LevelEngine::FillLevel(uint64_t log2) {
  for (uint64_t i = 0; i < uint64_t{1} << log2; ++i) StoreWord(&Level(log2)[i].tokens, 0);
  for (uint64_t i = 0; i < uint64_t{1} << (top_log2_ - 1); ++i) {
    for (uint64_t slot = 0; slot < kSlots; ++slot) {
      const Place from{Level(top_log2_ - 1) + i, slot};
      if (!IsUsed(*from.bucket, slot)) continue;
      const auto buckets = BucketsOf(HashOf(records_.KeyOf(from.record())), log2);
      Place to = FreeSlotIn(buckets[0]);
      if (!to) to = FreeSlotIn(buckets[1]);
      if (!to) return false;
      StoreWord(&to.bucket->slots[to.slot], from.record() + 1);
      StoreWord(&to.bucket->tokens, to.bucket->tokens | (uint64_t{1} << to.slot));
    }
  }
  return true;
}

bool LevelEngine::Resize() {
  const uint64_t log2 = top_log2_ + 1;
  if (log2 > kMaxTopLog2 || !FillLevel(log2)) return false;
  const uint64_t bucket_count = uint64_t{1} << log2;
  if (bug_ == Bug::kResizeOrder) {
    StoreWord(&layout_.top_log2, log2);
    PersistWord(&layout_.top_log2);
  }
  const uint64_t flushed_count = bug_ == Bug::kResizeShortFlush ? bucket_count / 2 : bucket_count;
  Persist(Level(log2), flushed_count * sizeof(Bucket));
  if (bug_ != Bug::kResizeOrder) {
    StoreWord(&layout_.top_log2, log2);
    PersistWord(&layout_.top_log2);
  }
  top_log2_ = log2;
  return true;
}

Result<std::unique_ptr<Engine>> OpenLevel(const EngineOptions& options) {
  return OpenRawCanary<LevelEngine>(options, kPlantings, kMagic,
                                    [](Layout& layout) { layout.top_log2 = kFirstTopLog2; });
}

}  // namespace

constinit const Structure kLevelStructure = {
    .name = kName,
    .description = "canary: two-level hash table with tokens",
    .open = OpenLevel,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
