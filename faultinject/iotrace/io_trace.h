// SPDX-License-Identifier: BSD-3-Clause
// IoTrace: the events of a recorded run, from its file (log_format.h).
//
// Volatile files (by name patterns that the trace keeps, e.g. LMDB's lock.mdb) have events of their
// names only: what they hold is neither recorded nor proved, and a replay leaves them as they were
// at the start, new ones empty.
//
// Invariants: an event is given only if it is whole: its length and checksum hold.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_IO_TRACE_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_IO_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/iotrace/io_event.h"

namespace fencepost {

class IoTrace {
 public:
  // kCorrupt for what is no trace, was cut short or is of another version; kUnsupported for one of
  // a run that was refused, with the reason; kIoError.
  static Result<IoTrace> Open(const std::filesystem::path& path);

  uint64_t events() const { return events_; }
  uint64_t final_tree() const { return final_tree_; }
  const std::vector<std::string>& volatile_names() const { return volatile_names_; }
  bool IsVolatile(std::string_view name) const;

  // The next event into `*event`, or false at the end. kCorrupt for a damaged record.
  Result<bool> Next(IoEvent* event);
  // Of the event that Next() gave last.
  uint64_t number() const { return next_number_ - 1; }
  // Begins again with the first one.
  void Rewind();

  // From now on Next() leaves this event out. For tests: a recorder that missed it.
  void DropForTest(uint64_t number) { dropped_ = number; }

 private:
  struct Unmap {
    size_t bytes;
    void operator()(const char* begin) const;
  };

  IoTrace() = default;
  Status ReadHeader(const std::filesystem::path& path);
  Status Damaged(std::string_view what) const;

  std::filesystem::path path_;
  std::unique_ptr<const char, Unmap> begin_;
  uint64_t bytes_ = 0;
  uint64_t events_ = 0;
  uint64_t final_tree_ = 0;
  std::vector<std::string> volatile_names_;
  uint64_t at_ = 0;
  uint64_t next_number_ = 0;
  uint64_t dropped_ = UINT64_MAX;
  std::map<uint32_t, uint32_t> threads_;  // the kernel's number of each: ours
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_IO_TRACE_H_
