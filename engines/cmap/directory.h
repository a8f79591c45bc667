// SPDX-License-Identifier: BSD-3-Clause
// Directory: a radix tree on media, from an index to the offset of a segment or an extent, a
// multiple of 16.
//
// Invariant: a table, once linked, stays; all of it that is not in use is zero, the rest is checked
//   words.
// Threads: one at a time, for all that changes it.
#ifndef FENCEPOST_ENGINES_CMAP_DIRECTORY_H_
#define FENCEPOST_ENGINES_CMAP_DIRECTORY_H_

#include <cstdint>

#include "engines/cmap/cmap_layout.h"
#include "engines/function_ref.h"
#include "engines/pmem/pool.h"
#include "engines/pmem/publication.h"
#include "engines/status.h"

namespace fencepost::cmap {

class Directory {
 public:
  // `table_unit`: objects of kSegmentBytes.
  Directory(pmem::Pool& pool, const pmem::UnitClass& table_unit, DirectoryRoot& root)
      : pool_(pool), table_unit_(table_unit), root_(root) {}

  // What the entry holds; 0 also where there is no table for it. kCorrupt if what leads to it, or
  // itself, is damaged.
  Result<uint64_t> Load(uint64_t index) const;

  // Adds to the publication that the entry becomes `value`, and the tables that it needs. kFull.
  Status Stage(pmem::Publication& publication, uint64_t index, uint64_t value);

  // Visit the offset of every table, and every entry that is not 0. Stop at the first error, their
  // own or kCorrupt.
  Status ForEachTable(FunctionRef<Status(uint64_t offset)> visit) const;
  Status ForEachEntry(FunctionRef<Status(uint64_t index, uint64_t value)> visit) const;

 private:
  // What is in a word of a table, or of the root.
  Result<uint64_t> OffsetIn(uint64_t word) const;
  // The table that a word which is not 0 refers to.
  Result<uint64_t*> TableIn(uint64_t word) const;

  pmem::Pool& pool_;
  const pmem::UnitClass table_unit_;
  DirectoryRoot& root_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_DIRECTORY_H_
