// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/publication.h"

#include <fmt/format.h>
#include <libpmemobj.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "engines/pmem/pending_stores.h"
#include "engines/pmem/pool_errors.h"
#include "engines/thread_sanitizer.h"

namespace fencepost::pmem {
namespace {

// A thread keeps its buffers for the next Publication unless they have grown past this.
constexpr size_t kKeptActionsMax = 4096;

// A lane's own redo log (LANE_REDO_EXTERNAL_SIZE), and an entry in it; longer logs are extended by
// objects of the same capacity, a header and room to align both.
constexpr size_t kLaneLogBytes = 640;
constexpr size_t kLogEntryBytes = 16;
constexpr size_t kLogExtensionBytes = kLaneLogBytes + 64 + 2 * 64;

}  // namespace

struct PublicationScratch {
  std::vector<pobj_action> heap_actions;  // reservations and frees
  PendingStores stores;
};

namespace {
// What the thread's last Publication left, emptied, so that the next one allocates nothing.
thread_local std::unique_ptr<PublicationScratch> kept_scratch;

// The object goes back to libpmemobj, which may give its memory to another thread.
void HandBack(const Pool& pool, uint64_t offset) {
  if constexpr (!kUnderThreadSanitizer) return;
  HandBackMemory(pool.At<char>(offset), pmemobj_alloc_usable_size(PMEMoid{pool.uuid(), offset}));
}

}  // namespace

Publication::Publication(Pool& pool) : pool_(pool), scratch_(std::move(kept_scratch)) {
  if (scratch_ == nullptr) scratch_ = std::make_unique<PublicationScratch>();
}

Publication::~Publication() {
  std::vector<pobj_action>& actions = scratch_->heap_actions;
  for (const pobj_action& action : actions) HandBack(pool_, action.heap.offset);
  if (!actions.empty()) pmemobj_cancel(pool_.handle(), actions.data(), actions.size());
  if (actions.capacity() > kKeptActionsMax || scratch_->stores.capacity() > kKeptActionsMax) return;
  actions.clear();
  scratch_->stores.Clear();
  kept_scratch = std::move(scratch_);
}

uint64_t Publication::Load(const uint64_t* word) const {
  const PendingStore* pending = scratch_->stores.Find(word);
  return pending != nullptr ? pending->value : *word;
}

void Publication::Store(uint64_t* word, uint64_t value) { scratch_->stores.Store(word, value); }

void Publication::StoreLink(pmemoid* link, uint64_t offset) {
  Store(&link->pool_uuid_lo, pool_.uuid());
  Store(&link->off, offset);
}

uint64_t Publication::ReserveWithFlags(uint64_t bytes, uint64_t type, uint64_t flags) {
  if (bytes > kMaxObjectBytes) return 0;
  pobj_action action;
  const PMEMoid oid = pmemobj_xreserve(pool_.handle(), &action, bytes, type, flags);
  if (OID_IS_NULL(oid)) return 0;
  scratch_->heap_actions.push_back(action);
  if constexpr (kUnderThreadSanitizer) TakeOverMemory(pool_.At<char>(oid.off), bytes);
  return oid.off;
}

uint64_t Publication::Reserve(uint64_t bytes, uint64_t type) {
  return ReserveWithFlags(bytes, type, 0);
}

uint64_t Publication::ReserveUnit(const UnitClass& unit) {
  return ReserveWithFlags(unit.unit_bytes, 0, POBJ_CLASS_ID(unit.id));
}

uint64_t Publication::ReserveZeroedUnit(const UnitClass& unit) {
  return ReserveWithFlags(unit.unit_bytes, 0, POBJ_CLASS_ID(unit.id) | POBJ_XALLOC_ZERO);
}

void Publication::Free(uint64_t offset) {
  // An object reserved here has no place in the heap yet that could be freed. A batch that writes
  // a key twice gets here; the reservation is most likely a recent one.
  std::vector<pobj_action>& actions = scratch_->heap_actions;
  for (size_t i = actions.size(); i-- > 0;) {
    if (actions[i].heap.offset != offset) continue;
    HandBack(pool_, offset);
    pmemobj_cancel(pool_.handle(), &actions[i], 1);
    actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
  HandBack(pool_, offset);
  pobj_action action;
  pmemobj_defer_free(pool_.handle(), PMEMoid{pool_.uuid(), offset}, &action);
  actions.push_back(action);
}

// pmemobj_publish of 1.12 keeps its lane when it cannot extend the log, so it is better not to let
// it find out. Another thread may still take the space in between: then a lane is lost until the
// pool is closed, and nothing else.
Status Publication::CheckLogFits(size_t action_count) {
  const size_t log_bytes = action_count * kLogEntryBytes;
  if (log_bytes <= kLaneLogBytes) return Status::Ok();
  const size_t extension_count = (log_bytes - kLaneLogBytes + kLaneLogBytes - 1) / kLaneLogBytes;
  std::vector<pobj_action> trial(extension_count);
  size_t reserved_count = 0;
  while (reserved_count < extension_count &&
         !OID_IS_NULL(
             pmemobj_reserve(pool_.handle(), &trial[reserved_count], kLogExtensionBytes, 0))) {
    ++reserved_count;
  }
  pmemobj_cancel(pool_.handle(), trial.data(), reserved_count);
  if (reserved_count == extension_count) return Status::Ok();
  return Status::Full(fmt::format("the pool has no space for a redo log of {} bytes: {}", log_bytes,
                                  pool_.path().string()));
}

Status Publication::Publish() {
  std::vector<pobj_action>& actions = scratch_->heap_actions;
  const size_t heap_count = actions.size();
  RETURN_IF_ERROR(CheckLogFits(heap_count + scratch_->stores.size()));
  for (const PendingStore& store : scratch_->stores) {
    pobj_action action;
    pmemobj_set_value(pool_.handle(), &action, store.word, store.value);
    actions.push_back(action);
  }
  if (pmemobj_publish(pool_.handle(), actions.data(), actions.size()) != 0) {
    const Status status = PmemobjError("pmemobj_publish", errno, pool_.path());
    actions.resize(heap_count);  // cancelled on destruction
    return status;
  }
  actions.clear();
  return Status::Ok();
}

}  // namespace fencepost::pmem
