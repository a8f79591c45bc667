// SPDX-License-Identifier: BSD-3-Clause
// What of images needs no guest: what is said of a mount, and which recordings are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "faultinject/explore/scratch_folder.h"
#include "faultinject/vm/write_log_test_util.h"
#include "harness/vm/disk_recording.h"
#include "harness/vm/guest_images.h"
#include "harness/vm/image_campaign.h"
#include "harness/vm/image_guest.h"

namespace fencepost {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

ScratchFolder MakeScratch() {
  Result<ScratchFolder> made = ScratchFolder::Make(fs::temp_directory_path());
  CHECK_OK(made);
  return std::move(*made);
}

CrashSubject SubjectOf(const std::string& engine) {
  return {.engine = engine,
          .workload = "made-up",
          .properties = {{"workload", "site.ycsb.workloads.CoreWorkload"},
                         {"recordcount", "3"},
                         {"operationcount", "3"},
                         {"scanproportion", "0"},
                         {"readproportion", "1"},
                         {"updateproportion", "0"}}};
}

TEST(KernelComplaint, ErrorsAndWarningsOfDamageAreComplaints) {
  EXPECT_EQ(KernelComplaint("3,500,12345,-;EXT4-fs error (device pmem0): bad\n SUBSYSTEM=x\n"),
            "EXT4-fs error (device pmem0): bad");
  EXPECT_EQ(KernelComplaint("4,1,2,-;warning: mounting fs with errors, running e2fsck is wise\n"),
            "warning: mounting fs with errors, running e2fsck is wise");
  EXPECT_EQ(KernelComplaint("11,1,2,-;XFS: Corruption of in-memory data\n"),
            "XFS: Corruption of in-memory data");
}

TEST(KernelComplaint, WhatEveryMountSaysIsNone) {
  for (const char* said :
       {"6,1,2,-;EXT4-fs (pmem0): recovery complete\n", "5,1,2,-;XFS (pmem0): Ending clean mount\n",
        "4,1,2,-;a warning of something else\n", "", ";", "x,1;EXT4-fs error", "3"}) {
    EXPECT_EQ(KernelComplaint(said), "") << said;
  }
}

TEST(JudgeMount, AGuestAMountAndAFileSystemThatFailAreFindingsOfTheirOwn) {
  EXPECT_TRUE(JudgeMount({}, "ext4").empty());
  RecoveredImage image;
  image.kernel = "EXT4-fs error";
  EXPECT_EQ(JudgeMount(image, "ext4").front().kind, "file-system");
  image.mount = "Structure needs cleaning";
  const std::vector<Finding> findings = JudgeMount(image, "ext4");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].kind, "mount");
  EXPECT_THAT(findings[0].message, HasSubstr("Structure needs cleaning; the kernel says: EXT4-fs"));
  image.failure = "the guest's kernel has panicked";
  EXPECT_EQ(JudgeMount(image, "ext4").front().kind, "guest");
}

TEST(CheckImageSubject, EnginesInPersistentMemoryHaveNoDisk) {
  EXPECT_TRUE(CheckImageSubject(SubjectOf("filestore")).ok());
  EXPECT_THAT(CheckImageSubject(SubjectOf("cmap")).message(), HasSubstr("in files"));
  CrashSubject replayed = SubjectOf("filestore");
  replayed.properties["fencepost.trace_file"] = "/nowhere";
  EXPECT_THAT(CheckImageSubject(replayed).message(), HasSubstr("trace file"));
}

class DiskRecordingTest : public ::testing::Test {
 protected:
  DiskRecordingTest() : scratch_(MakeScratch()) {}

  // A history of so many lines, each a read that has begun or ended.
  void WriteHistory(int lines) {
    CHECK_OK(subject_.Write(scratch_.path()));
    std::ofstream out(scratch_.path() / "history.jsonl");
    for (int i = 0; i < lines; ++i) {
      const std::string id = std::to_string(1 + i / 2);
      out << (i % 2 == 0 ? R"({"id":)" + id + R"(,"thread":0,"kind":"read","key":"6b"})"
                         : R"({"end":)" + id + R"(,"outcome":"done","found":null})")
          << "\n";
    }
  }

