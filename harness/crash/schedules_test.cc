// SPDX-License-Identifier: BSD-3-Clause
// What needs no recording; the rest is in crash_command_test.py.
#include "harness/crash/schedules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

using testing::HasSubstr;

TEST(Schedules, OneThreadHasOneSeveralHaveTwentyUnlessSomebodySays) {
  EXPECT_EQ(ChooseSchedules(0, 1).value(), 1u);
  EXPECT_EQ(ChooseSchedules(1, 1).value(), 1u);
  EXPECT_EQ(ChooseSchedules(0, 2).value(), 20u);
  EXPECT_EQ(ChooseSchedules(1, 2).value(), 1u);
  EXPECT_EQ(ChooseSchedules(7, 4).value(), 7u);
  const Result<uint64_t> two = ChooseSchedules(2, 1);
  EXPECT_EQ(two.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(two.message()), HasSubstr("--schedules=2"));
}

TEST(Schedules, EachHasASeedOfItsOwnThatTheToolTakes) {
  std::set<uint32_t> seeds;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (uint64_t schedule = 0; schedule < 100; ++schedule) {
      const uint32_t chosen = SchedSeed(seed, schedule, 2);
      EXPECT_GT(chosen, 0u) << seed << " " << schedule;
      EXPECT_LE(chosen, 0x7fffffffu) << seed << " " << schedule;
      seeds.insert(chosen);
    }
  }
  EXPECT_EQ(seeds.size(), 1000u);
  EXPECT_EQ(SchedSeed(3, 4, 2), SchedSeed(3, 4, 2));
}

TEST(Schedules, OneThreadIsRecordedAsValgrindRunsIt) { EXPECT_EQ(SchedSeed(1, 0, 1), 0u); }

TEST(Schedules, RecordingsAreCountedUpToTheFirstThatIsMissing) {
  const TemporaryFolder folder;
  EXPECT_EQ(CountRecordings(folder.path()), 1u);
  for (const char* name : {"recording", "recording-2", "recording-3", "recording-5"}) {
    std::filesystem::create_directory(folder.path() / name);
  }
  EXPECT_EQ(CountRecordings(folder.path()), 3u);
  EXPECT_EQ(RecordingFolder(folder.path(), 0), folder.path() / "recording");
  EXPECT_EQ(RecordingFolder(folder.path(), 2), folder.path() / "recording-3");
}

TEST(Schedules, ARecordingThatFailsEndsTheCampaign) {
  const TemporaryFolder folder;
  const Schedules schedules = {.asked = 3,
                               .recording = [](uint64_t) -> Result<std::filesystem::path> {
                                 return Status::IoError("no space");
                               }};
  const auto report = ExploreSchedules(schedules, folder.path(), {}, {"fencepost"});
  EXPECT_EQ(report.status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace fencepost
