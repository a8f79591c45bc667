// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/recording.h"

#include <gtest/gtest.h>

#include "faultinject/explore/explore_test_util.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;

Status Verify(TestRun& run) {
  const Result<Recording> recording = Recording::Read(run.recording()->folder);
  if (!recording.ok()) return recording.status();
  TraceFile trace = run.Trace();
  return VerifyReplay(*recording, &trace);
}

TEST(Recording, ReplayGivesWhatTheRunLeft) {
  TestRun run(std::string(5000, 'i'));
  run.Store(100, std::string(300, 's'));
  run.Write(4990, 100, FPT_WRITE_PWRITE);
  run.Write(10, 20, FPT_WRITE_ZERO);
  run.Write(5050, 0, FPT_WRITE_TRUNCATE);
  run.Finish();
  EXPECT_TRUE(Verify(run).ok()) << Verify(run).message();
  const std::string last = ReadFile(run.pool());
  EXPECT_EQ(last.size(), 5050u);
  EXPECT_EQ(last[9], 'i');
  EXPECT_EQ(last.substr(10, 20), std::string(20, '\0'));
  EXPECT_EQ(last[30], 'i');
  EXPECT_EQ(last[399], 's');
  EXPECT_EQ(last[400], 'i');
  EXPECT_EQ(last[4990], 'w');
}

TEST(Recording, WhatTheTraceDoesNotExplainIsRefused) {
  for (const int change : {0, 1, 2}) {
    TestRun run;
    run.Store8(0, 1);
    run.Finish();
    ASSERT_TRUE(Verify(run).ok());
    std::string last = ReadFile(run.pool());
    if (change == 0) last[4095] = 'x';  // a store that nobody traced
    if (change == 1) last += '\0';
    if (change == 2) last.pop_back();
    WriteFile(run.pool(), last);
    ASSERT_TRUE(run.recording()->Finish().ok());
    ASSERT_TRUE(run.recording()->Write().ok());
    EXPECT_EQ(Verify(run).code(), StatusCode::kCorrupt) << change;
    EXPECT_NE(Verify(run).message().find(run.recording()->files.front().path), std::string::npos);
    run.recording()->finished = false;  // killed: nothing to compare with
    ASSERT_TRUE(run.recording()->Write().ok());
    EXPECT_TRUE(Verify(run).ok()) << change;
  }
}

TEST(Recording, AFileOfTheTraceThatWasNotRecordedIsRefused) {
  TestRun run;
  MemoryTrace other;
  fpt_file(other.writer(), 1, run.recording()->files.front().path.c_str());
  fpt_file(other.writer(), 2, "/elsewhere/pool");
  const std::vector<uint8_t>& trace = other.Finish();
  WriteFile(run.recording()->trace_path(), {trace.begin(), trace.end()});
  TraceFile opened = run.Trace();
  const Status status = InitialImages(*run.recording(), &opened).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("/elsewhere/pool"), std::string::npos);
}

TEST(Recording, AFileIsKnownByItsNameWithoutLinks) {
  TemporaryFolder folder;
  fs::create_directories(folder.path() / "real");
  fs::create_directory_symlink(folder.path() / "real", folder.path() / "link");
  WriteFile(folder.path() / "real" / "pool", "before");
  Recording recording{.folder = folder.path()};
  ASSERT_TRUE(recording.AddFile(folder.path() / "link" / ".." / "link" / "pool").ok());
  ASSERT_TRUE(recording.AddFile(folder.path() / "real" / "pool").ok());
  ASSERT_EQ(recording.files.size(), 1u);
  EXPECT_EQ(recording.files[0].path, fs::canonical(folder.path() / "real" / "pool").string());
  EXPECT_EQ(ReadFile(folder.path() / recording.files[0].initial), "before");
}

TEST(Recording, IsWhatWasWritten) {
  TestRun run;
  run.recording()->command = {"prog", "with space", "\"quote\""};
  run.Store8(0, 1);
  run.Finish();
  const Result<Recording> read = Recording::Read(run.recording()->folder);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->command, run.recording()->command);
  EXPECT_TRUE(read->finished);
  ASSERT_EQ(read->files.size(), 1u);
  EXPECT_EQ(read->files[0].path, run.recording()->files[0].path);
  EXPECT_EQ(read->files[0].final_hash, run.recording()->files[0].final_hash);
  EXPECT_EQ(read->files[0].final_bytes, 4096u);
}

TEST(Recording, DamagedOnesAreRefused) {
  TemporaryFolder folder;
  EXPECT_EQ(Recording::Read(folder.path()).status().code(), StatusCode::kInvalidArgument);
  for (const std::string text :
       {"", "{", "[]", "null", "{\"version\": 1}",
        "{\"version\": 2, \"command\": [], \"finished\": "
        "true, \"files\": []}",
        "{\"version\": 1, \"command\": [], \"finished\": true, \"files\": [{\"path\": 1}]}",
        "{\"version\": 1, \"command\": [], \"finished\": true, \"files\": [{\"path\": \"p\", "
        "\"initial\": \"\", \"final_bytes\": 1, \"final_hash\": \"no hash\"}]}"}) {
    WriteFile(folder.path() / "recording.json", text);
    EXPECT_EQ(Recording::Read(folder.path()).status().code(), StatusCode::kCorrupt) << text;
  }
}

TEST(Recording, AFolderIsNoFile) {
  TemporaryFolder folder;
  Recording recording{.folder = folder.path()};
  EXPECT_EQ(recording.AddFile(folder.path()).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fencepost
