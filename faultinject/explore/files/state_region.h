// SPDX-License-Identifier: BSD-3-Clause
// StateRegion: the crash states in which some pieces have survived, some have not, and the rest is
// open.
//
// Invariants:
//   1. What a piece that has survived needs has survived; what needs one that has not has not. So
//      there is a state in it: that with all that is open, and that without.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_STATE_REGION_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_STATE_REGION_H_

#include <cstdint>
#include <random>
#include <vector>

#include "faultinject/model/posix/posix_model.h"

namespace fencepost {

// Which piece needs which, by index in PosixModel::pending().
class PieceNeeds {
 public:
  explicit PieceNeeds(const PosixModel& model);
  const std::vector<uint32_t>& of(uint32_t piece) const { return needs_[piece]; }
  const std::vector<uint32_t>& by(uint32_t piece) const { return needed_by_[piece]; }
  size_t pieces() const { return needs_.size(); }

 private:
  std::vector<std::vector<uint32_t>> needs_, needed_by_;
};

class StateRegion {
 public:
  // All states of the model as it is.
  explicit StateRegion(const PosixModel& model);

  bool IsOpen(uint32_t piece) const { return decided_[piece] == kOpen; }
  // With all that follows. REQUIRES: it is open.
  void Decide(uint32_t piece, bool survives, const PieceNeeds& needs);
  PosixModel::Survivors Newest() const;  // with all that is open
  PosixModel::Survivors Oldest() const;
  PosixModel::Survivors Draw(const PieceNeeds& needs, std::mt19937_64* random) const;

 private:
  enum Decision : unsigned char { kOpen, kSurvives, kLost };
  std::vector<Decision> decided_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_STATE_REGION_H_
