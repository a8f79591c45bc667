// SPDX-License-Identifier: BSD-3-Clause
#include "harness/pacing.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "harness/clock.h"

namespace fencepost {
namespace {

// Longer waits sleep, the last stretch spins: a sleeping thread wakes tens of microseconds late.
constexpr uint64_t kSpinNs = 100'000;
// Nobody waits longer for a run to end.
constexpr uint64_t kMaxSleepNs = 50'000'000;

}  // namespace

Pacer::Pacer(Arrivals arrivals, double mean_gap_ticks, uint64_t seed)
    : arrivals_(arrivals), mean_gap_ticks_(mean_gap_ticks), rng_(seed) {}

void Pacer::Start(uint64_t start_ticks) {
  base_ = start_ticks;
  offset_ = 0;
}

uint64_t Pacer::Next() {
  if (arrivals_ == Arrivals::kPoisson) {
    offset_ += -std::log1p(-rng_.Unit()) * mean_gap_ticks_;
    return base_ + static_cast<uint64_t>(offset_);
  }
  const uint64_t intended = base_ + static_cast<uint64_t>(offset_);
  offset_ += mean_gap_ticks_;
  return intended;
}

uint64_t Pacer::WaitUntil(uint64_t ticks, const std::atomic<bool>& give_up) {
  uint64_t now = Clock::Ticks();
  while (now < ticks && !give_up.load(std::memory_order_relaxed)) {
    const uint64_t left_ns = Clock::TicksToNs(ticks - now);
    if (left_ns > kSpinNs) {
      const uint64_t sleep_ns = std::min(left_ns - kSpinNs, kMaxSleepNs);
      const timespec duration = {0, static_cast<long>(sleep_ns)};
      nanosleep(&duration, nullptr);
    }
    now = Clock::Ticks();
  }
  return now;
}

}  // namespace fencepost
