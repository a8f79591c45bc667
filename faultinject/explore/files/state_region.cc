// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/state_region.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace fencepost {

PieceNeeds::PieceNeeds(const PosixModel& model)
    : needs_(model.pending().size()), needed_by_(model.pending().size()) {
  std::unordered_map<uint64_t, uint32_t> index_of;
  for (uint32_t i = 0; i < model.pending().size(); ++i) {
    const FilePiece& piece = model.pending()[i];
    index_of[piece.serial] = i;
    for (const uint64_t serial : piece.needs) {
      const auto needed = index_of.find(serial);
      if (needed == index_of.end()) continue;  // durable
      needs_[i].push_back(needed->second);
      needed_by_[needed->second].push_back(i);
    }
  }
}

StateRegion::StateRegion(const PosixModel& model) : decided_(model.pending().size(), kOpen) {
  PosixModel::Survivors durable(model.pending().size());
  model.AddNeeded(&durable);
  for (size_t i = 0; i < durable.size(); ++i) {
    if (durable[i]) decided_[i] = kSurvives;
  }
}

void StateRegion::Decide(uint32_t piece, bool survives, const PieceNeeds& needs) {
  std::vector<uint32_t> open = {piece};
  decided_[piece] = survives ? kSurvives : kLost;
  while (!open.empty()) {
    const uint32_t at = open.back();
    open.pop_back();
    for (const uint32_t next : survives ? needs.of(at) : needs.by(at)) {
      if (decided_[next] != kOpen) continue;
      decided_[next] = survives ? kSurvives : kLost;
      open.push_back(next);
    }
  }
}

PosixModel::Survivors StateRegion::Newest() const {
  PosixModel::Survivors survivors(decided_.size());
  for (size_t i = 0; i < decided_.size(); ++i) survivors[i] = decided_[i] != kLost;
  return survivors;
}

PosixModel::Survivors StateRegion::Oldest() const {
  PosixModel::Survivors survivors(decided_.size());
  for (size_t i = 0; i < decided_.size(); ++i) survivors[i] = decided_[i] == kSurvives;
  return survivors;
}

PosixModel::Survivors StateRegion::Draw(const PieceNeeds& needs, std::mt19937_64* random) const {
  std::vector<uint32_t> order(decided_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), *random);
  const uint64_t of_eight = (*random)() % 9;  // how likely it is to survive
  StateRegion drawn = *this;
  for (const uint32_t piece : order) {
    if (drawn.IsOpen(piece)) drawn.Decide(piece, (*random)() % 8 < of_eight, needs);
  }
  return drawn.Newest();
}

}  // namespace fencepost
