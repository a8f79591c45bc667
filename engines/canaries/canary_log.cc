// SPDX-License-Identifier: BSD-3-Clause
// canary-log: an append log in two areas, with an index in DRAM that is rebuilt at open.
//
// An entry is whole lines. It is written, made durable, and then published by the area's tail. When
// much of the log is dead, the living entries are copied to the other area, made durable, and then
// published by the word `active`.
//
// Invariants:
//   1. Below the tail of the active area all entries are whole and of the area's generation.
//   2. Bugs and controls that publish without the tail (SelfDescribing) end the log at the first
//      entry that is not of the generation, or does not pass its checksum.
// Threads: CanaryEngine's lock.
#include <cstddef>
#include <cstring>
#include <map>
#include <string>

#include "engines/canaries/raw_canary.h"

namespace fencepost::canary {
namespace {

constexpr uint64_t kAreaBytes = uint64_t{192} << 10;
constexpr uint64_t kCompactAtBytes = uint64_t{8} << 10;
constexpr uint64_t kTombstone = 0xffff;  // in place of the value's length
constexpr uint64_t kCacheWords = 8;

enum class Bug : size_t {
  kNone,
  kFlagFirst,
  kMissingFlush,
  kShortFlush,
  kMissingFence,
  kMissingBarrier,
  kSameLinePrefix,
  kDrainlessCompaction,
  kTruncateFirst,
  kTailNextTime,
  kControlChecksum,
  kControlVolatileCache,
  kControlNeverRead,
  kDoubleFlush,
  kFlushOfCleanLine,
  kFenceWithoutFlush,
  kOverwriteBeforePersist,
  kCount
};

constexpr std::string_view kName = "canary-log";
constexpr Planting kPlantings[] = {
    {kName, "flag-first", "flag-first", 'O',
     "the tail is durable before the entry: a crash in between publishes what was there before"},
    {kName, "missing-flush", "wrong flush range", 'D',
     "the entry is never flushed: it may be missing although the tail covers it"},
    {kName, "short-flush", "wrong flush range", 'D',
     "the loop leaves out the entry's last line: the end of an acknowledged value is lost"},
    {kName, "missing-fence", "missing fence", 'D',
     "non-temporal copy and flush of the tail, no fence: the last acknowledged put is lost"},
    {kName, "missing-barrier", "missing fence", 'O',
     "no fence between the non-temporal copy and the tail: the tail can survive alone"},
    {kName, "same-line-prefix", "same-line prefix", 'A',
     "recovery trusts the entry's first word, stored first: a prefix of the line is a torn pair"},
    {kName, "drainless-compaction", "drain-less log", 'O',
     "one fence for the copied entries and for the switch to them: the switch can survive alone"},
    {kName, "truncate-first", "drain-less log", 'O',
     "the old area is emptied before the new one is active: a crash in between loses everything"},
    {kName, "tail-next-time", "kept in DRAM", 'D',
     "the tail is stored by the next change: the last acknowledged one is lost, flushed or not"},
    {kName, "control-checksum", "a checksum-protected torn write", '-',
     "no tail: recovery drops an entry that is torn, which only one in flight can be"},
    {kName, "control-volatile-cache", "a deliberately volatile cache in the pool", '-',
     "a cache in the pool, never flushed, is emptied by recovery before it is read"},
    {kName, "control-never-read", "a store that is never read by recovery", '-',
     "a word that is stored at each put, never flushed and never read"},
    {kName, "double-flush", "double flush", 'P', "the tail is flushed twice before the fence"},
    {kName, "flush-of-clean-line", "flush of clean line", 'P',
     "each change flushes the pool's header, to which nothing was stored"},
    {kName, "fence-without-flush", "fence without flush", 'P', "a second fence after the first"},
    {kName, "overwrite-before-persist", "overwrite before persist", 'P',
     "a word beside the tail is stored twice before it is flushed"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

struct alignas(kLineBytes) AreaHead {
  uint64_t generation;
  uint64_t tail;  // bytes in use
  uint64_t spare;
};

struct Layout {
  PoolHeader header;
  alignas(kLineBytes) uint64_t active;  // which area
  AreaHead heads[2];
  alignas(kLineBytes) uint64_t cache[kCacheWords];  // offset + 1 of an entry, by hash
  alignas(kLineBytes) uint64_t put_count;           // for nobody
  alignas(kLineBytes) char areas[2][kAreaBytes];
};
constexpr uint64_t kMagic = 0x31676f6c796e6143;

struct Entry {
  uint64_t lengths_and_generation;  // key: 16 bits, value: 16, generation: 32
  uint64_t checksum;                // of all the rest; of an offset, too
  char pair[kMaxKeyBytes + kMaxValueBytes];

  uint64_t key_bytes() const { return lengths_and_generation & 0xffff; }
  uint64_t value_field() const { return (lengths_and_generation >> 16) & 0xffff; }
  uint64_t generation() const { return lengths_and_generation >> 32; }
  bool is_tombstone() const { return value_field() == kTombstone; }
  uint64_t value_bytes() const { return is_tombstone() ? 0 : value_field(); }
  uint64_t entry_bytes() const {
    const uint64_t bytes = offsetof(Entry, pair) + key_bytes() + value_bytes();
    return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes;
  }
  std::string_view key() const { return {pair, key_bytes()}; }
  std::string_view value() const { return {pair + key_bytes(), value_bytes()}; }
  bool LengthsAreSane() const {
    return key_bytes() >= 1 && key_bytes() <= kMaxKeyBytes && value_bytes() <= kMaxValueBytes;
  }
  uint64_t Checksum(uint64_t offset) const {
    return HashOf(key()) ^ (HashOf(value()) + lengths_and_generation) * (2 * offset + 1);
  }
};
static_assert(sizeof(Entry) == 512);

class LogEngine final : public RawCanary<Layout, Bug> {
 public:
  LogEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : RawCanary(std::move(pool), options, bug) {}
  ~LogEngine() override { (void)DoClose(); }

  Status Recover();

 private:
  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;
  uint64_t DoCount() override { return index_.size(); }

  bool SelfDescribing() const {
    return bug_ == Bug::kSameLinePrefix || bug_ == Bug::kControlChecksum;
  }
  AreaHead& Head() { return layout_.heads[active_]; }
  const Entry& At(uint64_t offset) const {
    return *reinterpret_cast<const Entry*>(layout_.areas[active_] + offset);
  }
  bool EndsAt(uint64_t offset) const;
  Status Append(std::string_view key, std::string_view value, uint64_t value_field);
  void WriteEntry(void* to, const Entry& entry);
  void BeforeClose() override;
  void PublishTail() { PublishTail(tail_); }
  void PublishTail(uint64_t tail);
  void Compact();
  void EmptyCache();
  void NoteEntry(const Entry& entry, uint64_t offset);

  uint64_t active_ = 0;
  uint64_t tail_ = 0;
  uint64_t live_bytes_ = 0;
  uint64_t put_count_ = 0;
  std::map<std::string, uint64_t, std::less<>> index_;  // offsets in the active area
};

Entry MakeEntry(std::string_view key, std::string_view value, uint64_t value_field,
                uint64_t generation, uint64_t offset) {
  Entry entry{};
  entry.lengths_and_generation = key.size() | (value_field << 16) | (generation << 32);
  std::memcpy(entry.pair, key.data(), key.size());
  if (!value.empty()) std::memcpy(entry.pair + key.size(), value.data(), value.size());
  entry.checksum = entry.Checksum(offset);
  return entry;
}

// Only for the log that has no tail.
bool LogEngine::EndsAt(uint64_t offset) const {
  if (kAreaBytes - offset < kLineBytes) return true;
  const Entry& entry = At(offset);
  if (entry.generation() != layout_.heads[active_].generation || !entry.LengthsAreSane() ||
      entry.entry_bytes() > kAreaBytes - offset) {
    return true;
  }
  return bug_ == Bug::kControlChecksum && entry.checksum != entry.Checksum(offset);
}

Status LogEngine::Recover() {
  active_ = layout_.active;
  if (active_ > 1) return CorruptPool(path(), "no such area");
  const uint64_t tail = Head().tail;
  if (tail > kAreaBytes || tail % kLineBytes != 0) return CorruptPool(path(), "a senseless tail");
  while (SelfDescribing() ? !EndsAt(tail_) : tail_ < tail) {
    const Entry& entry = At(tail_);
    if (!SelfDescribing() && (entry.generation() != Head().generation || !entry.LengthsAreSane() ||
                              entry.entry_bytes() > tail - tail_)) {
      return CorruptPool(path(), "the log has an entry that makes no sense");
    }
    NoteEntry(entry, tail_);
    tail_ += entry.entry_bytes();
  }
  EmptyCache();
  return Status::Ok();
}

void LogEngine::NoteEntry(const Entry& entry, uint64_t offset) {
  const auto old = index_.find(entry.key());
  if (old != index_.end()) {
    live_bytes_ -= At(old->second).entry_bytes();
    index_.erase(old);
  }
  if (entry.is_tombstone()) return;
  live_bytes_ += entry.entry_bytes();
  index_.emplace(entry.key(), offset);
}

Result<std::string_view> LogEngine::DoGet(std::string_view key) {
  if (bug_ == Bug::kControlVolatileCache) {
    const uint64_t cached = layout_.cache[HashOf(key) % kCacheWords];
    if (cached != 0 && At(cached - 1).key() == key) return At(cached - 1).value();
  }
  const auto found = index_.find(key);
  if (found == index_.end()) return Status::NotFound();
  return At(found->second).value();
}

void LogEngine::DoForEach(PairVisitor visit) {
  for (const auto& [key, offset] : index_) {
    if (!visit(key, At(offset).value())) return;
  }
}

Status LogEngine::DoPut(std::string_view key, std::string_view value) {
  RETURN_IF_ERROR(Append(key, value, value.size()));
  if (bug_ == Bug::kControlNeverRead) StoreWord(&layout_.put_count, ++put_count_);
  return Status::Ok();
}

Status LogEngine::DoDelete(std::string_view key) {
  if (!index_.contains(key)) return Status::NotFound();
  return Append(key, {}, kTombstone);
}

Status LogEngine::Append(std::string_view key, std::string_view value, uint64_t value_field) {
  if (tail_ >= kCompactAtBytes && live_bytes_ * 2 < tail_) Compact();
  // A tombstone may always use the last lines, so that a full log can be emptied.
  const uint64_t kept_free = value_field == kTombstone ? 0 : kLineBytes;
  if (tail_ + sizeof(Entry) + kept_free > kAreaBytes) Compact();
  const Entry entry = MakeEntry(key, value, value_field, Head().generation, tail_);
  const uint64_t bytes = entry.entry_bytes();
  if (tail_ + bytes + kept_free > kAreaBytes) return Full();

  const uint64_t offset = tail_;
  tail_ += bytes;
  if (bug_ == Bug::kFlagFirst) PublishTail();
  // What is stored now is the tail as the change before has left it.
  if (bug_ == Bug::kTailNextTime) PublishTail(offset);
  WriteEntry(layout_.areas[active_] + offset, entry);
  if (bug_ != Bug::kFlagFirst && bug_ != Bug::kTailNextTime && !SelfDescribing()) PublishTail();
  NoteEntry(At(offset), offset);
  if (bug_ == Bug::kControlVolatileCache) {
    StoreWord(&layout_.cache[HashOf(key) % kCacheWords], entry.is_tombstone() ? 0 : offset + 1);
  }
  return Status::Ok();
}

void LogEngine::WriteEntry(void* to, const Entry& entry) {
  const uint64_t bytes = entry.entry_bytes();
  switch (bug_) {
    case Bug::kMissingFlush:
      CopyCached(to, &entry, bytes);
      return;
    case Bug::kShortFlush:
      CopyCached(to, &entry, bytes);
      for (uint64_t line = 0; line + kLineBytes < bytes; line += kLineBytes) {
        Flush(static_cast<char*>(to) + line, kLineBytes);
      }
      Drain();
      return;
    case Bug::kMissingFence:
    case Bug::kMissingBarrier:
      CopyAround(to, &entry, bytes);
      return;
    case Bug::kSameLinePrefix:
    case Bug::kControlChecksum:
      StoreWord(static_cast<uint64_t*>(to), entry.lengths_and_generation);
      CopyCached(static_cast<char*>(to) + 8, &entry.checksum, bytes - 8);
      Persist(to, bytes);
      return;
    default:
      CopyAround(to, &entry, bytes);
      Drain();
  }
}

void LogEngine::BeforeClose() {
  if (bug_ == Bug::kTailNextTime) PublishTail();
}

void LogEngine::PublishTail(uint64_t tail) {
  AreaHead& head = Head();
  if (bug_ == Bug::kOverwriteBeforePersist) {
    StoreWord(&head.spare, ++put_count_);
    StoreWord(&head.spare, ++put_count_);
  }
  StoreWord(&head.tail, tail);
  FlushWord(&head.tail);
  if (bug_ == Bug::kDoubleFlush) FlushWord(&head.tail);
  if (bug_ == Bug::kFlushOfCleanLine) Flush(&layout_.header, sizeof layout_.header);
  if (bug_ != Bug::kMissingFence) Drain();
  if (bug_ == Bug::kFenceWithoutFlush) Drain();
}

// Copies what is alive to the other area and makes that the active one.
void LogEngine::Compact() {
  const uint64_t target = 1 - active_;
  AreaHead& head = layout_.heads[target];
  const uint64_t generation = (Head().generation + 1) & UINT32_MAX;
  std::map<std::string, uint64_t, std::less<>> index;
  uint64_t tail = 0;
  for (const auto& [key, offset] : index_) {
    const std::string_view value = At(offset).value();
    const Entry entry = MakeEntry(key, value, value.size(), generation, tail);
    CopyAround(layout_.areas[target] + tail, &entry, entry.entry_bytes());
    index.emplace(key, tail);
    tail += entry.entry_bytes();
  }
  if (bug_ == Bug::kTruncateFirst) {
    StoreWord(&Head().tail, 0);
    PersistWord(&Head().tail);
  }
  StoreWord(&head.generation, generation);
  StoreWord(&head.tail, tail);
  Flush(&head, sizeof head);
  if (bug_ != Bug::kDrainlessCompaction) Drain();
  StoreWord(&layout_.active, target);
  PersistWord(&layout_.active);
  active_ = target;
  tail_ = live_bytes_ = tail;
  index_ = std::move(index);
  EmptyCache();
}

void LogEngine::EmptyCache() {
  if (bug_ != Bug::kControlVolatileCache) return;
  for (uint64_t& word : layout_.cache) StoreWord(&word, 0);
}

Result<std::unique_ptr<Engine>> OpenLog(const EngineOptions& options) {
  return OpenRawCanary<LogEngine>(options, kPlantings, kMagic,
                                  [](Layout& layout) { layout.heads[0].generation = 1; });
}

}  // namespace

constinit const Structure kLogStructure = {
    .name = kName,
    .description = "canary: append log with an index in DRAM",
    .open = OpenLog,
    .audit = false,
    .plantings = kPlantings};

}  // namespace fencepost::canary
