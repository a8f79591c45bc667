// SPDX-License-Identifier: BSD-3-Clause
// The programs of posix_litmus_programs.h, and what else is said of states.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "faultinject/model/posix/posix_litmus_programs.h"
#include "faultinject/model/posix/posix_model.h"
#include "faultinject/model/posix/posix_test_util.h"

namespace fencepost {
namespace {

std::vector<std::string> Split(const std::string& text, const std::string& by) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(by, begin)) != std::string::npos; begin = end + by.size()) {
    parts.push_back(text.substr(begin, end - begin));
  }
  parts.push_back(text.substr(begin));
  return parts;
}

PosixModel ModelAfter(const FileSystemRow& row, const std::string& program) {
  const std::vector<std::string> parts = Split(program, "||");
  ProgramText text;
  if (parts.size() == 2) text.Run(parts[0]);
  const size_t begin = text.events().size();
  const uint64_t sector_bytes = row.sector_bytes == 512 ? 2 : 4;
  PosixModel model(row, {.sector_bytes = sector_bytes, .block_bytes = 4}, text.tree());
  text.Run(parts.back());
  for (size_t i = begin; i < text.events().size(); ++i) {
    CHECK_OK(model.Apply(text.events()[i], i));
  }
  return model;
}

std::set<std::string> Trees(const PosixModel& model) {
  std::set<std::string> trees;
  model.ForEachState([&](const PosixModel::Survivors& survivors) {
    trees.insert(TreeText(model.Build(survivors)));
    return true;
  });
  return trees;
}

std::string Expected(const LitmusProgram& litmus, std::string_view file_system) {
  std::string otherwise;
  for (const LitmusOutcomes& outcomes : litmus.outcomes) {
    std::istringstream names(outcomes.file_systems);
    for (std::string name; names >> name;) {
      if (name == file_system) return outcomes.trees;
      if (name == "*") otherwise = outcomes.trees;
    }
  }
  return otherwise;
}

class PosixLitmus : public testing::TestWithParam<FileSystemRow> {};

TEST_P(PosixLitmus, EveryProgramLeavesTheTreesOfItsTableAndNoOther) {
  for (const LitmusProgram& litmus : LitmusPrograms()) {
    const std::vector<std::string> trees = Split(Expected(litmus, GetParam().name), " | ");
    EXPECT_EQ(Trees(ModelAfter(GetParam(), litmus.program)),
              std::set<std::string>(trees.begin(), trees.end()))
        << litmus.claim << ": " << litmus.program;
  }
}

