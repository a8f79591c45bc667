// SPDX-License-Identifier: BSD-3-Clause
// A history in a file, as the process that runs the store leaves it: one JSON object a line,
// written before each call and after it, so that what was under way when the process died is known.
//
//     {"initial":[{"key":"6b","value":"76"}]}
//     {"id":17,"thread":0,"kind":"write","writes":[{"key":"6b","value":null}]}
//     {"end":17,"outcome":"done"}
//     {"id":16,"thread":0,"kind":"write","writes":[{"key":"6b","value":"77"}],"replaces":"76"}
//     {"id":18,"thread":0,"kind":"read","key":"6b"}
//     {"end":18,"outcome":"done","found":null}
//     {"id":19,"thread":1,"kind":"read-all"}
//     {"end":19,"outcome":"done","contents":[{"key":"6b","value":"76"}]}
//     {"id":20,"thread":1,"kind":"sync"}
//
// Keys and values are hexadecimal: any bytes go. Positions are not in it: they are the trace's.
//
// Invariants: a line is handed to the kernel whole, before the call that it announces is made, so
//   only the last line may be cut, by the death of the process.
// Threads: HistoryWriter: any.
// Not covered: the loss of power of the machine that records; nothing is synced.
#ifndef FENCEPOST_HARNESS_ORACLE_HISTORY_FILE_H_
#define FENCEPOST_HARNESS_ORACLE_HISTORY_FILE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "engines/status.h"
#include "harness/oracle/history.h"

namespace fencepost {

// When an operation was under way, in event numbers; end is kNever where it did not return.
struct OpSpan {
  uint64_t begin = 0;
  uint64_t end = kNever;
};
using OpSpans = std::unordered_map<uint64_t, OpSpan>;  // by the operation's id

class HistoryWriter {
 public:
  // Sees each line's number, from 1, once it has been written and before the next one is.
  using AfterLine = std::function<Status(uint64_t line)>;

  // Makes the file anew. `after_line` may be empty; a line whose call is not ok counts as not
  // written. Errors: kIoError, kFull.
  static Result<HistoryWriter> Create(const std::filesystem::path& path, AfterLine after_line = {});
  HistoryWriter(HistoryWriter&&) noexcept;
  HistoryWriter& operator=(HistoryWriter&&) noexcept;
  ~HistoryWriter();

  // What the store holds before the first operation. REQUIRES: called at most once.
  Status Initial(const StoreContents& contents);
  // Before the call. Of `op`: id, thread, kind, and writes or key. REQUIRES: a new id.
  Status Begin(const HistoryOp& op);
  // After the call, with its answer. `found`: of a read. REQUIRES: begun.
  Status End(uint64_t id, HistoryOp::Outcome outcome,
             const std::optional<std::string>& found = std::nullopt);
  Status EndReadAll(uint64_t id, HistoryOp::Outcome outcome, const StoreContents& contents);

 private:
  class File;
  explicit HistoryWriter(std::unique_ptr<File> file);

  std::unique_ptr<File> file_;
};

// The history in `path`, its operations at `positions`. An operation without an answer never
// returned, whatever its span; one without an answer and without a span was never called and is
// left out. `*cut`: whether the last line was cut, and so ignored. Errors: kIoError; kCorrupt
// naming file:line for anything else that is malformed; kInvalidArgument for an answered operation
// without a span, or with one that is empty.
Result<History> ReadHistory(const std::filesystem::path& path, const OpSpans& positions,
                            bool* cut = nullptr);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_HISTORY_FILE_H_
