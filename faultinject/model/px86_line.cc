// SPDX-License-Identifier: BSD-3-Clause
// The bookkeeping of one line: which of its stores are undecided, and who drains what.
#include <algorithm>
#include <cstring>

#include "faultinject/model/px86.h"

namespace fencepost {
namespace {

// Bit i: byte i of the line.
uint64_t ByteMask(const PendingStore& store) {
  return ~uint64_t{0} >> (kLineBytes - store.bytes) << store.begin;
}

}  // namespace

bool Px86Line::Drained::Covers(const PendingStore& store) const {
  if (!store.non_temporal) return store.order < cached_below;
  return non_temporal == NonTemporal::kAll ||
         (non_temporal == NonTemporal::kOfThread && store.thread == thread);
}

bool Px86Line::OpenAccount(uint32_t thread, uint64_t flushed_below) {
  const auto account = FindAccount(thread);
  if (account == accounts_.end()) {
    accounts_.push_back({thread, flushed_below});
    return true;
  }
  account->flushed_below = std::max(account->flushed_below, flushed_below);
  return false;
}

std::vector<Px86Line::Account>::iterator Px86Line::FindAccount(uint32_t thread) {
  return std::find_if(accounts_.begin(), accounts_.end(),
                      [&](const Account& account) { return account.thread == thread; });
}

bool Px86Line::MarkFlushed(uint64_t event, uint32_t thread, uint64_t flushed_below) {
  bool undecided = false;
  for (auto store = pending_.rbegin(); store != pending_.rend(); ++store) {
    if (store->non_temporal) continue;
    if (store->durable) break;
    undecided = true;
    if (store->flush_event != 0) break;  // then every cached store before it has one too
    store->flush_event = event;
    store->flush_thread = thread;
  }
  return undecided && OpenAccount(thread, flushed_below);
}

void Px86Line::MakeDurable(const Drained& drained) {
  for (PendingStore& store : pending_) {
    store.durable = store.durable || drained.Covers(store);
  }
}

bool Px86Line::FoldHead() {
  const auto head_end = std::find_if(pending_.begin(), pending_.end(),
                                     [](const PendingStore& store) { return !store.durable; });
  if (head_end == pending_.begin()) return false;
  for (auto store = pending_.begin(); store != head_end; ++store) {
    std::memcpy(durable_.data() + store->begin, store->contents.data(), store->bytes);
  }
  pending_.erase(pending_.begin(), head_end);
  return true;
}

// A durable store whose bytes all are overwritten by later durable ones is in no content. Without
// this a line with one store that is never fenced would grow by each store that is.
void Px86Line::DropOverwritten() {
  uint64_t overwritten = 0;
  const auto first_kept =
      std::remove_if(pending_.rbegin(), pending_.rend(), [&](const PendingStore& store) {
        if (!store.durable) return false;
        const uint64_t bytes = ByteMask(store);
        if ((bytes & ~overwritten) == 0) return true;
        overwritten |= bytes;
        return false;
      });
  pending_.erase(pending_.begin(), first_kept.base());
}

void Px86Line::CutAt(uint8_t begin) {
  std::fill(durable_.begin() + begin, durable_.end(), uint8_t{0});
  for (PendingStore& store : pending_) {
    const int kept = std::max(0, begin - store.begin);
    store.bytes = static_cast<uint8_t>(std::min<int>(store.bytes, kept));
  }
  std::erase_if(pending_, [](const PendingStore& store) { return store.bytes == 0; });
}

bool Px86Line::HasOneState() const {
  return std::all_of(pending_.begin(), pending_.end(), [&](const PendingStore& store) {
    return std::memcmp(durable_.data() + store.begin, store.contents.data(), store.bytes) == 0;
  });
}

// Whether a byte of the oldest content is neither durable after the drain nor what a store that is
// undecided then would write.
bool Px86Line::SurelyLosesOldest(const Px86Line& drained) const {
  const LineBytes oldest = Oldest().bytes;
  const LineBytes oldest_then = drained.Oldest().bytes;
  uint64_t lost = 0;
  for (size_t i = 0; i < kLineBytes; ++i) lost |= uint64_t{oldest[i] != oldest_then[i]} << i;
  for (const PendingStore& store : drained.pending_) {
    if (store.durable) continue;
    for (size_t i = 0; i < store.bytes; ++i) {
      if (store.contents[i] == oldest[store.begin + i]) lost &= ~(uint64_t{1} << (store.begin + i));
    }
  }
  return lost != 0;
}

bool Px86Line::Shrinks(const Drained& drained) const {
  const bool drains = std::any_of(pending_.begin(), pending_.end(), [&](const PendingStore& store) {
    return !store.durable && drained.Covers(store);
  });
  if (!drains || HasOneState()) return false;
  Px86Line then = *this;
  then.MakeDurable(drained);
  if (SurelyLosesOldest(then)) return true;
  const auto states = States(Px86::kMaxComparedChoices);
  if (!states) return true;
  // What is possible then is possible now: the sets differ if their sizes do.
  return then.States(Px86::kMaxComparedChoices)->size() < states->size();
}

bool Px86Line::FenceShrinks(uint32_t thread) const {
  return std::any_of(accounts_.begin(), accounts_.end(), [&](const Account& account) {
    return account.thread == thread && Shrinks(DrainedByFence(account));
  });
}

}  // namespace fencepost
