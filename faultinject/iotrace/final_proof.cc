// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/final_proof.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "faultinject/iotrace/log_record.h"
#include "faultinject/iotrace/replay_check.h"

namespace fencepost {

namespace fs = std::filesystem;
using iorecorder::Control;

namespace {

constexpr uint64_t kSectorBytes = 512;

Status Incomplete(std::string_view what) {
  return Status::Corrupt(fmt::format("the trace is not complete: {}", what));
}

class Prover {
 public:
  Prover(FileTree replayed, FileTree actual, const Control& control, const IoTrace& trace)
      : replayed_(std::move(replayed)),
        actual_(std::move(actual)),
        control_(control),
        trace_(trace) {}

  Result<FinalProof> Prove(const fs::path& root) {
    for (const auto& [actual_id, path] : actual_.Paths()) {
      struct stat status;
      if (lstat((root / path).c_str(), &status) != 0) {
        return Status::IoError(
            fmt::format("lstat: {}: {}", (root / path).string(), std::strerror(errno)));
      }
      const InodeId id = Find(status.st_ino);
      if (id == kNoInode || !replayed_.Has(id)) {
        return Incomplete(fmt::format("no event made {}", path));
      }
      numbers_.emplace(actual_id, id);
    }
    for (const auto& [actual_id, path] : actual_.Paths()) {
      RETURN_IF_ERROR(ProveInode(actual_id, numbers_.at(actual_id), path));
    }
    proof_.tree = ProvedHash(actual_, trace_);
    return std::move(proof_);
  }

 private:
  InodeId Find(ino_t ino) const {
    InodeId id = control_.buckets[iorecorder::BucketOf(ino)];
    while (id != kNoInode && control_.inodes[id].ino != ino) {
      id = control_.inodes[id].next_in_bucket;
    }
    return id;
  }

  void Add(const IoEvent& event) {
    proof_.records += EncodeRecord(event, /*thread=*/0);
    ++proof_.events;
  }

  Status ProveInode(InodeId actual_id, InodeId id, const std::string& path) {
    const Inode& actual = actual_.inode(actual_id);
    const Inode& replayed = replayed_.inode(id);
    if (actual.type != replayed.type) {
      return Incomplete(fmt::format("{} is of another type than it was made", path));
    }
    switch (actual.type) {
      case InodeType::kFile:
        return control_.inodes[id].is_volatile ? Status::Ok() : ProveFile(actual, id, path);
      case InodeType::kDirectory:
        return ProveNames(actual, replayed, path);
      case InodeType::kSymlink:
        if (actual.target == replayed.target) return Status::Ok();
        return Incomplete(fmt::format("{} is a symbolic link to elsewhere", path));
    }
    return Status::Ok();
  }

  Status ProveFile(const Inode& actual, InodeId id, const std::string& path) {
    if (control_.inodes[id].shadow != iorecorder::kNoShadow) AddStores(actual.content, id);
    const FileContent& replayed = replayed_.inode(id).content;
    if (replayed.bytes() != actual.content.bytes()) {
      return Incomplete(fmt::format("{} is {} bytes long, not {}", path, actual.content.bytes(),
                                    replayed.bytes()));
    }
    if (!(replayed == actual.content)) {
      return Incomplete(fmt::format("{} holds other bytes than the events wrote", path));
    }
    IoEvent event;
    event.kind = IoEvent::Kind::kContent;
    event.inode = id;
    event.length = actual.content.bytes();
    event.id = actual.content.QuickHash();
    Add(event);
    return Status::Ok();
  }

  Status ProveNames(const Inode& actual, const Inode& replayed, const std::string& path) {
    for (const auto& [name, actual_id] : actual.entries) {
      const auto found = replayed.entries.find(name);
      if (found == replayed.entries.end()) {
        return Incomplete(fmt::format("no event made {}/{}", path, name));
      }
      if (found->second != numbers_.at(actual_id)) {
        return Incomplete(fmt::format("{}/{} is another file than the events say", path, name));
      }
    }
    for (const auto& [name, id] : replayed.entries) {
      if (!actual.entries.contains(name)) {
        return Incomplete(fmt::format("no event removed {}/{}", path, name));
      }
    }
    return Status::Ok();
  }

  // The stores of a process that was killed, or that a child made to what its parent had mapped.
  void AddStores(const FileContent& actual, InodeId id) {
    FileContent& replayed = replayed_.mutable_inode(id).content;
    if (replayed.bytes() != actual.bytes() || replayed == actual) return;
    for (uint64_t at = 0; at < actual.bytes(); at += FileContent::kBlockBytes) {
      const std::string now = actual.Read(at, FileContent::kBlockBytes);
      const std::string before = replayed.Read(at, FileContent::kBlockBytes);
      if (now == before) continue;
      for (uint64_t sector = 0; sector < now.size(); sector += kSectorBytes) {
        const std::string_view data = std::string_view(now).substr(sector, kSectorBytes);
        if (data == std::string_view(before).substr(sector, kSectorBytes)) continue;
        IoEvent event;
        event.kind = IoEvent::Kind::kWrite;
        event.inode = id;
        event.offset = at + sector;
        event.data = data.substr(0, std::min(kSectorBytes, actual.bytes() - event.offset));
        event.mapped = true;
        replayed.Write(event.offset, event.data);
        Add(event);
      }
    }
  }

  FileTree replayed_;
  FileTree actual_;
  const Control& control_;
  const IoTrace& trace_;
  std::map<InodeId, InodeId> numbers_;  // in the tree that was read: in the trace
  FinalProof proof_;
};

}  // namespace

Result<FinalProof> ProveEnd(const FileTree& initial, const fs::path& root, const Control& control,
                            IoTrace* trace) {
  ASSIGN_OR_RETURN(FileTree replayed, Replay(initial, trace));
  ASSIGN_OR_RETURN(FileTree actual, FileTree::Read(root));
  return Prover(std::move(replayed), std::move(actual), control, *trace).Prove(root);
}

}  // namespace fencepost
