// SPDX-License-Identifier: BSD-3-Clause
// DecidingPieces: which pieces of a crash state decide what its tree answers to a question.
//
// A piece that changes nothing of what is asked for decides nothing: engines write whole pages of
// which little has changed.
//
// Invariants:
//   1. Of the states of a crash point, each that agrees with one in the pieces that decide an
//      answer there gives the same answer, if it gives the same answers on the names of the path.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_FILES_DECIDING_PIECES_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_FILES_DECIDING_PIECES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/files/tree_questions.h"
#include "faultinject/model/posix/posix_model.h"

namespace fencepost {

// By index in PosixModel::pending().
using PieceIndex = uint32_t;

class DecidingPieces {
 public:
  // Of the model as it is now.
  explicit DecidingPieces(const PosixModel& model);

  // Appends those of this question, in the state whose tree `view` is of.
  void Find(const TreeQuestion& question, TreeView* view, const PosixModel::Survivors& survivors,
            std::vector<PieceIndex>* pieces) const;

 private:
  using Pieces = std::vector<PieceIndex>;  // ascending
  using Entry = std::pair<InodeId, std::string>;
  // One piece's contents of a sector.
  struct Version {
    PieceIndex piece = 0;
    const std::string* bytes = nullptr;
  };
  using Versions = std::vector<Version>;

  // The last of these that has survived, and what comes behind it.
  static void AddLast(const Pieces& all, const PosixModel::Survivors& survivors, Pieces* pieces);
  void AddSize(InodeId inode, const PosixModel::Survivors& survivors, Pieces* pieces) const;
  void AddCovering(InodeId inode, uint64_t end, const PosixModel::Survivors& survivors,
                   Pieces* pieces) const;
  // Of the bytes [begin, end), which are in one sector.
  void AddSector(InodeId inode, uint64_t begin, uint64_t end,
                 const PosixModel::Survivors& survivors, Pieces* pieces) const;
  void AddAllOf(InodeId inode, Pieces* pieces) const;  // sizes and sectors
  void AddLinks(InodeId inode, Pieces* pieces) const;

  const PosixModel& model_;
  const uint64_t sector_bytes_;
  std::map<Entry, Pieces> entries_;
  std::map<InodeId, Pieces> sizes_;  // and what shifts
  std::map<InodeId, Pieces> names_;  // of an inode
  std::set<InodeId> shifted_;        // part of it collapses, or a hole is put in
  std::set<InodeId> cut_;
  Pieces directory_names_;    // of all directories
  std::set<InodeId> linked_;  // may have several names
  std::map<std::pair<InodeId, uint64_t>, Versions> sectors_;
  std::map<std::pair<uint64_t, InodeId>, PieceIndex> growths_;  // by event
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_FILES_DECIDING_PIECES_H_
