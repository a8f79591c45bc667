// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pmem_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpmem.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engines/pmem/pool.h"
#include "engines/pmem/test_pool.h"

namespace fencepost::pmem {
namespace {

constexpr const char* kSmaps =
    "7f0000000000-7f0000200000 rw-s 00000000 103:01 12 /mnt/pmem/other\n"
    "Size:               2048 kB\n"
    "VmFlags: rd wr sh mr mw me ms sd sf \n"
    "7f0000200000-7f0000a00000 rw-s 00000000 103:01 13 /mnt/pmem/pool\n"
    "Size:               8192 kB\n"
    "VmFlags: rd wr sh mr mw me ms sd hg \n";

std::optional<PoolMapping> Find(const std::string& path) {
  std::istringstream smaps(kSmaps);
  return FindPoolMapping(smaps, path);
}

TEST(PoolMapping, FlagsAreThoseOfTheFileThatWasAskedFor) {
  ASSERT_TRUE(Find("/mnt/pmem/pool"));
  EXPECT_EQ(Find("/mnt/pmem/pool")->begin, 0x7f0000200000u);
  EXPECT_EQ(Find("/mnt/pmem/pool")->end, 0x7f0000a00000u);
  EXPECT_FALSE(Find("/mnt/pmem/pool")->map_sync);
  EXPECT_TRUE(Find("/mnt/pmem/other")->map_sync);
  EXPECT_FALSE(Find("/pool"));
  EXPECT_FALSE(Find("pmem/pool"));
}

constexpr const char* kPrint = "FENCEPOST_TEST_PRINTS_FLUSH";

// libpmem decides once a process, so that every choice is seen in another one: this program, which
// then only prints.
const bool kHasPrinted = [] {
  if (std::getenv(kPrint) == nullptr) return false;
  alignas(64) static char line[64];
  const std::string seen = ObservedFlush([] { pmem_flush(line, sizeof line); });
  std::printf("instruction %s\n", seen.c_str());
  std::exit(0);
}();

// What libpmem has chosen by its variables, as it is seen.
std::string InstructionWithout(const char* first, const char* second) {
  EXPECT_FALSE(kHasPrinted);
  const std::string command = std::string("env ") + kPrint + "=1 " + first + " " + second +
                              " /proc/" + std::to_string(getpid()) + "/exe";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string found;
  char line[256];
  while (fgets(line, sizeof line, pipe) != nullptr) {
    if (std::string(line).starts_with("instruction ")) found = std::string(line).substr(12);
  }
  pclose(pipe);
  return found.substr(0, found.find('\n'));
}

TEST(FlushInstruction, IsTheOneThatLibpmemHasChosen) {
  EXPECT_EQ(InstructionWithout("PMEM_NO_CLWB=1", "PMEM_NO_CLFLUSHOPT=1"), "clflush");
  std::ifstream info("/proc/cpuinfo");
  std::string flags;
  while (std::getline(info, flags) && !flags.starts_with("flags")) {
  }
  flags += " ";
  if (flags.find(" clflushopt ") != std::string::npos) {
    EXPECT_EQ(InstructionWithout("PMEM_NO_CLWB=1", ""), "clflushopt");
  }
  if (flags.find(" clwb ") != std::string::npos) {
    EXPECT_EQ(InstructionWithout("", ""), "clwb");
  }
}

TEST(FlushInstruction, AnMsyncIsOneAndSoIsWhatDoesNothing) {
  alignas(4096) static char page[4096];
  EXPECT_EQ(ObservedFlush([] { pmem_msync(page, sizeof page); }), "msync");
  EXPECT_EQ(ObservedFlush([] {}), "none");
}

TEST(PmemFacts, OfAPoolOnTmpfsSayThatItIsForced) {
  const TestFolder folder;
  if (MediumOf(folder.path()).value() != Medium::kTmpfs) GTEST_SKIP() << "no tmpfs";
  const auto path = folder.path() / "pool";
  ASSERT_TRUE(
      Pool::Create(path, "test", kMinPoolBytes, 64, [](Pool&) { return Status::Ok(); }).ok());
  EXPECT_FALSE(ObservePmem(path));
  const auto pool = Pool::Open(path, "test");
  ASSERT_TRUE(pool.ok());
  const std::optional<PmemFacts> facts = ObservePmem(path);
  ASSERT_TRUE(facts);
  EXPECT_TRUE(facts->is_pmem);
  EXPECT_TRUE(facts->forced);
  EXPECT_FALSE(facts->map_sync);
  EXPECT_THAT(facts->flush_instruction, testing::StartsWith("cl"));
}

}  // namespace
}  // namespace fencepost::pmem
