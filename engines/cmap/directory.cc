// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/directory.h"

#include <fmt/format.h>

namespace fencepost::cmap {
namespace {

// Where an index is: entry of the root, of its table, of that one's.
struct Path {
  explicit Path(uint64_t index)
      : root_entry(index >> (2 * kTableBits)),
        upper_entry(index >> kTableBits & (kTableEntries - 1)),
        lower_entry(index & (kTableEntries - 1)) {}
  uint64_t root_entry;
  uint64_t upper_entry;
  uint64_t lower_entry;
};

}  // namespace

Result<uint64_t*> Directory::TableAt(uint64_t offset) const {
  if (offset % kLineBytes != 0 || !pool_.Contains(offset, kSegmentBytes)) {
    return Status::Corrupt(
        fmt::format("a directory has an impossible offset {}: {}", offset, pool_.path().string()));
  }
  return pool_.At<uint64_t>(offset);
}

Result<uint64_t> Directory::Load(uint64_t index) const {
  const Path path(index);
  uint64_t offset = root_[path.root_entry];
  for (const uint64_t entry : {path.upper_entry, path.lower_entry}) {
    if (offset == 0) return offset;
    ASSIGN_OR_RETURN(const uint64_t* const table, TableAt(offset));
    offset = table[entry];
  }
  return offset;
}

Status Directory::Stage(pmem::Publication& publication, uint64_t index, uint64_t value) {
  CHECK(index < kMaxDirectoryEntries);
  const Path path(index);
  uint64_t* word = &root_[path.root_entry];
  for (const uint64_t entry : {path.upper_entry, path.lower_entry}) {
    uint64_t offset = publication.Load(word);
    if (offset == 0) {
      offset = publication.ReserveZeroedUnit(table_unit_);
      if (offset == 0) {
        return Status::Full(
            fmt::format("no space for a table of a directory: {}", pool_.path().string()));
      }
      publication.Store(word, offset);
    }
    ASSIGN_OR_RETURN(uint64_t* const table, TableAt(offset));
    word = table + entry;
  }
  publication.Store(word, value);
  return Status::Ok();
}

Status Directory::ForEachTable(FunctionRef<Status(uint64_t)> visit) const {
  for (const uint64_t upper : root_) {
    if (upper == 0) continue;
    ASSIGN_OR_RETURN(const uint64_t* const table, TableAt(upper));
    RETURN_IF_ERROR(visit(upper));
    for (uint64_t i = 0; i < kTableEntries; ++i) {
      if (table[i] == 0) continue;
      ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t* const lower, TableAt(table[i]));
      RETURN_IF_ERROR(visit(table[i]));
    }
  }
  return Status::Ok();
}

Status Directory::ForEachEntry(FunctionRef<Status(uint64_t, uint64_t)> visit) const {
  for (uint64_t i = 0; i < kRootEntries; ++i) {
    if (root_[i] == 0) continue;
    ASSIGN_OR_RETURN(const uint64_t* const upper, TableAt(root_[i]));
    for (uint64_t j = 0; j < kTableEntries; ++j) {
      if (upper[j] == 0) continue;
      ASSIGN_OR_RETURN(const uint64_t* const lower, TableAt(upper[j]));
      for (uint64_t k = 0; k < kTableEntries; ++k) {
        if (lower[k] != 0) {
          RETURN_IF_ERROR(visit((i * kTableEntries + j) * kTableEntries + k, lower[k]));
        }
      }
    }
  }
  return Status::Ok();
}

}  // namespace fencepost::cmap
