// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/point_batch.h"

#include <algorithm>

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

uint64_t VaryingBytes(const ChoicesByPoint& choices, uint32_t line) {
  const LineBytes& first = choices.front()->at(line)->front().bytes;
  uint64_t varying = 0;
  for (const auto& at_point : choices) {
    for (const LineState& state : *at_point->at(line)) {
      for (size_t i = 0; i < kLineBytes; ++i) {
        if (state.bytes[i] != first[i]) varying |= uint64_t{1} << i;
      }
    }
  }
  return varying;
}

size_t MostContents(const ChoicesByPoint& choices, uint32_t line) {
  size_t most = 1;
  for (const auto& at_point : choices) most = std::max(most, at_point->at(line)->size());
  return most;
}

}  // namespace fencepost
