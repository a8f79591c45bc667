// SPDX-License-Identifier: BSD-3-Clause
// TraceMappings: which addresses are persistent at a point of a trace, and where in which file.
//
// Invariants: mappings do not overlap; of two, the later holds the addresses that both claim. But
// one without a file (0) takes only addresses that no other holds: libpmemobj announces parts of
// its pool once more that way. FPT_REMOVE_MAPPING changes nothing here: it silences reports, the
// addresses stay mapped. Threads: none.
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_MAPPINGS_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_MAPPINGS_H_

#include <cstdint>
#include <map>
#include <optional>

#include "faultinject/trace/trace_reader.h"

namespace fencepost {

struct TraceMapping {
  uint64_t base = 0;
  uint64_t length = 0;
  uint32_t file = 0;
  uint64_t file_offset = 0;  // of `base`

  bool operator==(const TraceMapping&) const = default;
};

class TraceMappings {
 public:
  // Takes note of FPT_MAP and FPT_UNMAP; every other event changes nothing.
  void Apply(const fpt_event& event);
  // The mapping that holds this address.
  std::optional<TraceMapping> Find(uint64_t address) const;
  // That mapping, or else the first one beyond this address.
  std::optional<TraceMapping> FindFrom(uint64_t address) const;

 private:
  void Remove(uint64_t base, uint64_t length);
  void FillGaps(uint64_t base, uint64_t length);

  std::map<uint64_t, TraceMapping> by_base_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_TRACE_TRACE_MAPPINGS_H_
