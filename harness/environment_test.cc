// SPDX-License-Identifier: BSD-3-Clause
#include "harness/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "harness/valgrind_probe.h"

namespace fencepost {
namespace {

// The flags that the kernel lists for the first CPU; empty on another architecture.
std::set<std::string> KernelCpuFlags() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

TEST(Environment, CpuidAgreesWithTheKernel) {
  const std::set<std::string> flags = KernelCpuFlags();
  if (flags.empty()) GTEST_SKIP() << "no flags in /proc/cpuinfo";
  if (RunsUnderValgrind()) GTEST_SKIP() << "Valgrind's CPU is not the kernel's";
  const CpuFacts cpu = ReadCpuFacts();
  EXPECT_EQ(cpu.clflush, flags.contains("clflush"));
  EXPECT_EQ(cpu.clflushopt, flags.contains("clflushopt"));
  EXPECT_EQ(cpu.clwb, flags.contains("clwb"));
  EXPECT_EQ(cpu.movdir64b, flags.contains("movdir64b"));
  EXPECT_EQ(cpu.avx2, flags.contains("avx2"));
  EXPECT_EQ(cpu.avx512f, flags.contains("avx512f"));
  EXPECT_EQ(cpu.invariant_tsc, flags.contains("nonstop_tsc"));
  EXPECT_EQ(cpu.hypervisor, flags.contains("hypervisor"));
  EXPECT_EQ(cpu.hypervisor_name.empty(), !cpu.hypervisor);
  EXPECT_FALSE(cpu.model.empty());
}

TEST(Environment, TheMachineHasCpusAndMemory) {
  const MachineFacts facts = ReadMachineFacts();
  EXPECT_GT(facts.online_cpu_count, 0u);
  EXPECT_GT(facts.allowed_cpu_count, 0u);
  EXPECT_LE(facts.allowed_cpu_count, facts.online_cpu_count);
  EXPECT_GT(facts.memory_bytes, 64u << 20);
  EXPECT_THAT(facts.kernel, testing::StartsWith("Linux "));
}

TEST(Environment, CachesHaveSizesAndLines) {
  for (const CacheFacts& cache : ReadMachineFacts().caches) {
    EXPECT_GT(cache.level, 0u);
    EXPECT_GE(cache.size_bytes, 1024u);
    EXPECT_GE(cache.line_bytes, 16u);
    EXPECT_THAT(cache.type, testing::AnyOf("data", "instruction", "unified"));
  }
}

TEST(Environment, SharedMemoryIsAmongTheWritableTmpfsMounts) {
  const Result<FileSystem> shm = FileSystemOf("/dev/shm");
  if (!shm.ok() || shm->type != "tmpfs" || shm->mount_point != "/dev/shm" ||
      access("/dev/shm", W_OK) != 0) {
    GTEST_SKIP() << "/dev/shm is no writable tmpfs";
  }
  const std::vector<FileSystem> mounts = ReadMachineFacts().tmpfs_mounts;
  const auto found = std::find_if(mounts.begin(), mounts.end(), [](const FileSystem& mount) {
    return mount.mount_point == "/dev/shm";
  });
  ASSERT_NE(found, mounts.end());
  EXPECT_EQ(found->total_bytes, shm->total_bytes);
}

TEST(Environment, ValgrindHasAVersionWhereItHasAPath) {
  const MachineFacts facts = ReadMachineFacts();
  EXPECT_EQ(facts.valgrind_path.empty(), facts.valgrind_version.empty());
  if (!facts.valgrind_path.empty()) {
    EXPECT_THAT(facts.valgrind_version, testing::StartsWith("valgrind-"));
  }
}

TEST(Environment, WithoutAPathThereIsNoValgrind) {
  const char* old_path = std::getenv("PATH");
  const std::string saved = old_path == nullptr ? "" : old_path;
  setenv("PATH", "/nowhere", 1);
  const MachineFacts facts = ReadMachineFacts();
  setenv("PATH", saved.c_str(), 1);
  EXPECT_EQ(facts.valgrind_path, "");
  EXPECT_EQ(facts.valgrind_version, "");
}

TEST(Environment, SettingsAreOfTheNamedChoices) {
  using testing::AnyOf;
  const MachineFacts facts = ReadMachineFacts();
  EXPECT_THAT(facts.turbo, AnyOf("on", "off", "unknown"));
  EXPECT_THAT(facts.aslr, AnyOf("off", "partial", "full", "unknown"));
  EXPECT_THAT(facts.transparent_huge_pages, AnyOf("always", "madvise", "never", "unknown"));
  EXPECT_THAT(facts.io_uring, AnyOf("yes", "not in this kernel", "not permitted"));
  EXPECT_FALSE(facts.governor.empty());
}

TEST(Environment, TheBuildNamesItsCommitOrSaysThatItDoesNotKnow) {
  const BuildInfo build = GetBuildInfo();
  EXPECT_THAT(build.commit, testing::AnyOf("unknown", testing::SizeIs(40)));
  EXPECT_THAT(build.dirty, testing::AnyOf("yes", "no", "unknown"));
  EXPECT_EQ(build.commit == "unknown", build.dirty == "unknown");
  EXPECT_THAT(build.compiler,
              testing::AnyOf(testing::StartsWith("GNU "), testing::StartsWith("Clang ")));
  EXPECT_FALSE(build.version.empty());
}

TEST(Environment, JsonHasTheFieldsUnderTheirNames) {
  MachineFacts facts;
  facts.cpu.clwb = true;
  facts.memory_bytes = 1ull << 40;
  facts.caches = {{.level = 3,
                   .type = "unified",
                   .size_bytes = 1 << 25,
                   .line_bytes = 64,
                   .shared_cpus = "0-1"}};
  facts.dax_mounts = {{.type = "ext4",
                       .mount_point = "/mnt",
                       .device = "/dev/pmem0",
                       .dax = true,
                       .free_bytes = 5}};
  facts.build.commit = "unknown";
  const nlohmann::json json = ToJson(facts);
  EXPECT_EQ(json.at("cpu").at("clwb"), true);
  EXPECT_EQ(json.at("memory_bytes"), 1ull << 40);
  EXPECT_EQ(json.at("caches").at(0).at("size_bytes"), 1 << 25);
  EXPECT_EQ(json.at("dax_mounts").at(0).at("mount_point"), "/mnt");
  EXPECT_EQ(json.at("tmpfs_mounts"), nlohmann::json::array());
  EXPECT_EQ(json.at("pmem_devices"), nlohmann::json::array());
  EXPECT_EQ(json.at("build").at("commit"), "unknown");
  EXPECT_EQ(json.at("runs_under_valgrind"), false);
}

}  // namespace
}  // namespace fencepost
