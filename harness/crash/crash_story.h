// SPDX-License-Identifier: BSD-3-Clause
// The story of a violation: what was stored, flushed and fenced around its crash point, and what
// should have made the missing stores durable.
#ifndef FENCEPOST_HARNESS_CRASH_CRASH_STORY_H_
#define FENCEPOST_HARNESS_CRASH_CRASH_STORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "faultinject/explore/minimize.h"

namespace fencepost {

// One event on the timeline.
struct StoryEvent {
  uint64_t event = 0;
  std::string what;  // "store", "flush clwb", "fence sfence", "operation 17 begins", "crash"
  uint32_t thread = 0;
  uint32_t stack = 0;
  std::optional<size_t> line;  // which of the violation's missing lines it concerns
  uint64_t bytes = 0;          // of a store
};

// What happened to one missing line after its first missing store.
struct Cover {
  bool flushed_before = false;      // before the crash point, without a fence to drain it
  std::optional<StoryEvent> flush;  // the first flush of the line from then on, or none ever
  std::optional<StoryEvent> fence;  // the fence that drains it, or none ever
};

struct Story {
  std::vector<StoryEvent> timeline;  // in trace order, the crash among them; bounded
  std::vector<Cover> covers;         // one for each missing line
};

// Reads the trace once for all violations. `requests_count`: a flush or fence by request does
// something, since there are none by instruction (see TraceSurvey).
Result<std::vector<Story>> TellStories(TraceFile* trace, bool requests_count,
                                       const std::vector<MinimalViolation>& violations);

// "Put (store.c:12)": the innermost line of the program itself, where the stack has one. Frames of
// libpmem, libpmemobj, the C and C++ libraries and the system's headers are passed over.
std::string WhereOf(const TraceFile& trace, uint32_t stack);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_CRASH_STORY_H_
