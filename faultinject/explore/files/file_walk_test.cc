// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/file_walk.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "faultinject/explore/files/file_test_util.h"
#include "faultinject/explore/files/io_text.h"

namespace fencepost {
namespace {

using Kind = IoEvent::Kind;

constexpr const char* kSetup = "create a; write a 0 AAAA; create b";

PosixModel ModelOf(const FileProgram& program, const char* file_system = "posix") {
  return PosixModel(**FindFileSystem(file_system), {.sector_bytes = 2, .block_bytes = 4},
                    program.initial());
}

// "sync@3 operation@5 end@9": before what, and at which event.
std::string Points(const FileProgram& program, const char* file_system = "posix") {
  PosixModel model = ModelOf(program, file_system);
  FileWalk walk(program.events(), &model);
  std::string points;
  uint64_t index = 0;
  while (const auto point = walk.Next()) {
    EXPECT_EQ(point->index, index++);
    const char* before = point->before == CrashPoint::Before::kSync        ? "sync"
                         : point->before == CrashPoint::Before::kOperation ? "operation"
                         : point->before == CrashPoint::Before::kEnd       ? "end"
                                                                           : "?";
    points += fmt::format("{}{}@{}", points.empty() ? "" : " ", before, point->event);
  }
  EXPECT_TRUE(walk.status().ok());
  EXPECT_FALSE(walk.Next().has_value());
  return points;
}

std::string PointsOf(const std::string& program, const char* file_system = "posix") {
  return Points(FileProgram(kSetup).Run(program), file_system);
}

TEST(FileWalk, ThereIsAPointBeforeASyncEndsThatMakesSomethingDurable) {
  EXPECT_EQ(PointsOf("write a 0 BB; fsync a"), "sync@2 end@3");
  EXPECT_EQ(PointsOf("write a 0 BB; fsync a; write a 2 CC; fdatasync a"), "sync@2 sync@5 end@6");
  EXPECT_EQ(PointsOf("create c; fsync ."), "sync@2 end@3");
  EXPECT_EQ(PointsOf("write a 0 BB; sync"), "sync@2 end@3");
  EXPECT_EQ(PointsOf("dsync a 0 BB"), "sync@2 end@3");
}

TEST(FileWalk, ThereIsNoneBeforeASyncOfNothing) {
  EXPECT_EQ(PointsOf("fsync a; sync; fsync ."), "end@6");
  EXPECT_EQ(PointsOf("write a 0 BB; fsync b"), "end@3");
  EXPECT_EQ(PointsOf("write a 0 BB; fsync a; fsync a"), "sync@2 end@5");
  EXPECT_EQ(PointsOf("write a 0 BB; sync_file_range a 0 2"), "end@3");
  EXPECT_EQ(PointsOf("write a 0 BB; msync a 2 2; msync a 0 2"), "sync@4 end@5");
  EXPECT_EQ(PointsOf("write a 0 BB; failed fsync a"), "end@3");
  // What is written while a sync is under way it does not cover.
  EXPECT_EQ(PointsOf("begin fsync a; write a 0 BB; end; fsync a"), "sync@4 end@5");
  // What of the directory a file's sync covers depends on the file system.
  EXPECT_EQ(PointsOf("create c; fsync c"), "end@3");
  EXPECT_EQ(PointsOf("create c; fsync c", "ext4-ordered"), "sync@2 end@3");
}

TEST(FileWalk, ThereIsAPointBeforeAnOperationBeginsIfThereWasNews) {
  // The first finds what was there at first.
  EXPECT_EQ(PointsOf("op 1"), "operation@0 end@1");
  EXPECT_EQ(PointsOf("op 1; write a 0 BB; op 2"), "operation@0 operation@2 end@3");
  EXPECT_EQ(PointsOf("op 1; ack 1; op 2"), "operation@0 operation@2 end@3");
  EXPECT_EQ(PointsOf("op 1; rename a c; op 2"), "operation@0 operation@2 end@3");
  EXPECT_EQ(PointsOf("op 1; truncate a 0; op 2"), "operation@0 operation@2 end@3");
}

TEST(FileWalk, ThereIsNoneBeforeAnOperationWithoutNews) {
  EXPECT_EQ(PointsOf("op 1; op 2; proof a; op 3"), "operation@0 end@4");
  // A sync takes states away: what is left was there at the point before it.
  EXPECT_EQ(PointsOf("write a 0 BB; fsync a; op 1"), "sync@2 end@4");
  EXPECT_EQ(PointsOf("op 1; fsync a; op 2"), "operation@0 end@4");
  EXPECT_EQ(PointsOf("write a 0 BB; begin fsync a; op 1; end"), "operation@2 sync@3 end@4");
  // One that failed adds some: nothing waits for its data any longer.
  EXPECT_EQ(PointsOf("append b BB; op 1; failed fsync b; op 2"), "operation@1 operation@4 end@5");
}

TEST(FileWalk, ThereIsOneAtTheEndOfNothing) { EXPECT_EQ(PointsOf(""), "end@0"); }

TEST(FileWalk, AtAPointTheModelHasSeenWhatCameBeforeIt) {
  const FileProgram program =
      FileProgram(kSetup).Run("op 1; write a 0 BB; fsync a; ack 1; op 2; append b CC; ack 2");
  PosixModel model = ModelOf(program);
  FileWalk walk(program.events(), &model);
  std::string seen;
  while (const auto point = walk.Next()) {
    seen += fmt::format("{}: {} / {}\n", point->event, TreeText(model.durable()),
                        TreeText(model.current()));
  }
  EXPECT_EQ(seen,
            "0: a=AAAA b= / a=AAAA b=\n"
            "3: a=AAAA b= / a=BBAA b=\n"
            "5: a=BBAA b= / a=BBAA b=\n"
            "8: a=BBAA b= / a=BBAA b=CC\n");
}

TEST(FileWalk, SeekGoesOnToAPointAndSaysWhereThereIsNone) {
  const FileProgram program = FileProgram(kSetup).Run("op 1; write a 0 BB; fsync a; ack 1; op 2");
  PosixModel model = ModelOf(program);
  FileWalk walk(program.events(), &model);
  const auto second = walk.Seek(1);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->before, CrashPoint::Before::kSync);
  EXPECT_EQ(second->event, 3u);
  EXPECT_EQ(TreeText(model.current()), "a=BBAA b=");
  const auto last = walk.Seek(3);
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(last->before, CrashPoint::Before::kEnd);
  EXPECT_EQ(walk.Seek(4).status().code(), StatusCode::kCorrupt);
}

TEST(FileWalk, PlacesAreEqualForFilesWithOtherNumbers) {
  const FileProgram program =
      FileProgram("create 1.log; create 22.log; create x")
          .Run(
              "append 1.log A; fdatasync 1.log; append 22.log A; fdatasync 22.log;"
              "append x A; fdatasync x; append x A; fsync x; create y; fsync .");
  PosixModel model = ModelOf(program);
  FileWalk walk(program.events(), &model);
  std::vector<std::string> places;
  std::vector<uint32_t> stacks;
  while (const auto point = walk.Next()) stacks.push_back(point->stack);
  for (const uint32_t stack : stacks) places.push_back(walk.places()[stack]);
  EXPECT_EQ(places,
            (std::vector<std::string>{"fdatasync of #.log", "fdatasync of #.log", "fdatasync of x",
                                      "fsync of x", "fsync of the directory", ""}));
  EXPECT_EQ(stacks[0], stacks[1]);
}

TEST(FileWalk, AnEventThatCannotHaveHappenedEndsIt) {
  FileProgram program = FileProgram(kSetup).Run("write a 0 BB; fsync a");
  std::vector<IoEvent> events = program.events();
  IoEvent impossible;
  impossible.kind = Kind::kRemove;
  impossible.inode = 1;
  impossible.directory = kRootInode;
  impossible.name = "none";
  events.insert(events.begin() + 1, impossible);
  PosixModel model = ModelOf(program);
  FileWalk walk(events, &model);
  EXPECT_FALSE(walk.Next().has_value());
  EXPECT_EQ(walk.status().code(), StatusCode::kCorrupt);
  EXPECT_FALSE(walk.Next().has_value());
  PosixModel another = ModelOf(program);
  EXPECT_FALSE(FileWalk(events, &another).Seek(0).ok());
}

// -- SurveyIo

TEST(SurveyIo, CountsWhatARunDid) {
  const IoSurvey survey =
      FileProgram(kSetup)
          .Run(
              "op 7; write a 0 BBBB; mmap a 0 C; ack 7; fsync a; failed fsync a; op 8;"
              "dsync a 0 DD; create c; truncate a 1")
          .run()
          .survey;
  EXPECT_EQ(survey.events, 14u);
  EXPECT_EQ(survey.writes, 3u);
  EXPECT_EQ(survey.mapped_writes, 1u);
  EXPECT_EQ(survey.bytes_written, 7u);
  EXPECT_EQ(survey.syncs, 2u);
  EXPECT_EQ(survey.failed_syncs, 1u);
  ASSERT_EQ(survey.operations.size(), 2u);
  EXPECT_EQ(survey.operations.at(7).begin, 0u);
  EXPECT_EQ(survey.operations.at(7).end, 3u);
  EXPECT_EQ(survey.operations.at(8).begin, 8u);
  EXPECT_EQ(survey.operations.at(8).end, OperationSpan::kOpen);
}

TEST(SurveyIo, RefusesOperationsThatCannotBe) {
  for (const auto& [program, message] :
       {std::pair("op 1; op 1", "operation 1 begins twice"),
        std::pair("op 1; ack 1; op 1", "operation 1 begins twice"),
        std::pair("op 2; ack 3", "operation 3 ends and has not begun"),
        std::pair("op 2; ack 2; ack 2", "operation 2 ends and has not begun")}) {
    const auto survey = SurveyIo(FileProgram(kSetup).Run(program).events());
    EXPECT_EQ(survey.status().code(), StatusCode::kCorrupt) << program;
    EXPECT_EQ(survey.status().message(), message);
  }
}

// -- io_text

TEST(IoText, SaysWhatAnEventIs) {
  FileProgram program("create a; write a 0 AAAA; mkdir d; create d/f");
  const std::map<InodeId, std::string> paths = program.initial().Paths();
  program.Run(
      "op 3; write a 2 BB; mmap a 0 C; truncate a 2; allocate a 0 8; zero a 0 2; collapse a 0 4;"
      "insert a 0 4; fsync a; fdatasync d/f; msync a 0 2; sync_file_range a 0 2; sync; fsync .;"
      "failed fsync a; create d/g; mkdir e; link a d/h; unlink d/h; rename d/f d/i;"
      "exchange a d/i; proof a; ack 3");
  std::vector<std::string> said;
  for (const IoEvent& event : program.events()) {
    if (event.kind != Kind::kSyncBegin) said.push_back(DescribeEvent(event, paths));
  }
  EXPECT_EQ(said, (std::vector<std::string>{"operation 3 begins",
                                            "write 2 bytes at 2 of a",
                                            "store 1 bytes at 0 of a",
                                            "truncate a to 2 bytes",
                                            "allocate 8 bytes at 0 of a",
                                            "zero 2 bytes at 0 of a",
                                            "collapse 4 bytes at 0 of a",
                                            "insert 4 bytes at 0 of a",
                                            "fsync of a ends",
                                            "fdatasync of d/f ends",
                                            "sync of a range of a ends",
                                            "sync_file_range of a ends",
                                            "sync ends",
                                            "fsync of the directory ends",
                                            "fsync of a fails",
                                            "create d/g",
                                            "mkdir e",
                                            "link d/h",
                                            "remove d/h",
                                            "rename d/f to d/i",
                                            "exchange a and d/i",
                                            "proof of a",
                                            "operation 3 is acknowledged"}));
}

TEST(IoText, WhatHasNoNameSaysSo) {
  IoEvent event;
  event.kind = Kind::kWrite;
  event.inode = 99;
  EXPECT_EQ(DescribeEvent(event, {}), "write 0 bytes at 0 of a file without a name");
  event.kind = Kind::kCreate;
  event.directory = kNoInode;
  EXPECT_EQ(DescribeEvent(event, {}), "create a file without a name");
}

TEST(IoText, NumbersAreLeftOut) {
  EXPECT_EQ(WithoutNumbers("000012.log"), "#.log");
  EXPECT_EQ(WithoutNumbers("a1b22c"), "a#b#c");
  EXPECT_EQ(WithoutNumbers(""), "");
  EXPECT_EQ(WithoutNumbers("CURRENT"), "CURRENT");
}

}  // namespace
}  // namespace fencepost
