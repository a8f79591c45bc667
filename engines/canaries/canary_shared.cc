// SPDX-License-Identifier: BSD-3-Clause
// canary-shared: a table of slots whose callers do not wait for each other's flushes: a change lets
// go of the lock while its slot becomes durable. What goes wrong goes wrong between two callers
// only.
//
// Invariants:
//   1. A key is changed by one caller at a time.
//   2. The index shows a change once it is durable, so nobody acts on what a crash may take back.
//   3. A change is acknowledged once a flush and a fence of its own thread have covered its slot.
// Threads: CanaryEngine's lock, but for what makes a slot durable.
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "engines/canaries/raw_canary.h"

namespace fencepost::canary {
namespace {

enum class Bug : size_t {
  kNone,
  kReadOfUnpersisted,
  kLeftToAnother,
  kControlReaderPersists,
  kCount
};

constexpr std::string_view kName = "canary-shared";
constexpr Planting kPlantings[] = {
    {kName, "read-of-unpersisted", "read of unpersisted", 'C',
     "a change is shown before it is durable: what another thread's get was answered may be gone"},
    {kName, "left-to-another", "other thread's fence", 'C',
     "a change whose line another thread is flushing leaves that to it: the flush may have come "
     "before the store, so an acknowledged change may be lost"},
    {kName, "control-reader-persists", "read of unpersisted", '-',
     "a change is shown before it is durable, and whoever reads it makes it durable first"},
};
static_assert(std::size(kPlantings) + 1 == static_cast<size_t>(Bug::kCount));

constexpr uint64_t kSlotsPerLine = kLineBytes / sizeof(uint64_t);

struct Layout {
  PoolHeader header;
  alignas(kLineBytes) uint64_t slots[kRecordCount];  // number of a record + 1
  RecordArray records;
};
constexpr uint64_t kMagic = 0x6465726168537943;

class SharedEngine final : public RecordCanary<Layout, Bug> {
 public:
  SharedEngine(std::unique_ptr<RawPool> pool, const EngineOptions& options, Bug bug)
      : RecordCanary(std::move(pool), options, bug), slots_(kRecordCount) {}
  ~SharedEngine() override { (void)Close(); }

  Status Recover();

 private:
  struct Place {
    uint64_t slot;
    uint64_t record;
  };
  // A caller's right to change a key, from when nobody else does. Lock held at both ends.
  class Turn;

  Status DoPut(std::string_view key, std::string_view value) override;
  Result<std::string_view> DoGet(std::string_view key) override;
  Status DoDelete(std::string_view key) override;
  void DoForEach(PairVisitor visit) override;

  bool ShowsEarly() const {
    return bug_ == Bug::kReadOfUnpersisted || bug_ == Bug::kControlReaderPersists;
  }
  void PersistSlot(uint64_t slot);

  FreeNumbers slots_;
  std::map<std::string, Place, std::less<>> index_;
  std::map<std::string, uint64_t, std::less<>> changing_;  // keys, and the slots they have now
  unsigned flushing_[kRecordCount / kSlotsPerLine] = {};   // how many threads, by line
};

class SharedEngine::Turn {
 public:
  Turn(SharedEngine* engine, std::string_view key) : engine_(engine), key_(key) {
    while (engine_->changing_.contains(key_)) {
      engine_->Unlocked([] { std::this_thread::yield(); });
    }
    entry_ = engine_->changing_.emplace(key_, 0).first;
  }
  ~Turn() { engine_->changing_.erase(entry_); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void Changes(uint64_t slot) { entry_->second = slot; }

 private:
  SharedEngine* const engine_;
  const std::string key_;
  decltype(changing_)::iterator entry_;
};

Status SharedEngine::Recover() {
  for (uint64_t slot = 0; slot < kRecordCount; ++slot) {
    if (layout_.slots[slot] == 0) continue;
    const uint64_t record = layout_.slots[slot] - 1;
    if (!records_.Claim(record)) return CorruptPool(path(), "a slot that holds no pair");
    if (!index_.emplace(records_.KeyOf(record), Place{slot, record}).second) {
      return CorruptPool(path(), "a key that is there twice");
    }
    CHECK(slots_.Claim(slot));
  }
  return Status::Ok();
}

Result<std::string_view> SharedEngine::DoGet(std::string_view key) {
  const auto changing = changing_.find(key);
  if (changing != changing_.end() && bug_ == Bug::kControlReaderPersists) {
    PersistWord(&layout_.slots[changing->second]);
  }
  const auto found = index_.find(key);
  if (found == index_.end()) return Status::NotFound();
  return records_.ValueOf(found->second.record);
}

void SharedEngine::DoForEach(PairVisitor visit) {
  for (const auto& [key, place] : index_) {
    if (!visit(key, records_.ValueOf(place.record))) return;
  }
}

Status SharedEngine::DoPut(std::string_view key, std::string_view value) {
  Turn turn(this, key);
  const std::optional<uint64_t> record = records_.Take();
  if (!record) return Full();
  const auto found = index_.find(key);
  const bool is_new = found == index_.end();
  // There are as many slots as records.
  const Place place = {is_new ? *slots_.Take() : found->second.slot, *record};
  const uint64_t old_word = layout_.slots[place.slot];
  records_.WritePersist(*record, key, value);
  StoreWord(&layout_.slots[place.slot], *record + 1);
  turn.Changes(place.slot);
  if (ShowsEarly()) index_.insert_or_assign(std::string(key), place);
  PersistSlot(place.slot);
  index_.insert_or_assign(std::string(key), place);
  if (!is_new) records_.Give(old_word - 1);
  return Status::Ok();
}

Status SharedEngine::DoDelete(std::string_view key) {
  Turn turn(this, key);
  const auto found = index_.find(key);
  if (found == index_.end()) return Status::NotFound();
  const Place old = found->second;
  StoreWord(&layout_.slots[old.slot], 0);
  turn.Changes(old.slot);
  if (ShowsEarly()) index_.erase(found);
  PersistSlot(old.slot);
  if (!ShowsEarly()) index_.erase(found);
  slots_.Give(old.slot);
  records_.Give(old.record);
  return Status::Ok();
}

void SharedEngine::PersistSlot(uint64_t slot) {
  unsigned& flushing = flushing_[slot / kSlotsPerLine];
  if (bug_ == Bug::kLeftToAnother && flushing > 0) return;
  ++flushing;
  Unlocked([&] { PersistWord(&layout_.slots[slot]); });
  --flushing;
}

Result<std::unique_ptr<Engine>> OpenShared(const EngineOptions& options) {
  return OpenRawCanary<SharedEngine>(options, kPlantings, kMagic, [](Layout&) {});
}

}  // namespace

constinit const Structure kSharedStructure = {
    .name = kName,
    .description = "canary: slot table whose callers do not wait for each other's flushes",
    .open = OpenShared,
    .audit = true,
    .plantings = kPlantings};

}  // namespace fencepost::canary
