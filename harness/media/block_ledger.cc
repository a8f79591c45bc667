// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/block_ledger.h"

#include <algorithm>

namespace fencepost {

using media::kBlockBytes;

BlockLedger::BlockLedger() = default;

void BlockLedger::Pay(uint64_t blocks, BlockCount* to) {
  const std::span<const media::BlockModel> models = media::BlockModels();
  to->ns.resize(models.size());
  to->blocks += blocks;
  for (size_t i = 0; i < models.size(); ++i) to->ns[i] += models[i].WriteNs(blocks);
}

void BlockLedger::Write(const IoEvent& event, BlockCount* to) {
  if (event.data.empty()) return;
  File& file = files_[event.inode];
  const uint64_t end = event.offset + event.data.size();
  const uint64_t first = event.offset / kBlockBytes, last = (end - 1) / kBlockBytes;
  ++to->writes;
  to->written_bytes += event.data.size();
  if (end > file.bytes) {
    file.bytes = end;
    file.grown = true;
  }
  if (event.direct) {
    Pay(last - first + 1, to);
    return;
  }
  for (uint64_t block = first; block <= last; ++block) file.dirty.insert(block);
}

// Blocks that lie together are one request.
void BlockLedger::Sync(File& file, BlockCount* to) {
  uint64_t run = 0, next = 0;
  for (const uint64_t block : file.dirty) {
    if (run > 0 && block != next) {
      Pay(run, to);
      run = 0;
    }
    ++run;
    next = block + 1;
  }
  if (run > 0) Pay(run, to);
  if (file.grown) Pay(1, to);
  file.dirty.clear();
  file.grown = false;
}

void BlockLedger::Add(const IoEvent& event, BlockCount* to) {
  using Kind = IoEvent::Kind;
  switch (event.kind) {
    case Kind::kCreate:
    case Kind::kLink:
    case Kind::kRemove:
    case Kind::kRename:
    case Kind::kExchange:
      files_[event.directory].grown = true;
      if (event.kind == Kind::kRename) files_[event.to_directory].grown = true;
      return;
    case Kind::kWrite:
      Write(event, to);
      return;
    case Kind::kTruncate:
    case Kind::kAllocate:
    case Kind::kZero:
    case Kind::kCollapse:
    case Kind::kInsertHole:
      files_[event.inode].grown = true;
      return;
    case Kind::kSyncBegin:
      if (event.scope == IoEvent::Scope::kNone) return;
      ++to->syncs;
      if (event.scope == IoEvent::Scope::kAll) {
        for (auto& [inode, file] : files_) Sync(file, to);
      } else {
        Sync(files_[event.inode], to);
      }
      return;
    case Kind::kSyncEnd:
    case Kind::kOperationBegin:
    case Kind::kOperationEnd:
    case Kind::kContent:
      return;
  }
}

}  // namespace fencepost
