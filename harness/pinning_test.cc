// SPDX-License-Identifier: BSD-3-Clause
#include "harness/pinning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <thread>

namespace fencepost {
namespace {

TEST(Pinning, AllowedCpusAreAscendingAndNotNone) {
  const Result<std::vector<int>> cpus = AllowedCpus();
  ASSERT_TRUE(cpus.ok()) << cpus.message();
  EXPECT_FALSE(cpus->empty());
  EXPECT_TRUE(std::is_sorted(cpus->begin(), cpus->end()));
}

TEST(Pinning, APinnedThreadRunsThereAndOthersAreNotTouched) {
  const std::vector<int> cpus = *AllowedCpus();
  for (size_t k = 0; k < cpus.size(); ++k) {
    std::thread([&] {
      const Status pinned = PinThisThread(cpus, k);
      ASSERT_TRUE(pinned.ok()) << pinned.message();
      EXPECT_EQ(sched_getcpu(), cpus[k]);
      EXPECT_THAT(*AllowedCpus(), testing::ElementsAre(cpus[k]));
    }).join();
  }
  EXPECT_EQ(*AllowedCpus(), cpus);
}

TEST(Pinning, AllowingAllUndoesIt) {
  const std::vector<int> cpus = *AllowedCpus();
  std::thread([&] {
    ASSERT_TRUE(PinThisThread(cpus, 0).ok());
    ASSERT_TRUE(AllowThisThread(cpus).ok());
    EXPECT_EQ(*AllowedCpus(), cpus);
  }).join();
}

TEST(Pinning, OnePastTheLastIsAnInvalidArgument) {
  const std::vector<int> cpus = *AllowedCpus();
  EXPECT_EQ(PinThisThread(cpus, cpus.size()).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AllowThisThread({}).code(), StatusCode::kInvalidArgument);
}

TEST(Pinning, ACpuThatIsNotThereIsRefusedByTheKernel) {
  const Status status = PinThisThread({100'000}, 0);
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("100000"));
}

}  // namespace
}  // namespace fencepost
