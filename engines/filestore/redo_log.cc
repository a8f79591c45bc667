// SPDX-License-Identifier: BSD-3-Clause
#include "engines/filestore/redo_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engines/filestore/crc32c.h"

namespace fencepost::filestore {
namespace {

// The log file grows in such steps, so that reserving is rare.
constexpr uint64_t kGrowBytes = uint64_t{1} << 20;
constexpr size_t kCopyBytes = size_t{1} << 16;

uint64_t AlignUp(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

}  // namespace

RedoLog::RedoLog(File* file, uint64_t soft_bytes, size_t buffer_bytes, bool direct)
    : file_(file), soft_bytes_(soft_bytes), buffer_bytes_(buffer_bytes), direct_(direct) {}

Status RedoLog::Format(File* file, uint64_t store_id) {
  RedoLog log(file, 0, 0, false);
  const LogHeader header{.magic = kLogMagic,
                         .store_id = store_id,
                         .epoch = 1,
                         .start_lsn = 8,  // pages that no record has touched have LSN 0
                         .version = kFormatVersion,
                         .checksum = 0};
  RETURN_IF_ERROR(file->Allocate(kLogBodyOffset));
  return log.WriteHeader(header, true);
}

Result<bool> RedoLog::IsFresh(File* file) {
  LogHeader headers[2];
  RETURN_IF_ERROR(ReadLogHeaders(file, headers));
  // A creation cut short may leave no valid header; a log in use always has one.
  if (headers[0].magic != 0) return false;
  if (headers[1].magic == 0) return true;
  LogReader reader(file, headers[1]);
  ASSIGN_OR_RETURN(const bool has_record, reader.Next());
  return headers[1].epoch == 1 && !has_record;
}

Status RedoLog::WriteHeader(const LogHeader& header, bool sync) {
  const auto page = std::make_unique<Page>();
  std::memset(page->bytes(), 0, kPageBytes);
  header_ = header;
  header_.checksum = HeaderChecksum(header_);
  std::memcpy(page->bytes(), &header_, sizeof(header_));
  RETURN_IF_ERROR(file_->WriteAt(header_.epoch % 2 * kPageBytes, {page->bytes(), kPageBytes}));
  return sync ? file_->Sync() : Status::Ok();
}

Status RedoLog::Open(uint64_t store_id, bool make_durable) {
  LogHeader headers[2];
  RETURN_IF_ERROR(ReadLogHeaders(file_, headers));
  const bool newest = headers[1].epoch > headers[0].epoch;
  if (headers[newest].magic == 0) {
    return Status::Corrupt(
        fmt::format("{}: no valid header: not a filestore log, or damaged", file_->name()));
  }
  if (headers[newest].store_id != store_id) {
    return Status::Corrupt(fmt::format("{}: belongs to another data file", file_->name()));
  }
  header_ = headers[newest];
  LogReader reader(file_, header_);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next());
    if (!more) break;
  }
  const Lsn end = reader.position();
  ASSIGN_OR_RETURN(const bool damaged, reader.FindProofOfDamage());
  if (damaged) {
    return Status::Corrupt(
        fmt::format("{}: offset {}: a record that had been made durable is damaged", file_->name(),
                    OffsetOf(end)));
  }
  RETURN_IF_ERROR(CheckLostHeader(headers[!newest].magic != 0));
  if (make_durable) RETURN_IF_ERROR(RewriteRecords(end));
  ASSIGN_OR_RETURN(allocated_bytes_, file_->Size());
  appended_lsn_.store(end, std::memory_order_release);
  written_lsn_.store(end, std::memory_order_release);
  durable_lsn_.store(make_durable ? end : 0, std::memory_order_release);
  return Status::Ok();
}

