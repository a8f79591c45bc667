// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace fencepost::filestore {
namespace {

// The data file grows by an eighth of itself, within these bounds, so that reserving is rare.
constexpr uint64_t kMinGrowBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxGrowBytes = uint64_t{16} << 20;
// The memory for encoding a record that is kept for the next one.
constexpr size_t kKeepRecordBytes = size_t{1} << 20;
// All lengths in a log record have 32 bits.
constexpr uint64_t kMaxRecordBytes = uint64_t{3} << 30;

Status CheckKey(std::string_view key) {
  if (key.size() <= kMaxKeyBytes) [[likely]]
    return Status::Ok();
  return Status::InvalidArgument(fmt::format(
      "filestore: a key of {} bytes; at most {} are possible", key.size(), kMaxKeyBytes));
}

Status CheckValue(std::string_view value) {
  if (value.size() <= kMaxValueBytes) [[likely]]
    return Status::Ok();
  return Status::InvalidArgument(fmt::format(
      "filestore: a value of {} bytes; at most {} are possible", value.size(), kMaxValueBytes));
}

// The writes that decide: the last one of each key, in key order. Order among different keys makes
// no difference to the outcome.
std::vector<const Write*> LastOfEachKey(std::span<const Write> batch) {
  std::vector<const Write*> writes;
  writes.reserve(batch.size());
  for (const Write& write : batch) writes.push_back(&write);
  std::stable_sort(writes.begin(), writes.end(),
                   [](const Write* a, const Write* b) { return a->key < b->key; });
  std::vector<const Write*> last;
  for (const Write* write : writes) {
    if (!last.empty() && last.back()->key == write->key) last.pop_back();
    last.push_back(write);
  }
  return last;
}

}  // namespace

// One leaf of a scan, copied out so that visitors hold no pin.
struct Store::LeafCursor {
  std::string start;
  bool more = true;  // there is a leaf at or after `start`
  Lsn seen = 0;
  std::string next;
  std::string value;
  Page page;
};

Status Store::Put(std::string_view key, std::string_view value) {
  RETURN_IF_ERROR(CheckKey(key));
  RETURN_IF_ERROR(CheckValue(value));
  Lsn lsn = 0;
  {
    const std::lock_guard lock(writer_mutex_);
    RETURN_IF_ERROR(log_->Health());
    RETURN_IF_ERROR(transaction_->Begin());
    RETURN_IF_ERROR(TreeWriter(&*transaction_).Put(key, value));
    RETURN_IF_ERROR(Commit(&lsn));
  }
  return AwaitWrite(lsn);
}

Status Store::Delete(std::string_view key) {
  RETURN_IF_ERROR(CheckKey(key));
  Lsn lsn = 0;
  bool found = false;
  {
    const std::lock_guard lock(writer_mutex_);
    RETURN_IF_ERROR(log_->Health());
    RETURN_IF_ERROR(transaction_->Begin());
    RETURN_IF_ERROR(TreeWriter(&*transaction_).Delete(key, &found));
    if (found) {
      RETURN_IF_ERROR(Commit(&lsn));
    } else {
      // That it is absent is an answer too, and may rest on a delete that is not durable yet.
      lsn = log_->appended_lsn();
    }
  }
  if (found) return AwaitWrite(lsn);
  RETURN_IF_ERROR(AwaitRead(lsn));
  return Status::NotFound();
}

Status Store::Apply(std::span<const Write> batch) {
  uint64_t value_bytes = 0;
  for (const Write& write : batch) {
    RETURN_IF_ERROR(CheckKey(write.key));
    RETURN_IF_ERROR(CheckValue(write.value));
    value_bytes += write.value.size();
  }
  if (value_bytes > kMaxRecordBytes) {
    return Status::InvalidArgument(
        fmt::format("filestore: a batch with {} bytes of values; at most {} are possible",
                    value_bytes, kMaxRecordBytes));
  }
  Lsn lsn = 0;
  {
    const std::lock_guard lock(writer_mutex_);
    RETURN_IF_ERROR(log_->Health());
    RETURN_IF_ERROR(transaction_->Begin());
    TreeWriter tree(&*transaction_);
    for (const Write* write : LastOfEachKey(batch)) {
      bool found = false;
      RETURN_IF_ERROR(write->kind == Write::Kind::kPut ? tree.Put(write->key, write->value)
                                                       : tree.Delete(write->key, &found));
    }
    if (transaction_->empty()) {
      lsn = log_->appended_lsn();
    } else {
      RETURN_IF_ERROR(Commit(&lsn));
    }
  }
  return AwaitWrite(lsn);
}

