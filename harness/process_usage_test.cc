// SPDX-License-Identifier: BSD-3-Clause
#include "harness/process_usage.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace fencepost {
namespace {

constexpr size_t kMiB = 1 << 20;

// Memory of its own mapping, so that it goes back to the kernel at once.
class TouchedMemory {
 public:
  explicit TouchedMemory(size_t bytes) : bytes_(bytes) {
    base_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ != MAP_FAILED) std::memset(base_, 1, bytes);
  }
  ~TouchedMemory() { munmap(base_, bytes_); }
  TouchedMemory(const TouchedMemory&) = delete;
  TouchedMemory& operator=(const TouchedMemory&) = delete;

 private:
  size_t bytes_;
  void* base_;
};

TEST(ProcessUsage, WorkCostsCpuTime) {
  const ProcessUsage before = *ReadProcessUsage();
  volatile uint64_t sum = 0;
  ProcessUsage used;
  // Until the kernel's accounting moves, however coarse it is.
  while (used.user_cpu_s + used.system_cpu_s < 0.02) {
    for (uint64_t i = 0; i < 1'000'000; ++i) sum = sum + i;
    used = UsageBetween(before, *ReadProcessUsage());
  }
  EXPECT_GT(used.user_cpu_s, 0);
}

TEST(ProcessUsage, TouchedMemoryIsResidentAndTheFaultsAreCounted) {
  const ProcessUsage before = *ReadProcessUsage();
  const TouchedMemory memory(64 * kMiB);
  const ProcessUsage after = *ReadProcessUsage();
  EXPECT_GE(after.rss_bytes, before.rss_bytes + 60 * kMiB);
  EXPECT_GE(after.peak_rss_bytes, after.rss_bytes - kMiB);
  EXPECT_GT(UsageBetween(before, after).minor_fault_count, 0u);
}

TEST(ProcessUsage, ThePeakStaysUntilItIsReset) {
  { const TouchedMemory memory(64 * kMiB); }
  const ProcessUsage before = *ReadProcessUsage();
  EXPECT_GE(before.peak_rss_bytes, before.rss_bytes + 60 * kMiB);
  if (const Status reset = ResetPeakRss(); !reset.ok()) GTEST_SKIP() << reset.message();
  EXPECT_LT(ReadProcessUsage()->peak_rss_bytes, before.peak_rss_bytes - 50 * kMiB);
}

TEST(ProcessUsage, AWriteIsCountedByCallAndByByte) {
  const ProcessUsage before = *ReadProcessUsage();
  if (!before.io) GTEST_SKIP() << "this kernel has no /proc/self/io";
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  const std::string block(100'000, 'x');
  ASSERT_EQ(write(fileno(file), block.data(), block.size()), ssize_t{100'000});
  const ProcessUsage used = UsageBetween(before, *ReadProcessUsage());
  std::fclose(file);
  EXPECT_GE(used.io->write_call_count, 1u);
  EXPECT_GE(used.io->write_call_bytes, 100'000u);
  EXPECT_LT(used.io->write_call_bytes, 200'000u);
}

TEST(ProcessUsage, TheDifferenceSubtractsFlowsAndKeepsLevels) {
  const ProcessUsage before{.user_cpu_s = 1,
                            .system_cpu_s = 2,
                            .rss_bytes = 3,
                            .peak_rss_bytes = 4,
                            .minor_fault_count = 5,
                            .major_fault_count = 6,
                            .voluntary_switch_count = 7,
                            .involuntary_switch_count = 8,
                            .io = ProcessIo{1, 2, 3, 4, 5, 6}};
  const ProcessUsage after{.user_cpu_s = 11,
                           .system_cpu_s = 22,
                           .rss_bytes = 33,
                           .peak_rss_bytes = 44,
                           .minor_fault_count = 55,
                           .major_fault_count = 66,
                           .voluntary_switch_count = 77,
                           .involuntary_switch_count = 88,
                           .io = ProcessIo{11, 22, 33, 44, 55, 66}};
  const ProcessUsage used = UsageBetween(before, after);
  EXPECT_EQ(used.user_cpu_s, 10);
  EXPECT_EQ(used.system_cpu_s, 20);
  EXPECT_EQ(used.rss_bytes, 33u);
  EXPECT_EQ(used.peak_rss_bytes, 44u);
  EXPECT_EQ(used.minor_fault_count, 50u);
  EXPECT_EQ(used.major_fault_count, 60u);
  EXPECT_EQ(used.voluntary_switch_count, 70u);
  EXPECT_EQ(used.involuntary_switch_count, 80u);
  EXPECT_EQ(used.io->read_call_bytes, 10u);
  EXPECT_EQ(used.io->write_call_bytes, 20u);
  EXPECT_EQ(used.io->read_call_count, 30u);
  EXPECT_EQ(used.io->write_call_count, 40u);
  EXPECT_EQ(used.io->storage_read_bytes, 50u);
  EXPECT_EQ(used.io->storage_write_bytes, 60u);
}

TEST(ProcessUsage, WithoutIoAccountingThereIsNoDifferenceOfIt) {
  ProcessUsage before, after;
  after.io = ProcessIo{};
  EXPECT_FALSE(UsageBetween(before, after).io.has_value());
}

}  // namespace
}  // namespace fencepost
