// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/program_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "faultinject/explore/scratch_folder.h"

namespace fencepost {
namespace {

using testing::HasSubstr;

std::string AnswerOf(const std::string& command, const std::vector<std::string>& paths = {"/image"},
                     const std::string& context = "") {
  // ": {image}" so that each command names an image.
  Result<std::unique_ptr<CommandRecovery>> recovery =
      CommandRecovery::Make(command + "\n: {image}");
  CHECK_OK(recovery);
  return (*recovery)->Recover(paths, context);
}

std::vector<Finding> Judged(const Outcome& outcome) {
  static const TraceSurvey survey;
  return ProgramJudge(survey, /*timeout_s=*/5).Verdict({}, outcome);
}

TEST(CommandRecovery, GivesTheExitCodeAndWhatWasWritten) {
  EXPECT_EQ(AnswerOf("exit 0"), "exit 0 ");
  EXPECT_EQ(AnswerOf("echo lost; exit 3"), "exit 3 lost\n");
  EXPECT_EQ(AnswerOf("echo out; echo err >&2; exit 1"), "exit 1 out\nerr\n");
  EXPECT_THAT(AnswerOf("/nosuch/program; exit $?"), testing::StartsWith("unable "));
}

TEST(CommandRecovery, GivesTheSignalThatEndedIt) {
  EXPECT_EQ(AnswerOf("echo so far; kill -SEGV $$"), "signal 11 so far\n");
  signal(SIGTERM, SIG_IGN);  // as in a worker
  EXPECT_EQ(AnswerOf("echo so far; kill -TERM $$"), "signal 15 so far\n");
  signal(SIGTERM, SIG_DFL);
}

TEST(CommandRecovery, AnEndlessWriterIsReadToItsEndAndOnlyTheTailKept) {
  // More than a pipe holds: a reader that waits for the end first would wait for ever.
  const std::string answer = AnswerOf(
      "i=0; while [ $i -lt 3000 ]; do echo line $i of a hundred thousand bytes in all; "
      "i=$((i+1)); done; exit 2");
  EXPECT_THAT(answer, testing::StartsWith("exit 2 "));
  EXPECT_THAT(answer, testing::EndsWith("line 2999 of a hundred thousand bytes in all\n"));
  EXPECT_LE(answer.size(), 520u);
}

TEST(CommandRecovery, WhatItLeavesRunningIsKilledAndNotWaitedFor) {
  Result<ScratchFolder> scratch = ScratchFolder::Make(testing::TempDir());
  ASSERT_TRUE(scratch.ok()) << scratch.message();
  const std::string file = (scratch->path() / "pid").string();
  const auto start = std::chrono::steady_clock::now();
  // Both hold the pipe open; the second is in a session of its own.
  EXPECT_EQ(AnswerOf("sleep 60 & echo $! > '" + file + "'; setsid sleep 60 & echo done; exit 0"),
            "exit 0 done\n");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  pid_t left = 0;
  std::ifstream(file) >> left;
  ASSERT_GT(left, 0);
  EXPECT_NE(kill(left, 0), 0);
  std::ifstream children("/proc/self/task/" + std::to_string(getpid()) + "/children");
  EXPECT_FALSE(children >> left) << "a child is left: " << left;
}

TEST(CommandRecovery, AClosedOutputIsNotItsEnd) {
  EXPECT_EQ(AnswerOf("exec >&- 2>&-; sleep 0.1; exit 4"), "exit 4 ");
}

TEST(CommandRecovery, HostilePathsReachTheCommandAsTheyAre) {
  const std::string hostile = "/tmp/it's $(exit 9) `x` \"q\" \\ {image} {image0} {image1};\nnext";
  Result<std::unique_ptr<CommandRecovery>> recovery =
      CommandRecovery::Make("test {image} = \"$WANTED\"");
  ASSERT_TRUE(recovery.ok());
  setenv("WANTED", hostile.c_str(), 1);
  EXPECT_EQ((*recovery)->Recover({hostile, "/other"}, ""), "exit 0 ");
  unsetenv("WANTED");
}

TEST(CommandRecovery, ImagesHaveNumbers) {
  const auto command = [](const std::string& text, const std::vector<std::string>& paths) {
    return (*CommandRecovery::Make(text))->CommandFor(paths);
  };
  EXPECT_EQ(command("c {image} {image0} {image1} {image2}", {"/a", "/b"}),
            "c '/a' '/a' '/b' {image2}");
  EXPECT_EQ(command("c {image0}", {"/a'b"}), "c '/a'\\''b'");
  EXPECT_EQ(command("${x} {imag {image0 {image}{image", {"/a"}), "${x} {imag {image0 '/a'{image");
}

TEST(CommandRecovery, ACommandWithoutAnImageIsRefused) {
  EXPECT_EQ(CommandRecovery::Make("check pool").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(CommandRecovery::Make("").status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(CommandRecovery::Make("check {image0}").ok());
}

TEST(CommandRecovery, WhereTheImageLiesIsNoPartOfTheOutcome) {
  const std::string command = "echo {image} and {image1} are bad";
  EXPECT_EQ(AnswerOf(command, {"/dev/shm/x/0/pool", "/dev/shm/x/0/log"}),
            AnswerOf(command, {"/dev/shm/x/1/pool", "/dev/shm/x/1/log"}));
}

TEST(CommandRecovery, IsToldWhichOperationsWereAcknowledged) {
  const std::string show = "echo \"$FENCEPOST_ACKNOWLEDGED|$FENCEPOST_UNDER_WAY\"";
  EXPECT_EQ(AnswerOf(show, {"/image"}, "1-40,43;41"), "exit 0 1-40,43|41\n");
  EXPECT_EQ(AnswerOf(show, {"/image"}, ";"), "exit 0 |\n");
  EXPECT_EQ(AnswerOf(show, {"/image"}, ""), "exit 0 |\n");
}

TEST(LibraryRecovery, CallsTheFunctionWithTheImage) {
  const auto recovery = LibraryRecovery::Make("libc.so.6:atoi");
  ASSERT_TRUE(recovery.ok()) << recovery.message();
  EXPECT_EQ((*recovery)->Recover({"17", "18"}, ""), "exit 17 ");
  EXPECT_EQ((*recovery)->Recover({"0"}, ""), "exit 0 ");
}

TEST(LibraryRecovery, IsToldWhichOperationsWereAcknowledged) {
  const auto recovery = LibraryRecovery::Make("libc.so.6:system");
  ASSERT_TRUE(recovery.ok()) << recovery.message();
  const std::string test = "test \"$FENCEPOST_ACKNOWLEDGED|$FENCEPOST_UNDER_WAY\" = '1-3|4'";
  EXPECT_EQ((*recovery)->Recover({test}, "1-3;4"), "exit 0 ");
  EXPECT_NE((*recovery)->Recover({test}, "1-2;3"), "exit 0 ");
}

TEST(LibraryRecovery, WhatCannotBeCalledIsRefused) {
  for (const char* checker : {"", ":", "lib.so", "lib.so:", ":f", "/nosuch/lib.so:f",
                              "libc.so.6:fencepost_no_such_function"}) {
    const auto made = LibraryRecovery::Make(checker);
    EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument) << checker;
    EXPECT_THAT(std::string(made.message()), HasSubstr("--checker=")) << checker;
  }
}

TEST(ProgramJudge, OnlyExitCodeZeroIsConsistent) {
  EXPECT_TRUE(Judged({.answer = "exit 0 all is well", .complaint = {}}).empty());
  const std::vector<Finding> no =
      Judged({.answer = "exit 1 first\nkey 7 is lost\n", .complaint = {}});
  ASSERT_EQ(no.size(), 1u);
  EXPECT_EQ(no[0].kind, "inconsistent");
  EXPECT_EQ(no[0].message, "the recovery says no: exit 1: key 7 is lost");
  EXPECT_EQ(Judged({.answer = "exit 1 ", .complaint = {}})[0].message,
            "the recovery says no: exit 1");
  EXPECT_EQ(Judged({.answer = "exit 10 ", .complaint = {}})[0].kind, "inconsistent");
  EXPECT_EQ(Judged({.answer = "signal 11 ", .complaint = {}})[0].kind, "signal");
  EXPECT_EQ(Judged({.answer = "", .complaint = {}}).size(), 1u);
}

TEST(ProgramJudge, ACommandThatTheShellCannotRunIsNoVerdictButAFailure) {
  const TraceSurvey survey;
  for (const char* command : {"/nosuch/program; exit $?", "/etc/passwd; exit $?"}) {
    ProgramJudge judge(survey, 10);
    const std::string answer = AnswerOf(command);
    EXPECT_TRUE(judge.status().ok());
    EXPECT_TRUE(judge.Verdict({}, {.answer = answer, .complaint = {}}).empty()) << answer;
    EXPECT_FALSE(judge.status().ok()) << answer;
    EXPECT_THAT(std::string(judge.status().message()), HasSubstr("could not be run"));
  }
}

TEST(ProgramJudge, ARecoveryThatDidNotAnswerIsAFinding) {
  using End = Outcome::End;
  const auto kind = [](Outcome outcome) { return Judged(outcome).at(0).kind; };
  EXPECT_EQ(kind({.end = End::kTimedOut, .answer = {}, .complaint = {}}), "hang");
  EXPECT_EQ(kind({.end = End::kSignal, .code = SIGSEGV, .answer = {}, .complaint = {}}), "signal");
  EXPECT_EQ(kind({.end = End::kExited, .code = 0, .answer = {}, .complaint = {}}), "exit");
}

TEST(NumberRanges, AreTheNumbersInOrderWithRunsJoined) {
  NumberRanges ranges;
  EXPECT_EQ(ranges.Text(), "");
  for (const uint64_t number : {7u, 1u, 3u, 2u}) ranges.Insert(number);
  EXPECT_EQ(ranges.Text(), "1-3,7");
  ranges.Insert(2);
  ranges.Erase(5);
  EXPECT_EQ(ranges.Text(), "1-3,7");
  ranges.Erase(2);
  EXPECT_EQ(ranges.Text(), "1,3,7");
  ranges.Insert(0);
  ranges.Insert(UINT64_MAX);
  EXPECT_EQ(ranges.Text(), "0-1,3,7,18446744073709551615");
}

// What the text of a set of numbers is, the slow way.
std::string TextOf(const std::set<uint64_t>& numbers) {
  std::string text;
  for (auto it = numbers.begin(); it != numbers.end();) {
    const uint64_t first = *it;
    uint64_t last = first;
    while (++it != numbers.end() && *it == last + 1) last = *it;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (last != first) text += "-" + std::to_string(last);
  }
  return text;
}

TEST(NumberRanges, AgreeWithASet) {
  std::mt19937_64 rng(3);
  NumberRanges ranges;
  std::set<uint64_t> numbers;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t number = rng() % 40;
    if (rng() % 2 == 0) {
      ranges.Insert(number);
      numbers.insert(number);
    } else {
      ranges.Erase(number);
      numbers.erase(number);
    }
    ASSERT_EQ(ranges.Text(), TextOf(numbers)) << "after step " << i << " of seed 3";
  }
}

TEST(ProgramJudge, TheContextSaysWhatWasAcknowledgedAtEachCrashPoint) {
  TraceSurvey survey;
  survey.operations[1] = {.begin = 10, .end = 20};
  survey.operations[2] = {.begin = 15, .end = 30};
  survey.operations[3] = {.begin = 40, .end = OperationSpan::kOpen};
  ProgramJudge judge(survey, /*timeout_s=*/1);
  const auto at = [&](uint64_t event) { return judge.Context({.event = event}); };
  EXPECT_EQ(at(10), ";") << "before the first begins: its mark is no event of the past";
  EXPECT_EQ(at(11), ";1");
  EXPECT_EQ(at(20), ";1-2");
  EXPECT_EQ(at(21), "1;2");
  EXPECT_EQ(at(31), "1-2;");
  EXPECT_EQ(at(100), "1-2;3");
  EXPECT_EQ(at(16), ";1-2") << "after going back";
  EXPECT_EQ(at(100), "1-2;3");
}

TEST(ProgramJudge, WithoutOperationsThereIsNoContext) {
  const TraceSurvey survey;
  EXPECT_EQ(ProgramJudge(survey, 1).Context({.event = 5}), "");
}

TEST(ProgramJudge, TheContextIsTheSameInAnyOrderOfCrashPoints) {
  std::mt19937_64 rng(4);
  TraceSurvey survey;
  for (uint64_t id = 0; id < 200; ++id) {
    const uint64_t begin = id * 10 + rng() % 10;
    survey.operations[rng() % 2 == 0 ? id : id + 1000] = {.begin = begin,
                                                          .end = begin + 1 + rng() % 30};
  }
  ProgramJudge forth(survey, 1), anyhow(survey, 1);
  std::map<uint64_t, std::string> contexts;
  for (uint64_t event = 0; event < 2100; ++event) contexts[event] = forth.Context({.event = event});
  for (int i = 0; i < 500; ++i) {
    const uint64_t event = rng() % 2100;
    std::set<uint64_t> acknowledged, under_way;
    for (const auto& [id, span] : survey.operations) {
      if (span.end < event) acknowledged.insert(id);
      if (span.begin < event && span.end >= event) under_way.insert(id);
    }
    const std::string expected = TextOf(acknowledged) + ";" + TextOf(under_way);
    ASSERT_EQ(contexts[event], expected) << "event " << event << ", seed 4";
    ASSERT_EQ(anyhow.Context({.event = event}), expected) << "event " << event << ", seed 4";
  }
}

TEST(ProgramJudge, ALongRunsContextsAreCheap) {
  TraceSurvey survey;
  constexpr uint64_t kOperations = 20000;
  for (uint64_t id = 1; id <= kOperations; ++id) {
    survey.operations[id] = {.begin = id * 10, .end = id * 10 + 8};
  }
  ProgramJudge judge(survey, 1);
  uint64_t bytes = 0;
  // Each walk over all marks before the point would make this 10^10 steps, minutes of them.
  for (uint64_t event = 0; event < kOperations * 10; ++event) {
    bytes += judge.Context({.event = event}).size();
  }
  EXPECT_GT(bytes, kOperations * 10);
}

}  // namespace
}  // namespace fencepost
