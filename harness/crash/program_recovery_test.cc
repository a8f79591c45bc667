// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/program_recovery.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>

namespace fencepost {
namespace {

std::string Recover(const std::string& command, const std::string& context = "") {
  const Result<std::unique_ptr<CommandRecovery>> recovery = CommandRecovery::Make(command);
  CHECK_OK(recovery);
  return (*recovery)->Recover({"/some/im'age", "/other"}, context);
}

TEST(CommandRecovery, AnswersHowTheCommandEndedAndWhatItSaidLast) {
  EXPECT_EQ(Recover("true {image}"), "exit 0 ");
  EXPECT_EQ(Recover("echo no; echo why >&2; exit 7; {image}"), "exit 7 no\nwhy\n");
  EXPECT_EQ(Recover("kill -9 $$; {image}"), "signal 9 ");
  EXPECT_EQ(Recover("/none {image} 2>/dev/null"), "exit 127 ");
}

TEST(CommandRecovery, ACommandMayWriteMoreThanAPipeHolds) {
  const std::string answer = Recover("yes | head -c 3000000; : {image}");
  EXPECT_EQ(answer.substr(0, 7), "exit 0 ");
  EXPECT_EQ(answer.size(), 7u + 500u);
}

TEST(CommandRecovery, WhatItLeavesRunningIsNotWaitedFor) {
  const auto start = std::chrono::steady_clock::now();
  const std::string answer = Recover("sleep 300 & echo $!; : {image}");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  ASSERT_EQ(answer.substr(0, 7), "exit 0 ");
  EXPECT_EQ(kill(std::stoi(answer.substr(7)), SIGKILL), 0);
}

TEST(CommandRecovery, ImagesAreQuotedForTheShell) {
  EXPECT_EQ(Recover("printf '%s;' {image} {image0} {image1}"),
            "exit 0 {image};{image};{image};");  // paths are not part of an answer
  EXPECT_EQ((*CommandRecovery::Make("p {image} {image1}"))->CommandFor({"/a b", "/c'd"}),
            "p '/a b' '/c'\\''d'");
  EXPECT_EQ(CommandRecovery::Make("prog image").status().code(), StatusCode::kInvalidArgument);
}

TEST(CommandRecovery, TheCommandIsToldOfOperations) {
  EXPECT_EQ(Recover("echo $FENCEPOST_ACKNOWLEDGED+$FENCEPOST_UNDER_WAY; : {image}", "1-4,7;5"),
            "exit 0 1-4,7+5\n");
  EXPECT_EQ(Recover("echo $FENCEPOST_ACKNOWLEDGED+$FENCEPOST_UNDER_WAY; : {image}", ""),
            "exit 0 +\n");
}

TEST(LibraryRecovery, OnlyAFunctionOfALibraryWillDo) {
  for (const std::string checker : {"", ":", "a", "lib.so:", ":f", "/none/lib.so:f"}) {
    EXPECT_EQ(LibraryRecovery::Make(checker).status().code(), StatusCode::kInvalidArgument)
        << checker;
  }
}

TEST(NumberSet, ItsTextIsThatOfTheSet) {
  std::mt19937_64 random(41);
  for (int round = 0; round < 300; ++round) {
    NumberSet numbers;
    std::set<uint64_t> expected;
    for (int i = 0; i < 30; ++i) {
      const uint64_t number = random() % 40;
      numbers.Insert(number);
      expected.insert(number);
    }
    std::string text;
    for (auto it = expected.begin(); it != expected.end();) {
      const uint64_t first = *it;
      uint64_t last = first;
      while (++it != expected.end() && *it == last + 1) last = *it;
      text += fmt::format("{}{}", text.empty() ? "" : ",", first);
      if (last != first) text += fmt::format("-{}", last);
    }
    ASSERT_EQ(numbers.Text(), text) << "round " << round;
  }
  EXPECT_EQ(NumberSet().Text(), "");
}

std::string ContextAt(ProgramJudge& judge, uint64_t event) {
  return judge.Context({.index = 0, .event = event});
}

TEST(ProgramJudge, TellsWhatWasAcknowledgedAndUnderWayInAnyOrder) {
  TraceSurvey survey;
  survey.operations = {{1, {10, 20}}, {2, {15, 30}}, {3, {40, OperationSpan::kOpen}}};
  ProgramJudge judge(survey, 1);
  const std::pair<uint64_t, std::string> expected[] = {
      {10, ";"}, {11, ";1"}, {16, ";1-2"}, {20, ";1-2"}, {21, "1;2"}, {31, "1-2;"}, {99, "1-2;3"}};
  for (const auto& [event, context] : expected) EXPECT_EQ(ContextAt(judge, event), context);
  for (const auto& [event, context] : {expected[6], expected[1], expected[4], expected[2]}) {
    EXPECT_EQ(ContextAt(judge, event), context) << event;
  }
}

TEST(ProgramJudge, WithoutMarkersThereIsNoContext) {
  const TraceSurvey survey;
  ProgramJudge judge(survey, 1);
  EXPECT_EQ(ContextAt(judge, 5), "");
}

TEST(ProgramJudge, ManyOperationsTakeLinearTime) {
  TraceSurvey survey;
  constexpr uint64_t kOperations = 100'000;
  for (uint64_t i = 1; i <= kOperations; ++i) survey.operations[i] = {4 * i, 4 * i + 2};
  ProgramJudge judge(survey, 1);
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 1; i <= kOperations; ++i) ContextAt(judge, 4 * i + 1);
  // A fraction of a second where it is linear; minutes where it is not.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(ContextAt(judge, UINT64_MAX), fmt::format("1-{};", kOperations));
}

TEST(ProgramJudge, OnlyExitCodeZeroIsConsistent) {
  const TraceSurvey survey;
  ProgramJudge judge(survey, 1);
  const auto kinds = [&](Outcome outcome) {
    std::string text;
    for (const Finding& finding : judge.Verdict({}, outcome)) text += finding.kind;
    return text;
  };
  EXPECT_EQ(kinds({.answer = "exit 0 all is well", .complaint = {}}), "");
  EXPECT_EQ(kinds({.answer = "exit 1 lost\n", .complaint = {}}), "inconsistent");
  EXPECT_EQ(kinds({.answer = "signal 11 ", .complaint = {}}), "signal");
  EXPECT_EQ(kinds({.end = Outcome::End::kTimedOut, .answer = {}, .complaint = {}}), "hang");
  EXPECT_EQ(kinds({.end = Outcome::End::kExited, .code = 0, .answer = {}, .complaint = {}}),
            "exit");
  const std::vector<Finding> findings =
      judge.Verdict({}, {.answer = "exit 3 first\nthe last line\n", .complaint = {}});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].message, "the recovery says no: exit 3: the last line");
}

}  // namespace
}  // namespace fencepost
