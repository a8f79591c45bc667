// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/block_ledger.h"

#include "engines/media/block_model.h"

namespace fencepost {

using media::DirtyFile;
using media::kBlockBytes;

void BlockLedger::Pay(uint64_t blocks, BlockCount* to) {
  const std::span<const media::BlockModel> models = media::BlockModels();
  to->ns.resize(models.size());
  to->blocks += blocks;
  for (size_t i = 0; i < models.size(); ++i) to->ns[i] += models[i].WriteNs(blocks);
}

void BlockLedger::Write(const IoEvent& event, BlockCount* to) {
  if (event.data.empty()) return;
  DirtyFile& file = files_[event.inode];
  ++to->writes;
  to->written_bytes += event.data.size();
  if (!event.direct) {
    file.Write(event.offset, event.data.size());
    return;
  }
  file.WriteAround(event.offset, event.data.size());
  const uint64_t last = (event.offset + event.data.size() - 1) / kBlockBytes;
  Pay(last - event.offset / kBlockBytes + 1, to);
}

void BlockLedger::Sync(DirtyFile& file, BlockCount* to) {
  if (file.Sync([&](uint64_t, uint64_t blocks) { Pay(blocks, to); })) Pay(1, to);
}

void BlockLedger::Add(const IoEvent& event, BlockCount* to) {
  using Kind = IoEvent::Kind;
  switch (event.kind) {
    case Kind::kCreate:
    case Kind::kLink:
    case Kind::kRemove:
    case Kind::kRename:
    case Kind::kExchange:
      files_[event.directory].Change();
      if (event.kind == Kind::kRename) files_[event.to_directory].Change();
      return;
    case Kind::kWrite:
      Write(event, to);
      return;
    case Kind::kTruncate:
    case Kind::kAllocate:
    case Kind::kZero:
    case Kind::kCollapse:
    case Kind::kInsertHole:
      files_[event.inode].Change();
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