// Space for the transaction in both files, and its pages in the file's range, before anything is
// promised.
Status Store::MakeRoom() {
  const uint64_t needed = uint64_t{transaction_->meta().page_count} * kPageBytes;
  if (needed > data_bytes_) {
    uint64_t wanted = needed + std::clamp(data_bytes_ / 8, kMinGrowBytes, kMaxGrowBytes);
    Status status = data_->Allocate(wanted);
    if (status.code() == StatusCode::kFull) {
      wanted = needed;
      status = data_->Allocate(wanted);
    }
    RETURN_IF_ERROR(status);
    data_bytes_ = wanted;
  }
  const uint64_t record_bytes = transaction_->MaxRecordBytes();
  if (record_bytes > kMaxRecordBytes) {
    return Status::InvalidArgument(
        fmt::format("filestore: {} bytes of pages in one change; at most {} are possible",
                    record_bytes, kMaxRecordBytes));
  }
  if (log_->PastLimit(record_bytes) && log_->epoch_bytes() != 0) {
    RETURN_IF_ERROR(Checkpoint(promises_power_loss()));
  }
  Status status = log_->Reserve(record_bytes);
  if (status.code() == StatusCode::kFull && log_->epoch_bytes() != 0) {
    // A checkpoint makes room of what the log file has already.
    RETURN_IF_ERROR(Checkpoint(promises_power_loss()));
    status = log_->Reserve(record_bytes);
  }
  return status;
}

Status Store::Commit(Lsn* lsn) {
  RETURN_IF_ERROR(MakeRoom());
  record_.clear();
  RETURN_IF_ERROR(transaction_->Encode(log_->epoch_start(), &record_));
  if (record_.empty()) {  // what was put was there already; that may not be durable yet
    *lsn = log_->appended_lsn();
    return Status::Ok();
  }
  RETURN_IF_ERROR(log_->Append(record_, lsn));
  if (record_.capacity() > kKeepRecordBytes) std::string().swap(record_);

  Status status;
  {
    const TreeLatch::Exclusive exclusive(latch_);
    status = transaction_->Install(*lsn);
    if (!status.ok()) half_installed_.store(true, std::memory_order_relaxed);
    if (transaction_->meta().root != meta_.root) root_lsn_ = *lsn;
    meta_ = transaction_->meta();
    meta_lsn_ = *lsn;
  }
  if (status.ok()) return status;
  log_->Poison(status);
  return log_->Health();
}

Status Store::Checkpoint(bool sync) {
  RETURN_IF_ERROR(log_->Health());
  const Lsn end = log_->appended_lsn();
  RETURN_IF_ERROR(sync ? log_->WaitDurable(end) : log_->WaitWritten(end));
  RETURN_IF_ERROR(pool_->WriteBackAll());
  // Before the header that lets go of the log: what the log protects must be in the data file.
  if (sync) {
    if (const Status status = data_->Sync(); !status.ok()) {
      log_->Poison(status);
      return log_->Health();
    }
  }
  return log_->StartEpoch(sync);
}

Status Store::AwaitWrite(Lsn lsn) {
  switch (options_.durability) {
    case Durability::kPowerFail:
      return log_->WaitDurable(lsn);
    case Durability::kPrefix:
    case Durability::kProcessCrash:
      return log_->WaitWritten(lsn);
    case Durability::kBuffered:
    case Durability::kNone:
      return Status::Ok();
  }
  return Status::Ok();
}

Status Store::AwaitRead(Lsn lsn) {
  return options_.durability == Durability::kPowerFail ? log_->WaitDurable(lsn) : Status::Ok();
}

Status Store::CheckReadable() const {
  if (!half_installed_.load(std::memory_order_relaxed)) [[likely]]
    return Status::Ok();
  return log_->Health();
}

Status Store::Get(std::string_view key, ValueVisitor visit) {
  RETURN_IF_ERROR(CheckKey(key));
  Lsn seen = 0;
  bool exact = false;
  {
    const TreeLatch::Shared shared(latch_);
    RETURN_IF_ERROR(CheckReadable());
    seen = root_lsn_;
    TreeReader tree(&*pool_, meta_.root);
    BufferPool::Ref leaf;
    RETURN_IF_ERROR(tree.FindLeaf(key, &leaf, &seen));
    const unsigned slot = LowerBound(*leaf, key, &exact);
    if (exact) {
      const Cell cell = LeafCell(*leaf, slot);
      if (cell.is_overflow) {
        leaf.Release();
        const auto value = std::make_unique_for_overwrite<char[]>(cell.value_bytes);
        RETURN_IF_ERROR(tree.ReadChain(cell.chain, cell.value_bytes, value.get(), &seen));
        visit({value.get(), cell.value_bytes});
      } else {
        visit(cell.value);
      }
    }
  }
  // The visitor has seen it, the caller has no answer yet. Waiting here holds up nobody.
  RETURN_IF_ERROR(AwaitRead(seen));
  return exact ? Status::Ok() : Status::NotFound();
}

