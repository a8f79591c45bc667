// SPDX-License-Identifier: BSD-3-Clause
// TreeWriter: applies pieces that have survived to a tree.
//
// While it is at work contents may be longer than their files: data that survived without the size
// that covers it becomes visible if a later size does, and is cut by Finish() otherwise.
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_MODEL_POSIX_TREE_WRITER_H_
#define FENCEPOST_FAULTINJECT_MODEL_POSIX_TREE_WRITER_H_

#include <cstdint>
#include <map>
#include <utility>

#include "faultinject/model/posix/posix_model.h"

namespace fencepost {

class TreeWriter {
 public:
  // REQUIRES: the tree has all inodes of the pieces.
  TreeWriter(FileTree* tree, uint64_t sector_bytes) : tree_(tree), sector_bytes_(sector_bytes) {}

  // In the order of events.
  void Apply(const FilePiece& piece);
  // The new bytes of this size in this sector are what the disk had before.
  void ApplyStale(const FilePiece& size, uint64_t sector);
  void Finish();
  uint64_t FileBytes(InodeId inode) const;

 private:
  FileContent& Content(InodeId inode);  // of a file whose size is kept here from now on
  void ApplyNames(const IoEvent& event);

  FileTree* const tree_;
  const uint64_t sector_bytes_;
  std::map<InodeId, uint64_t> file_bytes_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_POSIX_TREE_WRITER_H_