// A newer header that is not valid is either a torn write, and then its epoch has no record yet,
// or damage.
Status RedoLog::CheckLostHeader(bool other_slot_valid) {
  if (other_slot_valid) return Status::Ok();
  const auto first = std::make_unique<Page>();
  ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(kLogBodyOffset, first->bytes(), kPageBytes));
  RecordHeader record{};
  if (got >= sizeof(record)) std::memcpy(&record, first->bytes(), sizeof(record));
  LogHeader lost = header_;
  ++lost.epoch;
  lost.start_lsn = record.start_lsn;
  LogReader reader(file_, lost);
  ASSIGN_OR_RETURN(const bool has_record, reader.Next());
  if (!has_record) return Status::Ok();
  return Status::Corrupt(
      fmt::format("{}: the header of epoch {} is damaged", file_->name(), lost.epoch));
}

// What we just read may be in the page cache only, marked clean by an fsync that failed in an
// earlier process; or not yet synced by one that was killed. Write-back of data pages relies on it,
// so write it again (the same bytes: a tear does no harm) and sync.
Status RedoLog::RewriteRecords(Lsn end) {
  const uint64_t end_offset = OffsetOf(end);
  AlignedBuffer copy;
  for (uint64_t at = kLogBodyOffset; at < end_offset; at += kCopyBytes) {
    const uint64_t wanted = std::min<uint64_t>(kCopyBytes, AlignUp(end_offset) - at);
    copy.Resize(static_cast<size_t>(wanted));
    ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(at, copy.data(), copy.size()));
    copy.Resize(got);
    if (direct_) copy.Pad();
    RETURN_IF_ERROR(file_->WriteAt(at, copy.view()));
  }
  return WriteHeader(header_, true);
}

Status RedoLog::Replay(FunctionRef<Status(Lsn lsn, std::string_view payload)> apply) {
  const Lsn end = appended_lsn();
  LogReader reader(file_, header_);
  while (reader.position() < end) {
    ASSIGN_OR_RETURN(const bool valid, reader.Next());
    if (!valid) return Status::Corrupt(fmt::format("{}: changed while read", file_->name()));
    RETURN_IF_ERROR(apply(reader.position(), reader.payload()));
  }
  return Status::Ok();
}

bool RedoLog::PastLimit(uint64_t payload_bytes) const {
  return epoch_bytes() + RecordBytes(payload_bytes) > soft_bytes_;
}

Status RedoLog::Reserve(uint64_t payload_bytes) {
  // With O_DIRECT the last block is written whole.
  const uint64_t needed = AlignUp(OffsetOf(appended_lsn()) + RecordBytes(payload_bytes));
  if (needed <= allocated_bytes_) return Status::Ok();
  const uint64_t limit = AlignUp(kLogBodyOffset + soft_bytes_);
  const uint64_t roomy = std::max(needed, std::min(needed + kGrowBytes, limit));
  Status status = file_->Allocate(roomy);
  if (status.ok()) {
    allocated_bytes_ = roomy;
    return status;
  }
  if (status.code() != StatusCode::kFull || roomy == needed) return status;
  RETURN_IF_ERROR(file_->Allocate(needed));
  allocated_bytes_ = needed;
  return Status::Ok();
}

Status RedoLog::Append(std::string_view payload, Lsn* lsn) {
  CHECK(!payload.empty());  // the reader takes zeros for the end
  const Lsn start = appended_lsn();
  RecordHeader record{.checksum = 0,
                      .payload_bytes = static_cast<uint32_t>(payload.size()),
                      .start_lsn = start,
                      .durable_lsn = durable_lsn()};
  record.checksum = RecordChecksum(RecordSeed(header_.store_id, header_.epoch), record, payload);
  const uint64_t bytes = RecordBytes(payload.size());
  *lsn = start + bytes;

  std::unique_lock lock(mutex_);
  if (active_.bytes.size() + bytes > buffer_bytes_ && written_lsn() < start) {
    lock.unlock();
    RETURN_IF_ERROR(Flush(start, false));
    lock.lock();
  }
  if (!health_.ok()) return health_;
  static constexpr char kPadding[8] = {};
  active_.bytes.Append({reinterpret_cast<const char*>(&record), sizeof(record)});
  active_.bytes.Append(payload);
  active_.bytes.Append({kPadding, bytes - sizeof(record) - payload.size()});
  appended_lsn_.store(*lsn, std::memory_order_release);
  return Status::Ok();
}

