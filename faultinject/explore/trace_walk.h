// SPDX-License-Identifier: BSD-3-Clause
// TraceWalk: leads the persistency model along a trace, from crash point to crash point.
//
// A crash point comes before each event that shrinks the reachable states (a fence with something
// of its own thread to drain, a CLFLUSH, an msync, a change of a file's size, which is durable at
// once), before each operation begins if anything was stored or acknowledged since the last crash
// point, and at the end; with eADR before every store too. Between two of them the reachable states
// only grow while what is required and what is allowed stay the same, so nothing else needs
// testing.
//
// Invariants: at a crash point the model has seen exactly the events before it.
// Threads: none.
// Source: Px86 (model/px86.h).
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_TRACE_WALK_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_TRACE_WALK_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "engines/status.h"
#include "faultinject/explore/crash_point.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/model/px86.h"
#include "faultinject/trace/trace_file.h"
#include "faultinject/trace/trace_mappings.h"

namespace fencepost {

// Whether the event is a request to flush or fence (see TraceSurvey::by_instruction).
bool IsRequest(const fpt_event& event);

// Flushes, fences or syncs that a walk passes over, as if the program did not have them: those of
// one kind with one of these stacks. A locked instruction fences as well, but is there for
// something else, and is never passed over.
struct RemovedEvents {
  fpt_kind kind = FPT_KIND_COUNT;  // none
  std::unordered_set<uint32_t> stacks;

  bool Contains(const fpt_event& event) const {
    return event.kind == kind && !(kind == FPT_FENCE && event.how == FPT_FENCE_LOCKED) &&
           stacks.contains(event.stack);
  }
};

// What a pass over the whole trace tells.
struct TraceSurvey {
  uint64_t events = 0;
  uint64_t stores = 0;
  uint64_t unmapped_bytes = 0;  // stored where no file is mapped: not explored
  // The program flushes by instruction. Then requests are hints that may come too late, else they
  // are all there is.
  bool by_instruction = false;
  std::unordered_map<uint64_t, OperationSpan> operations;
  // Not told by the trace, but wished: see mutation.h.
  RemovedEvents removed = {};
};
// kCorrupt if the trace is damaged, maps a file that it has not named, or begins an operation twice
// or ends one that has not begun.
Result<TraceSurvey> SurveyTrace(TraceFile* trace);

class TraceWalk {
 public:
  // REQUIRES: all of them outlive the walk; `images` are the initial ones.
  TraceWalk(TraceFile* trace, const TraceSurvey& survey, const Px86Options& options,
            ImageSet* images);

  // Goes on to the next crash point; nothing after the last.
  std::optional<CrashPoint> Next();
  // Goes on to the crash point of this index. REQUIRES: it lies ahead.
  Result<CrashPoint> Seek(uint64_t index);
  // After the last crash point: ok, unless the trace is damaged.
  Status status() const { return status_; }

  const Px86& model() const { return model_; }

 private:
  std::optional<CrashPoint::Before> CrashBefore(const fpt_event& event) const;
  bool ChangesSize(const fpt_event& write) const;
  // Whether the event is one that changes nothing in the model.
  bool IsPassedOver(const fpt_event& event) const {
    return (!requests_count_ && IsRequest(event)) || removed_.Contains(event);
  }
  void Apply(const fpt_event& event);
  void ApplyWrite(const fpt_event& event);
  CrashPoint MakePoint(uint64_t event, CrashPoint::Before before);

  TraceFile* const trace_;
  const bool requests_count_;
  const RemovedEvents& removed_;
  const bool eadr_;
  ImageSet* const images_;
  Px86 model_;
  TraceMappings mappings_;
  const fpt_event* held_ = nullptr;  // read, and not applied yet: a crash point came before it
  uint64_t next_index_ = 0;
  uint64_t last_event_ = 0;
  bool news_ = true;  // stores or acknowledgements since the last crash point
  bool ended_ = false;
  Status status_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_TRACE_WALK_H_
