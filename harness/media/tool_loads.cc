// SPDX-License-Identifier: BSD-3-Clause
#include "harness/media/tool_loads.h"

#include "engines/status.h"

#if __has_include(<valgrind/pmemcheck.h>) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/pmemcheck.h>
#endif

namespace fencepost {

ToolLoads& ToolLoads::operator+=(const ToolLoads& other) {
  loads += other.loads;
  lines_touched += other.lines_touched;
  lines_missed += other.lines_missed;
  lines_fetched += other.lines_fetched;
  return *this;
}

bool TakeToolLoads(ToolLoads* loads, bool is_cold) {
#ifdef VALGRIND_PMC_TAKE_LOADS
  std::array<uint64_t, 4> counts{};
  if (VALGRIND_PMC_TAKE_LOADS(counts.data(), is_cold) == 0) return false;
  *loads = {counts[0], counts[1], counts[2], counts[3]};
  return true;
#else
  static_cast<void>(loads), static_cast<void>(is_cold);
  return false;
#endif
}

ToolLoadsCounter::ToolLoadsCounter(pmem::AccessObserver* counter) : counter_(counter) {
  ToolLoads before;
  CHECK(pmem::access_observer == counter && TakeToolLoads(&before, /*is_cold=*/true));
  pmem::SetAccessObserver(this);
}

ToolLoadsCounter::~ToolLoadsCounter() { pmem::SetAccessObserver(counter_); }

void ToolLoadsCounter::OnOperationEnd(pmem::OperationKind kind) {
  ToolLoads taken;
  CHECK(TakeToolLoads(&taken, /*is_cold=*/false));
  loads_[static_cast<size_t>(kind)] += taken;
  counter_->OnOperationEnd(kind);
}

}  // namespace fencepost
