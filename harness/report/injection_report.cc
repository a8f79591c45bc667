// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/injection_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fencepost {
namespace {

using nlohmann::json;

json MemoryJson(const pmem::InjectionReport& injection) {
  return {{"operations", injection.operations},
          {"lines_read", injection.lines_read},
          {"lines_missed", injection.lines_missed},
          {"blocks_written", injection.blocks_written},
          {"asked_ns", injection.asked_ns},
          {"injected_ns", injection.injected_ns()},
          {"charging_ns", injection.charging_ns},
          {"interrupted", injection.interrupted},
          {"interrupted_ns", injection.interrupted_ns}};
}

json FilesJson(const media::FileInjection& injection, uint64_t cache_bytes) {
  return {{"cache_bytes", cache_bytes},
          {"calls", injection.calls},
          {"blocks_read", injection.blocks.blocks_read},
          {"blocks_missed", injection.blocks.blocks_missed},
          {"blocks_written", injection.blocks.blocks_written},
          {"syncs", injection.blocks.syncs},
          {"asked_ns", injection.asked_ns},
          {"background_ns", injection.background_ns},
          {"injected_ns", injection.injected_ns()},
          {"charging_ns", injection.charging_ns},
          {"interrupted", injection.interrupted},
          {"interrupted_ns", injection.interrupted_ns}};
}

double Each(double sum, uint64_t operations) {
  return sum / std::max(1.0, static_cast<double>(operations));
}
double Each(uint64_t sum, uint64_t operations) {
  return Each(static_cast<double>(sum), operations);
}

// `background_ns`: of what was asked for.
std::string DelaysText(double asked_ns, double background_ns, double injected_ns,
                       double charging_ns, uint64_t n) {
  const std::string background =
      background_ns > 0
          ? fmt::format(" ({:.0f} of them of threads in the background)", Each(background_ns, n))
          : "";
  return fmt::format(
      "{:.0f} ns an operation asked for{}, {:.0f} ns injected ({:+.0f} ns), {:.0f} of them by "
      "charging",
      Each(asked_ns, n), background, Each(injected_ns, n), Each(injected_ns - asked_ns, n),
      Each(charging_ns, n));
}

std::string MemoryText(const pmem::InjectionReport& injection) {
  const uint64_t n = injection.operations;
  return fmt::format(
      "{}; {:.1f} lines read, {:.1f} of them in no cache; {} operations interrupted",
      DelaysText(injection.asked_ns, 0, injection.injected_ns(), injection.charging_ns, n),
      Each(injection.lines_read, n), Each(injection.lines_missed, n), injection.interrupted);
}

std::string FilesText(const media::FileInjection& injection, uint64_t cache_bytes, uint64_t n) {
  const media::PageCacheTotals& blocks = injection.blocks;
  return fmt::format(
      "{}; {:.2f} blocks of 4 KiB read, {:.2f} of them in no page cache of {} bytes, {:.2f} "
      "written; {:.2f} syncs; {} waits interrupted",
      DelaysText(injection.asked_ns, injection.background_ns, injection.injected_ns(),
                 injection.charging_ns, n),
      Each(blocks.blocks_read, n), Each(blocks.blocks_missed, n), cache_bytes,
      Each(blocks.blocks_written, n), Each(blocks.syncs, n), injection.interrupted);
}

}  // namespace

json InjectionJson(const PhaseReport& report) {
  if (!report.injection) return nullptr;
  const Injection& injection = *report.injection;
  json found = injection.files ? FilesJson(*injection.files, injection.cache_bytes)
                               : MemoryJson(*injection.memory);
  found["model"] = injection.model;
  found["on_medium"] = MediumName(report.medium);
  return found;
}

std::string InjectionLine(const PhaseReport& report) {
  const Injection& injection = *report.injection;
  return fmt::format(
      "modelled: {} on {}: {}", injection.model, MediumName(report.medium),
      injection.files ? FilesText(*injection.files, injection.cache_bytes, report.result.operations)
                      : MemoryText(*injection.memory));
}

}  // namespace fencepost
