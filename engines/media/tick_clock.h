// SPDX-License-Identifier: BSD-3-Clause
// The clock that delays are injected by: the CPU's time-stamp counter, which a reading costs least.
//
// Threads: any.
// Not covered: a counter that stands still or differs between CPUs (harness/clock.h looks for
// that).
#ifndef FENCEPOST_ENGINES_MEDIA_TICK_CLOCK_H_
#define FENCEPOST_ENGINES_MEDIA_TICK_CLOCK_H_

#include <x86intrin.h>

#include <cstdint>

namespace fencepost::media {

inline uint64_t NowTicks() { return __rdtsc(); }

// Measured against the operating system's clock, which takes 10 ms.
double MeasureTicksPerNs();

}  // namespace fencepost::media

#endif  // FENCEPOST_ENGINES_MEDIA_TICK_CLOCK_H_
