// SPDX-License-Identifier: BSD-3-Clause
// Pacer: when the operations of an open loop are meant to start.
//
// A thread's n-th operation is intended at start + n * tick (constant arrivals) or after
// exponentially distributed gaps with that mean (Poisson). After a stall operations run back to
// back: intended times do not move, so the response time holds the wait (no coordinated omission).
// Source: YCSB's throttle; Treadmill (Zhang et al., ISCA 2016) for Poisson arrivals.
#ifndef FENCEPOST_HARNESS_PACING_H_
#define FENCEPOST_HARNESS_PACING_H_

#include <atomic>
#include <cstdint>

#include "workloads/rng.h"
#include "workloads/workload.h"

namespace fencepost {

class Pacer {
 public:
  // `mean_gap_ticks`: clock ticks between two operations of this thread.
  Pacer(Arrivals arrivals, double mean_gap_ticks, uint64_t seed);

  // The first operation is intended at `start_ticks` (constant) or one gap after it (Poisson).
  void Start(uint64_t start_ticks);
  // All later operations are intended that much later: the run was paused.
  void Shift(uint64_t ticks) { base_ += ticks; }
  // The intended start of the next operation, in clock ticks.
  uint64_t Next();
  // Waits until then, or until `give_up`; returns the clock at the actual start.
  static uint64_t WaitUntil(uint64_t ticks, const std::atomic<bool>& give_up);

 private:
  const Arrivals arrivals_;
  const double mean_gap_ticks_;
  Rng rng_;
  uint64_t base_ = 0;
  double offset_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_PACING_H_