// REQUIRES the tree latch, shared.
Result<bool> Store::VisitLeaf(LeafCursor* cursor, size_t* limit, PairVisitor visit) {
  RETURN_IF_ERROR(CheckReadable());
  cursor->seen = std::max(cursor->seen, root_lsn_);
  TreeReader tree(&*pool_, meta_.root);
  {
    BufferPool::Ref leaf;
    RETURN_IF_ERROR(
        tree.FindLeaf(cursor->start, &leaf, &cursor->seen, &cursor->next, &cursor->more));
    cursor->page = *leaf;
  }
  bool exact = false;
  for (unsigned slot = LowerBound(cursor->page, cursor->start, &exact);
       slot < cursor->page.header.slots && *limit != 0; ++slot, --*limit) {
    const Cell cell = LeafCell(cursor->page, slot);
    std::string_view value = cell.value;
    if (cell.is_overflow) {
      cursor->value.resize(cell.value_bytes);
      RETURN_IF_ERROR(
          tree.ReadChain(cell.chain, cell.value_bytes, cursor->value.data(), &cursor->seen));
      value = cursor->value;
    }
    if (!visit(cell.key, value)) return false;
  }
  std::swap(cursor->start, cursor->next);
  return *limit != 0;
}

// The latch is held from the first pair to the last: what a scan sees existed at one instant.
Status Store::Scan(std::string_view start, size_t limit, PairVisitor visit) {
  const auto cursor = std::make_unique<LeafCursor>();
  cursor->start = start;
  {
    const TreeLatch::Shared shared(latch_);
    bool go_on = true;
    while (go_on && cursor->more) {
      ASSIGN_OR_RETURN(go_on, VisitLeaf(cursor.get(), &limit, visit));
    }
  }
  return AwaitRead(cursor->seen);
}

// Leaf by leaf, so that writers need not wait for all of it.
Status Store::ForEach(PairVisitor visit) {
  const auto cursor = std::make_unique<LeafCursor>();
  size_t limit = SIZE_MAX;
  bool go_on = true;
  while (go_on && cursor->more) {
    const TreeLatch::Shared shared(latch_);
    ASSIGN_OR_RETURN(go_on, VisitLeaf(cursor.get(), &limit, visit));
  }
  return AwaitRead(cursor->seen);
}

Status Store::Sync() {
  RETURN_IF_ERROR(log_->Health());
  if (promises_power_loss()) return log_->WaitDurable(log_->appended_lsn());
  // Pages and log headers were written with no sync between them: only a whole checkpoint puts
  // the files in order.
  const std::lock_guard lock(writer_mutex_);
  return Checkpoint(true);
}

Status Store::Settle() {
  const std::lock_guard lock(writer_mutex_);
  return Checkpoint(promises_power_loss());
}

Result<EngineStats> Store::Stats() {
  EngineStats stats;
  Lsn seen = 0;
  {
    const TreeLatch::Shared shared(latch_);
    stats.count = meta_.count;
    seen = meta_lsn_;
  }
  RETURN_IF_ERROR(AwaitRead(seen));
  ASSIGN_OR_RETURN(const uint64_t data_bytes, data_->StorageBytes());
  ASSIGN_OR_RETURN(const uint64_t log_bytes, log_file_->StorageBytes());
  stats.storage_bytes = data_bytes + log_bytes;
  stats.cache_bytes = pool_->used_bytes();
  stats.syncs = data_->sync_count() + log_file_->sync_count();
  const std::lock_guard lock(writer_mutex_);
  stats.debt_bytes = pool_->dirty_bytes() + log_->epoch_bytes();
  return stats;
}

Result<AuditReport> Store::Audit() {
  const std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(CheckReadable());
  ASSIGN_OR_RETURN(const TreeCensus census, TakeCensus(&*pool_, meta_));
  AuditReport report;
  report.allocated_objects = meta_.page_count - census.free_pages;
  report.reachable_objects = 1 + census.tree_pages + census.overflow_pages;
  report.allocated_bytes = report.allocated_objects * kPageBytes;
  report.reachable_bytes = report.reachable_objects * kPageBytes;
  return report;
}

Status Store::Close() {
  const std::lock_guard lock(writer_mutex_);
  if (closed_) return Status::Ok();
  closed_ = true;
  const bool clean = log_->epoch_bytes() == 0 && promises_power_loss();
  Status status = clean ? log_->Health() : Checkpoint(true);
  storage_->Unlock();
  return status;
}

Store::~Store() {
  // An error has nowhere to go; the log has all that was acknowledged.
  if (transaction_) (void)Close();
}

}  // namespace fencepost::filestore
