// SPDX-License-Identifier: BSD-3-Clause
#include "harness/clock.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <vector>

#include "harness/valgrind_probe.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace fencepost {
namespace {

uint64_t ReadNs(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

#if defined(__x86_64__)

bool HasInvariantTsc() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(0x80000007u, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1u << 8)) != 0;
}

// The kernel watches the TSC and falls back to one of these when it catches it drifting. The
// clocks of hypervisors (kvm-clock, xen, hyperv_*) are themselves built on the TSC.
bool KernelDistrustsTsc(std::string* clock_source) {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (!(file >> *clock_source)) return false;
  constexpr std::array kWithoutTsc = {"hpet", "acpi_pm", "jiffies", "pit", "refined-jiffies"};
  return std::find(kWithoutTsc.begin(), kWithoutTsc.end(), *clock_source) != kWithoutTsc.end();
}

struct Instant {
  uint64_t ticks;
  uint64_t raw_ns;
};

// Both clocks at one instant: of many tries the one with the least time between the two reads of
// the TSC, so that being preempted in between does no harm.
Instant ReadBoth() {
  constexpr int kTries = 64;
  Instant best{0, 0};
  uint64_t best_width = UINT64_MAX;
  for (int i = 0; i < kTries; ++i) {
    const uint64_t before = __rdtsc();
    const uint64_t raw_ns = ReadNs(CLOCK_MONOTONIC_RAW);
    const uint64_t after = __rdtsc();
    if (after >= before && after - before < best_width) {
      best_width = after - before;
      best = {before + best_width / 2, raw_ns};
    }
  }
  return best;
}

double TicksPerNs(const Instant& from, const Instant& to) {
  if (to.raw_ns <= from.raw_ns || to.ticks <= from.ticks) return 0;
  return static_cast<double>(to.ticks - from.ticks) / static_cast<double>(to.raw_ns - from.raw_ns);
}

Instant ReadBothAfter(const Instant& from, uint64_t wait_ns) {
  while (ReadNs(CLOCK_MONOTONIC_RAW) - from.raw_ns < wait_ns) _mm_pause();
  return ReadBoth();
}

// Ticks a second, or 0 where the two halves of the measurement disagree. An instant is good to
// about 50 ns, so a half of 4 ms is good to about 25 ppm and the whole to half of that.
double MeasureTscRate() {
  constexpr uint64_t kHalfNs = 4'000'000;
  constexpr double kMaxDisagreement = 500e-6;
  constexpr double kMinTicksPerNs = 0.01;  // 10 MHz; no TSC is so slow
  const Instant begin = ReadBoth();
  const Instant middle = ReadBothAfter(begin, kHalfNs);
  const Instant end = ReadBothAfter(middle, kHalfNs);
  const double first = TicksPerNs(begin, middle), second = TicksPerNs(middle, end);
  const double whole = TicksPerNs(begin, end);
  if (first < kMinTicksPerNs || second < kMinTicksPerNs) return 0;
  return std::abs(first - second) <= kMaxDisagreement * whole ? whole * 1e9 : 0;
}

// Ticks a second, or 0 and the reason why the TSC will not do.
double UsableTscRate(std::string* reason) {
  std::string clock_source;
  if (!HasInvariantTsc()) {
    *reason = "the CPU reports no invariant TSC (CPUID 80000007h, EDX bit 8)";
  } else if (RunsUnderValgrind()) {
    *reason = "Valgrind's time stamp counter is not the CPU's";
  } else if (KernelDistrustsTsc(&clock_source)) {
    *reason = fmt::format("the kernel does not use the TSC: its clock source is {}", clock_source);
  } else {
    // One retry: a stall of the whole virtual machine can spoil a measurement.
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (const double ticks_per_s = MeasureTscRate(); ticks_per_s > 0) return ticks_per_s;
    }
    *reason = "the TSC does not tick evenly against CLOCK_MONOTONIC_RAW";
  }
  return 0;
}

#else

double UsableTscRate(std::string* reason) {
  *reason = "no time stamp counter on this architecture";
  return 0;
}

#endif

double MeasureReadCostNs() {
  constexpr int kBatches = 15;
  constexpr int kReads = 200;
  std::vector<double> costs_ns;
  for (int batch = 0; batch < kBatches; ++batch) {
    const uint64_t begin = Clock::Ticks();
    uint64_t end = begin;
    for (int i = 0; i < kReads; ++i) end = Clock::Ticks();
    costs_ns.push_back(static_cast<double>(Clock::NsBetween(begin, end)) / kReads);
  }
  std::sort(costs_ns.begin(), costs_ns.end());
  return costs_ns[kBatches / 2];
}

}  // namespace

uint64_t Clock::SystemNs() { return ReadNs(CLOCK_MONOTONIC); }

void Clock::UseTsc(double ticks_per_s) {
  constexpr double kOne = static_cast<double>(uint64_t{1} << kFractionBits);
  const double ticks_per_ns = ticks_per_s / 1e9;
  scale_ = {.tsc = true,
            .ns_per_tick = static_cast<uint64_t>(std::llround(kOne / ticks_per_ns)),
            .ticks_per_ns = static_cast<uint64_t>(std::llround(kOne * ticks_per_ns))};
}

void Clock::UseSystem() { scale_ = Scale{}; }

ClockInfo Clock::Calibrate(ClockSource wanted) {
  ClockInfo info;
  double ticks_per_s = 0;
  if (wanted == ClockSource::kTsc) {
    ticks_per_s = UsableTscRate(&info.reason);
  } else {
    info.reason = "clock_gettime was asked for";
  }
  if (ticks_per_s > 0) {
    UseTsc(ticks_per_s);
    info.source = ClockSource::kTsc;
    info.source_name = "tsc";
    info.ticks_per_s = ticks_per_s;
  } else {
    UseSystem();
    info.source_name = "clock_gettime";
  }
  info.read_cost_ns = MeasureReadCostNs();
  return info;
}

}  // namespace fencepost
