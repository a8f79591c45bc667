// SPDX-License-Identifier: BSD-3-Clause
// How quiet the machine is: measured before the runs of a bench, and told from the runs themselves.
//
// Before: a fixed piece of arithmetic and a fixed walk through memory are timed again and again;
// on a quiet machine each takes the same time every time. During: whether the runs get faster or
// slower in the order in which they ran, what the hypervisor took, and what other processes used.
// Nothing here changes a result: it is stated beside it.
//
// Threads: none.
// Not covered: noise that hits every run alike, as from a neighbour in the same cache all the time.
//   /proc/stat may be the host's in a container.
// Source: proc(5) (/proc/stat, /proc/loadavg), getrusage(2), the kernel's cpufreq documentation.
#ifndef FENCEPOST_HARNESS_STATS_NOISE_H_
#define FENCEPOST_HARNESS_STATS_NOISE_H_

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/stats/trend.h"

namespace fencepost {

// CPU time of the whole machine and of this process's ended children, since they started.
struct CpuTimes {
  double total_s = 0;     // of all CPUs, idle time included
  double busy_s = 0;      // user, system, interrupts; not idle, not stolen
  double steal_s = 0;     // the hypervisor ran somebody else
  double children_s = 0;  // of ended and waited-for children, and of this process
};
// Nothing where /proc/stat does not answer.
std::optional<CpuTimes> ReadCpuTimes();
// From the text of /proc/stat; `ticks_per_s` is sysconf(_SC_CLK_TCK).
std::optional<CpuTimes> ParseCpuTimes(std::string_view proc_stat, double ticks_per_s);

// Of repeated timings of one piece of work: (p90 - p10) / median.
double Spread(std::span<const double> times);

struct NoiseBefore {
  size_t rounds = 0;
  double spin_ns = 0;  // median of the arithmetic
  double spin_spread = 0;
  double memory_ns = 0;  // median of the walk
  double memory_spread = 0;
  size_t cpus = 1;                     // that this process may run on
  std::optional<double> load_average;  // of the last minute
  std::optional<double> steal;         // share of CPU time, while it was measured
  std::optional<double> frequency_min_mhz, frequency_max_mhz;  // over the CPUs, afterwards
};

// Takes about `seconds`, at least three rounds.
NoiseBefore MeasureNoise(double seconds = 0.3);

// One run: which cell it belongs to, and its throughput.
struct RunInOrder {
  size_t cell = 0;
  double ops_per_s = 0;
};

struct NoiseDuring {
  std::optional<double> steal;       // share of CPU time
  std::optional<double> other_cpus;  // how many CPUs others kept busy, on average
  Trend drift;                       // of the runs, each over its cell's median, in their order
  double drift_change = 0;           // from the first run to the last: slope * (runs - 1)
};

// `begin` and `end` from ReadCpuTimes(), `seconds` apart.
NoiseDuring JudgeRuns(std::span<const RunInOrder> runs, const std::optional<CpuTimes>& begin,
                      const std::optional<CpuTimes>& end, double seconds);

// One cell's repeats, in the order in which they ran.
struct RepeatNoise {
  double spread = 0;  // (greatest - least) / median
  Trend drift;
  double drift_change = 0;  // as a share of the median
};
// Nothing for fewer than two.
std::optional<RepeatNoise> JudgeRepeats(std::span<const double> ops_per_s);

// One line each, in words; empty on a quiet machine.
std::vector<std::string> NoiseWarnings(const NoiseBefore& before);
std::vector<std::string> NoiseWarnings(const NoiseDuring& during);
std::vector<std::string> NoiseWarnings(const RepeatNoise& repeats);

// "noise before: arithmetic 0.3 %, memory 2.1 %, load average 0.10, steal 0.0 %".
std::string Describe(const NoiseBefore& before);
std::string Describe(const NoiseDuring& during);

// Both and their warnings, for a table and for a report.
std::string NoiseText(const NoiseBefore& before, const NoiseDuring& during);
nlohmann::json NoiseJson(const NoiseBefore& before, const NoiseDuring& during);

// As results/README.md has them.
nlohmann::json ToJson(const NoiseBefore& before);
nlohmann::json ToJson(const NoiseDuring& during);
nlohmann::json ToJson(const std::optional<RepeatNoise>& repeats);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_NOISE_H_
