// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/access_counter.h"

#include <utility>

#include "engines/status.h"

namespace fencepost::pmem {
namespace {

using media::kLineBytes;
using Kind = media::MemoryEvent::Kind;

AccessCounts::OnMedium SoFar(media::MemorySystem& system) {
  system.Finish(0);
  return {system.totals().blocks_read, system.totals().blocks_written, system.now_ns(0)};
}

}  // namespace

AccessCounts& AccessCounts::operator+=(const AccessCounts& other) {
  operations += other.operations;
  lines_touched += other.lines_touched;
  lines_read += other.lines_read;
  lines_flushed += other.lines_flushed;
  fences += other.fences;
  media.resize(other.media.size());
  for (size_t i = 0; i < media.size(); ++i) {
    media[i].blocks_read += other.media[i].blocks_read;
    media[i].blocks_written += other.media[i].blocks_written;
    media[i].ns += other.media[i].ns;
  }
  return *this;
}

AccessCounter::AccessCounter(std::span<const media::MemoryModel* const> models,
                             uint64_t cache_bytes, Observes observes)
    : observes_(observes == Observes::kYes),
      tags_(cache_bytes / kLineBytes, UINT64_MAX),
      before_(models.size()) {
  CHECK(!tags_.empty());
  for (const media::MemoryModel* model : models) systems_.emplace_back(*model, size_t{1});
  if (!observes_) return;
  CHECK(access_observer == nullptr);
  SetAccessObserver(this);
}

AccessCounter::~AccessCounter() {
  if (observes_) SetAccessObserver(nullptr);
}

void AccessCounter::Do(const media::MemoryEvent& event) {
  for (media::MemorySystem& system : systems_) system.Do(0, event);
}

// The first line of a run says what follows, or was looked for; the others come as a stream.
void AccessCounter::OnRead(const void* address, size_t bytes) {
  if (bytes == 0) return;
  const auto begin = reinterpret_cast<uintptr_t>(address);
  bool first = true;
  for (uint64_t line = begin / kLineBytes; line <= (begin + bytes - 1) / kLineBytes; ++line) {
    ++current_.lines_touched;
    uint64_t& tag = tags_[line % tags_.size()];
    if (tag == line) continue;
    tag = line;
    ++current_.lines_read;
    Do({first ? Kind::kReadAndWait : Kind::kRead, line, 0});
    first = false;
  }
}

void AccessCounter::OnFlush(const void* address, size_t bytes, bool around_cache) {
  if (bytes == 0) return;
  const auto begin = reinterpret_cast<uintptr_t>(address);
  for (uint64_t line = begin / kLineBytes; line <= (begin + bytes - 1) / kLineBytes; ++line) {
    ++current_.lines_flushed;
    uint64_t& tag = tags_[line % tags_.size()];
    const bool cached = tag == line;
    if (around_cache) {
      if (cached) tag = UINT64_MAX;
      Do({Kind::kNtStore, line, 0});
    } else {
      tag = line;
      if (!cached) ++current_.lines_read;
      Do({cached ? Kind::kClwb : Kind::kStoreAndClwb, line, 0});
    }
  }
}

void AccessCounter::OnFence() {
  ++current_.fences;
  Do({Kind::kFence, 0, 0});
}

void AccessCounter::OnOperationEnd(OperationKind kind) {
  counts_[static_cast<size_t>(kind)] += TakeOperation();
}

AccessCounts AccessCounter::TakeOperation() {
  AccessCounts taken = std::exchange(current_, {});
  taken.operations = 1;
  for (size_t i = 0; i < systems_.size(); ++i) {
    const AccessCounts::OnMedium now = SoFar(systems_[i]);
    taken.media.push_back({now.blocks_read - before_[i].blocks_read,
                           now.blocks_written - before_[i].blocks_written, now.ns - before_[i].ns});
    before_[i] = now;
  }
  return taken;
}

}  // namespace fencepost::pmem
