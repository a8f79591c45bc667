// SPDX-License-Identifier: BSD-3-Clause
#include "harness/run_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace fencepost {
namespace {

namespace fs = std::filesystem;

class RunFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "fencepost-run-files-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  static std::string Read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream contents;
    contents << file.rdbuf();
    return contents.str();
  }
  size_t FileCount() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_;
};

TEST_F(RunFilesTest, AFileIsWrittenWholeAndReplacesTheOldOne) {
  const fs::path path = directory_ / "summary.json";
  const std::string large(1 << 20, 'x');
  ASSERT_TRUE(WriteFileAtomically(path, large).ok());
  EXPECT_EQ(Read(path), large);
  const std::string_view binary("a\0b\n", 4);
  ASSERT_TRUE(WriteFileAtomically(path, binary).ok());
  EXPECT_EQ(Read(path), binary);
  EXPECT_EQ(FileCount(), 1u) << "a temporary file was left";
}

TEST_F(RunFilesTest, WhatCannotBeRenamedLeavesTheOldAndNoTemporaryFile) {
  const fs::path path = directory_ / "taken";
  fs::create_directory(path);
  std::ofstream(path / "inside") << "x";
  const Status status = WriteFileAtomically(path, "new");
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(path.string()));
  EXPECT_TRUE(fs::exists(path / "inside"));
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(RunFilesTest, AnAbsentDirectoryIsAnErrorThatNamesTheCall) {
  const Status status = WriteFileAtomically(directory_ / "absent" / "file", "x");
  EXPECT_EQ(status.code(), StatusCode::kIoError);
  EXPECT_THAT(std::string(status.message()), testing::StartsWith("open: No such file"));
}

// A limit on the size of files stands in for a full disk: both are kFull.
TEST_F(RunFilesTest, WithoutRoomItIsFullAndTheOldFileStays) {
  const fs::path path = directory_ / "summary.json";
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());
  rlimit old_limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit small{1000, old_limit.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = WriteFileAtomically(path, std::string(10'000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(status.code(), StatusCode::kFull) << status.message();
  EXPECT_EQ(Read(path), "old");
  EXPECT_EQ(FileCount(), 1u);
}

// 1,700,000,000 s is 2023-11-14 22:13:20 UTC.
TEST(RunFiles, ARunIdHasTheUtcTimeAndTheSlug) {
  EXPECT_EQ(RunId(1'700'000'000, "LMDB workload_a", "abc123"),
            "20231114T221320Z-lmdb-workload-a-abc123");
}

TEST(RunFiles, SlugsHaveOnlyLettersDigitsAndSingleDashes) {
  EXPECT_EQ(Slug("Zipfian, 0.99"), "zipfian-0-99");
  EXPECT_EQ(Slug("../../etc/passwd"), "etc-passwd");
  EXPECT_EQ(Slug("--a--"), "a");
  EXPECT_EQ(Slug("\xc3\xa4/"), "run");
  EXPECT_EQ(Slug(""), "run");
}

TEST_F(RunFilesTest, RunsOfOneSecondGetDirectoriesOfTheirOwn) {
  std::set<std::string> ids;
  for (int i = 0; i < 20; ++i) {
    const Result<RunDirectory> run = CreateRunDirectory(directory_ / "results" / "deep", 0, "a b");
    ASSERT_TRUE(run.ok()) << run.message();
    EXPECT_TRUE(fs::is_directory(run->path));
    EXPECT_EQ(run->path, directory_ / "results" / "deep" / run->run_id);
    EXPECT_THAT(run->run_id, testing::StartsWith("19700101T000000Z-a-b-"));
    ids.insert(run->run_id);
  }
  EXPECT_EQ(ids.size(), 20u);
}

TEST_F(RunFilesTest, AResultsRootThatIsAFileIsAnError) {
  std::ofstream(directory_ / "file") << "x";
  EXPECT_EQ(CreateRunDirectory(directory_ / "file", 0, "a").status().code(), StatusCode::kIoError);
}

TEST(RunFiles, CsvQuotesWhatWouldSplitAField) {
  CsvTable table({"name", "value_ns"});
  table.AddRow({"plain", "1.5"});
  table.AddRow({"a,b", "say \"x\""});
  table.AddRow({"two\nlines", ""});
  EXPECT_EQ(table.text(),
            "name,value_ns\n"
            "plain,1.5\n"
            "\"a,b\",\"say \"\"x\"\"\"\n"
            "\"two\nlines\",\n");
}

TEST(RunFiles, ALoneEmptyCsvFieldIsNoBlankLine) {
  CsvTable table({"only"});
  table.AddRow({""});
  EXPECT_EQ(table.text(), "only\n\"\"\n");
}

TEST(RunFilesDeathTest, ACsvRowOfAnotherWidthIsAProgrammersError) {
  CsvTable table({"a", "b"});
  EXPECT_DEATH(table.AddRow({"1"}), "CHECK");
}

}  // namespace
}  // namespace fencepost
