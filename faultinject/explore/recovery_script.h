// SPDX-License-Identifier: BSD-3-Clause
// RecoveryScript: what a recovery stores, flushes and fences, apart from what it recovered from: so
// that it can be crashed above any content of the lines that it has not read.
//
// Threads: none.
// Not covered: recoveries that change the size of a file.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_SCRIPT_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_SCRIPT_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engines/status.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/explore/trace_walk.h"

namespace fencepost {

// What a recovery has done to one line by some point of it.
struct ScriptLine {
  LineBytes durable{};   // where `written` has a bit: what it has made durable
  uint64_t written = 0;  // bit i: byte i
  Px86Line pending = {};

  // The stores above what the recovery began with.
  Px86Line Above(const LineBytes& base) const;
};

struct ScriptPoint {
  CrashPoint::Before before = CrashPoint::Before::kEnd;
  std::string where;   // the source line of that event
  bool ended = false;  // the recovery had come to its end
  std::map<LineId, ScriptLine> lines;
};

struct RecoveryScript {
  std::vector<ScriptPoint> points;      // the last one has ended
  std::map<LineId, uint64_t> stored;    // bytes that it stored to at any time
  bool NeverDrains(LineId line) const;  // what it has stored there is still undecided in the end
};

// Where one recovery of a trace was at work.
struct TracedImage {
  std::string path;   // as the traced program named it
  uint32_t file = 0;  // what LineId::file shall be
  uint64_t bytes = 0;
};
// Traces recoveries under the tool.
class RecoveryTracer {
 public:
  virtual ~RecoveryTracer() = default;
  // Recovers from the images at `paths`, which are one store; operation 1 of the trace is the
  // recovery. Returns where the trace is, until the next call.
  virtual Result<std::filesystem::path> Trace(const std::vector<std::string>& paths) = 0;
};

// kUnsupported if the recovery did what a script cannot say.
Result<RecoveryScript> ReadScript(const std::filesystem::path& trace,
                                  const std::vector<TracedImage>& images,
                                  const Px86Options& options);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_RECOVERY_SCRIPT_H_
