// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/deciding_pieces.h"

#include <algorithm>
#include <functional>

namespace fencepost {

using Survivors = PosixModel::Survivors;

DecidingPieces::DecidingPieces(const PosixModel& model)
    : model_(model), sector_bytes_(model.sector_bytes()) {
  std::map<InodeId, int> names;
  const std::function<void(InodeId)> walk = [&](InodeId directory) {
    for (const auto& [name, id] : model.durable().inode(directory).entries) {
      if (++names[id] > 1) linked_.insert(id);
      if (model.durable().inode(id).type == InodeType::kDirectory) walk(id);
    }
  };
  walk(kRootInode);
  for (PieceIndex i = 0; i < model.pending().size(); ++i) {
    const FilePiece& piece = model.pending()[i];
    for (const FilePiece::Sector& sector : piece.sectors) {
      sectors_[{piece.inode, sector.number}].push_back({i, &sector.bytes});
    }
    if (piece.kind == FilePiece::Kind::kSize || piece.kind == FilePiece::Kind::kShift) {
      sizes_[piece.inode].push_back(i);
    }
    if (piece.kind == FilePiece::Kind::kShift) shifted_.insert(piece.inode);
    if (piece.cuts()) cut_.insert(piece.inode);
    if (piece.by_write) growths_[{piece.id.event, piece.inode}] = i;
    if (piece.kind != FilePiece::Kind::kNames) continue;
    const IoEvent& event = *piece.event;
    entries_[{event.directory, event.name}].push_back(i);
    if (event.to_directory != kNoInode) entries_[{event.to_directory, event.to_name}].push_back(i);
    names_[event.inode].push_back(i);
    if (event.replaced != kNoInode) names_[event.replaced].push_back(i);
    if (event.kind == IoEvent::Kind::kLink) linked_.insert(event.inode);
    for (const InodeId inode : {event.inode, event.replaced}) {
      if (inode == kNoInode || model.durable().inode(inode).type != InodeType::kDirectory) continue;
      directory_names_.push_back(i);
    }
  }
}

void DecidingPieces::AddLast(const Pieces& all, const Survivors& survivors, Pieces* pieces) {
  auto first = all.end();
  while (first != all.begin()) {
    --first;
    if (survivors[*first]) break;
  }
  pieces->insert(pieces->end(), first, all.end());
}

void DecidingPieces::AddLinks(InodeId inode, Pieces* pieces) const {
  if (!linked_.contains(inode)) return;
  const auto names = names_.find(inode);
  if (names != names_.end()) {
    pieces->insert(pieces->end(), names->second.begin(), names->second.end());
  }
  // A name counts if its directory is there.
  pieces->insert(pieces->end(), directory_names_.begin(), directory_names_.end());
}

// Each size says all there is to say, unless what comes before is shifted.
void DecidingPieces::AddSize(InodeId inode, const Survivors& survivors, Pieces* pieces) const {
  const auto sizes = sizes_.find(inode);
  if (sizes == sizes_.end()) return;
  if (shifted_.contains(inode)) {
    pieces->insert(pieces->end(), sizes->second.begin(), sizes->second.end());
  } else {
    AddLast(sizes->second, survivors, pieces);
  }
}

void DecidingPieces::AddAllOf(InodeId inode, Pieces* pieces) const {
  const auto sizes = sizes_.find(inode);
  if (sizes != sizes_.end()) {
    pieces->insert(pieces->end(), sizes->second.begin(), sizes->second.end());
  }
  for (auto sector = sectors_.lower_bound({inode, 0});
       sector != sectors_.end() && sector->first.first == inode; ++sector) {
    for (const Version& version : sector->second) pieces->push_back(version.piece);
  }
}

// That the file goes on to `end` at least, as it does, and what is before was never cut off.
void DecidingPieces::AddCovering(InodeId inode, uint64_t end, const Survivors& survivors,
                                 Pieces* pieces) const {
  const auto sizes = sizes_.find(inode);
  if (sizes == sizes_.end()) return;
  // The simple case: the file has only grown there, first over `end`.
  const auto covers = [&](PieceIndex piece) {
    return model_.pending()[piece].kind == FilePiece::Kind::kSize &&
           model_.pending()[piece].file_bytes >= end;
  };
  const auto first = std::find_if(sizes->second.begin(), sizes->second.end(), covers);
  const bool grown = std::all_of(sizes->second.begin(), first,
                                 [&](PieceIndex piece) {
                                   const FilePiece& size = model_.pending()[piece];
                                   return size.kind == FilePiece::Kind::kSize && !size.cuts();
                                 }) &&
                     std::all_of(first, sizes->second.end(), covers);
  const bool durable = model_.durable().inode(inode).content.bytes() >= end;
  if (!grown || (durable && first != sizes->second.begin())) {
    pieces->insert(pieces->end(), sizes->second.begin(), sizes->second.end());
    return;
  }
  if (durable) return;
  const auto survivor =
      std::find_if(first, sizes->second.end(), [&](PieceIndex piece) { return survivors[piece]; });
  if (survivor != sizes->second.end()) pieces->push_back(*survivor);
}

void DecidingPieces::AddSector(InodeId inode, uint64_t begin, uint64_t end,
                               const Survivors& survivors, Pieces* pieces) const {
  const auto found = sectors_.find({inode, begin / sector_bytes_});
  if (found == sectors_.end()) return;
  const Versions& all = found->second;
  size_t last = all.size();  // behind the last that has survived
  while (last > 0 && !survivors[all[last - 1].piece]) --last;
  // A size without its data may show what was on the disk before; so may a cut file that grows.
  if (cut_.contains(inode) || model_.file_system().append == AppendRule::kSizeWithStale) {
    for (size_t i = last == 0 ? 0 : last - 1; i < all.size(); ++i) {
      pieces->push_back(all[i].piece);
      const auto growth = growths_.find({model_.pending()[all[i].piece].id.event, inode});
      if (growth != growths_.end()) pieces->push_back(growth->second);
    }
    return;
  }
  const size_t from = begin % sector_bytes_, count = end - begin;
  const auto bytes_of = [&](size_t version) {
    return std::string_view(*all[version].bytes).substr(from, count);
  };
  const std::string durable = model_.durable().inode(inode).content.Read(begin, count);
  const std::string_view now = last == 0 ? std::string_view(durable) : bytes_of(last - 1);
  // What is there has been so since `first`; it stays as long as one since then has survived, and
  // none that changes it.
  size_t first = last;
  while (first > 0 && bytes_of(first - 1) == now) --first;
  if (first > 0 || durable != now) {
    while (!survivors[all[first].piece]) ++first;
    pieces->push_back(all[first].piece);
  }
  for (size_t i = last; i < all.size(); ++i) {
    if (bytes_of(i) != now) pieces->push_back(all[i].piece);
  }
}

void DecidingPieces::Find(const TreeQuestion& question, TreeView* view, const Survivors& survivors,
                          std::vector<PieceIndex>* pieces) const {
  const std::optional<InodeId> inode = view->Resolve(question.path);
  switch (question.kind) {
    case FileRead::Kind::kName: {
      const auto directory = view->Resolve(view->paths().parent(question.path));
      if (!directory) return;
      const auto entry = entries_.find({*directory, view->paths().name(question.path)});
      if (entry != entries_.end()) AddLast(entry->second, survivors, pieces);
      if (inode) AddLinks(*inode, pieces);
      return;
    }
    case FileRead::Kind::kListing: {
      if (!inode) return;
      for (auto entry = entries_.lower_bound({*inode, ""});
           entry != entries_.end() && entry->first.first == *inode; ++entry) {
        AddLast(entry->second, survivors, pieces);
      }
      for (const auto& [name, id] : view->tree().inode(*inode).entries) AddLinks(id, pieces);
      return;
    }
    case FileRead::Kind::kStat:
      if (!inode) return;
      AddSize(*inode, survivors, pieces);
      AddLinks(*inode, pieces);
      return;
    case FileRead::Kind::kBytes:
      break;
  }
  if (!inode || view->tree().inode(*inode).type != InodeType::kFile) return;
  if (shifted_.contains(*inode)) return AddAllOf(*inode, pieces);
  const uint64_t bytes = view->tree().inode(*inode).content.bytes();
  if (question.end > bytes) {
    AddSize(*inode, survivors, pieces);
    if (question.begin >= bytes) return;
  }
  const uint64_t end = std::min(question.end, bytes);
  AddCovering(*inode, end, survivors, pieces);
  for (uint64_t begin = question.begin; begin < end;) {
    const uint64_t next = std::min(end, (begin / sector_bytes_ + 1) * sector_bytes_);
    AddSector(*inode, begin, next, survivors, pieces);
    begin = next;
  }
}

}  // namespace fencepost
