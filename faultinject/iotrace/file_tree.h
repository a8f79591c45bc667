// SPDX-License-Identifier: BSD-3-Clause
// FileTree: directories, files and what they hold, in memory. Copies share what they have in
// common, so a crash image costs what differs.
//
// Invariants: contents are blocks of kBlockBytes, shared between copies until written to; a block
//   that is absent is zero.
// Threads: distinct trees may be used from several threads; none may be changed while another one
//   reads it.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_FILE_TREE_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_FILE_TREE_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/status.h"
#include "faultinject/iotrace/io_event.h"

namespace fencepost {

// The bytes of one file.
class FileContent {
 public:
  static constexpr uint64_t kBlockBytes = 4096;

  uint64_t bytes() const { return bytes_; }
  void Write(uint64_t offset, std::string_view data);  // grows it if need be
  void Resize(uint64_t bytes);                         // what is new is zero
  void Zero(uint64_t offset, uint64_t length);         // within the file
  void Collapse(uint64_t offset, uint64_t length);
  void InsertHole(uint64_t offset, uint64_t length);
  // Beyond the end: zeros.
  std::string Read(uint64_t offset, uint64_t length) const;
  uint64_t Hash() const;  // XXH3, 64 bits, of all bytes
  bool operator==(const FileContent& other) const;

 private:
  using Block = std::shared_ptr<const std::string>;  // kBlockBytes long
  std::map<uint64_t, Block> blocks_;                 // by number
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
  // name. kUnsupported for what is no file, directory or symbolic link; kIoError.
  static Result<FileTree> Read(const std::filesystem::path& root);
  // Writes it to `root`, which is there and empty. Holes stay holes. kIoError, kFull.
  Status WriteTo(const std::filesystem::path& root) const;

  // Carries out a namespace or content event; others change nothing. kCorrupt where it cannot have
  // happened: an unknown inode, a name that is not there or is there already.
  Status Apply(const IoEvent& event);

  // REQUIRES: it is there.
  const Inode& inode(InodeId id) const { return *inodes_.at(id); }
  Inode& mutable_inode(InodeId id);
  void Add(InodeId id, Inode inode);
  bool Has(InodeId id) const { return inodes_.contains(id); }
  // From the root; "" for the root; one of them where there are several; nothing for an inode
  // without a name.
  std::map<InodeId, std::string> Paths() const;
  // Of all that can be reached from the root: names, types, contents, and which names are links of
  // one file. Equal for equal trees, whatever their inode numbers.
  uint64_t Hash() const;

 private:
  std::map<InodeId, std::shared_ptr<Inode>> inodes_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_FILE_TREE_H_
