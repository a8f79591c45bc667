// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/model/posix/tree_writer.h"

#include <algorithm>
#include <string>

namespace fencepost {

FileContent& TreeWriter::Content(InodeId inode) {
  FileContent& content = tree_->mutable_inode(inode).content;
  file_bytes_.try_emplace(inode, content.bytes());
  return content;
}

uint64_t TreeWriter::FileBytes(InodeId inode) const {
  const auto found = file_bytes_.find(inode);
  return found != file_bytes_.end() ? found->second : tree_->inode(inode).content.bytes();
}

void TreeWriter::Apply(const FilePiece& piece) {
  if (piece.kind == FilePiece::Kind::kNames) return ApplyNames(*piece.event);
  FileContent& content = Content(piece.inode);
  uint64_t& bytes = file_bytes_[piece.inode];
  if (piece.kind == FilePiece::Kind::kShift) {
    content.Resize(bytes);
    // All of the file before has survived; what has not, for a sync that failed, may be shorter.
    if (piece.event->kind == IoEvent::Kind::kInsertHole) {
      content.InsertHole(std::min(piece.event->offset, bytes), piece.event->length);
    } else if (piece.event->offset < bytes) {
      content.Collapse(piece.event->offset,
                       std::min(piece.event->length, bytes - piece.event->offset));
    }
    bytes = content.bytes();
    return;
  }
  if (piece.kind == FilePiece::Kind::kSize) {
    if (piece.cuts() && content.bytes() > piece.file_bytes) content.Resize(piece.file_bytes);
    bytes = piece.file_bytes;
  }
  for (const FilePiece::Sector& sector : piece.sectors) {
    content.Write(sector.number * sector_bytes_, sector.bytes);
  }
}

void TreeWriter::ApplyStale(const FilePiece& size, uint64_t sector) {
  const uint64_t begin = std::max(size.fresh_begin, sector * sector_bytes_);
  const uint64_t end = std::min(size.file_bytes, (sector + 1) * sector_bytes_);
  if (begin < end) Content(size.inode).Write(begin, std::string(end - begin, kStaleByte));
}

void TreeWriter::ApplyNames(const IoEvent& event) {
  const auto entries = [this](InodeId directory) -> auto& {
    return tree_->mutable_inode(directory).entries;
  };
  switch (event.kind) {
    case IoEvent::Kind::kRemove:
      entries(event.directory).erase(event.name);
      break;
    case IoEvent::Kind::kRename:
      entries(event.directory).erase(event.name);
      entries(event.to_directory)[event.to_name] = event.inode;
      break;
    case IoEvent::Kind::kExchange:
      entries(event.directory)[event.name] = event.replaced;
      entries(event.to_directory)[event.to_name] = event.inode;
      break;
    default:  // kCreate, kLink
      entries(event.directory)[event.name] = event.inode;
  }
}

void TreeWriter::Finish() {
  for (const auto& [inode, bytes] : file_bytes_) {
    tree_->mutable_inode(inode).content.Resize(bytes);
  }
  file_bytes_.clear();
}

}  // namespace fencepost
