// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/provenance.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harness/build_info.h"
#include "harness/environment.h"

namespace fencepost {
namespace {

using nlohmann::json;

struct Fact {
  const char* name;
  const char* pointer;
};

constexpr Fact kFacts[] = {
    {"version", "/fencepost_version"},
    {"commit", "/commit"},
    {"uncommitted changes", "/dirty"},
    {"compiler", "/compiler"},
    {"build type", "/build_type"},
    {"compiler flags", "/machine/build/flags"},
    {"engine", "/engine/version"},
    {"kernel", "/machine/kernel"},
    {"operating system", "/machine/os_name"},
    {"CPU", "/machine/cpu_model"},
    {"CPUs online", "/machine/cpus"},
    {"CPUs allowed", "/machine/allowed_cpu_count"},
    {"memory bytes", "/machine/memory_bytes"},
    {"frequency governor", "/machine/governor"},
    {"turbo", "/machine/turbo"},
    {"address space randomisation", "/machine/aslr"},
    {"transparent huge pages", "/machine/transparent_huge_pages"},
    {"transparent huge pages of tmpfs", "/machine/transparent_huge_pages_shmem"},
};

std::string Text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

json ProvenanceJson() {
  const BuildInfo build = GetBuildInfo();
  const MachineFacts facts = ReadMachineFacts();
  json machine = ToJson(facts);
  machine["cpu_model"] = facts.cpu.model;
  machine["cpus"] = facts.online_cpu_count;
  return {{"fencepost_version", build.version}, {"commit", build.commit},
          {"dirty", build.dirty != "no"},       {"compiler", build.compiler},
          {"build_type", build.build_type},     {"machine", std::move(machine)}};
}

std::vector<std::string> EnvironmentDifferences(const json& before, const json& now,
                                                const std::string& before_name,
                                                const std::string& now_name) {
  std::vector<std::string> differences;
  for (const Fact& fact : kFacts) {
    const json::json_pointer pointer(fact.pointer);
    if (!before.contains(pointer) || !now.contains(pointer)) continue;
    const json &was = before.at(pointer), &is = now.at(pointer);
    if (was == is) continue;
    differences.push_back(
        fmt::format("{}: {} {}, {} {}", fact.name, before_name, Text(was), now_name, Text(is)));
  }
  return differences;
}

std::string BuildText(const json& manifest) {
  const std::string commit = manifest.value("commit", "unknown");
  std::string text =
      fmt::format("fencepost {}, commit {}{}", manifest.value("fencepost_version", "unknown"),
                  commit.substr(0, 12), manifest.value("dirty", false) ? " with changes" : "");
  if (manifest.contains("compiler")) {
    text +=
        fmt::format(", {} {}", manifest.value("compiler", ""), manifest.value("build_type", ""));
  }
  return text;
}

}  // namespace fencepost
