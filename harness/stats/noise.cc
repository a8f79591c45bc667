// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/noise.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "engines/status.h"
#include "harness/clock.h"
#include "harness/pinning.h"
#include "harness/stats/draws.h"
#include "harness/stats/stats.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What is worth a warning. Each is what moves a median by a percent or so, or hides that it did.
constexpr double kSpinSpread = 0.02;
constexpr double kMemorySpread = 0.10;
constexpr double kSteal = 0.01;
constexpr double kOtherCpus = 0.25;
constexpr double kFrequencySpread = 0.10;
constexpr double kDriftPValue = 0.01;
constexpr double kDriftChange = 0.01;
constexpr double kRepeatSpread = 0.10;

// About a millisecond of either, long enough for the clock and short beside a time slice.
constexpr uint64_t kSpinSteps = 500'000;
constexpr size_t kMemoryBytes = size_t{16} << 20;  // beyond most caches of one core
constexpr size_t kMemorySteps = 20'000;

// A chain of multiplications that no compiler and no second unit of the CPU can shorten.
uint64_t Spin(uint64_t value) {
  for (uint64_t i = 0; i < kSpinSteps; ++i) {
    value = value * 6364136223846793005u + 1442695040888963407u;
    asm volatile("" : "+r"(value));
  }
  return value;
}

// One random cycle through all lines: each step's address is what the one before it read.
std::vector<uint32_t> MakeCycle() {
  constexpr size_t kWords = kMemoryBytes / sizeof(uint32_t), kLineWords = 16;
  std::vector<uint32_t> lines(kWords / kLineWords);
  std::iota(lines.begin(), lines.end(), 0u);
  Draws draws(1);
  for (size_t i = lines.size(); i > 1; --i) std::swap(lines[i - 1], lines[draws.Index(i)]);
  std::vector<uint32_t> cycle(kWords);
  for (size_t i = 0; i < lines.size(); ++i) {
    const uint32_t next = lines[(i + 1) % lines.size()];
    cycle[lines[i] * kLineWords] = next * static_cast<uint32_t>(kLineWords);
  }
  return cycle;
}

uint32_t Walk(const std::vector<uint32_t>& cycle, uint32_t at) {
  for (size_t i = 0; i < kMemorySteps; ++i) at = cycle[at];
  asm volatile("" : "+r"(at));
  return at;
}

