// SPDX-License-Identifier: BSD-3-Clause
// What a sync makes durable, and folding it into the durable tree.
#include <algorithm>
#include <set>

#include "faultinject/model/posix/posix_model.h"
#include "faultinject/model/posix/tree_writer.h"

namespace fencepost {

bool PosixModel::IsInRange(const FilePiece& piece, const IoEvent& sync) const {
  const uint64_t begin = sync.offset;
  const uint64_t end = sync.length < UINT64_MAX - begin ? begin + sync.length : UINT64_MAX;
  const auto overlaps = [&](uint64_t from, uint64_t to) { return from < end && begin < to; };
  if (piece.kind == FilePiece::Kind::kShift) return true;
  // A size that grew over it; a cut is not needed to read what is left.
  if (piece.kind == FilePiece::Kind::kSize && !piece.cuts() &&
      overlaps(piece.old_bytes, piece.file_bytes)) {
    return true;
  }
  return std::any_of(piece.sectors.begin(), piece.sectors.end(), [&](const auto& sector) {
    const uint64_t from = sector.number * options_.sector_bytes;
    return overlaps(from, from + options_.sector_bytes);
  });
}

// The names of a file, or of a directory and what is in it.
bool PosixModel::NamesAreCovered(const FilePiece& piece, const IoEvent& sync) const {
  const IoEvent& names = *piece.event;
  if (current_.Has(sync.inode) && current_.inode(sync.inode).type == InodeType::kDirectory &&
      (names.directory == sync.inode || names.to_directory == sync.inode)) {
    return true;
  }
  if (!row_.sync_covers_names) return false;
  if (names.inode != sync.inode && names.replaced != sync.inode) return false;
  return sync.scope == IoEvent::Scope::kFile || names.kind == IoEvent::Kind::kCreate;
}

bool PosixModel::IsCovered(const FilePiece& piece, const IoEvent& sync) const {
  if (piece.id.event >= sync.begin || piece.forsaken) return false;
  if (sync.scope == IoEvent::Scope::kNone) return false;
  if (sync.scope == IoEvent::Scope::kAll) return true;
  if (piece.kind == FilePiece::Kind::kNames) return NamesAreCovered(piece, sync);
  if (piece.inode != sync.inode) return false;
  return sync.scope != IoEvent::Scope::kRange || IsInRange(piece, sync);
}

// A name that is durable with its file is so below directories that are there.
void PosixModel::CoverDirectoriesAbove(size_t name, Survivors* covered) const {
  const IoEvent& event = *pending_[name].event;
  for (const InodeId directory : {event.directory, event.to_directory}) {
    if (directory == kNoInode || directory == kRootInode) continue;
    for (size_t i = name; i-- > 0;) {
      const FilePiece& piece = pending_[i];
      if (piece.kind != FilePiece::Kind::kNames ||
          (piece.inode != directory && piece.event->replaced != directory)) {
        continue;
      }
      const bool was_covered = (*covered)[i];
      (*covered)[i] = true;
      if (!was_covered) CoverDirectoriesAbove(i, covered);
      break;
    }
  }
}

PosixModel::Survivors PosixModel::CoveredBy(const IoEvent& sync) const {
  Survivors covered(pending_.size());
  for (size_t i = 0; i < pending_.size(); ++i) covered[i] = IsCovered(pending_[i], sync);
  if (row_.sync_covers_names) {
    for (size_t i = pending_.size(); i-- > 0;) {
      if (covered[i] && pending_[i].kind == FilePiece::Kind::kNames) {
        CoverDirectoriesAbove(i, &covered);
      }
    }
  }
  AddNeeded(&covered);
  return covered;
}

bool PosixModel::Shrinks(const IoEvent& event) const {
  if (event.kind != IoEvent::Kind::kSyncEnd || event.failed) return false;
  const Survivors covered = CoveredBy(event);
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (covered[i] && !pending_[i].durable) return true;
  }
  return false;
}

