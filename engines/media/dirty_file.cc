// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/dirty_file.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engines/media/block_model.h"

namespace fencepost::media {

void DirtyFile::WriteAround(uint64_t offset, uint64_t bytes) {
  if (offset + bytes <= bytes_) return;
  bytes_ = offset + bytes;
  changed_ = true;
}

void DirtyFile::Write(uint64_t offset, uint64_t bytes) {
  WriteAround(offset, bytes);
  uint64_t first = offset / kBlockBytes, end = (offset + bytes - 1) / kBlockBytes + 1;
  auto next = runs_.upper_bound(first);
  if (next != runs_.begin() && std::prev(next)->second >= first) --next;
  while (next != runs_.end() && next->first <= end) {
    first = std::min(first, next->first);
    end = std::max(end, next->second);
    next = runs_.erase(next);
  }
  runs_.emplace_hint(next, first, end);
}

bool DirtyFile::IsDirty(uint64_t block) const {
  const auto next = runs_.upper_bound(block);
  return next != runs_.begin() && std::prev(next)->second > block;
}

bool DirtyFile::Sync(RunVisitor write) {
  for (const auto& [first, end] : runs_) write(first, end - first);
  runs_.clear();
  return std::exchange(changed_, false);
}

void DirtyFile::WriteBack(uint64_t first, uint64_t end, RunVisitor write) {
  auto run = runs_.upper_bound(first);
  if (run != runs_.begin() && std::prev(run)->second > first) --run;
  while (run != runs_.end() && run->first < end) {
    const auto [run_first, run_end] = *run;
    run = runs_.erase(run);
    const uint64_t from = std::max(first, run_first), to = std::min(end, run_end);
    write(from, to - from);
    if (run_first < from) runs_.emplace(run_first, from);
    if (to < run_end) runs_.emplace(to, run_end);
  }
}

}  // namespace fencepost::media
