// SPDX-License-Identifier: BSD-3-Clause
#include "harness/suite/suite_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fencepost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SuiteFileTest : public ::testing::Test {
 protected:
  ~SuiteFileTest() override { std::filesystem::remove_all(folder_); }

  Result<Suite> Read(const std::string& text) {
    std::filesystem::create_directories(folder_);
    std::ofstream(File()) << text;
    return ReadSuite(File());
  }
  std::string Refusal(const std::string& text) {
    const Result<Suite> suite = Read(text);
    return suite.ok() ? "accepted" : std::string(suite.message());
  }
  std::filesystem::path File() const { return folder_ / "some suite.toml"; }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

constexpr char kBench[] = R"(
title = "t"
[[step]]
name = "a"
run = "bench"
engines = ["cmap", "lmdb"]
workloads = ["w/x", "../y"]
)";

TEST_F(SuiteFileTest, KeysBecomeOptionsOfTheCommand) {
  const Result<Suite> suite =
      Read(std::string(kBench) +
           "threads = [1, 2]\nseconds = 0.5\nrepeats = 2\nrelaxed_load = true\n"
           "unequal_durability = false\nproperties = { recordcount = 10 }\n");
  ASSERT_TRUE(suite.ok()) << suite.message();
  EXPECT_EQ(suite->name, "some-suite");
  EXPECT_EQ(suite->title, "t");
  ASSERT_EQ(suite->steps.size(), 1u);
  const SuiteStep& step = suite->steps[0];
  EXPECT_EQ(step.name, "a");
  EXPECT_EQ(step.command, "bench");
  EXPECT_THAT(step.words,
              ElementsAre("--engines", "cmap,lmdb", "--relaxed-load", "--repeats", "2", "--seconds",
                          "0.5", "--threads", "1,2", "--workloads",
                          (folder_ / "w/x").string() + "," + (folder_.parent_path() / "y").string(),
                          "-p", "recordcount=10"));
  EXPECT_EQ(step.runs, 2u * 2 * 2 * 2);
  EXPECT_NEAR(step.expected_s, 16 * (0.7 + 10 * 1e-5 + 0.5), 1e-9);
}

TEST_F(SuiteFileTest, SeveralValuesOfPropertiesMakeAStepForEachCombination) {
  const Result<Suite> suite =
      Read(std::string(kBench) +
           "[step.properties]\nrecordcount = [10, 20]\nengine.x = [\"p q\", true]\n");
  ASSERT_TRUE(suite.ok()) << suite.message();
  std::vector<std::string> names;
  for (const SuiteStep& step : suite->steps) names.push_back(step.name);
  EXPECT_THAT(names, ElementsAre("a-x-p-q-recordcount-10", "a-x-p-q-recordcount-20",
                                 "a-x-true-recordcount-10", "a-x-true-recordcount-20"));
  EXPECT_THAT(suite->steps[3].words, ::testing::IsSupersetOf({"engine.x=true", "recordcount=20"}));
}

TEST_F(SuiteFileTest, EachEngineOfACrashIsAStep) {
  const Result<Suite> suite = Read(R"(
title = "t"
[[step]]
name = "c"
run = "crash"
engines = ["cmap", "lmdb"]
workload = "w"
max_seconds = 7
creation = true
)");
  ASSERT_TRUE(suite.ok()) << suite.message();
  ASSERT_EQ(suite->steps.size(), 2u);
  EXPECT_EQ(suite->steps[0].name, "c-cmap");
  EXPECT_THAT(suite->steps[1].words, ElementsAre("--creation", "--max-seconds", "7", "--workload",
                                                 (folder_ / "w").string(), "lmdb"));
  EXPECT_DOUBLE_EQ(suite->steps[1].expected_s, 7);
}

TEST_F(SuiteFileTest, WhatMakesNoSenseIsNamedWithItsLine) {
  EXPECT_THAT(Refusal("title = \n"), HasSubstr("suite.toml:1: "));
  EXPECT_THAT(Refusal("title = 't'\n"), HasSubstr("at least one [[step]]"));
  EXPECT_THAT(Refusal("[[step]]\nname='a'\nrun='bench'\n"), HasSubstr("needs a title"));
  EXPECT_THAT(Refusal(std::string(kBench) + "engine = 'x'\n"),
              HasSubstr("suite.toml:8: 'engine' is no key of a bench"));
  EXPECT_THAT(Refusal("titel = 'x'\n" + std::string(kBench)), HasSubstr("'titel' is no key"));
  EXPECT_THAT(Refusal(std::string(kBench) + "seconds = [1]\n"), HasSubstr("seconds: must be text"));
  EXPECT_THAT(Refusal(std::string(kBench) + "threads = []\n"), HasSubstr("threads: an empty list"));
  EXPECT_THAT(Refusal(std::string(kBench) + "relaxed_load = 'yes'\n"),
              HasSubstr("must be true or false"));
  EXPECT_THAT(Refusal(std::string(kBench) + "properties = 3\n"), HasSubstr("must be a table"));
  EXPECT_THAT(Refusal("title='t'\n[[step]]\nname='a/b'\nrun='bench'\n"), HasSubstr("needs a name"));
  EXPECT_THAT(Refusal("title='t'\n[[step]]\nname='a'\nrun='load'\n"),
              HasSubstr("run must be bench or crash"));
  EXPECT_THAT(Refusal("title='t'\n[[step]]\nname='a'\nrun='bench'\nengines=['x']\n"),
              HasSubstr("a bench needs workloads"));
  EXPECT_THAT(Refusal("title='t'\nstep=[3]\n"), HasSubstr("must be a table"));
}

TEST_F(SuiteFileTest, TwoStepsOfOneNameAreRefused) {
  const std::string step = std::string(kBench).substr(std::string(kBench).find("[[step]]"));
  EXPECT_THAT(Refusal(std::string(kBench) + step), HasSubstr("there are two steps 'a'"));
}

TEST_F(SuiteFileTest, AFolderIsNoSuite) {
  std::filesystem::create_directories(folder_);
  const Result<Suite> suite = ReadSuite(folder_);
  ASSERT_FALSE(suite.ok());
  EXPECT_THAT(std::string(suite.message()), HasSubstr("there is no such file"));
}

}  // namespace
}  // namespace fencepost
