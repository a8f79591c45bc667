// SPDX-License-Identifier: BSD-3-Clause
// For tests: a directory in memory on which only a sync promises anything, and which can be made to
// fail.
//
// What is not durable yet is a list of changes: 512 bytes of a write (or less, at its ends), a new
// size, what a name stands for; a rename is two of these. A power loss leaves what is durable and
// any choice of the changes, made in their order. A sync that fails drops its changes: they can
// still be read and will never be durable, as with Linux.
//
// Threads: none.
// Not covered: truncation, and making a file that is there, which no canary does.
#ifndef FENCEPOST_ENGINES_CANARIES_FAKE_DISK_H_
#define FENCEPOST_ENGINES_CANARIES_FAKE_DISK_H_

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engines/canaries/canary_files.h"

namespace fencepost::canary {

class FakeDisk {
 public:
  static constexpr uint64_t kSectorBytes = 512;

  struct Change {
    enum class Kind : unsigned char { kData, kSize, kName };
    Kind kind = Kind::kData;
    size_t inode = 0;
    uint64_t offset = 0;      // kData; kSize: the size
    std::string bytes = {};   // kData
    std::string name = {};    // kName
    bool is_removal = false;  // kName: it stands for nothing
  };

  // Called before each call that changes or syncs anything: a place for a power loss.
  std::function<void()> before_call;
  // The call of this number, from now on, fails, a write after half of its bytes.
  uint64_t calls_until_failure = UINT64_MAX;
  uint64_t call_count = 0;

  const std::vector<Change>& pending() {
    NoteMappedStores();
    return pending_;
  }

  // After a power loss that leaves the pending changes that `keeps` says.
  std::unique_ptr<FakeDisk> AfterLoss(const std::vector<bool>& keeps) {
    NoteMappedStores();
    auto left = std::make_unique<FakeDisk>();
    left->durable_names_ = durable_names_;
    for (const Inode& inode : inodes_) left->inodes_.push_back({inode.durable, inode.durable});
    for (size_t i = 0; i < pending_.size(); ++i) {
      if (keeps[i]) left->MakeDurable(pending_[i]);
    }
    for (Inode& inode : left->inodes_) {
      inode.durable.bytes.resize(inode.durable.size);
      inode.cached = inode.durable;
    }
    left->names_ = left->durable_names_;
    return left;
  }

  std::unique_ptr<Files> Mount() { return std::make_unique<MountedFiles>(this); }

 private:
  struct Content {
    std::string bytes;  // may be longer than `size`: written, and not part of the file yet
    uint64_t size = 0;
  };
  struct Inode {
    Content durable;
    Content cached;  // bytes.size() == size
    std::unique_ptr<char[]> mapping = nullptr;
    uint64_t mapping_bytes = 0;
  };

  static void Store(std::string* to, uint64_t offset, std::string_view bytes) {
    if (to->size() < offset + bytes.size()) to->resize(offset + bytes.size());
    to->replace(offset, bytes.size(), bytes);
  }

  void MakeDurable(const Change& change) {
    switch (change.kind) {
      case Change::Kind::kData:
        Store(&inodes_[change.inode].durable.bytes, change.offset, change.bytes);
        break;
      case Change::Kind::kSize:
        inodes_[change.inode].durable.size =
            std::max(inodes_[change.inode].durable.size, change.offset);
        break;
      case Change::Kind::kName:
        if (change.is_removal) {
          durable_names_.erase(change.name);
        } else {
          durable_names_[change.name] = change.inode;
        }
    }
  }

  // Before each call. Whether it fails.
  bool Enter() {
    NoteMappedStores();
    if (before_call) before_call();
    ++call_count;
    return calls_until_failure != UINT64_MAX && calls_until_failure-- == 0;
  }
  static Status Failure(std::string_view call) {
    return Status::IoError(std::string(call) + ": made to fail");
  }

  // Makes the changes durable that `covers` says, or drops them.
  Status SyncWhat(bool fails, FunctionRef<bool(const Change&)> covers) {
    std::vector<Change> left;
    for (Change& change : pending_) {
      if (!covers(change)) {
        left.push_back(std::move(change));
      } else if (!fails) {
        MakeDurable(change);
      }
    }
    pending_ = std::move(left);
    return fails ? Failure("sync") : Status::Ok();
  }

  // Also again after a sync that failed.
  void Grow(size_t inode, uint64_t size) {
    Content& cached = inodes_[inode].cached;
    if (size > inodes_[inode].durable.size) {
      pending_.push_back({.kind = Change::Kind::kSize, .inode = inode, .offset = size});
    }
    if (size <= cached.size) return;
    cached.bytes.resize(size);
    cached.size = size;
  }

  void WriteSectors(size_t inode, uint64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      const uint64_t here = std::min(bytes.size(), kSectorBytes - offset % kSectorBytes);
      pending_.push_back(
          {.inode = inode, .offset = offset, .bytes = std::string(bytes.substr(0, here))});
      Store(&inodes_[inode].cached.bytes, offset, bytes.substr(0, here));
      bytes.remove_prefix(here);
      offset += here;
    }
  }

  // What was stored to mappings since the last call.
  void NoteMappedStores() {
    for (size_t i = 0; i < inodes_.size(); ++i) {
      const Inode& inode = inodes_[i];
      if (inode.mapping_bytes == 0 ||
          std::memcmp(inode.mapping.get(), inode.cached.bytes.data(), inode.mapping_bytes) == 0) {
        continue;
      }
      for (uint64_t at = 0; at < inode.mapping_bytes; at += kSectorBytes) {
        const std::string_view now(inode.mapping.get() + at, kSectorBytes);
        if (inode.cached.bytes.compare(at, kSectorBytes, now) != 0) WriteSectors(i, at, now);
      }
    }
  }

