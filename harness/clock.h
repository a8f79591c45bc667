// SPDX-License-Identifier: BSD-3-Clause
// The clock of every measurement: the invariant time stamp counter, or clock_gettime without one.
//
// Invariants:
//   1. Before Calibrate() the clock is clock_gettime and a tick is 1 ns, so it is always usable.
//   2. After Calibrate() source and scale never change, unless Calibrate() is called again.
//   3. Ticks of one source do not run backwards on one thread. Across threads they agree as well
//      as the kernel's own clock does; NsBetween() holds a small disagreement to 0.
// Threads: Calibrate() before any other thread reads the clock; the rest from any thread.
// Not covered: reads are not serialized (RDTSC without a fence), so a read may move by the few
//   nanoseconds of the out-of-order window. A fence would cost more than it corrects.
// Source: Intel SDM volume 3B, section 18.17 (time stamp counter; invariant TSC is CPUID leaf
//   0x80000007, EDX bit 8; AMD APM volume 3 gives the same bit).
#ifndef FENCEPOST_HARNESS_CLOCK_H_
#define FENCEPOST_HARNESS_CLOCK_H_

#include <cstdint>
#include <string>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace fencepost {

enum class ClockSource : unsigned char {
  kTsc,     // RDTSC
  kSystem,  // clock_gettime(CLOCK_MONOTONIC)
};

// What a report says of the clock.
struct ClockInfo {
  ClockSource source = ClockSource::kSystem;
  std::string source_name;   // "tsc" or "clock_gettime"
  std::string reason;        // why not the TSC; empty where it is the TSC
  double ticks_per_s = 1e9;  // 1e9 for clock_gettime
  double read_cost_ns = 0;   // one Ticks(), back to back, the median of several batches
};

class Clock {
 public:
  // Chooses the source and measures its rate against CLOCK_MONOTONIC_RAW; takes under 20 ms.
  // `wanted` = kSystem asks for clock_gettime. The TSC is passed over where it is not invariant,
  // under Valgrind, where the kernel distrusts it, and where it does not tick evenly.
  static ClockInfo Calibrate(ClockSource wanted = ClockSource::kTsc);

  static uint64_t Ticks() {
#if defined(__x86_64__)
    if (scale_.tsc) [[likely]]
      return __rdtsc();
#endif
    return SystemNs();
  }

  // A count of ticks, be it an interval or a Ticks(), in nanoseconds; rounds down.
  static uint64_t TicksToNs(uint64_t ticks) { return MultiplyShift(ticks, scale_.ns_per_tick); }

  // The reverse, for deadlines. TicksToNs(NsToTicks(ns)) is ns or ns - 1, up to a day or so.
  static uint64_t NsToTicks(uint64_t ns) { return MultiplyShift(ns, scale_.ticks_per_ns); }

  // Nanoseconds from one Ticks() to a later one; 0 if `end` is the earlier.
  static uint64_t NsBetween(uint64_t begin, uint64_t end) {
    return TicksToNs(end > begin ? end - begin : 0);
  }

  // clock_gettime(CLOCK_MONOTONIC), whatever the source is.
  static uint64_t SystemNs();

 private:
  // Factors are fixed-point with 32 bits of fraction: a relative error under 1e-9.
  static constexpr unsigned kFractionBits = 32;

  struct alignas(64) Scale {
    bool tsc = false;
    uint64_t ns_per_tick = uint64_t{1} << kFractionBits;
    uint64_t ticks_per_ns = uint64_t{1} << kFractionBits;
  };

  static uint64_t MultiplyShift(uint64_t value, uint64_t factor) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(value) * factor) >> kFractionBits);
  }

  static void UseTsc(double ticks_per_s);
  static void UseSystem();

  static Scale scale_;
};

inline constinit Clock::Scale Clock::scale_;

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CLOCK_H_
