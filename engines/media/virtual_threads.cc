// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/virtual_threads.h"

#include <utility>

namespace fencepost::media {

VirtualThreads::VirtualThreads(const MemoryModel& model, size_t threads, NextAccess next)
    : memory_(model, threads), next_(std::move(next)), threads_(threads) {}

size_t VirtualThreads::Behind() const {
  size_t behind = 0;
  for (size_t i = 1; i < threads_.size(); ++i) {
    if (memory_.now_ns(i) < memory_.now_ns(behind)) behind = i;
  }
  return behind;
}

void VirtualThreads::Step() {
  const size_t number = Behind();
  Thread& thread = threads_[number];
  if (thread.done == thread.events.size()) {
    if (!thread.events.empty()) ++accesses_ended_;
    thread.events.clear();
    thread.done = 0;
    next_(number, thread.accesses++, &thread.events);
  }
  memory_.Do(number, thread.events[thread.done++]);
}

void VirtualThreads::RunLines(uint64_t lines) {
  const auto done = [this] { return totals().lines_read + totals().lines_written; };
  // A store that reads its line first is one line.
  const auto moved = [&] { return totals().lines_written > 0 ? totals().lines_written : done(); };
  const uint64_t until = moved() + lines;
  while (moved() < until) Step();
}

void VirtualThreads::RunAccesses(uint64_t accesses) {
  const uint64_t until = accesses_ended_ + accesses;
  while (accesses_ended_ < until) Step();
}

double VirtualThreads::now_ns() const { return memory_.now_ns(Behind()); }

}  // namespace fencepost::media
