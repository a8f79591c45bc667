// SPDX-License-Identifier: BSD-3-Clause
// NestedCrashes: what recoveries store, so that they can be crashed in turn.
//
// A recovery is traced under the tool the first time that one is seen to leave what no traced one
// would have left in its place; from then on, up to Begin(), its script stands for all that do
// the same. In lines
// that a script never drains, two addresses are as good as equal: libpmemobj keeps pointers there,
// and the traced process has others.
//
// Invariants: a script that stands for a recovery gives, above what that began with, exactly the
//   lines that it was seen to leave.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_NESTED_CRASHES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_NESTED_CRASHES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/recovery_pool.h"
#include "faultinject/explore/recovery_script.h"
#include "faultinject/explore/strategies.h"

namespace fencepost {

// A recovery that came to its end.
struct SeenRecovery {
  const CrashState* state = nullptr;  // what it began with, where that is not what the images hold
  const std::vector<RecoveryPool::Changed>* changes = nullptr;
};

class NestedCrashes {
 public:
  // REQUIRES: `tracer` outlives it.
  NestedCrashes(RecoveryTracer* tracer, const Px86Options& model)
      : tracer_(tracer), model_(model) {}

  // The script of the recovery; it stays valid. kUnsupported if it does something else when it is
  // traced, or what a script cannot say.
  Result<const RecoveryScript*> ScriptOf(const ImageSet& images, const SeenRecovery& recovery);

  // Forgets all scripts: what follows does not depend on what came before.
  void Begin() { scripts_.clear(); }
  // The bytes that most scripts so far store to.
  std::map<LineId, uint64_t> CommonlyStored() const;
  uint64_t traced() const { return traced_; }

 private:
  bool StandsFor(const RecoveryScript& script, const ImageSet& images,
                 const SeenRecovery& recovery) const;
  Result<RecoveryScript> Trace(const ImageSet& images, const CrashState& state);

  RecoveryTracer* const tracer_;
  const Px86Options model_;
  std::vector<std::unique_ptr<const RecoveryScript>> scripts_;
  uint64_t traced_ = 0;  // of all times
};

// What a line may hold at a point of a recovery that began with one of `before` in it. `complete`
// becomes false if that is too much to try each.
std::vector<LineState> ContentsAbove(const ScriptLine& line, const std::vector<LineState>& before,
                                     bool* complete);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_NESTED_CRASHES_H_
