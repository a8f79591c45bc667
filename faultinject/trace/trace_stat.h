// SPDX-License-Identifier: BSD-3-Clause
// TraceStat: what is in a trace, counted by kind, by thread and by source line.
//
// A line is the innermost one of the stack; a stack without one counts for its innermost function,
// and an event without a stack for "unknown". Bytes are those that stores wrote to memory.
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_STAT_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_STAT_H_

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "faultinject/trace/trace_file.h"

namespace fencepost {

struct TraceCounts {
  uint64_t stores = 0;
  uint64_t flushes = 0;
  uint64_t fences = 0;
  uint64_t bytes = 0;
};

class TraceStat {
 public:
  // `trace` resolves stacks; it must outlive this.
  explicit TraceStat(const TraceFile& trace) : trace_(trace) {}

  // For events in order.
  void Add(const fpt_event& event);

  // "store", "flush clwb", ...: number of events.
  std::map<std::string, uint64_t> ByKind() const;
  const std::map<uint32_t, TraceCounts>& by_thread() const { return by_thread_; }
  // Most bytes first; at most `top`.
  std::vector<std::pair<std::string, TraceCounts>> ByLine(size_t top) const;
  // Mean size of a store in the trace, its data and its share of thread changes included; 0 if
  // there is none.
  double disk_bytes_per_store() const;

  nlohmann::ordered_json ToJson(size_t top) const;

 private:
  std::string LineOf(uint32_t stack) const;

  const TraceFile& trace_;
  std::array<std::array<uint64_t, 4>, FPT_KIND_COUNT> by_kind_ = {};  // by kind, then `how`
  std::map<uint32_t, TraceCounts> by_thread_;
  std::unordered_map<std::string, TraceCounts> by_line_;
  std::unordered_map<uint32_t, TraceCounts*> line_of_stack_;  // into by_line_, whose nodes stay
  uint64_t stores_ = 0;
  uint64_t store_disk_bytes_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_TRACE_STAT_H_
