// SPDX-License-Identifier: BSD-3-Clause
// The redo log: one file, written over and over, an epoch at a time.
//
//   offset 0      header slot 0 \  the epoch's header is in slot epoch % 2, so that writing the
//   next offset 4096   header slot 1 /  one cannot hurt it offset 8192   records of this epoch,
//   each 8-byte aligned; behind them stale bytes
//
// Why one file and not two, or a fresh one each time: its blocks stay allocated, so that after the
// first round an fdatasync of the log carries no file-system metadata, a full disk cannot take away
// room that was reserved, and there are no names whose directory would have to be synced. A
// checkpoint starts the next epoch by one header write: until that is durable the old header and
// all its records are, and from then on they are not needed.
//
// Records are told from stale bytes of an earlier epoch by the CRC, which is seeded with store and
// epoch, and by the LSN that each carries: LSNs grow for ever, never reset.
//
// Invariants:
//   1. durable_lsn <= written_lsn <= appended_lsn; none ever decreases.
//   2. One flush at a time (leader); who comes meanwhile waits, and one of them leads the next,
//      which covers all of them: group commit.
//   3. After a failed write or sync of the log nothing is ever written again (poison): the kernel
//      may have marked the lost pages clean, so that a retry would succeed and mean nothing.
// Threads: one appender at a time; everything else from any thread.
// Not covered: a flipped bit in the last record before the end is taken for a torn tail, unless a
//   page in the data file, or a later record that says it was durable, tells otherwise.
#ifndef FENCEPOST_ENGINES_FILESTORE_REDO_LOG_H_
#define FENCEPOST_ENGINES_FILESTORE_REDO_LOG_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

#include "engines/filestore/aligned_buffer.h"
#include "engines/filestore/log_format.h"
#include "engines/filestore/storage.h"
#include "engines/function_ref.h"
#include "engines/status.h"

namespace fencepost::filestore {

class RedoLog {
 public:
  // `soft_bytes`: what an epoch should hold at most; `buffer_bytes`: appended records are written
  // out, at the latest, when so many have gathered.
  RedoLog(File* file, uint64_t soft_bytes, size_t buffer_bytes, bool direct);

  // Writes the header of a fresh log's first epoch and syncs it.
  static Status Format(File* file, uint64_t store_id);

  // True if the log has never had a record or a second epoch. kCorrupt if it is no log of ours.
  static Result<bool> IsFresh(File* file);

  // Finds the valid records of the current epoch and, if `make_durable`, makes sure that they are
  // durable before anything depends on them. kCorrupt if the log is damaged where it was durable.
  // Then Replay, then StartEpoch, and only then Append.
  Status Open(uint64_t store_id, bool make_durable);

  // Calls `apply` for each record found by Open, in order, with its LSN and payload.
  Status Replay(FunctionRef<Status(Lsn lsn, std::string_view payload)> apply);

  // Reserves space in the file for a record with a payload of so many bytes. kFull if there is
  // none; nothing has changed then.
  Status Reserve(uint64_t payload_bytes);
  // Whether a record of so many bytes would take the epoch past soft_bytes.
  bool PastLimit(uint64_t payload_bytes) const;

  // Adds a record; `*lsn` is where it ends. REQUIRES Reserve, and a payload that is not empty.
  Status Append(std::string_view payload, Lsn* lsn);

  // Returns when everything up to `lsn` has been handed to the operating system, or is durable.
  Status WaitWritten(Lsn lsn) { return written_lsn() >= lsn ? Status::Ok() : Flush(lsn, false); }
  Status WaitDurable(Lsn lsn) { return durable_lsn() >= lsn ? Status::Ok() : Flush(lsn, true); }

  // Starts the next epoch; all records of the present one are forgotten. REQUIRES that the data
  // file has (durably, if `sync`) all that they changed. Not at once with Append.
  Status StartEpoch(bool sync);

  // Makes every later write fail with kIoError.
  void Poison(const Status& cause);
  Status Health() const;

  Lsn appended_lsn() const { return appended_lsn_.load(std::memory_order_acquire); }
  Lsn written_lsn() const { return written_lsn_.load(std::memory_order_acquire); }
  Lsn durable_lsn() const { return durable_lsn_.load(std::memory_order_acquire); }
  // Pages with a larger LSN were changed in this epoch.
  Lsn epoch_start() const { return header_.start_lsn; }
  uint64_t epoch_bytes() const { return appended_lsn() - epoch_start(); }

 private:
  struct Pending {
    AlignedBuffer bytes;
    uint64_t file_offset = kLogBodyOffset;  // where bytes[0] goes
  };

  uint64_t OffsetOf(Lsn lsn) const { return kLogBodyOffset + (lsn - header_.start_lsn); }
  Status Flush(Lsn lsn, bool sync);
  Status WriteOut(Pending* pending);
  Status WriteHeader(const LogHeader& header, bool sync);
  Status RewriteRecords(Lsn end);
  Status CheckLostHeader(bool other_slot_valid);

  File* const file_;
  const uint64_t soft_bytes_;
  const size_t buffer_bytes_;
  const bool direct_;
  LogHeader header_{};
  uint64_t allocated_bytes_ = 0;  // of the file; touched by the appender only

  std::atomic<Lsn> appended_lsn_{0};
  std::atomic<Lsn> written_lsn_{0};
  std::atomic<Lsn> durable_lsn_{0};

  mutable std::mutex mutex_;
  std::condition_variable flushed_;
  bool flushing_ = false;
  Status health_;
  std::atomic<bool> poisoned_{false};
  Pending active_;    // guarded by mutex_
  Pending outgoing_;  // owned by whoever set flushing_
};

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_REDO_LOG_H_
