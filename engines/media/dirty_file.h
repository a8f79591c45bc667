// SPDX-License-Identifier: BSD-3-Clause
// What a sync of a file has to write: the blocks that were written since the last one, and whether
// more than data has changed.
//
// Invariants:
//   1. A block is written once for each sync that finds it dirty, however often it was written to.
//   2. Runs neither touch nor overlap: blocks that lie together are one request.
// Threads: none.
// Not covered: what a file system writes besides data: a file that has grown, or names that have
//   changed, are one block of its journal.
#ifndef FENCEPOST_ENGINES_MEDIA_DIRTY_FILE_H_
#define FENCEPOST_ENGINES_MEDIA_DIRTY_FILE_H_

#include <cstdint>
#include <map>

#include "engines/function_ref.h"

namespace fencepost::media {

class DirtyFile {
 public:
  using RunVisitor = FunctionRef<void(uint64_t first_block, uint64_t blocks)>;

  DirtyFile() = default;
  explicit DirtyFile(uint64_t bytes) : bytes_(bytes) {}

  // Through the page cache. REQUIRES: bytes > 0.
  void Write(uint64_t offset, uint64_t bytes);
  // Around it: no block becomes dirty, but the file may grow.
  void WriteAround(uint64_t offset, uint64_t bytes);
  // Its size, its place on the device or, of a directory, its names have changed.
  void Change() { changed_ = true; }

  bool IsDirty(uint64_t block) const;

  // Nothing is dirty afterwards. Returns whether a block of the journal is to be written besides.
  bool Sync(RunVisitor write);
  // Only the data, and of that only these blocks: `first` and those after it up to, not including,
  // `end`.
  void WriteBack(uint64_t first, uint64_t end, RunVisitor write);

 private:
  uint64_t bytes_ = 0;
  bool changed_ = false;
  std::map<uint64_t, uint64_t> runs_;  // first block -> the one after the last
};

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_DIRTY_FILE_H_
