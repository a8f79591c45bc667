// SPDX-License-Identifier: BSD-3-Clause
// Events into pieces, and what each piece needs.
#include "faultinject/model/posix/posix_model.h"

#include <algorithm>
#include <functional>
#include <limits>

namespace fencepost {
namespace {

using Kind = IoEvent::Kind;

bool IsOnNames(Kind kind) {
  return kind == Kind::kCreate || kind == Kind::kLink || kind == Kind::kRemove ||
         kind == Kind::kRename || kind == Kind::kExchange;
}

// "rename d/a to b", by the paths of before.
std::string CallText(const IoEvent& event, const std::map<InodeId, std::string>& paths) {
  const auto path = [&](InodeId directory, const std::string& name) {
    const auto found = paths.find(directory);
    const std::string above = found == paths.end() ? "?" : found->second;
    return above.empty() ? name : above + '/' + name;
  };
  const std::string from = path(event.directory, event.name);
  switch (event.kind) {
    case Kind::kCreate:
      return (event.type == InodeType::kDirectory ? "mkdir "
              : event.type == InodeType::kSymlink ? "symlink "
                                                  : "create ") +
             from;
    case Kind::kLink: {
      const auto linked = paths.find(event.inode);
      return "link " + (linked == paths.end() ? "?" : linked->second) + " as " + from;
    }
    case Kind::kRemove:
      return "remove " + from;
    case Kind::kRename:
      return "rename " + from + " to " + path(event.to_directory, event.to_name);
    default:
      return "exchange " + from + " with " + path(event.to_directory, event.to_name);
  }
}

bool Touches(const IoEvent& names, InodeId directory) {
  return names.directory == directory || names.to_directory == directory;
}

}  // namespace

PosixModel::PosixModel(const FileSystemRow& row, const PosixOptions& options, FileTree durable)
    : row_(row), options_(options), durable_(std::move(durable)), current_(durable_) {
  if (options_.sector_bytes == 0) options_.sector_bytes = row.sector_bytes;
  if (options_.block_bytes == 0) options_.block_bytes = row.block_bytes;
  const std::function<void(InodeId)> walk = [&](InodeId directory) {
    for (const auto& [name, id] : durable_.inode(directory).entries) {
      if (durable_.inode(id).type != InodeType::kDirectory) continue;
      parent_[id] = directory;
      walk(id);
    }
  };
  walk(kRootInode);
}

Status PosixModel::Apply(const IoEvent& event, uint64_t index) {
  index_ = index;
  const bool on_file = event.inode != kNoInode && current_.Has(event.inode);
  const FileContent before = on_file ? current_.inode(event.inode).content : FileContent();
  // Few events are about names; only these cost a walk.
  const auto paths = IsOnNames(event.kind) ? current_.Paths() : std::map<InodeId, std::string>();
  RETURN_IF_ERROR(current_.Apply(event));
  switch (event.kind) {
    case Kind::kCreate:
    case Kind::kLink:
    case Kind::kRemove:
    case Kind::kRename:
    case Kind::kExchange:
      ApplyNames(event, paths);
      break;
    case Kind::kWrite:
      if (!event.data.empty()) {
        ApplySectors(event, event.offset + event.data.size(), before.bytes());
        AddGrowth(event, before.bytes());
      }
      break;
    case Kind::kTruncate:
    case Kind::kAllocate:
      ApplySize(event, before.bytes());
      break;
    case Kind::kZero:
      ApplyZero(event, before);
      break;
    case Kind::kCollapse:
    case Kind::kInsertHole:
      ApplyShift(event);
      break;
    case Kind::kSyncBegin:
      break;
    case Kind::kSyncEnd:
      if (event.failed) {
        Forsake(event);
      } else {
        Sync(event);
      }
      break;
    case Kind::kOperationBegin:
      operations_[event.thread] = event.id;
      break;
    case Kind::kOperationEnd:
      operations_.erase(event.thread);
      break;
    case Kind::kContent:
      break;
  }
  return Status::Ok();
}

FilePiece& PosixModel::Add(FilePiece::Kind kind, const IoEvent& event, InodeId inode) {
  const bool first = pending_.empty() || pending_.back().id.event != index_;
  const uint32_t part = first ? 0 : pending_.back().id.part + 1;
  FilePiece& piece = pending_.emplace_back();
  piece.id = {index_, part};
  piece.serial = next_serial_++;
  piece.kind = kind;
  piece.inode = inode;
  const auto operation = operations_.find(event.thread);
  if (operation != operations_.end()) piece.operation = operation->second;
  return piece;
}

void PosixModel::Need(FilePiece* piece, const std::map<InodeId, uint64_t>& last,
                      InodeId inode) const {
  const auto found = last.find(inode);
  if (found != last.end() && found->second != 0) piece->needs.push_back(found->second);
}

// Metadata that a journal has in order.
void PosixModel::JoinOrder(FilePiece* piece) {
  if (row_.metadata_order != MetadataOrder::kGlobal) return;
  if (last_ordered_ != 0) piece->needs.push_back(last_ordered_);
  last_ordered_ = piece->serial;
  piece->ordered = true;
}

void PosixModel::ApplyNames(const IoEvent& event, const std::map<InodeId, std::string>& paths) {
  if (event.kind == Kind::kCreate) {
    Inode inode;
    inode.type = event.type;
    inode.target = current_.inode(event.inode).target;
    durable_.Add(event.inode, std::move(inode));  // without a name it is in no tree
    if (event.directory == kNoInode) return;
  }
  FilePiece& piece = Add(FilePiece::Kind::kNames, event, event.inode);
  auto copy = std::make_shared<IoEvent>(event);
  copy->data.clear();
  piece.event = std::move(copy);
  piece.names = CallText(event, paths);
  for (const InodeId inode : {event.inode, event.replaced}) {
    const auto path = paths.find(inode);
    if (path != paths.end()) last_path_[inode] = path->second;
  }
  const bool two_names = event.kind == Kind::kRename || event.kind == Kind::kExchange;
  const auto chain = [&](InodeId directory, const std::string& name) {
    uint64_t& last = last_of_entry_[{directory, name}];
    if (last != 0) piece.needs.push_back(last);
    last = piece.serial;
  };
  chain(event.directory, event.name);
  if (two_names) {
    chain(event.to_directory, event.to_name);
    NeedDirectoriesAbove(&piece, event.to_directory);
    if (event.kind == Kind::kExchange) NeedDirectoriesAbove(&piece, event.directory);
  }
  const InodeId gone = event.kind == Kind::kRemove   ? event.inode
                       : event.kind == Kind::kRename ? event.replaced
                                                     : kNoInode;
  if (gone != kNoInode && current_.inode(gone).type == InodeType::kDirectory) {
    NeedAllIn(&piece, gone);
  }
  if (row_.replace_waits && event.kind == Kind::kRename && event.replaced != kNoInode) {
    Need(&piece, last_growth_, event.inode);
  }
  JoinOrder(&piece);

  const auto placed = [&](InodeId inode, InodeId directory) {
    if (current_.inode(inode).type != InodeType::kDirectory) return;
    parent_[inode] = directory;
    last_naming_[inode] = piece.serial;
  };
  if (event.kind == Kind::kCreate) placed(event.inode, event.directory);
  if (two_names) placed(event.inode, event.to_directory);
  if (event.kind == Kind::kExchange) placed(event.replaced, event.directory);
}

void PosixModel::NeedDirectoriesAbove(FilePiece* piece, InodeId directory) const {
  while (directory != kRootInode) {
    Need(piece, last_naming_, directory);
    const auto parent = parent_.find(directory);
    if (parent == parent_.end()) return;
    directory = parent->second;
  }
}

void PosixModel::NeedAllIn(FilePiece* piece, InodeId directory) const {
  for (const FilePiece& before : pending_) {
    if (before.kind == FilePiece::Kind::kNames && before.serial < piece->serial &&
        Touches(*before.event, directory)) {
      piece->needs.push_back(before.serial);
    }
  }
}

// The sectors of a write up to `end`; those that an atomic append takes are left to AddGrowth.
void PosixModel::ApplySectors(const IoEvent& event, uint64_t end, uint64_t old_bytes) {
  const uint64_t sector_bytes = options_.sector_bytes;
  const bool atomic = row_.append == AppendRule::kAtomic && end > old_bytes;
  FilePiece* piece = nullptr;
  for (uint64_t number = event.offset / sector_bytes; number * sector_bytes < end; ++number) {
    if (atomic && (number + 1) * sector_bytes > old_bytes) return;
    if (piece == nullptr || options_.tearing) {
      piece = &Add(FilePiece::Kind::kData, event, event.inode);
      piece->file_bytes = current_.inode(event.inode).content.bytes();
      Need(piece, last_shift_, event.inode);
    }
    AddSector(event, piece, number);
  }
}

void PosixModel::AddSector(const IoEvent& event, FilePiece* piece, uint64_t number) {
  piece->sectors.push_back(
      {number, current_.inode(event.inode)
                   .content.Read(number * options_.sector_bytes, options_.sector_bytes)});
  uint64_t& last = last_of_sector_[{event.inode, number}];
  if (last != 0 && last != piece->serial) piece->needs.push_back(last);
  last = piece->serial;
  const auto cuts = cuts_.find(event.inode);
  if (cuts == cuts_.end()) return;
  for (auto cut = cuts->second.rbegin(); cut != cuts->second.rend(); ++cut) {
    if (cut->second > number * options_.sector_bytes) continue;
    piece->needs.push_back(cut->first);
    return;  // which needs those before
  }
}

void PosixModel::AddGrowth(const IoEvent& event, uint64_t old_bytes) {
  const uint64_t end = event.offset + event.data.size();
  if (end <= old_bytes) return;
  FilePiece& piece = Add(FilePiece::Kind::kSize, event, event.inode);
  piece.file_bytes = end;
  piece.old_bytes = old_bytes;
  piece.fresh_begin = std::max(event.offset, old_bytes);
  piece.by_write = true;
  Need(&piece, last_growth_, event.inode);
  Need(&piece, last_set_size_, event.inode);
  Need(&piece, last_shift_, event.inode);
  if (row_.metadata_order == MetadataOrder::kGlobal && last_ordered_ != 0) {
    piece.needs.push_back(last_ordered_);
  }
  const uint64_t sector_bytes = options_.sector_bytes;
  if (row_.append == AppendRule::kDataFirst) {
    for (auto data = pending_.rbegin() + 1;
         data != pending_.rend() && data->id.event == index_ &&
         (data->sectors.back().number + 1) * sector_bytes > old_bytes;
         ++data) {
      piece.needs.push_back(data->serial);
    }
  } else if (row_.append == AppendRule::kAtomic) {
    for (uint64_t number = piece.fresh_begin / sector_bytes; number * sector_bytes < end;
         ++number) {
      AddSector(event, &piece, number);
    }
  }
  last_growth_[event.inode] = piece.serial;
}

void PosixModel::ApplySize(const IoEvent& event, uint64_t old_bytes) {
  const uint64_t bytes = current_.inode(event.inode).content.bytes();
  if (bytes == old_bytes) return;
  FilePiece& piece = Add(FilePiece::Kind::kSize, event, event.inode);
  piece.file_bytes = bytes;
  piece.old_bytes = old_bytes;
  Need(&piece, last_set_size_, event.inode);
  Need(&piece, last_shift_, event.inode);
  if (row_.truncate_waits) {
    // The data that sizes still wait for.
    for (const FilePiece& growth : pending_) {
      if (!growth.by_write || growth.inode != event.inode) continue;
      for (const uint64_t serial : growth.needs) {
        const auto index = IndexOf(serial);
        if (index && pending_[*index].kind == FilePiece::Kind::kData &&
            pending_[*index].sectors[0].number * options_.sector_bytes < bytes) {
          piece.needs.push_back(serial);
        }
      }
    }
  }
  JoinOrder(&piece);
  last_set_size_[event.inode] = piece.serial;
  if (row_.cut_frees && piece.cuts()) {
    const uint64_t blocks = (bytes + options_.block_bytes - 1) / options_.block_bytes;
    cuts_[event.inode].emplace_back(piece.serial, blocks * options_.block_bytes);
  }
}

void PosixModel::ApplyZero(const IoEvent& event, const FileContent& before) {
  if (event.offset >= before.bytes()) return;
  const uint64_t sector_bytes = options_.sector_bytes;
  const uint64_t end = std::min(event.length, before.bytes() - event.offset) + event.offset;
  const FileContent& after = current_.inode(event.inode).content;
  for (uint64_t number = event.offset / sector_bytes; number * sector_bytes < end; ++number) {
    const uint64_t begin = number * sector_bytes;
    if (before.Read(begin, sector_bytes) == after.Read(begin, sector_bytes)) continue;
    FilePiece& piece = Add(FilePiece::Kind::kData, event, event.inode);
    piece.file_bytes = after.bytes();
    Need(&piece, last_shift_, event.inode);
    AddSector(event, &piece, number);
  }
}

void PosixModel::ApplyShift(const IoEvent& event) {
  if (event.length == 0) return;
  FilePiece& piece = Add(FilePiece::Kind::kShift, event, event.inode);
  piece.event = std::make_shared<IoEvent>(event);
  for (const FilePiece& before : pending_) {
    if (before.kind != FilePiece::Kind::kNames && before.inode == event.inode &&
        before.serial < piece.serial) {
      piece.needs.push_back(before.serial);
    }
  }
  JoinOrder(&piece);
  last_shift_[event.inode] = piece.serial;
}

}  // namespace fencepost
