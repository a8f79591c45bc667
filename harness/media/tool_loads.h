// SPDX-License-Identifier: BSD-3-Clause
// What operations load from persistent memory, counted by the Valgrind tool from their
// instructions: beside what an engine tells of its reads, which it may forget.
//
// Threads: one at a time, as the counter of what is told.
// Not covered: reads by system calls.
// Source: faultinject/pmemcheck/loads.h.
#ifndef FENCEPOST_HARNESS_MEDIA_TOOL_LOADS_H_
#define FENCEPOST_HARNESS_MEDIA_TOOL_LOADS_H_

#include <array>
#include <cstdint>

#include "engines/pmem/access.h"

namespace fencepost {

// Of one operation or of many.
struct ToolLoads {
  uint64_t loads = 0;          // by instructions, of any size
  uint64_t lines_touched = 0;  // by an operation's loads, each line once
  uint64_t lines_missed = 0;   // by loads, not in the simulated cache
  uint64_t lines_fetched = 0;  // likewise, by stores

  ToolLoads& operator+=(const ToolLoads& other);
};

// Since the last call. With `is_cold` the tool's simulated cache holds nothing afterwards. False,
// and nothing known, if this process does not run under the tool with its --loads=yes.
bool TakeToolLoads(ToolLoads* loads, bool is_cold);

// Begins with a cold cache, asks the tool at the end of each operation, and hands everything on to
// `counter`. While it lives it is the AccessObserver in the place of `counter`, which outlives it.
class ToolLoadsCounter final : public pmem::AccessObserver {
 public:
  explicit ToolLoadsCounter(pmem::AccessObserver* counter);
  ~ToolLoadsCounter() override;
  ToolLoadsCounter(const ToolLoadsCounter&) = delete;
  ToolLoadsCounter& operator=(const ToolLoadsCounter&) = delete;

  void OnRead(const void* address, size_t bytes) override { counter_->OnRead(address, bytes); }
  void OnFlush(const void* address, size_t bytes, bool around_cache) override {
    counter_->OnFlush(address, bytes, around_cache);
  }
  void OnFence() override { counter_->OnFence(); }
  void OnOperationEnd(pmem::OperationKind kind) override;

  // The sum of the operations of each kind so far.
  const std::array<ToolLoads, pmem::kOperationKinds>& loads() const { return loads_; }

 private:
  pmem::AccessObserver* const counter_;
  std::array<ToolLoads, pmem::kOperationKinds> loads_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_MEDIA_TOOL_LOADS_H_
