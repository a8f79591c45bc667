// SPDX-License-Identifier: BSD-3-Clause
// For tests: a disk in memory on which only a sync promises anything, and which can be made to
// fail.
//
// A power loss leaves, for each 512-byte sector, what was durable or any version that it has had
// since; a size that was durable or any since; the durable names with any of the directory changes
// since. A failed sync drops the data that it should have written and calls it clean, as Linux
// does: still readable, never durable unless written again. Threads: any number; one mutex.
#ifndef FENCEPOST_ENGINES_FILESTORE_FAKE_STORAGE_H_
#define FENCEPOST_ENGINES_FILESTORE_FAKE_STORAGE_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engines/filestore/storage.h"

namespace fencepost::filestore {

class FakeDisk : public std::enable_shared_from_this<FakeDisk> {
 public:
  enum class Call { kWrite, kSync, kAllocate, kTruncate, kOpen, kRename, kRemove, kDirSync, kRead };

  // Called before each call takes effect, without the mutex: a place to crash, or to fail.
  std::function<Status(Call call)> before;
  uint64_t capacity_bytes = UINT64_MAX;
  bool syncs_lie = false;  // for the test of the tests

  std::unique_ptr<Storage> Mount();

  // What could be left after a power loss now. `keep` of 100 is the chance of each change.
  std::shared_ptr<FakeDisk> Crash(std::mt19937_64& random, unsigned keep) {
    const std::lock_guard lock(mutex_);
    auto left = std::make_shared<FakeDisk>();
    Names names = durable_names_;
    for (const auto& change : pending_names_) {
      if (random() % 100 < keep) change(names);
    }
    for (const auto& [name, inode] : names) left->Adopt(name, CrashContent(*inode, random, keep));
    return left;
  }

  // What another process would find after this one was killed: everything.
  std::shared_ptr<FakeDisk> Copy() {
    const std::lock_guard lock(mutex_);
    auto copy = std::make_shared<FakeDisk>();
    for (const auto& [name, inode] : names_) copy->Adopt(name, inode->content);
    return copy;
  }

  std::string& Content(const std::string& name) { return names_.at(name)->content; }
  bool Has(const std::string& name) const { return names_.contains(name); }
  std::vector<std::string> List() const {
    std::vector<std::string> list;
    for (const auto& [name, inode] : names_) list.push_back(name);
    return list;
  }
  // A file that is there, durably.
  void Adopt(const std::string& name, std::string content) {
    auto inode = std::make_shared<Inode>();
    inode->durable = content;
    inode->content = std::move(content);
    names_[name] = durable_names_[name] = inode;
  }

 private:
  friend class FakeFile;
  friend class FakeDirectory;
  static constexpr uint64_t kSectorBytes = 512;

  struct Change {
    uint64_t offset;
    std::string data;
  };
  struct Inode {
    std::string content;
    std::string durable;
    std::vector<Change> changes;  // since the last sync
    std::vector<uint64_t> sizes;  // likewise
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  static std::string CrashContent(const Inode& inode, std::mt19937_64& random, unsigned keep) {
    uint64_t size = inode.durable.size();
    uint64_t largest = size;
    for (uint64_t later : inode.sizes) {
      if (random() % 100 < keep) size = later;
      largest = std::max(largest, later);
    }
    std::string content = inode.durable;
    content.resize(largest);
    // Sectors change one version at a time: what is left is a prefix of each one's changes.
    std::map<uint64_t, bool> stopped;
    for (const Change& change : inode.changes) {
      const uint64_t end = change.offset + change.data.size();
      for (uint64_t at = change.offset; at < end;) {
        const uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
        bool& stop = stopped[at / kSectorBytes];
        stop = stop || random() % 100 >= keep;
        if (!stop) {
          std::memcpy(content.data() + at, change.data.data() + (at - change.offset), next - at);
        }
        at = next;
      }
    }
    content.resize(size);
    return content;
  }

  Status Before(Call call) { return before ? before(call) : Status::Ok(); }

  uint64_t UsedBytes() const {
    uint64_t used = 0;
    for (const auto& [name, inode] : names_) used += inode->content.size();
    return used;
  }

  Status Resize(Inode& inode, uint64_t bytes) {
    const uint64_t old = inode.content.size();
    if (bytes > old && UsedBytes() + (bytes - old) > capacity_bytes) {
      return Status::Full("fake: no space left");
    }
    // A cut takes the bytes away even if the file grows again.
    if (bytes < old) inode.changes.push_back({bytes, std::string(old - bytes, '\0')});
    inode.content.resize(bytes);
    inode.sizes.push_back(bytes);
    return Status::Ok();
  }

  std::mutex mutex_;
  Names names_;
  Names durable_names_;
  std::vector<std::function<void(Names&)>> pending_names_;
};

class FakeFile final : public File {
 public:
  FakeFile(std::shared_ptr<FakeDisk> disk, std::shared_ptr<FakeDisk::Inode> inode, std::string name)
      : disk_(std::move(disk)), inode_(std::move(inode)), name_(std::move(name)) {}

  Result<size_t> ReadAt(uint64_t offset, char* out, size_t bytes) override {
    if (Status status = disk_->Before(FakeDisk::Call::kRead); !status.ok()) return status;
    const std::lock_guard lock(disk_->mutex_);
    if (offset >= inode_->content.size()) return size_t{0};
    const size_t got = std::min<size_t>(bytes, inode_->content.size() - offset);
    std::memcpy(out, inode_->content.data() + offset, got);
    return got;
  }

