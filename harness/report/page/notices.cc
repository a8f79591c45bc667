// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/notices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>

namespace fencepost::page {
namespace {

using nlohmann::json;

constexpr size_t kMostNames = 4;

std::string Names(const std::vector<std::string>& all) {
  const std::vector<std::string> shown(
      all.begin(), all.begin() + static_cast<long>(std::min(all.size(), kMostNames)));
  const std::string more =
      all.size() > kMostNames ? fmt::format(" and {} more", all.size() - kMostNames) : "";
  return fmt::format("{}{}", fmt::join(shown, "; "), more);
}

// Warnings that differ in nothing but their numbers are one, of them the one with the greatest
// first number: "the repeats lie 214 % of their median apart (and 23 alike)".
std::vector<std::string> Condense(const std::set<std::string>& warnings) {
  struct Kind {
    std::string said;
    double first_number = 0;
    size_t count = 0;
  };
  std::map<std::string, Kind> kinds;
  for (const std::string& warning : warnings) {
    std::string name;
    std::optional<double> first_number;
    for (size_t at = 0; at < warning.size();) {
      const size_t end = std::min(warning.find_first_not_of("0123456789.,", at), warning.size());
      if (std::isdigit(static_cast<unsigned char>(warning[at]))) {
        name += '#';
        if (!first_number) first_number = std::strtod(warning.c_str() + at, nullptr);
        at = end;
      } else {
        name += warning[at++];
      }
    }
    Kind& kind = kinds[name];
    if (kind.count++ == 0 || first_number.value_or(0) > kind.first_number) {
      kind.said = warning;
      kind.first_number = first_number.value_or(0);
    }
  }
  std::vector<std::string> all;
  for (const auto& [name, kind] : kinds) {
    all.push_back(kind.said +
                  (kind.count > 1 ? fmt::format(" (and {} alike)", kind.count - 1) : ""));
  }
  return all;
}

std::string NameOf(const SpeedRow& row) {
  return fmt::format("{}, {}, {} thread{}", row.engine, row.workload, row.threads,
                     row.threads == 1 ? "" : "s");
}

bool IsWide(const Spread& spread) {
  return (spread.low && *spread.low < spread.median * (1 - kWideInterval)) ||
         (spread.high && *spread.high > spread.median * (1 + kWideInterval));
}

void AddOfRows(const PageData& page, std::vector<Notice>& notices) {
  std::vector<std::string> bad, wide, single;
  size_t intervals = 0;
  for (const Group& group : page.groups) {
    for (const SpeedRow& row : group.rows) {
      if (row.bad) bad.push_back(NameOf(row));
      if (!row.throughput_ops_per_s || group.medium == "none") continue;
      const Spread& spread = *row.throughput_ops_per_s;
      if (!spread.low) {
        single.push_back(NameOf(row));
        continue;
      }
      ++intervals;
      if (IsWide(spread)) wide.push_back(NameOf(row));
    }
  }
  if (!bad.empty()) {
    notices.push_back({true, "Failed, partial or unverified rows", Names(bad) + "."});
  }
  if (!wide.empty()) {
    notices.push_back(
        {false, "Noise",
         fmt::format("In {} of {} rows an end of the throughput's interval is more than "
                     "{:.0f} % from the median: {}.",
                     wide.size(), intervals, kWideInterval * 100, Names(wide))});
  }
  if (!single.empty()) {
    notices.push_back(
        {false, "Single runs", fmt::format("Without an interval: {}.", Names(single))});
  }
}

void AddOfMedia(const PageData& page, std::vector<Notice>& notices) {
  std::set<std::string> media, modelled;
  for (const Group& group : page.groups) {
    if (group.medium == "none") continue;
    media.insert(group.medium);
    if (group.modelled) modelled.insert(group.medium);
  }
  if (!modelled.empty()) {
    notices.push_back(
        {true, "Modelled media",
         fmt::format("{}: these times are modelled from published measurements; nobody "
                     "has measured them here.",
                     fmt::join(modelled, ", "))});
  }
  if (media.contains("tmpfs")) {
    notices.push_back({false, "tmpfs is DRAM",
                       "A file engine's sync is free there and flushes to persistent memory reach "
                       "DRAM only. Compare tmpfs rows with each other, never with rows of a disk; "
                       "DRAM in place of persistent memory can reverse a ranking."});
  } else if (media.size() > 1) {
    notices.push_back({false, "Several media", "Compare rows of one medium only."});
  }
}

void AddOfResults(const LoadedResults& results, const PageData& page,
                  std::vector<Notice>& notices) {
  if (!results.unfinished_steps.empty()) {
    notices.push_back({true, "Steps without their result",
                       fmt::format("{}.", fmt::join(results.unfinished_steps, "; "))});
  }
  std::set<std::string> commits, machines, warnings;
  bool is_virtual = false, counts_device = false;
  const auto add = [&](const LoadedRun& run) {
    commits.insert(run.manifest["commit"].get<std::string>().substr(0, 12));
    const json& machine = run.manifest["machine"];
    machines.insert(machine["cpu_model"].get<std::string>());
    const json hypervisor = machine.value("hypervisor", json());
    is_virtual |= (hypervisor.is_string() && hypervisor != "none" && hypervisor != "") ||
                  hypervisor == true ||
                  (machine.contains("cpu") && machine["cpu"].is_object() &&
                   machine["cpu"].value("hypervisor", json()) == true);
    for (const json& warning : run.summary["warnings"]) warnings.insert(warning);
    counts_device |= run.summary.value("write_amplification_counts", json()) == "device";
  };
  for (const LoadedBench& bench : results.benches) {
    for (const auto& runs : bench.cell_runs) std::for_each(runs.begin(), runs.end(), add);
    if (bench.report["partial"]) {
      notices.push_back({true, "Partial bench",
                         bench.report["bench_id"].get<std::string>() + " was ended early."});
    }
    for (const json& warning : bench.report["noise"]["warnings"]) warnings.insert(warning);
    for (const json& cell : bench.report["cells"]) {
      for (const json& warning : cell["warnings"]) warnings.insert(warning);
    }
  }
  std::for_each(results.runs.begin(), results.runs.end(), add);
  if (machines.size() > 1) {
    notices.push_back({true, "Several machines", fmt::format("{}.", fmt::join(machines, "; "))});
  }
  const size_t timed = commits.size();
  for (const CrashRow& crash : page.crashes) {
    commits.insert(crash.report["commit"].get<std::string>().substr(0, 12));
  }
  if (commits.size() > 1) {
    notices.push_back({timed > 1, "Several commits",
                       fmt::format("{}. A verdict on one build says nothing of another.",
                                   fmt::join(commits, ", "))});
  }
  if (is_virtual) {
    notices.push_back({false, "Virtual machine",
                       "Neighbours are noise: read ratios within one bench, not times."});
  }
  if (counts_device) {
    notices.push_back({false, "Bytes written to a disk are upper bounds",
                       "Some are the device's count, everybody's, where it is less than the "
                       "process's, which is in whole folios: 64 bytes can count as a megabyte."});
  }
  if (!warnings.empty()) {
    notices.push_back(
        {false, "From the runs", fmt::format("{}.", fmt::join(Condense(warnings), "; "))});
  }
}

}  // namespace

std::vector<Notice> MakeNotices(const PageData& page, const LoadedResults& results) {
  std::vector<Notice> notices;
  std::set<std::string> promises;
  for (const Group& group : page.groups) {
    if (group.medium == "none") continue;
    for (const SpeedRow& row : group.rows) promises.insert(row.durability);
  }
  if (promises.size() > 1) {
    notices.push_back({true, "Unequal durability",
                       fmt::format("These rows do not promise the same ({}): a faster one may just "
                                   "keep less. Each is labelled.",
                                   fmt::join(promises, ", "))});
  }
  for (const CrashRow& crash : page.crashes) {
    if (crash.style != "bad") continue;
    notices.push_back(
        {true, "Not crash-safe",
         fmt::format("{}{}{}: {} ({}).", crash.engine, crash.durability.empty() ? "" : ", ",
                     crash.durability, crash.word, crash.model)});
  }
  AddOfRows(page, notices);
  AddOfMedia(page, notices);
  AddOfResults(results, page, notices);
  std::stable_partition(notices.begin(), notices.end(), [](const Notice& n) { return n.grave; });
  return notices;
}

}  // namespace fencepost::page
