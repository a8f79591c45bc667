// SPDX-License-Identifier: BSD-3-Clause
// StoreLog: a trace as pmemcheck's store log, for pmreorder and its like.
//
//     log    := "START" record* "|STOP\n"
//     record := "|STORE;0x"addr";0x"value";0x"size (";"frame)* | "|FLUSH;0x"addr";0x"size |
//     "|FENCE"
//             | "|REGISTER_FILE;"path";0x"base";0x"size";0x"offset | "|DEEP_SYNC;0x"addr";0x"len
//             | "|"string
//
// A store is split into records of 8, 4, 2 and 1 bytes. A CLFLUSH is a FLUSH and a FENCE, and so is
// an msync or fsync, which the log has no word for. A mapping that the trace found and the program
// registers as well is one REGISTER_FILE. In a frame '|' and ';' are written '_'; a logged string
// and a path are verbatim.
// Not covered, since the log has no word for it: threads, non-temporal stores, unmaps, writes to
// the file, set-clean, transactions, operations, notes. Source: pmemcheck's documentation of
// --log-stores.
#ifndef FENCEPOST_FAULTINJECT_TRACE_STORE_LOG_H_
#define FENCEPOST_FAULTINJECT_TRACE_STORE_LOG_H_

#include <functional>
#include <string>
#include <string_view>

#include "faultinject/trace/trace_file.h"
#include "faultinject/trace/trace_mappings.h"

namespace fencepost {

class StoreLog {
 public:
  using Output = std::function<void(std::string_view)>;

  // `trace` resolves stacks and files; it must outlive this. `stacks`: frames after a store's size.
  StoreLog(const TraceFile& trace, bool stacks, Output output);

  // For events in order.
  void Append(const fpt_event& event);
  // The end of the log; then nothing more may come.
  void Stop();
  // Gives what is buffered to the output: the log of a damaged trace ends without a STOP.
  void Flush();

 private:
  void AppendStore(const fpt_event& event);
  void AppendRange(std::string_view record, const fpt_event& event);
  void AppendMap(const fpt_event& event);

  const TraceFile& trace_;
  const bool stacks_;
  const Output output_;
  std::string buffer_ = "START";
  TraceMappings mappings_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_STORE_LOG_H_