void PosixModel::Sync(const IoEvent& event) {
  const Survivors covered = CoveredBy(event);
  bool any = false;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (!covered[i] || pending_[i].durable) continue;
    pending_[i].durable = any = true;
  }
  if (any) Fold();
}

void PosixModel::Forsake(const IoEvent& event) {
  std::set<uint64_t> forsaken;
  for (FilePiece& piece : pending_) {
    if (piece.durable || piece.sectors.empty()) continue;
    const bool all = event.scope == IoEvent::Scope::kAll;
    if (!all && piece.inode != event.inode) continue;
    const bool ranged =
        event.scope == IoEvent::Scope::kRange || event.scope == IoEvent::Scope::kNone;
    if (ranged && !IsInRange(piece, event)) continue;
    piece.forsaken = true;
    forsaken.insert(piece.serial);
  }
  if (forsaken.empty()) return;
  // The kernel takes these pages for written: nothing waits for them any longer. What is written to
  // the same sector later has their bytes.
  for (FilePiece& piece : pending_) {
    if (piece.kind == FilePiece::Kind::kData) continue;
    std::erase_if(piece.needs, [&](uint64_t serial) { return forsaken.contains(serial); });
  }
  for (auto& [inode, last] : last_growth_) {
    if (!forsaken.contains(last)) continue;
    last = 0;
    for (const FilePiece& piece : pending_) {
      if (piece.by_write && piece.inode == inode && !piece.forsaken) last = piece.serial;
    }
  }
}

namespace {

// Pieces that stay pending, and must be applied before what is on the same file.
class Before {
 public:
  bool Allows(const FilePiece& piece, uint64_t durable_bytes, uint64_t sector_bytes) const {
    if (piece.kind == FilePiece::Kind::kNames) return true;  // those of its names are durable
    if (piece.kind == FilePiece::Kind::kShift || piece.cuts()) return !any_.contains(piece.inode);
    for (const auto& sector : piece.sectors) {
      if (sectors_.contains({piece.inode, sector.number})) return false;
    }
    if (piece.kind == FilePiece::Kind::kSize) return !sizes_.contains(piece.inode);
    if (cuts_.contains(piece.inode)) return false;
    // Beyond the end it could not be kept.
    return std::min((piece.sectors.back().number + 1) * sector_bytes, piece.file_bytes) <=
           durable_bytes;
  }

  void Add(const FilePiece& piece) {
    if (piece.kind == FilePiece::Kind::kNames) return;
    any_.insert(piece.inode);
    if (piece.kind != FilePiece::Kind::kData) sizes_.insert(piece.inode);
    if (piece.kind == FilePiece::Kind::kShift || piece.cuts()) cuts_.insert(piece.inode);
    for (const auto& sector : piece.sectors) sectors_.insert({piece.inode, sector.number});
  }

 private:
  std::set<InodeId> any_, sizes_, cuts_;
  std::set<std::pair<InodeId, uint64_t>> sectors_;
};

}  // namespace

void PosixModel::Fold() {
  // A size makes room for data before it: again until nothing moves.
  for (bool moved = true; moved;) {
    moved = false;
    Before before;
    TreeWriter writer(&durable_, options_.sector_bytes);
    std::vector<FilePiece> left;
    for (FilePiece& piece : pending_) {
      // What shows of stale blocks depends on data of the same event, which comes before.
      const bool stale_undecided =
          row_.append == AppendRule::kSizeWithStale && piece.by_write &&
          std::any_of(left.begin(), left.end(), [&](const FilePiece& data) {
            return data.id.event == piece.id.event && !data.durable;
          });
      if (piece.durable && !stale_undecided &&
          before.Allows(piece, writer.FileBytes(piece.inode), options_.sector_bytes)) {
        writer.Apply(piece);
        moved = true;
      } else {
        before.Add(piece);
        left.push_back(std::move(piece));
      }
    }
    writer.Finish();
    pending_ = std::move(left);
  }
}

}  // namespace fencepost
