// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/facts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "harness/report/page/number_text.h"

namespace fencepost::page {
namespace {

using nlohmann::json;
constexpr const char* kUnknown = "not known";

// A text or a number of the machine, which may lack it.
std::string Fact(const json& object, const char* name) {
  if (!object.is_object() || !object.contains(name)) return kUnknown;
  const json& value = object[name];
  if (value.is_string()) return value;
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.is_null() ? kUnknown : value.dump();
}

// Words as they would be typed in a shell.
std::string Command(const json& words) {
  constexpr std::string_view kPlain = "%+,-./:=@_";
  std::vector<std::string> quoted;
  for (const json& entry : words) {
    const std::string word = entry;
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [&](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
             kPlain.find(c) != std::string_view::npos;
    });
    std::string escaped;
    for (char c : word) escaped += c == '\'' ? std::string("'\\''") : std::string(1, c);
    quoted.push_back(plain ? word : "'" + escaped + "'");
  }
  return fmt::format("{}", fmt::join(quoted, " "));
}

void AddOnce(FactTable& table, std::vector<std::string> row) {
  if (std::find(table.rows.begin(), table.rows.end(), row) == table.rows.end()) {
    table.rows.push_back(std::move(row));
  }
}

std::vector<std::string> EngineFacts(const json& engine) {
  std::vector<std::string> tuning;
  for (const auto& [name, value] : engine["tuning"].items()) {
    tuning.push_back(name + "=" + value.get<std::string>());
  }
  const json& filesystem = engine["filesystem"];
  return {engine["name"],
          engine["version"],
          engine["durability"],
          fmt::format("{} / {}", engine["power_loss"].get<std::string>(),
                      engine["process_death"].get<std::string>()),
          engine["medium"],
          filesystem.is_null() ? "none"
                               : fmt::format("{} on {}", filesystem["type"].get<std::string>(),
                                             filesystem["device"].get<std::string>()),
          engine["pmem_mode"],
          Bytes(engine["cache_bytes"].get<double>()),
          tuning.empty() ? "defaults" : fmt::format("{}", fmt::join(tuning, ", "))};
}

std::vector<std::string> MachineFacts(const json& manifest) {
  const json &machine = manifest["machine"], &clock = manifest["clock"];
  const json memory = machine.value("memory_bytes", json());
  return {machine["cpu_model"],
          machine["cpus"].dump(),
          memory.is_number() ? Bytes(memory.get<double>()) : kUnknown,
          Fact(machine, machine.contains("os") ? "os" : "os_name"),
          machine["kernel"],
          Fact(machine, "governor"),
          machine.contains("hypervisor") ? Fact(machine, "hypervisor")
                                         : Fact(machine.value("cpu", json()), "hypervisor_name"),
          Fact(machine, "transparent_huge_pages"),
          clock["source"]};
}

// A row for each machine and clock; of what reading that took, which differs a little from run to
// run, the range.
class Machines {
 public:
  void Add(const json& manifest) {
    const double read_ns = manifest["clock"]["read_ns"];
    const auto [at, is_new] = read_ns_.try_emplace(MachineFacts(manifest), read_ns, read_ns);
    auto& [least, most] = at->second;
    least = std::min(least, read_ns);
    most = std::max(most, read_ns);
    if (is_new) order_.push_back(at->first);
  }

  std::vector<std::vector<std::string>> Rows() const {
    std::vector<std::vector<std::string>> rows = order_;
    for (std::vector<std::string>& row : rows) {
      const auto& [least, most] = read_ns_.at(row);
      const std::string low = fmt::format("{:.0f}", least), high = fmt::format("{:.0f}", most);
      row.back() += fmt::format(", {} ns a read", low == high ? low : low + "–" + high);
    }
    return rows;
  }

 private:
  std::map<std::vector<std::string>, std::pair<double, double>> read_ns_;
  std::vector<std::vector<std::string>> order_;
};

}  // namespace

std::string CommitName(const json& manifest) {
  return manifest["commit"].get<std::string>().substr(0, 12) +
         (manifest["dirty"] ? ", uncommitted changes" : "");
}

std::string MachineName(const json& manifest) {
  const json& machine = manifest["machine"];
  return fmt::format("{}, {} CPUs, {}", machine["cpu_model"].get<std::string>(),
                     machine["cpus"].get<uint64_t>(), machine["kernel"].get<std::string>());
}

std::vector<FactTable> MakeFacts(const LoadedResults& results) {
  FactTable machines{"Machine",
                     {"CPU", "CPUs", "memory", "system", "kernel", "governor", "hypervisor",
                      "huge pages", "clock"},
                     {}};
  FactTable engines{"Engines",
                    {"engine", "version", "durability", "kept at power loss / process death",
                     "medium", "file system", "stores made durable by", "cache", "settings"},
                    {}};
  FactTable builds{"Build", {"fencepost", "commit", "compiler", "type"}, {}};
  FactTable sources{"Results", {"result", "made", "seed", "command"}, {}};
  Machines of_machines;
  const auto add_run = [&](const LoadedRun& run) {
    const json& manifest = run.manifest;
    of_machines.Add(manifest);
    AddOnce(engines, EngineFacts(manifest["engine"]));
    AddOnce(builds, {manifest["fencepost_version"], CommitName(manifest), manifest["compiler"],
                     manifest["build_type"]});
  };
  for (const LoadedBench& bench : results.benches) {
    for (const auto& runs : bench.cell_runs) {
      for (const LoadedRun& run : runs) add_run(run);
    }
    const json& report = bench.report;
    sources.rows.push_back({report["bench_id"], report["created_utc"], report["seed"].dump(),
                            Command(report["command"])});
  }
  for (const LoadedRun& run : results.runs) {
    add_run(run);
    const json& manifest = run.manifest;
    sources.rows.push_back({manifest["run_id"], manifest["created_utc"], manifest["seed"].dump(),
                            Command(manifest["command"])});
  }
  for (const LoadedCampaign& campaign : results.campaigns) {
    const json& report = campaign.report;
    const std::string version = report["fencepost_version"];
    const std::string commit = report["commit"].get<std::string>().substr(0, 12);
    const bool known = std::any_of(builds.rows.begin(), builds.rows.end(), [&](const auto& row) {
      return row[0] == version && row[1] == commit;
    });
    if (!known) builds.rows.push_back({version, commit, kUnknown, kUnknown});
    sources.rows.push_back({report["run_id"], report["created_utc"],
                            report["settings"]["seed"].dump(), Command(report["command"])});
  }
  machines.rows = of_machines.Rows();
  std::vector<FactTable> tables;
  for (FactTable* table : {&machines, &engines, &builds, &sources}) {
    if (!table->rows.empty()) tables.push_back(std::move(*table));
  }
  return tables;
}

}  // namespace fencepost::page