  Status WriteAt(uint64_t offset, std::string_view data) override {
    RETURN_IF_ERROR(disk_->Before(FakeDisk::Call::kWrite));
    const std::lock_guard lock(disk_->mutex_);
    if (offset + data.size() > inode_->content.size()) {
      RETURN_IF_ERROR(disk_->Resize(*inode_, offset + data.size()));
    }
    std::memcpy(inode_->content.data() + offset, data.data(), data.size());
    inode_->changes.push_back({offset, std::string(data)});
    return Status::Ok();
  }

  Status Allocate(uint64_t bytes) override {
    RETURN_IF_ERROR(disk_->Before(FakeDisk::Call::kAllocate));
    const std::lock_guard lock(disk_->mutex_);
    return bytes <= inode_->content.size() ? Status::Ok() : disk_->Resize(*inode_, bytes);
  }

  Status Truncate(uint64_t bytes) override {
    RETURN_IF_ERROR(disk_->Before(FakeDisk::Call::kTruncate));
    const std::lock_guard lock(disk_->mutex_);
    return disk_->Resize(*inode_, bytes);
  }

  Result<uint64_t> Size() override {
    const std::lock_guard lock(disk_->mutex_);
    return uint64_t{inode_->content.size()};
  }
  Result<uint64_t> StorageBytes() override { return Size(); }
  const std::string& name() const override { return name_; }

 private:
  Status DoSync() override {
    // A sync covers what was written before it started.
    size_t changes, sizes;
    {
      const std::lock_guard lock(disk_->mutex_);
      changes = inode_->changes.size();
      sizes = inode_->sizes.size();
    }
    const Status status = disk_->Before(FakeDisk::Call::kSync);
    if (disk_->syncs_lie) return status;
    const std::lock_guard lock(disk_->mutex_);
    if (status.ok()) {
      for (size_t i = 0; i < sizes; ++i) inode_->durable.resize(inode_->sizes[i]);
      for (size_t i = 0; i < changes; ++i) {
        const FakeDisk::Change& change = inode_->changes[i];
        if (change.offset >= inode_->durable.size()) continue;
        const size_t bytes =
            std::min<size_t>(change.data.size(), inode_->durable.size() - change.offset);
        std::memcpy(inode_->durable.data() + change.offset, change.data.data(), bytes);
      }
    }
    inode_->changes.erase(inode_->changes.begin(),
                          inode_->changes.begin() + static_cast<ptrdiff_t>(changes));
    if (status.ok()) {
      inode_->sizes.erase(inode_->sizes.begin(),
                          inode_->sizes.begin() + static_cast<ptrdiff_t>(sizes));
    }
    return status;
  }

  const std::shared_ptr<FakeDisk> disk_;
  const std::shared_ptr<FakeDisk::Inode> inode_;
  const std::string name_;
};

class FakeDirectory final : public Storage {
 public:
  explicit FakeDirectory(std::shared_ptr<FakeDisk> disk) : disk_(std::move(disk)) {}

  Result<std::vector<std::string>> List() override { return disk_->List(); }

  Result<std::unique_ptr<File>> Open(const std::string& name, bool create) override {
    if (Status status = disk_->Before(FakeDisk::Call::kOpen); !status.ok()) return status;
    const std::lock_guard lock(disk_->mutex_);
    if (create) {
      auto inode = std::make_shared<FakeDisk::Inode>();
      Change([name, inode](FakeDisk::Names& names) { names[name] = inode; });
    }
    const auto found = disk_->names_.find(name);
    if (found == disk_->names_.end()) return Status(StatusCode::kNotFound, "fake: no " + name);
    return std::unique_ptr<File>(std::make_unique<FakeFile>(disk_, found->second, name));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    RETURN_IF_ERROR(disk_->Before(FakeDisk::Call::kRename));
    const std::lock_guard lock(disk_->mutex_);
    Change([from, to](FakeDisk::Names& names) {
      if (!names.contains(from)) return;
      names[to] = names[from];
      names.erase(from);
    });
    return Status::Ok();
  }

  Status Remove(const std::string& name) override {
    RETURN_IF_ERROR(disk_->Before(FakeDisk::Call::kRemove));
    const std::lock_guard lock(disk_->mutex_);
    Change([name](FakeDisk::Names& names) { names.erase(name); });
    return Status::Ok();
  }

  Status SyncDirectory() override {
    RETURN_IF_ERROR(disk_->Before(FakeDisk::Call::kDirSync));
    const std::lock_guard lock(disk_->mutex_);
    if (disk_->syncs_lie) return Status::Ok();
    disk_->durable_names_ = disk_->names_;
    disk_->pending_names_.clear();
    return Status::Ok();
  }

  const std::string& path() const override { return path_; }

 private:
  void Change(std::function<void(FakeDisk::Names&)> change) {
    change(disk_->names_);
    disk_->pending_names_.push_back(std::move(change));
  }

  const std::shared_ptr<FakeDisk> disk_;
  const std::string path_ = "fake";
};

inline std::unique_ptr<Storage> FakeDisk::Mount() {
  return std::make_unique<FakeDirectory>(shared_from_this());
}

}  // namespace fencepost::filestore

#endif  // FENCEPOST_ENGINES_FILESTORE_FAKE_STORAGE_H_
