// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/point_batch.h"

#include "faultinject/explore/strategies.h"

namespace fencepost {

void PointBatch::Add(const CrashPoint& point, const Px86& model, bool* complete) {
  points_.push_back(point);
  std::map<LineId, std::vector<LineState>>& here = undecided_.emplace_back();
  for (const auto& [id, line] : model.lines()) {
    if (!line.undecided()) continue;
    here.emplace_hint(here.end(), id, ContentsToTry(line, complete));
    known_[id];
  }
}

void PointBatch::NoteChanges(const ImageSet::Remembered& before, const ImageSet& images) {
  for (const auto& [id, old] : before) {
    std::vector<std::pair<size_t, LineBytes>>& history = known_[id];
    if (history.empty()) history.emplace_back(0, old);
    LineBytes now;
    images.ReadLine(id, &now);
    history.emplace_back(points_.size(), now);
  }
}

std::vector<LineId> PointBatch::Lines() const {
  std::vector<LineId> lines;
  for (const auto& [id, history] : known_) lines.push_back(id);
  return lines;
}

LineBytes PointBatch::DurableAt(size_t point, LineId line, const ImageSet& images) const {
  LineBytes bytes;
  images.ReadLine(line, &bytes);
  const auto& history = known_.at(line);
  for (const auto& [from, content] : history) {
    if (from <= point) bytes = content;
  }
  return bytes;
}

LineChoices PointBatch::ChoicesAt(size_t point, const ImageSet& images) const {
  LineChoices choices;
  for (const auto& [id, history] : known_) {
    const auto undecided = undecided_[point].find(id);
    if (undecided != undecided_[point].end()) {
      std::vector<LineState> states = undecided->second;
      for (LineState& state : states) state.bytes = images.InFile(id, state.bytes);
      choices.push_back(std::make_shared<const std::vector<LineState>>(std::move(states)));
    } else {
      choices.push_back(std::make_shared<const std::vector<LineState>>(
          1, LineState{.bytes = DurableAt(point, id, images)}));
    }
  }
  return choices;
}

}  // namespace fencepost