Status RedoLog::Flush(Lsn lsn, bool sync) {
  std::unique_lock lock(mutex_);
  while ((sync ? durable_lsn() : written_lsn()) < lsn) {
    if (!health_.ok()) return health_;
    if (flushing_) {
      flushed_.wait(lock);
      continue;
    }
    flushing_ = true;
    const Lsn target = appended_lsn();
    const bool write = written_lsn() < target;
    if (write) {
      std::swap(active_, outgoing_);
      // With O_DIRECT the block that is not full yet is written now, and again when it has grown:
      // the bytes that are durable already are the same in both.
      const uint64_t end = OffsetOf(target);
      const size_t tail = direct_ ? static_cast<size_t>(end % kPageBytes) : 0;
      active_.bytes.Clear(2 * buffer_bytes_);
      active_.bytes.Append(outgoing_.bytes.view().substr(outgoing_.bytes.size() - tail));
      active_.file_offset = end - tail;
    }
    lock.unlock();
    Status status = write ? WriteOut(&outgoing_) : Status::Ok();
    if (status.ok() && sync) status = file_->Sync();
    lock.lock();
    flushing_ = false;
    if (status.ok()) {
      written_lsn_.store(target, std::memory_order_release);
      if (sync) durable_lsn_.store(target, std::memory_order_release);
    } else if (health_.ok()) {
      health_ = Status::IoError(
          fmt::format("{} (the store takes no more writes; open it again)", status.message()));
      poisoned_.store(true, std::memory_order_release);
    }
    flushed_.notify_all();
  }
  return Status::Ok();
}

Status RedoLog::WriteOut(Pending* pending) {
  if (direct_) pending->bytes.Pad();
  return file_->WriteAt(pending->file_offset, pending->bytes.view());
}

Status RedoLog::StartEpoch(bool sync) {
  {
    std::unique_lock lock(mutex_);
    flushed_.wait(lock, [&] { return !flushing_; });
    if (!health_.ok()) return health_;
    CHECK(written_lsn() == appended_lsn());
    flushing_ = true;  // keeps others from the file, and from header_, until the header is written
  }
  LogHeader next = header_;
  ++next.epoch;
  next.start_lsn = appended_lsn();
  const Status status = WriteHeader(next, sync);
  // A record larger than the limit made the file grow: give that back.
  const uint64_t limit = std::max(AlignUp(kLogBodyOffset + soft_bytes_), kLogBodyOffset);
  if (status.ok() && allocated_bytes_ > limit && file_->Truncate(limit).ok()) {
    allocated_bytes_ = limit;
  }
  {
    const std::lock_guard lock(mutex_);
    active_.bytes.Clear(2 * buffer_bytes_);
    active_.file_offset = kLogBodyOffset;
    flushing_ = false;
  }
  flushed_.notify_all();
  if (!status.ok()) {
    Poison(status);
    return Health();
  }
  if (sync) durable_lsn_.store(appended_lsn(), std::memory_order_release);
  return Status::Ok();
}

void RedoLog::Poison(const Status& cause) {
  {
    const std::lock_guard lock(mutex_);
    if (health_.ok()) {
      health_ = Status::IoError(
          fmt::format("{} (the store takes no more writes; open it again)", cause.message()));
      poisoned_.store(true, std::memory_order_release);
    }
  }
  flushed_.notify_all();
}

Status RedoLog::Health() const {
  if (!poisoned_.load(std::memory_order_acquire)) [[likely]]
    return Status::Ok();
  const std::lock_guard lock(mutex_);
  return health_;
}

}  // namespace fencepost::filestore