INSTANTIATE_TEST_SUITE_P(FileSystems, PosixLitmus, testing::ValuesIn(FileSystems()),
                         [](const auto& row) {
                           std::string name(row.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

const FileSystemRow& Row(const std::string& name) { return **FindFileSystem(name); }

TEST(FileSystems, AreFoundByNameAndNamedWhenNot) {
  for (const FileSystemRow& row : FileSystems()) {
    EXPECT_EQ(*FindFileSystem(std::string(row.name)), &row);
    EXPECT_FALSE(row.source.empty());
  }
  const auto found = FindFileSystem("zfs");
  EXPECT_EQ(found.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(found.message().find("ext4-ordered"), std::string::npos);
}

TEST(PosixModel, WithoutTearingASectorSurvivesWithItsWrite) {
  ProgramText text;
  text.Run("create a; write a 0 AAAA");
  PosixModel model(Row("posix"), {.sector_bytes = 2, .tearing = false}, text.tree());
  text.Run("write a 0 BBBB");
  ASSERT_TRUE(model.Apply(text.events().back(), 9).ok());
  EXPECT_EQ(Trees(model), (std::set<std::string>{"a=AAAA", "a=BBBB"}));
}

TEST(PosixModel, SaysWhatEachPieceIs) {
  const PosixModel model = ModelAfter(
      Row("posix"),
      "mkdir d; create a; write a 0 AAAAA||write a 1 BBBB; append a C; truncate a 1; "
      "create d/f; mkdir e; rename a d/a; link d/a b; unlink b; exchange d e; collapse e/a 0 1");
  std::vector<std::string> said;
  for (const FilePiece& piece : model.pending()) said.push_back(model.Describe(piece));
  EXPECT_EQ(said, (std::vector<std::string>{
                      "write 2 bytes at 0 of e/a (sector 0; event 3)",
                      "write 2 bytes at 2 of e/a (sector 1; event 3)",
                      "write 1 bytes at 4 of e/a (sector 2; event 3)",
                      "write 2 bytes at 4 of e/a (sector 2; event 4)",
                      "lengthen e/a from 5 to 6 bytes (event 4)",
                      "cut e/a from 6 to 1 bytes (event 5)",
                      "create d/f (event 6)",
                      "mkdir e (event 7)",
                      "rename a to d/a (event 8)",
                      "link d/a as b (event 9)",
                      "remove b (event 10)",
                      "exchange d with e (event 11)",
                      "collapse 1 bytes at 0 of e/a (event 12)",
                  }));
}

TEST(PosixModel, NamesTheOperationOfAThread) {
  ProgramText text;
  text.Run("create a");
  PosixModel model(Row("posix"), {}, text.tree());
  IoEvent begin;
  begin.kind = IoEvent::Kind::kOperationBegin;
  begin.id = 12;
  IoEvent end = begin;
  end.kind = IoEvent::Kind::kOperationEnd;
  ASSERT_TRUE(model.Apply(begin, 4).ok());
  text.Run("write a 0 A; write a 1 B");
  IoEvent other = text.events()[1];
  other.thread = 1;
  ASSERT_TRUE(model.Apply(other, 5).ok());
  ASSERT_TRUE(model.Apply(text.events()[2], 6).ok());
  ASSERT_TRUE(model.Apply(end, 7).ok());
  EXPECT_EQ(model.Describe(model.pending()[0]), "write 1 bytes at 0 of a (sector 0; event 5)");
  EXPECT_EQ(model.Describe(model.pending()[2]),
            "write 2 bytes at 0 of a (sector 0; event 6; operation 12)");
}

TEST(PosixModel, RefusesAnEventThatCannotHaveHappened) {
  PosixModel model(Row("posix"), {}, FileTree());
  IoEvent write;
  write.kind = IoEvent::Kind::kWrite;
  write.inode = 7;
  write.data = "x";
  EXPECT_EQ(model.Apply(write, 0).code(), StatusCode::kCorrupt);
  EXPECT_TRUE(model.pending().empty());
}

TEST(PosixModel, AStateOfOtherPiecesIsNotAllowed) {
  const PosixModel model = ModelAfter(Row("posix"), "create a||write a 0 AA; write a 0 BB");
  // Events 1 and 2 in sector 0, part 0; the size is event 1's part 1.
  EXPECT_TRUE(model.Allows(FileCrashState{.through = 9}));
  EXPECT_TRUE(model.Allows(FileCrashState{.through = 0}));
  EXPECT_TRUE(model.Allows(FileCrashState{.through = 9, .lost = {{1, 1}}}));
  EXPECT_TRUE(model.Allows(FileCrashState{.through = 1, .kept = {{1, 0}, {2, 0}}}));
  EXPECT_FALSE(model.Allows(FileCrashState{.through = 9, .lost = {{1, 0}}})) << "2 needs it";
  EXPECT_FALSE(model.Allows(FileCrashState{.through = 1, .kept = {{2, 0}}}));
  EXPECT_FALSE(model.Allows(FileCrashState{.through = 9, .lost = {{3, 0}}})) << "is not there";
  EXPECT_FALSE(model.Allows(FileCrashState{.through = 9, .kept = {{2, 0}}})) << "wrong side";
  EXPECT_FALSE(model.Allows(FileCrashState{.through = 0, .kept = {{2, 0}, {1, 0}}})) << "order";
}

TEST(FileCrashState, IsWrittenAndReadAgain) {
  for (const FileCrashState& state :
       {FileCrashState{},
        FileCrashState{.through = 12, .lost = {{3, 0}, {3, 1}}, .kept = {{15, 2}}},
        FileCrashState{.through = UINT64_MAX, .lost = {{3, 0}}}}) {
    const auto parsed = FileCrashState::Parse(state.Text());
    ASSERT_TRUE(parsed.ok()) << state.Text();
    EXPECT_EQ(*parsed, state);
  }
  EXPECT_EQ((FileCrashState{.through = 12, .lost = {{3, 0}}, .kept = {{15, 2}}}.Text()),
            "12-3.0+15.2");
  for (const char* text : {"", "x", "12-", "12-3", "12-3.", "12-3.0x", "12*3.0", "-3.0", "12-3.0+",
                           "12-3.99999999999", "99999999999999999999"}) {
    EXPECT_EQ(FileCrashState::Parse(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

TEST(PosixModel, WhatIsDurableMayNotBeLost) {
  // The second write is durable, the truncation before it is not: it stays pending.
  const PosixModel model =
      ModelAfter(Row("posix"), "create a; write a 0 AAAAAA||truncate a 4; dsync a 0 BB");
  ASSERT_EQ(model.pending().size(), 2u);
  EXPECT_FALSE(model.Allows(FileCrashState{}));
  EXPECT_TRUE(model.Allows(model.StateOf(model.Oldest())));
  EXPECT_EQ(Trees(model), (std::set<std::string>{"a=BBAAAA", "a=BBAA"}));
}

TEST(PosixModel, OnlyASyncThatPromisesSomethingNewShrinksTheStates) {
  ProgramText text;
  text.Run("create a; create b");
  PosixModel model(Row("posix"), {}, text.tree());
  const auto shrinks = [&](const std::string& program) {
    text.Run(program);
    const IoEvent& end = text.events().back();
    const bool answer = model.Shrinks(end);
    CHECK_OK(model.Apply(end, text.events().size() - 1));
    return answer;
  };
  EXPECT_FALSE(shrinks("fsync a"));
  text.Run("write a 0 A");
  EXPECT_FALSE(model.Shrinks(text.events().back()));
  ASSERT_TRUE(model.Apply(text.events().back(), text.events().size() - 1).ok());
  EXPECT_FALSE(shrinks("fsync b"));
  EXPECT_FALSE(shrinks("sync_file_range a 0 1"));
  EXPECT_FALSE(shrinks("fsync ."));
  EXPECT_TRUE(shrinks("fsync a"));
  EXPECT_FALSE(shrinks("fsync a"));
}

TEST(PosixModel, WhatIsDurableIsFolded) {
  const PosixModel model =
      ModelAfter(Row("ext4-writeback"),
                 "create a; append a AAA; append a BBB; truncate a 2; rename a b; sync");
  EXPECT_TRUE(model.pending().empty());
  EXPECT_EQ(TreeText(model.durable()), "b=AA");
  EXPECT_EQ(model.Log10States(), 0);
}

TEST(PosixModel, SectorsOf512BytesUnlessToldOtherwise) {
  for (const auto& [name, sectors] : {std::pair{"posix", 8u}, {"btrfs", 1u}}) {
    ProgramText text;
    text.Run("create a");
    IoEvent write;
    write.kind = IoEvent::Kind::kWrite;
    write.inode = text.events()[0].inode;
    write.data = std::string(4096, 'x');
    PosixModel model(Row(name), {}, text.tree());
    ASSERT_TRUE(model.Apply(write, 1).ok());
    EXPECT_EQ(model.pending().size(), sectors + 1) << name;
  }
}

}  // namespace
}  // namespace fencepost
