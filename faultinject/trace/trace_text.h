// SPDX-License-Identifier: BSD-3-Clause
// EventText: an event of a trace as one line of text or one JSON object.
//
//     17 t1 store 0x7f0000001040 pool:0x1040 8 0x2a nt at Put (store.c:12)
//     18 t1 flush clwb 0x7f0000001040 pool:0x1040 64 at Put (store.c:13)
//
// Number, thread ('-' where the kind has none), kind; then the fields of the kind. An address
// inside a mapping is followed by file and offset. A store of 1, 2, 4 or 8 bytes shows a number, of
// other sizes its bytes; a line shows at most kShownBytes, JSON all. The source line is the
// innermost one.
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_TEXT_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_TEXT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "faultinject/trace/trace_file.h"
#include "faultinject/trace/trace_mappings.h"

namespace fencepost {

class EventText {
 public:
  static constexpr uint64_t kShownBytes = 32;

  // `trace` resolves stacks and files; it must outlive this.
  explicit EventText(const TraceFile& trace) : trace_(trace) {}

  // Without a line break. For events in order, each once: one of the two.
  std::string Line(const fpt_event& event);
  std::string JsonLine(const fpt_event& event);

 private:
  struct Field {
    const char* name;
    nlohmann::ordered_json value;
    std::string text;  // empty: not in the line
  };
  using Fields = std::vector<Field>;

  Fields FieldsOf(const fpt_event& event) const;
  void AddWhere(uint64_t address, Fields* fields) const;
  void AddSource(uint32_t stack, Fields* fields) const;

  const TraceFile& trace_;
  TraceMappings mappings_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_TRACE_TEXT_H_
