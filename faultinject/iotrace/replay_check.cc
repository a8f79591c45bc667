// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/replay_check.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <utility>

namespace fencepost {
namespace {

Status Wrong(uint64_t event, std::string_view what) {
  return Status::Corrupt(fmt::format("the trace is not complete: event {}: {}", event, what));
}

std::string PathOf(const FileTree& tree, InodeId id) {
  const auto paths = tree.Paths();
  const auto found = paths.find(id);
  return found == paths.end() ? fmt::format("inode {}", id) : found->second;
}

Status CheckContent(const FileTree& tree, const IoEvent& event, uint64_t number) {
  if (!tree.Has(event.inode)) return Wrong(number, fmt::format("no inode {}", event.inode));
  const FileContent& content = tree.inode(event.inode).content;
  if (content.bytes() != event.length) {
    return Wrong(number, fmt::format("{} was {} bytes long, not {}", PathOf(tree, event.inode),
                                     event.length, content.bytes()));
  }
  if (content.QuickHash() != event.id) {
    return Wrong(number, fmt::format("{} held other bytes than the events before wrote",
                                     PathOf(tree, event.inode)));
  }
  return Status::Ok();
}

// That syncs begin before they end.
class SyncCheck {
 public:
  Status Add(const IoEvent& event, uint64_t number) {
    if (event.kind == IoEvent::Kind::kSyncBegin) open_.emplace(number, event.inode);
    if (event.kind != IoEvent::Kind::kSyncEnd) return Status::Ok();
    const auto begin = open_.find(event.begin);
    if (begin == open_.end() || begin->second != event.inode) {
      return Wrong(number, "the end of a sync that had not begun");
    }
    open_.erase(begin);
    return Status::Ok();
  }

 private:
  std::map<uint64_t, InodeId> open_;
};

}  // namespace

Result<FileTree> Replay(const FileTree& initial, IoTrace* trace) {
  FileTree tree = initial;
  SyncCheck syncs;
  trace->Rewind();
  for (IoEvent event;;) {
    ASSIGN_OR_RETURN(const bool is_there, trace->Next(&event));
    if (!is_there) return tree;
    const uint64_t number = trace->number();
    if (const Status applied = tree.Apply(event); !applied.ok()) {
      return Wrong(number, applied.message());
    }
    RETURN_IF_ERROR(syncs.Add(event, number));
    if (event.kind == IoEvent::Kind::kContent) {
      RETURN_IF_ERROR(CheckContent(tree, event, number));
    }
  }
}

uint64_t ProvedHash(FileTree tree, const IoTrace& trace) {
  std::set<InodeId> emptied;
  for (const auto& [id, path] : tree.Paths()) {
    for (const auto& [name, entry] : tree.inode(id).entries) {
      if (trace.IsVolatile(name)) emptied.insert(entry);
    }
  }
  for (const InodeId id : emptied) tree.mutable_inode(id).content.Resize(0);
  return tree.Hash();
}

Status VerifyReplay(const FileTree& initial, IoTrace* trace) {
  ASSIGN_OR_RETURN(FileTree tree, Replay(initial, trace));
  if (ProvedHash(std::move(tree), *trace) != trace->final_tree()) {
    return Wrong(trace->events(), "the names at the end are others than the events make");
  }
  return Status::Ok();
}

}  // namespace fencepost