  // What of a mapping a sync that failed has dropped. A store of what is there already is not seen
  // here, so each is taken for one that was made before this sync.
  void StoreAgain(size_t inode, uint64_t offset, uint64_t bytes) {
    NoteMappedStores();
    std::string durable = inodes_[inode].durable.bytes;
    durable.resize(inodes_[inode].mapping_bytes);
    const std::string& cached = inodes_[inode].cached.bytes;
    Grow(inode, inodes_[inode].mapping_bytes);
    for (uint64_t at = offset; at < offset + bytes; at += kSectorBytes) {
      const std::string sector = cached.substr(at, kSectorBytes);
      if (durable.compare(at, kSectorBytes, sector) != 0) WriteSectors(inode, at, sector);
    }
  }

  class OpenFile final : public File {
   public:
    OpenFile(FakeDisk* disk, size_t inode, WriteMode mode)
        : disk_(*disk), inode_(inode), mode_(mode) {}
    ~OpenFile() override {
      disk_.NoteMappedStores();
      disk_.inodes_[inode_].mapping_bytes = 0;
      disk_.inodes_[inode_].mapping.reset();
    }

    Status Write(uint64_t offset, std::string_view bytes) override {
      const bool fails = disk_.Enter();
      if (fails) bytes = bytes.substr(0, bytes.size() / 2);
      const size_t before = disk_.pending_.size();
      disk_.WriteSectors(inode_, offset, bytes);
      disk_.Grow(inode_, offset + bytes.size());
      if (fails) return Failure("write");
      if (mode_ != WriteMode::kSynchronous) return Status::Ok();
      // A power loss can come before it is done.
      if (disk_.before_call) disk_.before_call();
      for (size_t i = before; i < disk_.pending_.size(); ++i) disk_.MakeDurable(disk_.pending_[i]);
      disk_.pending_.resize(before);
      return Status::Ok();
    }
    Status Sync() override {
      return disk_.SyncWhat(disk_.Enter(), [&](const Change& change) {
        return change.kind != Change::Kind::kName && change.inode == inode_;
      });
    }
    Result<char*> Map(uint64_t bytes, bool /*allocates*/) override {
      if (disk_.Enter()) return Failure("map");
      disk_.Grow(inode_, bytes);
      Inode& inode = disk_.inodes_[inode_];
      inode.mapping = std::make_unique<char[]>(bytes);
      std::memcpy(inode.mapping.get(), inode.cached.bytes.data(), bytes);
      inode.mapping_bytes = bytes;
      return inode.mapping.get();
    }
    Status SyncMapped(uint64_t offset, uint64_t bytes) override {
      disk_.StoreAgain(inode_, offset, bytes);
      return disk_.SyncWhat(disk_.Enter(), [&](const Change& change) {
        if (change.kind == Change::Kind::kName || change.inode != inode_) return false;
        return change.kind == Change::Kind::kSize ||
               (change.offset >= offset && change.offset < offset + bytes);
      });
    }

   private:
    FakeDisk& disk_;
    const size_t inode_;
    const WriteMode mode_;
  };

  class MountedFiles final : public Files {
   public:
    explicit MountedFiles(FakeDisk* disk) : disk_(*disk) {}

    Result<std::unique_ptr<File>> Create(const std::string& name, WriteMode mode) override {
      if (disk_.Enter()) return Failure("create");
      CHECK(!disk_.names_.contains(name));
      disk_.inodes_.emplace_back();
      disk_.SetName(name, disk_.inodes_.size() - 1);
      return OpenInode(disk_.inodes_.size() - 1, mode);
    }
    Result<std::unique_ptr<File>> Open(const std::string& name) override {
      return OpenInode(disk_.names_.at(name), WriteMode::kSync);
    }
    Result<std::string> Read(const std::string& name) override {
      const auto found = disk_.names_.find(name);
      if (found == disk_.names_.end()) return Status::NotFound();
      return disk_.inodes_[found->second].cached.bytes;
    }
    Result<std::vector<std::string>> List() override {
      std::vector<std::string> names;
      for (const auto& [name, inode] : disk_.names_) names.push_back(name);
      return names;
    }
    Status Rename(const std::string& from, const std::string& to) override {
      if (disk_.Enter()) return Failure("rename");
      disk_.SetName(to, disk_.names_.at(from));
      disk_.RemoveName(from);
      return Status::Ok();
    }
    Status Unlink(const std::string& name) override {
      if (disk_.Enter()) return Failure("unlink");
      disk_.RemoveName(name);
      return Status::Ok();
    }
    Status SyncDirectory() override {
      return disk_.SyncWhat(
          disk_.Enter(), [](const Change& change) { return change.kind == Change::Kind::kName; });
    }
    Medium medium() const override { return Medium::kPageCache; }
    uint64_t sync_count() const override { return 0; }

   private:
    std::unique_ptr<File> OpenInode(size_t inode, WriteMode mode) {
      return std::make_unique<OpenFile>(&disk_, inode, mode);
    }
    FakeDisk& disk_;
  };

  void SetName(const std::string& name, size_t inode) {
    names_[name] = inode;
    pending_.push_back({.kind = Change::Kind::kName, .inode = inode, .name = name});
  }
  void RemoveName(const std::string& name) {
    CHECK(names_.erase(name) == 1);
    pending_.push_back({.kind = Change::Kind::kName, .name = name, .is_removal = true});
  }

  std::vector<Inode> inodes_;  // never removed
  std::map<std::string, size_t> names_;
  std::map<std::string, size_t> durable_names_;
  std::vector<Change> pending_;
};

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_FAKE_DISK_H_