  // The states of a disk whose log marks so many lines, beside that history.
  Status StatesWith(uint64_t marks, uint64_t sector_bytes = kTestSector) {
    constexpr uint64_t kMib = 1 << 20;
    LogText text;
    for (uint64_t line = 1; line <= marks; ++line) text.Line(kMib / kTestSector, line);
    const fs::path log = scratch_.path() / "log";
    std::ofstream(log, std::ios::binary) << text.Text();
    DiskRecording recording;
    recording.disk_bytes = kMib;
    return StatesOf(recording, log, *EndedRun::Read(subject_, scratch_.path()), sector_bytes)
        .status();
  }

  const CrashSubject subject_ = SubjectOf("filestore");
  const ScratchFolder scratch_;
};

TEST_F(DiskRecordingTest, AHistoryThatLagsBehindTheDiskIsNoticed) {
  WriteHistory(4);
  EXPECT_TRUE(StatesWith(4).ok());
  // The port has lost the last line, or has one that no mark follows.
  EXPECT_THAT(StatesWith(5).message(), HasSubstr("5 lines of the history are marked in the disk's "
                                                 "log, and 4 have arrived"));
  EXPECT_THAT(StatesWith(3).message(), HasSubstr("and 4 have arrived"));
}

TEST_F(DiskRecordingTest, SectorsThatTheLogDoesNotHaveAreRefused) {
  WriteHistory(2);
  EXPECT_TRUE(StatesWith(2, 8 * kTestSector).ok());
  for (const uint64_t bytes : {0, 100, 700}) {
    EXPECT_EQ(StatesWith(2, bytes).code(), StatusCode::kCorrupt) << bytes;
  }
}

TEST_F(DiskRecordingTest, WhatIsKeptIsReadAgainAndDamageIsRefused) {
  WriteHistory(2);
  const fs::path log = scratch_.path() / "log", kept = scratch_.path() / "kept";
  std::ofstream(log) << std::string(5000, 'l');
  const fs::path from = scratch_.path() / "from";
  fs::create_directory(from);
  fs::copy_file(scratch_.path() / "history.jsonl", from / "history.jsonl");
  const DiskRecording recording{
      .folder = from, .file_system = "xfs", .mount_options = "ro", .disk_bytes = 3 << 20};
  ASSERT_TRUE(recording.Keep(log, 4096, kept).ok());
  const Result<DiskRecording> read = DiskRecording::Read(kept);
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_EQ(read->file_system, "xfs");
  EXPECT_EQ(read->mount_options, "ro");
  EXPECT_EQ(read->disk_bytes, recording.disk_bytes);
  EXPECT_EQ(fs::file_size(read->kept_log()), 4096u);
  for (const char* damaged :
       {"", "[]", "{}", R"({"file_system":"xfs","mount_options":"","disk_bytes":0})",
        R"({"file_system":"xfs","mount_options":"","disk_bytes":1000})",
        R"({"file_system":"xfs","mount_options":"","disk_bytes":-1048576})",
        R"({"file_system":7,"mount_options":"","disk_bytes":1048576})",
        R"({"file_system":"xfs","mount_options":"","disk_bytes":1099511627776000})"}) {
    std::ofstream(kept / "disk.json") << damaged;
    EXPECT_EQ(DiskRecording::Read(kept).status().code(), StatusCode::kCorrupt) << damaged;
  }
}

TEST(HistoryLines, EachIsSeenOnceItIsWrittenAndBeforeTheNextOne) {
  const ScratchFolder scratch = MakeScratch();
  const fs::path path = scratch.path() / "history.jsonl";
  std::vector<std::pair<uint64_t, uint64_t>> seen;  // line, and lines in the file by then
  Result<HistoryWriter> writer = HistoryWriter::Create(path, [&](uint64_t line) {
    std::ifstream in(path);
    uint64_t lines = 0;
    for (std::string text; std::getline(in, text);) ++lines;
    seen.emplace_back(line, lines);
    return line < 3 ? Status::Ok() : Status::IoError("no disk");
  });
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE(writer->Begin({.id = 1, .kind = HistoryOp::Kind::kRead, .key = "k"}).ok());
  EXPECT_TRUE(writer->End(1, HistoryOp::Outcome::kDone).ok());
  EXPECT_EQ(writer->Begin({.id = 2, .kind = HistoryOp::Kind::kRead, .key = "k"}).message(),
            "no disk");
  EXPECT_EQ(seen, (std::vector<std::pair<uint64_t, uint64_t>>{{1, 1}, {2, 2}, {3, 3}}));
}

}  // namespace
}  // namespace fencepost
