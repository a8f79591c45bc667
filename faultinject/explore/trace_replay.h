// SPDX-License-Identifier: BSD-3-Clause
// What the events of a trace do to files: addresses turned into ranges of files, and a whole trace
// replayed without a crash.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_TRACE_REPLAY_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_TRACE_REPLAY_H_

#include <algorithm>
#include <cstdint>

#include "engines/status.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/trace/trace_file.h"
#include "faultinject/trace/trace_mappings.h"

namespace fencepost {

// The recorder's number for persistent memory that is no file, such as the variable by which
// libpmem finds out about the tracer. Nothing of it outlives the process.
inline constexpr uint32_t kNoFile = 0;

// A part of an event's range that lies in one file.
struct FilePart {
  uint32_t file = 0;
  uint64_t offset = 0;  // in the file
  uint64_t length = 0;
  uint64_t skipped = 0;  // bytes of the event before it
};

// Calls visit(const FilePart&) for each part of [address, address + length) that is mapped from a
// file; returns how many bytes are not.
template <typename Visitor>
uint64_t ForEachPart(const TraceMappings& mappings, uint64_t address, uint64_t length,
                     Visitor&& visit) {
  uint64_t done = 0, unmapped = 0;
  while (done < length) {
    const uint64_t at = address + done;
    const auto mapping = mappings.FindFrom(at);
    // A range that would run past the last address ends there.
    const uint64_t gap = !mapping ? length - done : mapping->base > at ? mapping->base - at : 0;
    if (gap > 0 || at < address) {
      const uint64_t skipped = at < address ? length - done : std::min(gap, length - done);
      unmapped += skipped;
      done += skipped;
      continue;
    }
    const uint64_t into = at - mapping->base;
    const uint64_t bytes = std::min(length - done, mapping->length - into);
    if (mapping->file == kNoFile) {
      unmapped += bytes;
    } else {
      visit(FilePart{mapping->file, mapping->file_offset + into, bytes, done});
    }
    done += bytes;
  }
  return unmapped;
}

// A file that was made in the run and given its size before it was mapped first: what is mapped is
// there, as zeros.
void GrowToMapping(const fpt_event& event, ImageSet* images);

// Applies every store and write of the trace, as a run without a crash does. kCorrupt if the trace
// is damaged; one that is cut is replayed to the cut.
Status ReplayAll(TraceFile* trace, ImageSet* images);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_TRACE_REPLAY_H_
