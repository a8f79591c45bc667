// SPDX-License-Identifier: BSD-3-Clause
// StoreLogReader: pmemcheck's store log (store_log.h has the form of it) as a trace.
//
// What the records become:
//     STORE          a store of thread 1, the value's `size` low bytes, little endian; frames after
//                    the size are its stack
//     FLUSH, FENCE   a weak flush (CLWB) and a fence of thread 1. The log has a FLUSH and a FENCE
//                    for a CLFLUSH too: both make the line durable, and nothing else that thread 1
//                    has flushed is left for that fence, or it was to be drained at that point
//     REGISTER_FILE  a file, when its path comes first, and a mapping
//     DEEP_SYNC      a sync
//     NAME.BEGIN     an operation begins; they are numbered from 1 in this order
//     NAME.END       the innermost open operation of that name is acknowledged
//     other text     a log event
//
// Invariants: one pass, memory in proportion to the distinct frames, stacks and open operations.
//   A log that is damaged is refused; what was written of the trace until then is not to be used.
// Threads: none.
// Not covered, since the log has no word for it: threads (a fence of any drains all), non-temporal
//   and wide stores (pieces of 8 bytes may tear from each other), unmaps, writes to the file. In a
//   pmemcheck before Fencepost's a locked instruction is no fence.
#ifndef FENCEPOST_FAULTINJECT_TRACE_STORE_LOG_READER_H_
#define FENCEPOST_FAULTINJECT_TRACE_STORE_LOG_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engines/status.h"

namespace fencepost {

struct StoreLogFile {
  std::string path;           // as the log has it
  uint64_t mapped_bytes = 0;  // where the farthest mapping of it ends
};

struct StoreLogSummary {
  uint64_t events = 0;
  uint64_t stores = 0;
  uint64_t operations = 0;
  std::vector<StoreLogFile> files;  // in the order of their numbers, from 1
};

// Reads the log at `log_path` and writes the trace to `trace_path`, which is replaced.
// kIoError if either cannot be read or written; kCorrupt, with "path:line", where the log is
// malformed, cut, or ends an operation that has not begun.
Result<StoreLogSummary> ConvertStoreLog(const std::string& log_path, const std::string& trace_path);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_STORE_LOG_READER_H_
