// SPDX-License-Identifier: BSD-3-Clause
// PointBatch: crash points in a row, and what each line may hold at each of them.
//
// Its lines are those that are undecided at one of the points, and those whose durable content
// changes between the first of them and where the walk stands. All others hold the same at every
// point, which is what the images hold.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_POINT_BATCH_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_POINT_BATCH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/decision_tree.h"
#include "faultinject/explore/image_set.h"
#include "faultinject/explore/trace_walk.h"

namespace fencepost {

class PointBatch {
 public:
  explicit PointBatch(std::string context) : context_(std::move(context)) {}

  // The walk stands at `point`. `complete` becomes false if a line has too many states.
  void Add(const CrashPoint& point, const Px86& model, bool* complete);
  // The walk has gone on from the last point: these lines held something else there.
  void NoteChanges(const ImageSet::Remembered& before, const ImageSet& images);

  const std::string& context() const { return context_; }
  const std::vector<CrashPoint>& points() const { return points_; }
  bool empty() const { return points_.empty(); }
  size_t line_count() const { return known_.size(); }

  // As if these lines changed, too.
  void Include(LineId line) { known_[line]; }

  std::vector<LineId> Lines() const;
  // For each of Lines(), in order. `images` are where the walk stands.
  LineChoices ChoicesAt(size_t point, const ImageSet& images) const;
  // Whether the crash has a choice in the line there.
  bool IsUndecided(size_t point, LineId line) const { return undecided_[point].contains(line); }

 private:
  LineBytes DurableAt(size_t point, LineId line, const ImageSet& images) const;

  const std::string context_;
  std::vector<CrashPoint> points_;
  std::vector<std::map<LineId, std::vector<LineState>>> undecided_;  // by point
  // For each line of the batch: from which point on it durably holds what. Empty: it never changes.
  std::map<LineId, std::vector<std::pair<size_t, LineBytes>>> known_;
};

using ChoicesByPoint = std::vector<std::shared_ptr<const LineChoices>>;

// The bytes of a line that are not the same in all states of all crash points: only these can tell
// states apart. Bit i: byte i. REQUIRES: there is a crash point.
uint64_t VaryingBytes(const ChoicesByPoint& choices, uint32_t line);
// How many contents the line may have, at the crash point where it may have most.
size_t MostContents(const ChoicesByPoint& choices, uint32_t line);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_POINT_BATCH_H_
