// SPDX-License-Identifier: BSD-3-Clause
// MachineFacts as JSON.
#include <nlohmann/json.hpp>

#include "harness/environment.h"

namespace fencepost {
namespace {

using nlohmann::json;

json CpuToJson(const CpuFacts& cpu) {
  return {{"model", cpu.model},           {"clflush", cpu.clflush},
          {"clflushopt", cpu.clflushopt}, {"clwb", cpu.clwb},
          {"movdir64b", cpu.movdir64b},   {"avx2", cpu.avx2},
          {"avx512f", cpu.avx512f},       {"invariant_tsc", cpu.invariant_tsc},
          {"hypervisor", cpu.hypervisor}, {"hypervisor_name", cpu.hypervisor_name},
          {"emulated", cpu.emulated}};
}

json CachesToJson(const std::vector<CacheFacts>& caches) {
  json array = json::array();
  for (const CacheFacts& cache : caches) {
    array.push_back({{"level", cache.level},
                     {"type", cache.type},
                     {"size_bytes", cache.size_bytes},
                     {"line_bytes", cache.line_bytes},
                     {"shared_cpus", cache.shared_cpus}});
  }
  return array;
}

json MountsToJson(const std::vector<FileSystem>& mounts) {
  json array = json::array();
  for (const FileSystem& mount : mounts) {
    array.push_back({{"type", mount.type},
                     {"mount_point", mount.mount_point},
                     {"device", mount.device},
                     {"dax", mount.dax},
                     {"read_only", mount.read_only},
                     {"free_bytes", mount.free_bytes},
                     {"total_bytes", mount.total_bytes}});
  }
  return array;
}

json BuildToJson(const BuildInfo& build) {
  return {{"version", build.version},   {"commit", build.commit},         {"dirty", build.dirty},
          {"compiler", build.compiler}, {"build_type", build.build_type}, {"flags", build.flags}};
}

}  // namespace

json ToJson(const MachineFacts& facts) {
  return {{"cpu", CpuToJson(facts.cpu)},
          {"online_cpu_count", facts.online_cpu_count},
          {"allowed_cpu_count", facts.allowed_cpu_count},
          {"caches", CachesToJson(facts.caches)},
          {"memory_bytes", facts.memory_bytes},
          {"kernel", facts.kernel},
          {"os_name", facts.os_name},
          {"governor", facts.governor},
          {"turbo", facts.turbo},
          {"aslr", facts.aslr},
          {"transparent_huge_pages", facts.transparent_huge_pages},
          {"transparent_huge_pages_shmem", facts.transparent_huge_pages_shmem},
          {"pmem_devices", facts.pmem_devices},
          {"nd_devices", facts.nd_devices},
          {"dax_mounts", MountsToJson(facts.dax_mounts)},
          {"tmpfs_mounts", MountsToJson(facts.tmpfs_mounts)},
          {"io_uring", facts.io_uring},
          {"can_drop_page_cache", facts.can_drop_page_cache},
          {"runs_under_valgrind", facts.runs_under_valgrind},
          {"valgrind_path", facts.valgrind_path},
          {"valgrind_version", facts.valgrind_version},
          {"build", BuildToJson(facts.build)}};
}

}  // namespace fencepost
