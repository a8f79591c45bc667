// SPDX-License-Identifier: BSD-3-Clause
// TraceFile: a trace on disk, mapped read-only, with its stacks, frames and files at hand.
//
// Invariants:
//   1. Events come in order; those of a truncated or damaged trace come up to the cut or the
//   damage.
//   2. What an event refers to is known when the event comes, if the trace defined it at all.
//   3. All views point into the mapping: they are valid as long as the TraceFile is.
// Threads: none; one TraceFile is used by one thread.
// Not covered: a file that is cut while it is mapped ends the process (SIGBUS).
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_FILE_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engines/status.h"
#include "faultinject/trace/trace_reader.h"

namespace fencepost {

inline std::string_view View(const fpt_text& text) { return {text.data, text.size}; }

// One call in a stack. Empty or 0: not known.
struct TraceFrame {
  uint64_t address = 0;
  std::string_view function;
  std::string_view source_file;
  uint32_t line = 0;
  std::string_view object;
};

class TraceFile {
 public:
  // kIoError if the file cannot be read; kCorrupt if it is no trace, one of another version, or its
  // header is cut or damaged.
  static Result<TraceFile> Open(const std::string& path);

  // The next event, or null at the end. Valid until the next call.
  const fpt_event* Next();
  // Starts over at the first event; the tables are kept.
  void Rewind();

  // Calls visitor(const fpt_event&) for every event from the first on; kCorrupt as End().
  template <typename Visitor>
  Status ForEach(Visitor&& visitor) {
    Rewind();
    while (const fpt_event* event = Next()) visitor(*event);
    return End();
  }

  // After the last event: ok if the trace is complete or truncated, kCorrupt if it is damaged.
  Status End() const;
  bool truncated() const { return reader_.end == FPT_END_TRUNCATED; }
  // "truncated at byte 4096, after 12 events: path"
  std::string TruncationRemark() const;

  uint32_t pid() const { return reader_.pid; }
  uint64_t events() const { return reader_.events; }  // so far
  uint64_t bytes() const { return reader_.size; }

  // What the events so far have defined. Code addresses innermost first; empty if not known.
  std::span<const uint64_t> Stack(uint32_t id) const;
  TraceFrame Frame(uint64_t address) const;
  std::string_view Path(uint32_t file) const;
  // The innermost frame of a stack whose source line is known; else its innermost one.
  TraceFrame InnermostLine(uint32_t stack) const;

 private:
  struct Unmap {
    size_t bytes;
    void operator()(void* base) const;
  };

  TraceFile(std::string path, std::unique_ptr<void, Unmap> mapping);
  void Define(const fpt_event& event);

  std::string path_;
  std::unique_ptr<void, Unmap> mapping_;
  fpt_reader reader_ = {};
  fpt_event event_ = {};
  std::unordered_map<uint32_t, std::vector<uint64_t>> stacks_;
  std::unordered_map<uint64_t, TraceFrame> frames_;
  std::map<uint32_t, std::string_view> paths_;
};

// Whether events of this kind are by a thread, and whether they carry a stack (rather than define
// it).
bool HasThread(fpt_kind kind);
bool HasStack(fpt_kind kind);

// "main (store.c:12)", "main (in libc.so.6)", "main", or "0x401136".
std::string DescribeFrame(const TraceFrame& frame);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_TRACE_FILE_H_
