// SPDX-License-Identifier: BSD-3-Clause
#include "harness/ycsb_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fencepost {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Rewrite(const std::vector<std::string>& arguments) {
  return RewriteYcsbFlags(arguments).value();
}

TEST(YcsbFlags, PropertyTakesExactlyOneWord) {
  EXPECT_THAT(Rewrite({"run", "-p", "a=1", "cmap"}), ElementsAre("run", "--property=a=1", "cmap"));
}

TEST(YcsbFlags, SingleDashLongFlagsBecomeDouble) {
  EXPECT_THAT(Rewrite({"-threads", "4", "-target", "100", "-s", "-load", "-t"}),
              ElementsAre("--threads=4", "--target=100", "--status", "--load", "--run"));
}

TEST(YcsbFlags, RepeatedFilesKeepTheirOrder) {
  EXPECT_THAT(Rewrite({"-P", "x", "-P", "y"}), ElementsAre("--workload=x", "--workload=y"));
}

TEST(YcsbFlags, DoubleDashFormsAndWhatFollowsDashDashAreUntouched) {
  EXPECT_THAT(Rewrite({"--threads", "2", "--", "-p", "x"}),
              ElementsAre("--threads", "2", "--", "-p", "x"));
}

TEST(YcsbFlags, MissingValueIsAUsageError) {
  const auto result = RewriteYcsbFlags({"run", "cmap", "-P"});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.message(), "-P needs a value");
}

TEST(YcsbFlags, ValueThatLooksLikeAFlagIsStillAValue) {
  EXPECT_THAT(Rewrite({"-p", "-threads=1"}), ElementsAre("--property=-threads=1"));
}

}  // namespace
}  // namespace fencepost
