// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/model/px86.h"

#include <algorithm>
#include <utility>

#include "engines/status.h"

namespace fencepost {
namespace {

// The last of `length` bytes from `offset`. REQUIRES: length > 0.
uint64_t LastByte(uint64_t offset, uint64_t length) {
  return offset + std::min(length - 1, UINT64_MAX - offset);
}

}  // namespace

Px86::Px86(const Px86Options& options, DurableImage* image) : options_(options), image_(image) {}

void Px86::Store(const By& by, uint32_t file, uint64_t offset, std::span<const uint8_t> bytes,
                 StoreKind kind) {
  while (!bytes.empty()) {
    const uint64_t begin = offset % kLineBytes;
    const size_t count = std::min<size_t>(bytes.size(), kLineBytes - begin);
    StorePart(by, {file, offset / kLineBytes}, static_cast<uint8_t>(begin), bytes.first(count),
              kind);
    if (count > UINT64_MAX - offset) return;
    offset += count;
    bytes = bytes.subspan(count);
  }
}

void Px86::StorePart(const By& by, LineId id, uint8_t begin, std::span<const uint8_t> bytes,
                     StoreKind kind) {
  const auto [found, is_new] = lines_.try_emplace(id);
  Px86Line& line = found->second;
  if (is_new) image_->ReadLine(id, &line.durable_);

  PendingStore store;
  store.event = by.event;
  store.thread = by.thread;
  store.stack = by.stack;
  store.begin = begin;
  store.bytes = static_cast<uint8_t>(bytes.size());
  store.non_temporal = kind == StoreKind::kNonTemporal;
  store.atomic = kind == StoreKind::kAtomic || options_.tearing == Tearing::kLine;
  store.durable = options_.eadr && !store.non_temporal;
  store.order = next_order_++;
  std::copy(bytes.begin(), bytes.end(), store.contents.begin());
  line.pending_.push_back(store);

  if (store.durable) {
    Settle(found);
  } else if (store.non_temporal && line.OpenAccount(by.thread, 0)) {
    accounts_[by.thread].insert(id);
  }
}

template <typename Act>
void Px86::ForEachLine(uint32_t file, uint64_t offset, uint64_t length, const Act& act) {
  if (length == 0) return;
  const LineId last = {file, LastByte(offset, length) / kLineBytes};
  auto line = lines_.lower_bound({file, offset / kLineBytes});
  while (line != lines_.end() && line->first <= last) act(line++);
}

void Px86::Flush(const By& by, uint32_t file, uint64_t offset, uint64_t length, FlushKind kind) {
  ForEachLine(file, offset, length, [&](Lines::iterator line) {
    if (kind == FlushKind::kClflush) {
      line->second.MakeDurable(Px86Line::kDrainedByClflush);
      Settle(line);
    } else if (line->second.MarkFlushed(by.event, by.thread, next_order_)) {
      accounts_[by.thread].insert(line->first);
    }
  });
}

void Px86::Fence(const By& by) {
  const auto found = accounts_.find(by.thread);
  if (found == accounts_.end()) return;
  const std::set<LineId> ids = std::exchange(found->second, {});
  for (const LineId id : ids) {
    const auto line = lines_.find(id);
    CHECK(line != lines_.end());
    const auto account = line->second.FindAccount(by.thread);
    CHECK(account != line->second.accounts_.end());
    line->second.MakeDurable(Px86Line::DrainedByFence(*account));
    line->second.accounts_.erase(account);
    Settle(line);
  }
}

void Px86::Sync(uint32_t file, uint64_t offset, uint64_t length) {
  ForEachLine(file, offset, length, [&](Lines::iterator line) {
    line->second.MakeDurable(Px86Line::kDrainedBySync);
    Settle(line);
  });
}

void Px86::Truncate(uint32_t file, uint64_t size) {
  ForEachLine(file, size, UINT64_MAX, [&](Lines::iterator line) {
    const bool straddles = line->first.number == size / kLineBytes;
    line->second.CutAt(straddles ? static_cast<uint8_t>(size % kLineBytes) : uint8_t{0});
    Settle(line);
  });
}

void Px86::Settle(Lines::iterator found) {
  const auto& [id, line] = *found;
  if (found->second.FoldHead()) image_->WriteLine(id, line.durable_);
  if (line.pending_.empty()) {
    Drop(found);
  } else {
    found->second.DropOverwritten();
  }
}

void Px86::Drop(Lines::iterator line) {
  for (const Px86Line::Account& account : line->second.accounts_) {
    accounts_[account.thread].erase(line->first);
  }
  lines_.erase(line);
}

bool Px86::FenceShrinks(uint32_t thread) const {
  const auto found = accounts_.find(thread);
  if (found == accounts_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](const LineId& id) { return lines_.at(id).FenceShrinks(thread); });
}

bool Px86::AnyShrinks(uint32_t file, uint64_t offset, uint64_t length,
                      const Px86Line::Drained& drained) const {
  if (length == 0) return false;
  const LineId last = {file, LastByte(offset, length) / kLineBytes};
  for (auto line = lines_.lower_bound({file, offset / kLineBytes});
       line != lines_.end() && line->first <= last; ++line) {
    if (line->second.Shrinks(drained)) return true;
  }
  return false;
}

bool Px86::ClflushShrinks(uint32_t file, uint64_t offset, uint64_t length) const {
  return AnyShrinks(file, offset, length, Px86Line::kDrainedByClflush);
}

bool Px86::SyncShrinks(uint32_t file, uint64_t offset, uint64_t length) const {
  return AnyShrinks(file, offset, length, Px86Line::kDrainedBySync);
}

double Px86::Log10RawStates() const {
  double sum = 0;
  for (const auto& [id, line] : lines_) sum += line.Log10RawStates();
  return sum;
}

}  // namespace fencepost
