// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/change.h"

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engines/pmem/pending_stores.h"

namespace fencepost::cmap {

namespace {

struct Position {
  uint64_t offset;
  size_t size_class;
};

}  // namespace

struct ChangeScratch {
  pmem::PendingStores stores;
  std::vector<Position> reserved;
  std::vector<Position> freed;
  // The offsets of `reserved`, once they are too many to be looked through for each that is freed.
  std::unordered_set<uint64_t> many_reserved;

  void AddReserved(Position position) {
    constexpr size_t kMany = 64;
    reserved.push_back(position);
    if (reserved.size() == kMany) {
      for (const Position& one : reserved) many_reserved.insert(one.offset);
    } else if (reserved.size() > kMany) {
      many_reserved.insert(position.offset);
    }
  }
  bool MayHaveReserved(uint64_t offset) const {
    return many_reserved.empty() || many_reserved.contains(offset);
  }
  void ClearReserved() {
    reserved.clear();
    // An empty one writes over its whole table all the same.
    if (!many_reserved.empty()) many_reserved.clear();
  }
};

namespace {

// A thread keeps its buffers for the next Change unless they have grown past this.
constexpr size_t kKeptEntriesMax = 4096;

// What the thread's last Change left, emptied, so that the next one allocates nothing.
thread_local std::unique_ptr<ChangeScratch> kept_scratch;

}  // namespace

Change::Change(Store& store) : store_(store), scratch_(std::move(kept_scratch)) {
  if (scratch_ == nullptr) scratch_ = std::make_unique<ChangeScratch>();
}

Change::~Change() {
  for (const Position& position : scratch_->reserved) {
    store_.heap().Free(position.offset, position.size_class);
  }
  if (scratch_->stores.capacity() > kKeptEntriesMax ||
      scratch_->reserved.capacity() > kKeptEntriesMax) {
    return;
  }
  scratch_->stores.Clear();
  scratch_->ClearReserved();
  scratch_->freed.clear();
  kept_scratch = std::move(scratch_);
}

pmem::Publication& Change::publication() {
  if (!publication_) publication_.emplace(store_.pool());
  return *publication_;
}

uint64_t Change::LoadWord(uint64_t* word) const {
  const pmem::PendingStore* pending = scratch_->stores.Find(word);
  return pending != nullptr ? pending->value
                            : std::atomic_ref(*word).load(std::memory_order_relaxed);
}

void Change::StoreWord(uint64_t* word, uint64_t value) { scratch_->stores.Store(word, value); }

RecordRef Change::ReserveRecord(uint64_t bytes) {
  if (bytes <= kMaxSlabRecordBytes) {
    const size_t size_class = RecordClass(bytes);
    if (const uint64_t offset = store_.heap().Allocate(size_class); offset != 0) {
      scratch_->AddReserved({offset, size_class});
      return {offset, false};
    }
    // There may be space for one more object where there is none for an extent.
  }
  uint64_t offset = publication().Reserve(bytes, kRecordType);
  if (offset == 0) {
    const Result<bool> released = store_.heap().ReleaseEmptyExtents();
    if (released.ok() && *released) offset = publication().Reserve(bytes, kRecordType);
  }
  return {offset, true};
}

uint64_t Change::ReserveBucket() {
  const uint64_t offset = store_.heap().Allocate(kBucketClass);
  if (offset != 0) scratch_->AddReserved({offset, kBucketClass});
  return offset;
}

void Change::FreePosition(uint64_t offset, size_t size_class) {
  std::vector<Position>& reserved = scratch_->reserved;
  // Most likely a recent one, if it is one at all: a batch that writes a key twice gets here.
  const auto found = !scratch_->MayHaveReserved(offset)
                         ? reserved.rend()
                         : std::find_if(reserved.rbegin(), reserved.rend(),
                                        [&](const Position& one) { return one.offset == offset; });
  if (found == reserved.rend()) {
    scratch_->freed.push_back({offset, size_class});
    return;
  }
  store_.heap().Free(offset, size_class);
  reserved.erase(std::next(found).base());
}

void Change::FreeRecord(RecordRef record, uint64_t bytes) {
  if (record.is_object) {
    publication().Free(record.offset);
  } else {
    FreePosition(record.offset, RecordClass(bytes));
  }
}

bool Change::FitsIntentLog() const { return scratch_->stores.size() <= kIntentEntries; }

void Change::CommitWords(CommitWatcher* watcher) {
  CHECK(!publication_);
  const pmem::PendingStores& stores = scratch_->stores;
  if (stores.size() == 1) {
    pmem::Pool& pool = store_.pool();
    // What the word will refer to is durable before the word can be.
    if (!scratch_->reserved.empty() || wrote_in_place_) pool.Drain();
    if (watcher != nullptr) watcher->BeforeStores();
    const pmem::PendingStore& only = *stores.begin();
    std::atomic_ref(*only.word).store(only.value, std::memory_order_release);
    if (watcher != nullptr) watcher->AfterStores();
    pool.Persist(only.word, sizeof(*only.word));
  } else if (!stores.empty()) {
    store_.intent_log().CarryOut(stores, watcher);
  }
  Finish();
}

Status Change::Commit() {
  const pmem::PendingStores& stores = scratch_->stores;
  if (!publication_ && FitsIntentLog()) {
    CommitWords();
    return Status::Ok();
  }
  for (const pmem::PendingStore& store : stores) publication().Store(store.word, store.value);
  // What was written is durable before the redo log can be.
  store_.pool().Drain();
  RETURN_IF_ERROR(publication().Publish());
  publication_.reset();
  Finish();
  return Status::Ok();
}

void Change::Finish() {
  scratch_->ClearReserved();
  for (const Position& position : scratch_->freed) {
    store_.heap().Free(position.offset, position.size_class);
  }
  scratch_->freed.clear();
}

}  // namespace fencepost::cmap
