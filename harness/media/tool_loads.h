// SPDX-License-Identifier: BSD-3-Clause
// What operations load from persistent memory, counted by the Valgrind tool from their
// instructions: beside what an engine tells of its reads, which it may forget.
//
// The tool's simulated cache says which lines a memory is asked for; those, in the place of what
// the engine tells, and the flushes and fences that libpmem tells are put to the models of media.
//
// Threads: one at a time, as the counter of what is told.
// Not covered: reads by system calls.
// Source: faultinject/pmemcheck/loads.h.
#ifndef FENCEPOST_HARNESS_MEDIA_TOOL_LOADS_H_
#define FENCEPOST_HARNESS_MEDIA_TOOL_LOADS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "engines/pmem/access.h"
#include "engines/pmem/access_counter.h"
#include "engines/status.h"

namespace fencepost {

// Of one operation or of many.
struct ToolLoads {
  uint64_t loads = 0;          // by instructions, of any size
  uint64_t lines_touched = 0;  // by an operation's loads, each line once
  uint64_t lines_missed = 0;   // by loads, not in the simulated cache
  uint64_t lines_fetched = 0;  // likewise, by stores

  ToolLoads& operator+=(const ToolLoads& other);
};

// Whether this process runs under the tool, with its --loads=yes.
bool ToolCountsLoads();

// Begins with a cold cache, and hands all that is told on to `told`. While it lives it is the
// AccessObserver in the place of `told`, which outlives it. REQUIRES: ToolCountsLoads().
class ToolLoadsCounter final : public pmem::AccessObserver {
 public:
  // `cache_bytes`: as the tool's.
  ToolLoadsCounter(pmem::AccessCounter* told, std::span<const media::MemoryModel* const> models,
                   uint64_t cache_bytes);
  ~ToolLoadsCounter() override;
  ToolLoadsCounter(const ToolLoadsCounter&) = delete;
  ToolLoadsCounter& operator=(const ToolLoadsCounter&) = delete;

  void OnRead(const void* address, size_t bytes) override { told_->OnRead(address, bytes); }
  void OnFlush(const void* address, size_t bytes, bool around_cache) override;
  void OnFence() override;
  void OnOperationEnd(pmem::OperationKind kind) override;

  // Not ok: lines were missed that the tool does not keep, so models have not been told of them.
  Status complete() const;
  // The sums of the operations of each kind so far, and what the models make of them.
  const std::array<ToolLoads, pmem::kOperationKinds>& loads() const { return loads_; }
  const std::array<pmem::AccessCounts, pmem::kOperationKinds>& modelled() const {
    return by_loads_.counts();
  }

 private:
  // What was loaded since the last time, to the models.
  void Drain(unsigned flags);

  struct Missed;

  pmem::AccessCounter* const told_;
  pmem::AccessCounter by_loads_;
  const std::unique_ptr<Missed> missed_;
  ToolLoads current_;
  uint64_t lines_lost_ = 0;
  std::array<ToolLoads, pmem::kOperationKinds> loads_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MEDIA_TOOL_LOADS_H_
