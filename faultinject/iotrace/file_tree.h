// SPDX-License-Identifier: BSD-3-Clause
// FileTree: directories, files and what they hold, in memory. Copies share what they have in
// common, so a crash image costs what differs.
//
// Invariants:
//   1. Contents are blocks of kBlockBytes, shared between copies until written to; a block that is
//      absent is zero, and so is what lies beyond the end of the file in its last one.
//   2. What a block hashes to is computed once: the hash of a tree costs what has changed.
// Threads: distinct trees may be used from several threads, copies of one another too; none may be
//   changed while another thread reads it.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_FILE_TREE_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_FILE_TREE_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/iotrace/copy_on_write.h"
#include "faultinject/iotrace/io_event.h"

namespace fencepost {

// The bytes of one file.
class FileContent {
 public:
  static constexpr uint64_t kBlockBytes = 4096;

  uint64_t bytes() const { return bytes_; }
  void Write(uint64_t offset, std::string_view data);  // grows it if need be; no bytes do not
  void Resize(uint64_t bytes);                         // what is new is zero
  void Zero(uint64_t offset, uint64_t length);         // within the file
  // Both move what lies behind. REQUIRES: `offset` (+ `length` for Collapse) is within the file.
  void Collapse(uint64_t offset, uint64_t length);
  void InsertHole(uint64_t offset, uint64_t length);
  // Beyond the end: zeros.
  std::string Read(uint64_t offset, uint64_t length) const;
  uint64_t Hash() const;  // XXH3, 64 bits, of all bytes: reads them all
  // Equal for equal contents; reads only what has changed since it was last asked.
  uint64_t QuickHash() const;
  bool operator==(const FileContent& other) const;

  // Calls `visit(offset, bytes)` for each block that is not a hole, in order, cut at the end.
  template <typename Visit>
  void ForEachBlock(const Visit& visit) const {
    for (const auto& [number, extent] : extents_) {
      for (uint64_t i = 0; i < kExtentBlocks; ++i) {
        if (!extent->blocks[i]) continue;
        const uint64_t offset = (number * kExtentBlocks + i) * kBlockBytes;
        const uint64_t left = bytes_ - offset;
        visit(offset, std::string_view(extent->blocks[i]->bytes.data(),
                                       left < kBlockBytes ? left : kBlockBytes));
      }
    }
  }

  // Calls `visit(offset, bytes)` for each block that may differ from the one of `from`, in order,
  // cut at the end; where only `from` has one, with zeros. Costs nothing for what both share.
  template <typename Visit>
  void ForEachChange(const FileContent& from, const Visit& visit) const {
    static constexpr std::array<char, kBlockBytes> kZeros{};
    const auto extent_of = [](const FileContent& content, uint64_t number) {
      const auto found = content.extents_.find(number);
      return found == content.extents_.end() ? Shared<Extent>() : found->second;
    };
    const auto visit_extent = [&](uint64_t number) {
      const Shared<Extent> now = extent_of(*this, number), then = extent_of(from, number);
      if (now == then) return;
      for (uint64_t i = 0; i < kExtentBlocks; ++i) {
        const Shared<Block> block = now ? now->blocks[i] : Shared<Block>();
        if (block == (then ? then->blocks[i] : Shared<Block>())) continue;
        const uint64_t offset = (number * kExtentBlocks + i) * kBlockBytes;
        if (offset >= bytes_) return;
        visit(offset, std::string_view(block ? block->bytes.data() : kZeros.data(),
                                       std::min(bytes_ - offset, kBlockBytes)));
      }
    };
    auto now = extents_.begin();
    auto then = from.extents_.begin();
    while (now != extents_.end() || then != from.extents_.end()) {
      const uint64_t number = std::min(now == extents_.end() ? UINT64_MAX : now->first,
                                       then == from.extents_.end() ? UINT64_MAX : then->first);
      visit_extent(number);
      if (now != extents_.end() && now->first == number) ++now;
      if (then != from.extents_.end() && then->first == number) ++then;
    }
  }

 private:
  static constexpr uint64_t kExtentBlocks = 128;

  // Of something that is shared and read by several threads; 0: not computed yet.
  struct CachedHash {
    CachedHash() = default;
    CachedHash(const CachedHash& other) : value(other.value.load(std::memory_order_relaxed)) {}
    CachedHash& operator=(const CachedHash&) = delete;
    mutable std::atomic<uint64_t> value{0};
  };
  struct Block {
    std::array<char, kBlockBytes> bytes{};
    CachedHash hash = {};
  };
  struct Extent {
    std::array<Shared<Block>, kExtentBlocks> blocks = {};
    CachedHash hash = {};
  };

  static uint64_t HashOf(const Block& block);
  static uint64_t HashOf(const Extent& extent);
  const Block* FindBlock(uint64_t number) const;
  Block& MutableBlock(uint64_t number);
  void DropBlocks(uint64_t first, uint64_t end);  // [first, end)

  std::map<uint64_t, Shared<Extent>> extents_;  // by number
  uint64_t bytes_ = 0;
};

struct Inode {
  InodeType type = InodeType::kFile;
  FileContent content = {};                     // kFile
  std::map<std::string, InodeId> entries = {};  // kDirectory
  std::string target = {};                      // kSymlink
};

class FileTree {
 public:
  // A root without entries.
  FileTree();

  // What is below `root` on a file system now, inodes numbered from 0 in the order of a walk by
  // name, a directory before what is in it. kUnsupported for what is no file, directory or symbolic
  // link; kIoError.
  static Result<FileTree> Read(const std::filesystem::path& root);
  // Writes it to `root`, which is there and empty. Holes stay holes. kIoError, kFull; kCorrupt for
  // a directory with two names.
  Status WriteTo(const std::filesystem::path& root) const;

  // Carries out a namespace or content event; others change nothing. kCorrupt where it cannot have
  // happened: an unknown inode, a name that is not there or is there already. A kCreate without a
  // directory (kNoInode) makes a file without a name (O_TMPFILE). An inode stays when its last name
  // goes: it may be open.
  Status Apply(const IoEvent& event);

  // REQUIRES: it is there.
  const Inode& inode(InodeId id) const { return *inodes_.at(id); }
  Inode& mutable_inode(InodeId id) { return inodes_.at(id).Mutable(); }
  void Add(InodeId id, Inode inode);
  bool Has(InodeId id) const { return inodes_.contains(id); }
  // The first number that no inode has or had.
  InodeId next_inode() const { return inodes_.rbegin()->first + 1; }
  // From the root; "" for the root; the first in the order of a walk by name where there are
  // several; nothing for an inode without a name.
  std::map<InodeId, std::string> Paths() const;
  // The inodes that may differ from those of `from`, or are in one of both only: those that the
  // trees do not share.
  std::vector<InodeId> Changed(const FileTree& from) const;
  // Of all that can be reached from the root: names, types, contents, and which names are links of
  // one file. Equal for equal trees, whatever their inode numbers.
  uint64_t Hash() const;

 private:
  Status ApplyToNames(const IoEvent& event);
  Status ApplyToContent(const IoEvent& event);
  Status AddName(InodeId directory, const std::string& name, InodeId inode);
  Status RemoveName(InodeId directory, const std::string& name, InodeId inode);

  std::map<InodeId, Shared<Inode>> inodes_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_FILE_TREE_H_
