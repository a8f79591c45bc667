// SPDX-License-Identifier: BSD-3-Clause
// fencepost doctor: what this machine is, what will be measured on it and what only modelled.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "engines/engine_table.h"
#include "harness/clock.h"
#include "harness/commands/command.h"
#include "harness/environment.h"
#include "harness/placement.h"
#include "harness/text_table.h"
#include "harness/vm/guest_host.h"

namespace fencepost {
namespace {

std::string FlushInstructions(const CpuFacts& cpu) {
  std::string names;
  const auto add = [&](bool has, std::string_view name) {
    if (has) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  };
  add(cpu.clflush, "CLFLUSH");
  add(cpu.clflushopt, "CLFLUSHOPT");
  add(cpu.clwb, "CLWB");
  return names.empty() ? "none" : names;
}

std::string PersistentMemory(const MachineFacts& facts) {
  if (!facts.dax_mounts.empty()) {
    return fmt::format("DAX file system at {}", facts.dax_mounts.front().mount_point);
  }
  if (!facts.pmem_devices.empty()) {
    return fmt::format("{}, but no DAX mount", fmt::join(facts.pmem_devices, ", "));
  }
  return "none: emulated on tmpfs (PMEM_IS_PMEM_FORCE=1, set by fencepost)";
}

// What a reader of results from this machine must know.
std::vector<std::string> Verdicts(const MachineFacts& facts, const ClockInfo& clock) {
  std::vector<std::string> out;
  out.push_back(
      facts.dax_mounts.empty()
          ? "cmap's latency and throughput: measured on DRAM (tmpfs); its flushes and fences are "
            "executed and counted, the medium behind them is not persistent memory"
          : "cmap's latency and throughput: measured on persistent memory (DAX)");
  out.push_back(
      "file engines: measured, on this machine's disk through its page cache, or on tmpfs where "
      "said so");
  if (clock.source != ClockSource::kTsc) {
    out.push_back(fmt::format("clock: clock_gettime, not the TSC ({})", clock.reason));
  }
  if (facts.governor != "none" && facts.governor != "performance") {
    out.push_back(fmt::format("governor {}: frequencies move during a run; performance is steadier",
                              facts.governor));
  }
  if (facts.cpu.emulated) out.push_back("the processor is emulated: no time is a measurement");
  if (facts.cpu.hypervisor)
    out.push_back("a virtual machine: neighbours are noise; read ratios within one run");
  out.push_back(facts.valgrind_path.empty()
                    ? "no Valgrind: pmemcheck-validated runs are not possible"
                    : "Valgrind is there: pmemcheck-validated runs are possible");
  return out;
}

nlohmann::json DoctorJson(const MachineFacts& facts, const ClockInfo& clock) {
  nlohmann::json engines = nlohmann::json::array();
  for (const EngineRow& row : Engines()) {
    const Result<std::filesystem::path> place = PlaceFor(row, Placement::kDefault, "");
    engines.push_back(
        {{"name", row.name},
         {"version", row.version()},
         {"path", place.ok() ? nlohmann::json(place->string()) : nlohmann::json(nullptr)}});
  }
  return {{"machine", ToJson(facts)},
          {"clock",
           {{"source", clock.source_name},
            {"ticks_per_s", clock.ticks_per_s},
            {"read_ns", clock.read_cost_ns}}},
          {"engines", std::move(engines)},
          {"virtual_machines", VirtualMachinesHere()},
          {"verdicts", Verdicts(facts, clock)}};
}

void PrintDoctor(const MachineFacts& facts, const ClockInfo& clock) {
  TextTable table({{"what"}, {"here"}});
  table.AddRow({"system", fmt::format("{}, {}", facts.os_name, facts.kernel)});
  table.AddRow({"CPU", fmt::format("{}, {} of {} CPUs allowed{}", facts.cpu.model,
                                   facts.allowed_cpu_count, facts.online_cpu_count,
                                   facts.cpu.hypervisor ? ", virtual machine" : "")});
  table.AddRow({"flush instructions", FlushInstructions(facts.cpu)});
  table.AddRow({"memory", fmt::format("{} MiB", facts.memory_bytes >> 20)});
  table.AddRow({"governor", facts.governor});
  table.AddRow({"persistent memory", PersistentMemory(facts)});
  for (const FileSystem& mount : facts.tmpfs_mounts) {
    table.AddRow(
        {"tmpfs", fmt::format("{}, {} MiB free", mount.mount_point, mount.free_bytes >> 20)});
  }
  table.AddRow(
      {"clock", fmt::format("{}, {:.0f} ns a read", clock.source_name, clock.read_cost_ns)});
  table.AddRow({"io_uring", facts.io_uring});
  table.AddRow({"virtual machines", VirtualMachinesHere()});
  table.AddRow({"Valgrind", facts.valgrind_path.empty() ? "none" : facts.valgrind_version});
  for (const EngineRow& row : Engines()) {
    if (!row.capabilities.stores_data) continue;
    std::string where;
    if (const auto place = PlaceFor(row, Placement::kDefault, ""); !place.ok()) {
      where = place.message();
    } else if (const auto medium = MediumOf(*place); !medium.ok()) {
      where = medium.message();
    } else {
      where = fmt::format("{} ({})", place->string(), MediumName(*medium));
    }
    table.AddRow(
        {fmt::format("data of {}", row.name), fmt::format("{}; {}", row.version(), where)});
  }
  fmt::print("{}\n", table.Render());
  for (const std::string& verdict : Verdicts(facts, clock)) fmt::print("- {}\n", verdict);
}

ExitCode RunDoctor(bool as_json) {
  const ClockInfo clock = Clock::Calibrate();
  const MachineFacts facts = ReadMachineFacts();
  if (as_json) {
    fmt::print("{}\n", DoctorJson(facts, clock).dump(2));
  } else {
    PrintDoctor(facts, clock);
  }
  return ExitCode::kPass;
}

}  // namespace

std::function<ExitCode()> DeclareDoctor(CLI::App& app, const Arguments&) {
  auto as_json = std::make_shared<bool>(false);
  app.add_flag("--json", *as_json, "as JSON");
  return [as_json] { return RunDoctor(*as_json); };
}

}  // namespace fencepost
