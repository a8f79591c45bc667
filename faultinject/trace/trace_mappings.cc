// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_mappings.h"

#include <algorithm>
#include <limits>

namespace fencepost {
namespace {

// A range that would run past the last address ends there.
uint64_t EndOf(uint64_t base, uint64_t length) {
  return base + std::min(length, std::numeric_limits<uint64_t>::max() - base);
}

}  // namespace

void TraceMappings::Apply(const fpt_event& event) {
  if (event.kind != FPT_MAP && event.kind != FPT_UNMAP) return;
  const uint64_t length = EndOf(event.address, event.length) - event.address;
  if (length == 0) return;
  if (event.kind == FPT_MAP && event.file == 0) {
    FillGaps(event.address, length);
    return;
  }
  Remove(event.address, length);
  if (event.kind == FPT_UNMAP) return;
  by_base_[event.address] = {event.address, length, event.file, event.file_offset};
}

void TraceMappings::FillGaps(uint64_t base, uint64_t length) {
  const uint64_t end = base + length;
  auto next = by_base_.upper_bound(base);
  if (next != by_base_.begin()) --next;
  while (base < end) {
    while (next != by_base_.end() && next->first + next->second.length <= base) ++next;
    const uint64_t gap_end = next == by_base_.end() ? end : std::min(end, next->first);
    if (base < gap_end) by_base_[base] = {base, gap_end - base, 0, 0};
    if (next == by_base_.end()) return;
    base = std::max(base, next->first + next->second.length);
  }
}

// What sticks out of the range on either side stays.
void TraceMappings::Remove(uint64_t base, uint64_t length) {
  const uint64_t end = base + length;
  auto at = by_base_.upper_bound(base);
  if (at != by_base_.begin()) --at;
  while (at != by_base_.end() && at->first < end) {
    const TraceMapping old = at->second;
    const uint64_t old_end = old.base + old.length;
    if (old_end <= base) {
      ++at;
      continue;
    }
    at = by_base_.erase(at);
    if (old.base < base) {
      by_base_[old.base] = {old.base, base - old.base, old.file, old.file_offset};
    }
    if (old_end > end) {
      by_base_[end] = {end, old_end - end, old.file, old.file_offset + (end - old.base)};
    }
  }
}

std::optional<TraceMapping> TraceMappings::Find(uint64_t address) const {
  auto at = by_base_.upper_bound(address);
  if (at == by_base_.begin()) return std::nullopt;
  const TraceMapping& mapping = (--at)->second;
  if (address - mapping.base >= mapping.length) return std::nullopt;
  return mapping;
}

std::optional<TraceMapping> TraceMappings::FindFrom(uint64_t address) const {
  if (const auto found = Find(address)) return found;
  const auto next = by_base_.upper_bound(address);
  if (next == by_base_.end()) return std::nullopt;
  return next->second;
}

}  // namespace fencepost
