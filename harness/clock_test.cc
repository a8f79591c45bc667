// SPDX-License-Identifier: BSD-3-Clause
#include "harness/clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include "harness/valgrind_probe.h"

namespace fencepost {
namespace {

uint64_t RawNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

class ClockTest : public testing::TestWithParam<ClockSource> {
 protected:
  ClockTest() : info_(Clock::Calibrate(GetParam())) {}
  ClockInfo info_;
};

TEST_P(ClockTest, NeverRunsBackwards) {
  uint64_t last = Clock::Ticks();
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t now = Clock::Ticks();
    ASSERT_GE(now, last);
    last = now;
  }
}

// Not a timing test: what is compared is two clocks over one stretch, however long it was. Each is
// read inside the other once, so a preemption between two reads can widen only the outer one.
TEST_P(ClockTest, AgreesWithTheRawMonotonicClock) {
  // The errors of calibration and NTP's slew of CLOCK_MONOTONIC, both at most 500 ppm, and more.
  constexpr double kTolerance = 0.002;
  const uint64_t outer_begin = Clock::Ticks();
  const uint64_t outer_raw_ns = RawNs();
  const uint64_t inner_begin = Clock::Ticks();
  const uint64_t inner_raw_ns = RawNs();
  while (RawNs() - inner_raw_ns < 30'000'000) {
  }
  const uint64_t inner_raw_end_ns = RawNs();
  const uint64_t inner_end = Clock::Ticks();
  const uint64_t outer_raw_end_ns = RawNs();
  const uint64_t outer_end = Clock::Ticks();
  EXPECT_LE(static_cast<double>(Clock::NsBetween(inner_begin, inner_end)),
            static_cast<double>(outer_raw_end_ns - outer_raw_ns) * (1 + kTolerance));
  EXPECT_GE(static_cast<double>(Clock::NsBetween(outer_begin, outer_end)),
            static_cast<double>(inner_raw_end_ns - inner_raw_ns) * (1 - kTolerance));
}

TEST_P(ClockTest, ATickCountConvertsThereAndBack) {
  for (uint64_t ns : {0ull, 1ull, 999ull, 1'000'000'007ull, 3'600'000'000'000ull}) {
    const uint64_t back_ns = Clock::TicksToNs(Clock::NsToTicks(ns));
    EXPECT_LE(back_ns, ns + ns / 1'000'000'000);
    EXPECT_GE(back_ns + 1 + ns / 1'000'000'000, ns);
  }
}

TEST_P(ClockTest, AnEarlierEndIsZeroAndNotHuge) { EXPECT_EQ(Clock::NsBetween(100, 99), 0u); }

// An absolute tick count of a machine up for a year, 2^57 ticks, must not overflow.
TEST_P(ClockTest, AYearOfTicksConverts) {
  const double year_s = 365.25 * 24 * 3600;
  const uint64_t ticks = static_cast<uint64_t>(year_s * info_.ticks_per_s);
  EXPECT_NEAR(static_cast<double>(Clock::TicksToNs(ticks)) / 1e9, year_s, year_s * 1e-8);
}

TEST_P(ClockTest, TheReadCostIsMeasured) {
  EXPECT_GT(info_.read_cost_ns, 0);
  EXPECT_LT(info_.read_cost_ns, 1e6);
}

INSTANTIATE_TEST_SUITE_P(Sources, ClockTest,
                         testing::Values(ClockSource::kTsc, ClockSource::kSystem),
                         [](const auto& parameter) {
                           return parameter.param == ClockSource::kTsc ? "Tsc" : "System";
                         });

TEST(Clock, TheSystemClockIsHadByAskingAndCountsNanoseconds) {
  const ClockInfo info = Clock::Calibrate(ClockSource::kSystem);
  EXPECT_EQ(info.source, ClockSource::kSystem);
  EXPECT_EQ(info.source_name, "clock_gettime");
  EXPECT_FALSE(info.reason.empty());
  EXPECT_EQ(Clock::TicksToNs(123'456'789), 123'456'789u);
  EXPECT_EQ(Clock::NsToTicks(123'456'789), 123'456'789u);
}

TEST(Clock, TheTscIsPassedOverOnlyForAStatedReason) {
  const ClockInfo info = Clock::Calibrate();
  EXPECT_EQ(info.source == ClockSource::kTsc, info.reason.empty()) << info.reason;
  if (RunsUnderValgrind()) {
    EXPECT_EQ(info.source, ClockSource::kSystem);
  }
}

}  // namespace
}  // namespace fencepost
