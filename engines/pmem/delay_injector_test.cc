// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/delay_injector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

namespace fencepost::pmem {
namespace {

const media::MemoryModel& Model(std::string_view name) { return *media::FindMemoryModel(name); }

const void* Line(uint64_t line) { return reinterpret_cast<const void*>(line * 64); }

// Of the first of several lines, far from each other, for which this thread was not interrupted.
InjectionReport ReadOnce(DelayInjector& injector, uint64_t line, size_t bytes) {
  InjectionReport report;
  for (uint64_t i = 0; i < 10; ++i) {
    const InjectionReport before = injector.Report();
    {
      const ObservedOperation operation(OperationKind::kGet);
      ToldRead(Line(line + i * 100), bytes);
    }
    report = injector.Report() - before;
    if (report.interrupted == 0) break;
  }
  return report;
}

TEST(DelayInjector, ChargesARandomReadWithTheDifferenceOfTheLatencies) {
  DelayInjector injector(Model("optane"));
  const InjectionReport report = ReadOnce(injector, 1000, 64);
  EXPECT_NEAR(report.asked_ns, 203.5, 1e-6);
  EXPECT_GE(report.injected_ns(), report.asked_ns - 1);
}

TEST(DelayInjector, ChargesFurtherLinesOfARunWithLess) {
  DelayInjector injector(Model("optane"));
  const InjectionReport report = ReadOnce(injector, 4000, 8 * 64);
  EXPECT_NEAR(report.asked_ns, 203.5 + 7 * 88.0, 1e-6);
}

TEST(DelayInjector, ChargesNothingForWhatACacheHolds) {
  DelayInjector injector(Model("optane"));
  ReadOnce(injector, 1000, 64);
  const InjectionReport again = ReadOnce(injector, 1000, 64);
  EXPECT_EQ(again.lines_missed, 0u);
  EXPECT_EQ(again.asked_ns, 0);
}

TEST(DelayInjector, ChargesNothingForDram) {
  DelayInjector injector(Model("dram"));
  EXPECT_EQ(ReadOnce(injector, 1000, 640).asked_ns, 0);
}

TEST(DelayInjector, ChargesAFenceOnlyIfSomethingWasFlushed) {
  DelayInjector injector(Model("optane-remote"));
  {
    const ObservedOperation operation(OperationKind::kGet);
    ToldFence();
  }
  EXPECT_EQ(injector.Report().asked_ns, 0);
  // Only what the program itself has not used up of the time is asked for: the quickest of many.
  for (int i = 0; i < 100; ++i) {
    const ObservedOperation operation(OperationKind::kGet);
    ToldFlush(Line(1), 64, false);
    ToldFence();
  }
  EXPECT_GT(injector.Report().asked_ns, 20);
}

TEST(DelayInjector, LetsNobodyWriteFasterThanTheMedium) {
  const media::MemoryModel& model = Model("optane");
  DelayInjector injector(model);
  // So many at a time that an operation by itself is much quicker than the medium.
  constexpr uint64_t kBlocksAtOnce = 64, kOperations = 1'000, kBlocks = kBlocksAtOnce * kOperations;
  const auto write = [](uint64_t from) {
    for (uint64_t i = 0; i < kOperations; ++i) {
      const ObservedOperation operation(OperationKind::kGet);
      ToldFlush(Line((from + i * kBlocksAtOnce) * 4), kBlocksAtOnce * 256, true);
    }
  };
  // The quickest of many: what else the machine does makes a try longer, never shorter.
  constexpr int kTries = 20;
  double ns = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTries; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    std::thread other(write, kBlocks * 2);
    write(0);
    other.join();
    ns = std::min(
        ns,
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
  }
  const double least_ns = 2 * kBlocks * model.write_block_ns / static_cast<double>(model.modules);
  EXPECT_GT(ns, least_ns * 0.98);
  EXPECT_EQ(injector.Report().blocks_written, kTries * 2 * kBlocks);
}

TEST(DelayInjector, ReportsTheThreadsOfOneInjectorOnly) {
  {
    DelayInjector first(Model("optane"));
    ReadOnce(first, 1, 64);
  }
  DelayInjector second(Model("optane"));
  EXPECT_EQ(second.Report().operations, 0u);
  ReadOnce(second, 1, 64);
  EXPECT_EQ(second.Report().lines_missed, second.Report().operations);
}

}  // namespace
}  // namespace fencepost::pmem
