// SPDX-License-Identifier: BSD-3-Clause
// WriteLog: what was written to a disk, in the order in which it was, as QEMU's filter blklogwrites
// or Linux's dm-log-writes have logged it. A superblock, then entries, each padded to a sector and
// followed by what it wrote.
//
// Invariants: every entry lies within the file, and what it wrote is as long as it says.
// Threads: none; once open, const calls from any.
// Not covered: logs that are still being written; what the superblock does not count yet.
// Source: Linux, Documentation/admin-guide/device-mapper/log-writes.rst; the structures
//   log_write_super and log_write_entry of drivers/md/dm-log-writes.c, all little endian.
#ifndef FENCEPOST_FAULTINJECT_VM_WRITE_LOG_H_
#define FENCEPOST_FAULTINJECT_VM_WRITE_LOG_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// Of a request; QEMU has none of the last.
enum WriteLogFlag : uint64_t {
  kLogFlush = 1,    // all that was written before is durable
  kLogFua = 2,      // durable itself
  kLogDiscard = 4,  // of these sectors, which hold nothing afterwards
  kLogMark = 8,     // a remark of whoever watches: no request
  kLogMetadata = 16,
};

struct WriteLogEntry {
  uint64_t sector = 0;
  uint64_t sectors = 0;
  uint64_t flags = 0;
  std::string_view data;  // of a write: its sectors; of a mark: its text

  bool Is(WriteLogFlag flag) const { return (flags & flag) != 0; }
  bool writes() const { return sectors > 0 && !Is(kLogDiscard) && !Is(kLogMark); }
};

class WriteLog {
 public:
  // kIoError; kCorrupt, naming the entry, for what is no log, or is cut off.
  static Result<WriteLog> Open(const std::filesystem::path& path);

  const std::vector<WriteLogEntry>& entries() const { return entries_; }
  uint64_t sector_bytes() const { return sector_bytes_; }
  // Of the file that are used.
  uint64_t log_bytes() const { return log_bytes_; }

 private:
  class Mapping;

  std::shared_ptr<const Mapping> mapping_;
  std::vector<WriteLogEntry> entries_;
  uint64_t sector_bytes_ = 0;
  uint64_t log_bytes_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_VM_WRITE_LOG_H_
