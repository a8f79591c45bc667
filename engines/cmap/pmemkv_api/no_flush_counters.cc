// SPDX-License-Identifier: BSD-3-Clause
// In place of engines/pmem/flush_counters.cc, which interposes libpmem's functions: a library must
// not do that to the program that loads it. Nothing is counted.
#include "engines/pmem/flush_counters.h"

namespace fencepost::pmem {

FlushCounters ReadFlushCounters() { return {}; }
FlushAccount ReadFlushAccount(size_t) { return {}; }

Charge::Charge(size_t account) : before_(0), account_(account) {}
Charge::~Charge() { (void)before_; }
void Charge::MoveTo(size_t account) { account_ = account; }

}  // namespace fencepost::pmem
