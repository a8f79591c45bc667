// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/tool_loads.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#if __has_include(<valgrind/pmemcheck.h>) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/pmemcheck.h>
#endif

namespace fencepost {
namespace {

// As many as the tool keeps.
constexpr size_t kMissedLines = 65536;
constexpr unsigned kCold = 1, kOperationEnds = 2;

// Since the last call. False, and nothing known, without the tool.
bool Take(unsigned flags, std::span<uint64_t> missed, ToolLoads* loads) {
#ifdef VALGRIND_PMC_TAKE_LOADS
  std::array<uint64_t, 4> counts{};
  if (VALGRIND_PMC_TAKE_LOADS(counts.data(), missed.data(), missed.size(), flags) == 0) {
    return false;
  }
  *loads = {counts[0], counts[1], counts[2], counts[3]};
  return true;
#else
  static_cast<void>(flags), static_cast<void>(missed), static_cast<void>(loads);
  return false;
#endif
}

}  // namespace

struct ToolLoadsCounter::Missed {
  std::array<uint64_t, kMissedLines> lines;
};

ToolLoads& ToolLoads::operator+=(const ToolLoads& other) {
  loads += other.loads;
  lines_touched += other.lines_touched;
  lines_missed += other.lines_missed;
  lines_fetched += other.lines_fetched;
  return *this;
}

bool ToolCountsLoads() {
  ToolLoads ignored;
  return Take(0, {}, &ignored);
}

ToolLoadsCounter::ToolLoadsCounter(pmem::AccessCounter* told,
                                   std::span<const media::MemoryModel* const> models,
                                   uint64_t cache_bytes)
    : told_(told),
      by_loads_(models, cache_bytes, pmem::AccessCounter::Observes::kNo),
      missed_(std::make_unique<Missed>()) {
  ToolLoads before;
  CHECK(pmem::access_observer == told && Take(kCold | kOperationEnds, {}, &before));
  pmem::SetAccessObserver(this);
}

ToolLoadsCounter::~ToolLoadsCounter() { pmem::SetAccessObserver(told_); }

void ToolLoadsCounter::Drain(unsigned flags) {
  ToolLoads taken;
  CHECK(Take(flags, missed_->lines, &taken));
  current_ += taken;
  const size_t kept = std::min<size_t>(taken.lines_missed, kMissedLines);
  lines_lost_ += taken.lines_missed - kept;
  for (size_t i = 0; i < kept;) {
    const uint64_t first = missed_->lines[i];
    uint64_t lines = 1;
    while (i + lines < kept && missed_->lines[i + lines] == first + lines) ++lines;
    by_loads_.OnRead(reinterpret_cast<const void*>(first * media::kLineBytes),
                     lines * media::kLineBytes);
    i += lines;
  }
}

void ToolLoadsCounter::OnFlush(const void* address, size_t bytes, bool around_cache) {
  Drain(0);
  by_loads_.OnFlush(address, bytes, around_cache);
  told_->OnFlush(address, bytes, around_cache);
}

void ToolLoadsCounter::OnFence() {
  Drain(0);
  by_loads_.OnFence();
  told_->OnFence();
}

void ToolLoadsCounter::OnOperationEnd(pmem::OperationKind kind) {
  Drain(kOperationEnds);
  loads_[static_cast<size_t>(kind)] += std::exchange(current_, {});
  by_loads_.OnOperationEnd(kind);
  told_->OnOperationEnd(kind);
}

Status ToolLoadsCounter::complete() const {
  if (lines_lost_ == 0) return Status::Ok();
  return Status::Unsupported(
      fmt::format("--loads: {} lines were missed between two flushes beyond the {} that are kept",
                  lines_lost_, kMissedLines));
}

}  // namespace fencepost