std::optional<double> ReadNumber(const fs::path& path) {
  std::ifstream file(path);
  double number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

void ReadFrequencies(NoiseBefore* noise) {
  for (unsigned cpu = 0;; ++cpu) {
    const std::optional<double> khz =
        ReadNumber(fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", cpu));
    if (!khz) return;
    noise->frequency_min_mhz = std::min(noise->frequency_min_mhz.value_or(INFINITY), *khz * 1e-3);
    noise->frequency_max_mhz = std::max(noise->frequency_max_mhz.value_or(0), *khz * 1e-3);
  }
}

std::optional<double> StealShare(const std::optional<CpuTimes>& begin,
                                 const std::optional<CpuTimes>& end) {
  if (!begin || !end || end->total_s <= begin->total_s) return std::nullopt;
  return (end->steal_s - begin->steal_s) / (end->total_s - begin->total_s);
}

double SecondsOf(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

template <typename T>
json OrNull(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

bool Drifts(const Trend& drift, double change) {
  return drift.p_value < kDriftPValue && std::abs(change) >= kDriftChange;
}

std::string DriftText(double change) {
  return fmt::format("{} by {:.1f} %", change < 0 ? "slower" : "faster", std::abs(change) * 100);
}

}  // namespace

std::optional<CpuTimes> ParseCpuTimes(std::string_view proc_stat, double ticks_per_s) {
  std::istringstream in{std::string(proc_stat)};
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  if (!(in >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal) ||
      name != "cpu") {
    return std::nullopt;
  }
  CpuTimes times;
  times.busy_s = (user + nice + system + irq + softirq) / ticks_per_s;
  times.steal_s = steal / ticks_per_s;
  times.total_s = times.busy_s + times.steal_s + (idle + iowait) / ticks_per_s;
  return times;
}

std::optional<CpuTimes> ReadCpuTimes() {
  std::ifstream file("/proc/stat");
  std::string line;
  std::getline(file, line);
  std::optional<CpuTimes> times = ParseCpuTimes(line, static_cast<double>(sysconf(_SC_CLK_TCK)));
  if (!times) return times;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage;
    if (getrusage(who, &usage) == 0) {
      times->children_s += SecondsOf(usage.ru_utime) + SecondsOf(usage.ru_stime);
    }
  }
  return times;
}

double Spread(std::span<const double> times) {
  const double median = Median(times);
  return median > 0 ? (Quantile(times, 0.9) - Quantile(times, 0.1)) / median : 0;
}

NoiseBefore MeasureNoise(double seconds) {
  NoiseBefore noise;
  const std::optional<CpuTimes> begin_times = ReadCpuTimes();
  const std::vector<uint32_t> cycle = MakeCycle();
  std::vector<double> spins, walks;
  uint64_t value = Spin(1);  // the first round of either only warms up
  uint32_t at = Walk(cycle, 0);
  const uint64_t start_ns = Clock::SystemNs();
  const uint64_t end_ns = start_ns + static_cast<uint64_t>(seconds * 1e9);
  while (spins.size() < 3 || Clock::SystemNs() < end_ns) {
    const uint64_t begin = Clock::SystemNs();
    value = Spin(value);
    const uint64_t between = Clock::SystemNs();
    at = Walk(cycle, at);
    const uint64_t end = Clock::SystemNs();
    spins.push_back(static_cast<double>(between - begin));
    walks.push_back(static_cast<double>(end - between));
  }
  if (const Result<std::vector<int>> cpus = AllowedCpus(); cpus.ok()) noise.cpus = cpus->size();
  noise.rounds = spins.size();
  noise.spin_ns = Median(spins);
  noise.spin_spread = Spread(spins);
  noise.memory_ns = Median(walks);
  noise.memory_spread = Spread(walks);
  noise.load_average = ReadNumber("/proc/loadavg");
  noise.steal = StealShare(begin_times, ReadCpuTimes());
  ReadFrequencies(&noise);
  return noise;
}

NoiseDuring JudgeRuns(std::span<const RunInOrder> runs, const std::optional<CpuTimes>& begin,
                      const std::optional<CpuTimes>& end, double seconds) {
  NoiseDuring noise;
  noise.steal = StealShare(begin, end);
  if (begin && end && seconds > 0) {
    const double others = end->busy_s - begin->busy_s - (end->children_s - begin->children_s);
    noise.other_cpus = std::max(0.0, others / seconds);
  }
  std::map<size_t, std::vector<double>> by_cell;
  for (const RunInOrder& run : runs) by_cell[run.cell].push_back(run.ops_per_s);
  std::vector<double> series;
  for (const RunInOrder& run : runs) {
    // A cell's only run says nothing beside itself.
    const std::vector<double>& cell = by_cell[run.cell];
    const double median = Median(cell);
    if (cell.size() > 1 && median > 0) series.push_back(run.ops_per_s / median);
  }
  noise.drift = FindTrend(series);
  if (series.size() > 1) {
    noise.drift_change = noise.drift.slope * static_cast<double>(series.size() - 1);
  }
  return noise;
}

std::optional<RepeatNoise> JudgeRepeats(std::span<const double> ops_per_s) {
  if (ops_per_s.size() < 2) return std::nullopt;
  const double median = Median(ops_per_s);
  if (median <= 0) return std::nullopt;
  const auto [least, greatest] = std::minmax_element(ops_per_s.begin(), ops_per_s.end());
  RepeatNoise noise;
  noise.spread = (*greatest - *least) / median;
  noise.drift = FindTrend(ops_per_s);
  noise.drift_change = noise.drift.slope * static_cast<double>(ops_per_s.size() - 1) / median;
  return noise;
}

std::vector<std::string> NoiseWarnings(const NoiseBefore& before) {
  std::vector<std::string> warnings;
  const auto warn = [&](const std::string& what) {
    warnings.push_back("noise before the runs: " + what);
  };
  if (before.spin_spread > kSpinSpread) {
    warn(fmt::format("the same arithmetic takes times {:.1f} % apart", before.spin_spread * 100));
  }
  if (before.memory_spread > kMemorySpread) {
    warn(fmt::format("the same walk through memory takes times {:.1f} % apart",
                     before.memory_spread * 100));
  }
  if (before.steal.value_or(0) > kSteal) {
    warn(fmt::format("the hypervisor takes {:.1f} % of the CPU time", *before.steal * 100));
  }
  // What runs besides us when we start: one CPU in four is not ours.
  if (before.load_average.value_or(0) > kOtherCpus * static_cast<double>(before.cpus)) {
    warn(fmt::format("load average {:.2f} on {} CPUs", *before.load_average, before.cpus));
  }
  if (before.frequency_min_mhz &&
      *before.frequency_max_mhz > *before.frequency_min_mhz * (1 + kFrequencySpread)) {
    warn(fmt::format("CPUs run at {:.0f} to {:.0f} MHz", *before.frequency_min_mhz,
                     *before.frequency_max_mhz));
  }
  return warnings;
}

std::vector<std::string> NoiseWarnings(const NoiseDuring& during) {
  std::vector<std::string> warnings;
  if (during.steal.value_or(0) > kSteal) {
    warnings.push_back(
        fmt::format("noise during the runs: the hypervisor took {:.1f} % of the CPU "
                    "time",
                    *during.steal * 100));
  }
  if (during.other_cpus.value_or(0) > kOtherCpus) {
    warnings.push_back(fmt::format("noise during the runs: other processes kept {:.1f} CPUs busy",
                                   *during.other_cpus));
  }
  if (Drifts(during.drift, during.drift_change)) {
    warnings.push_back(
        fmt::format("drift: from the first to the last of {} runs they get {} "
                    "(Mann-Kendall, p = {:.2g})",
                    during.drift.count, DriftText(during.drift_change), during.drift.p_value));
  }
  return warnings;
}

std::vector<std::string> NoiseWarnings(const RepeatNoise& repeats) {
  std::vector<std::string> warnings;
  if (repeats.spread > kRepeatSpread) {
    warnings.push_back(
        fmt::format("the repeats lie {:.0f} % of their median apart", repeats.spread * 100));
  }
  if (Drifts(repeats.drift, repeats.drift_change)) {
    warnings.push_back(fmt::format("drift: the repeats get {} (Mann-Kendall, p = {:.2g})",
                                   DriftText(repeats.drift_change), repeats.drift.p_value));
  }
  return warnings;
}

std::string Describe(const NoiseBefore& before) {
  std::string text = fmt::format("noise before: arithmetic {:.1f} %, memory {:.1f} %",
                                 before.spin_spread * 100, before.memory_spread * 100);
  if (before.load_average) text += fmt::format(", load average {:.2f}", *before.load_average);
  if (before.steal) text += fmt::format(", steal {:.1f} %", *before.steal * 100);
  if (before.frequency_min_mhz) {
    text +=
        fmt::format(", {:.0f} to {:.0f} MHz", *before.frequency_min_mhz, *before.frequency_max_mhz);
  }
  return text;
}

std::string Describe(const NoiseDuring& during) {
  std::string text = "noise during: ";
  if (during.drift.count > 1) {
    text += fmt::format("drift {:+.1f} % over {} runs (p = {:.2g})", during.drift_change * 100,
                        during.drift.count, during.drift.p_value);
  } else {
    text += "too few runs to see a drift";
  }
  if (during.other_cpus) text += fmt::format(", others busy on {:.2f} CPUs", *during.other_cpus);
  if (during.steal) text += fmt::format(", steal {:.1f} %", *during.steal * 100);
  return text;
}

std::string NoiseText(const NoiseBefore& before, const NoiseDuring& during) {
  std::string text = Describe(before) + "\n" + Describe(during) + "\n";
  for (const std::string& warning : NoiseWarnings(before)) text += "warning: " + warning + "\n";
  for (const std::string& warning : NoiseWarnings(during)) text += "warning: " + warning + "\n";
  return text;
}

json NoiseJson(const NoiseBefore& before, const NoiseDuring& during) {
  json warnings = NoiseWarnings(before);
  for (const std::string& warning : NoiseWarnings(during)) warnings.push_back(warning);
  return {{"before", ToJson(before)}, {"during", ToJson(during)}, {"warnings", warnings}};
}

json ToJson(const NoiseBefore& before) {
  return {{"rounds", before.rounds},
          {"cpus", before.cpus},
          {"spin_ns", before.spin_ns},
          {"spin_spread", before.spin_spread},
          {"memory_ns", before.memory_ns},
          {"memory_spread", before.memory_spread},
          {"load_average", OrNull(before.load_average)},
          {"steal", OrNull(before.steal)},
          {"frequency_min_mhz", OrNull(before.frequency_min_mhz)},
          {"frequency_max_mhz", OrNull(before.frequency_max_mhz)}};
}

json ToJson(const NoiseDuring& during) {
  return {{"runs", during.drift.count},
          {"drift_change", during.drift_change},
          {"drift_p_value", during.drift.p_value},
          {"steal", OrNull(during.steal)},
          {"other_cpus", OrNull(during.other_cpus)}};
}

json ToJson(const std::optional<RepeatNoise>& repeats) {
  if (!repeats) return nullptr;
  return {{"spread", repeats->spread},
          {"drift_change", repeats->drift_change},
          {"drift_p_value", repeats->drift.p_value}};
}

}  // namespace fencepost
