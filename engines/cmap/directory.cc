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

Result<uint64_t> Directory::OffsetIn(uint64_t word) const {
  if (!IsSound(word)) {
    return Status::Corrupt(
        fmt::format("a directory's entry is damaged ({:#x}): {}", word, pool_.path().string()));
  }
  return Unchecked(word);
}

Result<uint64_t*> Directory::TableIn(uint64_t word) const {
  ASSIGN_OR_RETURN(const uint64_t offset, OffsetIn(word));
  if (offset % kLineBytes != 0 || !pool_.Contains(offset, kSegmentBytes)) {
    return Status::Corrupt(
        fmt::format("a directory has an impossible offset {}: {}", offset, pool_.path().string()));
  }
  return pool_.At<uint64_t>(offset);
}

Result<uint64_t> Directory::Load(uint64_t index) const {
  const Path path(index);
  uint64_t word = root_[path.root_entry];
  for (const uint64_t entry : {path.upper_entry, path.lower_entry}) {
    if (word == 0) return word;
    ASSIGN_OR_RETURN(const uint64_t* const table, TableIn(word));
    word = table[entry];
  }
  return OffsetIn(word);
}

Status Directory::Stage(pmem::Publication& publication, uint64_t index, uint64_t value) {
  CHECK(index < kMaxDirectoryEntries && (value & kCheckBits) == 0);
  const Path path(index);
  uint64_t* word = &root_[path.root_entry];
  for (const uint64_t entry : {path.upper_entry, path.lower_entry}) {
    uint64_t link = publication.Load(word);
    if (link == 0) {
      const uint64_t offset = publication.ReserveZeroedUnit(table_unit_);
      if (offset == 0) {
        return Status::Full(
            fmt::format("no space for a table of a directory: {}", pool_.path().string()));
      }
      link = Checked(offset);
      publication.Store(word, link);
    }
    ASSIGN_OR_RETURN(uint64_t* const table, TableIn(link));
    word = table + entry;
  }
  publication.Store(word, Checked(value));
  return Status::Ok();
}

Status Directory::ForEachTable(FunctionRef<Status(uint64_t)> visit) const {
  for (const uint64_t upper : root_) {
    if (upper == 0) continue;
    ASSIGN_OR_RETURN(const uint64_t* const table, TableIn(upper));
    RETURN_IF_ERROR(visit(Unchecked(upper)));
    for (uint64_t i = 0; i < kTableEntries; ++i) {
      if (table[i] == 0) continue;
      ASSIGN_OR_RETURN([[maybe_unused]] const uint64_t* const lower, TableIn(table[i]));
      RETURN_IF_ERROR(visit(Unchecked(table[i])));
    }
  }
  return Status::Ok();
}

Status Directory::ForEachEntry(FunctionRef<Status(uint64_t, uint64_t)> visit) const {
  for (uint64_t i = 0; i < kRootEntries; ++i) {
    if (root_[i] == 0) continue;
    ASSIGN_OR_RETURN(const uint64_t* const upper, TableIn(root_[i]));
    for (uint64_t j = 0; j < kTableEntries; ++j) {
      if (upper[j] == 0) continue;
      ASSIGN_OR_RETURN(const uint64_t* const lower, TableIn(upper[j]));
      for (uint64_t k = 0; k < kTableEntries; ++k) {
        if (lower[k] == 0) continue;
        ASSIGN_OR_RETURN(const uint64_t value, OffsetIn(lower[k]));
        RETURN_IF_ERROR(visit((i * kTableEntries + j) * kTableEntries + k, value));
      }
    }
  }
  return Status::Ok();
}

}  // namespace fencepost::cmap
