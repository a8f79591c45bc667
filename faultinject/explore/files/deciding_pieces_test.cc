// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/files/deciding_pieces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "faultinject/explore/files/file_explore_test_util.h"
#include "faultinject/explore/files/known_recoveries.h"
#include "faultinject/explore/files/state_region.h"

namespace fencepost {
namespace {

using Survivors = PosixModel::Survivors;

PosixModel ModelAfter(const FileSystemRow& row, const ProgramText& text, size_t begin,
                      const FileTree& initial) {
  PosixModel model(row, {.sector_bytes = 2, .block_bytes = 4}, initial);
  for (size_t i = begin; i < text.events().size(); ++i) {
    CHECK_OK(model.Apply(text.events()[i], i));
  }
  return model;
}

PosixModel PosixAfter(const std::string& setup, const std::string& program) {
  ProgramText text;
  text.Run(setup);
  const size_t begin = text.events().size();
  const FileTree initial = text.tree();
  text.Run(program);
  return ModelAfter(**FindFileSystem("posix"), text, begin, initial);
}

// How many of the pending pieces decide it, if all have survived; `newest` false: none.
size_t Deciding(const PosixModel& model, FileRead::Kind kind, const std::string& path,
                uint64_t begin = 0, uint64_t end = 0, bool newest = true) {
  TreePaths paths;
  const TreeQuestion question = {kind, paths.Of(path), begin, end};
  const Survivors survivors = newest ? model.Newest() : model.Oldest();
  const FileTree tree = model.Build(survivors);
  TreeView view(tree, paths, false);
  std::vector<PieceIndex> pieces;
  DecidingPieces(model).Find(question, &view, survivors, &pieces);
  return std::set<PieceIndex>(pieces.begin(), pieces.end()).size();
}

TEST(DecidingPieces, AreThoseOfTheSectorsThatAreRead) {
  const PosixModel model = PosixAfter("create a; write a 0 AAAAAA", "write a 0 BBBBBB");
  EXPECT_EQ(model.pending().size(), 3u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 0, 2), 1u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 1, 3), 2u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 2, 9), 2u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kStat, "a"), 0u);
}

TEST(DecidingPieces, WhatIsBehindTheEndIsDecidedByTheSizeAlone) {
  const PosixModel model = PosixAfter("create a; write a 0 AA", "append a BB; append a CC");
  EXPECT_EQ(model.pending().size(), 4u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 2, 9, /*newest=*/false), 2u);
  // Where all is there the first size covers what is read, whatever becomes of the second.
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 2, 4), 2u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 0, 2), 0u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kStat, "a"), 1u);
}

TEST(DecidingPieces, WhatChangesNothingOfWhatIsReadDecidesNothing) {
  const PosixModel model =
      PosixAfter("create a; write a 0 AAAA", "write a 0 AABA; write a 0 ABBA; write a 0 ABBA");
  EXPECT_EQ(model.pending().size(), 6u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 0, 1), 0u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 3, 4), 0u);
  // The second write has made it so; the third says the same.
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 1, 2), 1u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 1, 2, /*newest=*/false), 2u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kBytes, "a", 0, 4), 2u);
}

TEST(DecidingPieces, OfANameAreTheLastThatSurvivedAndThoseBehind) {
  const PosixModel model = PosixAfter("create a; create b", "rename b a; unlink a; create c");
  EXPECT_EQ(Deciding(model, FileRead::Kind::kName, "a"), 1u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kName, "a", 0, 0, /*newest=*/false), 2u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kName, "b"), 1u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kName, "d"), 0u);
  EXPECT_EQ(Deciding(model, FileRead::Kind::kListing, ""), 3u);
}

// All states of a crash point, each with its tree.
struct States {
  std::vector<Survivors> survivors;
  std::vector<FileTree> trees;
};

std::optional<States> StatesOf(const PosixModel& model, size_t most) {
  States states;
  bool all = true;
  model.ForEachState([&](const Survivors& survivors) {
    all = states.survivors.size() < most;
    if (all) {
      states.survivors.push_back(survivors);
      states.trees.push_back(model.Build(survivors));
    }
    return all;
  });
  if (!all) return std::nullopt;
  return states;
}

// Of every kind, of everything that the program has named.
std::vector<TreeQuestion> AllQuestions(RandomProgram* program, const States& states,
                                       TreePaths* paths) {
  std::set<std::string> named = {""};
  for (const FileTree& tree : states.trees) {
    for (const InodeType type : {InodeType::kFile, InodeType::kDirectory}) {
      for (const std::string& path : RandomProgram::Paths(tree, type)) named.insert(path);
    }
  }
  std::vector<TreeQuestion> questions;
  for (const std::string& path : named) {
    const PathId id = paths->Of(path);
    if (id != kRootPath) questions.push_back({FileRead::Kind::kName, id});
    questions.push_back({FileRead::Kind::kStat, id});
    questions.push_back({FileRead::Kind::kListing, id});
    for (int i = 0; i < 3; ++i) {
      const uint64_t begin = program->Below(8);
      questions.push_back({FileRead::Kind::kBytes, id, begin, begin + 1 + program->Below(8)});
    }
  }
  return questions;
}

TEST(DecidingPieces, StatesThatAgreeInThemAnswerAlike) {
  uint64_t compared = 0, open = 0;
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    for (const FileSystemRow& row : FileSystems()) {
      RandomProgram program(seed);
      std::string text = program.Run(3 + seed % 4);
      const size_t begin = program.text().events().size();
      const FileTree initial = program.text().tree();
      text += "| " + program.Run(3 + seed % 3);
      const PosixModel model = ModelAfter(row, program.text(), begin, initial);
      const std::optional<States> states = StatesOf(model, 60);
      if (!states) continue;
      TreePaths paths;
      const std::vector<TreeQuestion> questions = AllQuestions(&program, *states, &paths);
      const DecidingPieces deciding(model);
      std::vector<TreeView> views;
      for (const FileTree& tree : states->trees) views.emplace_back(tree, paths, true);
      for (const TreeQuestion& question : questions) {
        for (size_t i = 0; i < views.size(); ++i) {
          const Survivors& survivors = states->survivors[i];
          std::vector<PieceIndex> pieces;
          for (PathId path = question.path; path != kRootPath; path = paths.parent(path)) {
            deciding.Find({FileRead::Kind::kName, path}, &views[i], survivors, &pieces);
          }
          deciding.Find(question, &views[i], survivors, &pieces);
          const uint64_t answer = views[i].Answer(question);
          for (size_t j = 0; j < views.size(); ++j) {
            const bool agrees = std::all_of(pieces.begin(), pieces.end(), [&](PieceIndex piece) {
              return survivors[piece] == states->survivors[j][piece];
            });
            if (!agrees) continue;
            open += i != j ? 1 : 0;
            ++compared;
            ASSERT_EQ(views[j].Answer(question), answer)
                << row.name << " seed " << seed << ": " << text << "\nkind "
                << static_cast<int>(question.kind) << " of path " << paths.name(question.path)
                << ", " << question.begin << '-' << question.end << "\n"
                << TreeText(states->trees[i]) << "\n"
                << TreeText(states->trees[j]);
          }
        }
      }
    }
  }
  // Not for want of states that agree.
  EXPECT_GT(open, compared / 2);
  EXPECT_GT(compared, 1'000'000u);
}

TEST(StateRegion, PartsAreTheStatesThatAreLeftEachOnce) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    for (const FileSystemRow& row : FileSystems()) {
      RandomProgram program(seed);
      program.Run(4);
      const FileTree initial = program.text().tree();
      const size_t begin = program.text().events().size();
      program.Run(4);
      const PosixModel model = ModelAfter(row, program.text(), begin, initial);
      const std::optional<States> states = StatesOf(model, 500);
      if (!states) continue;
      const PieceNeeds needs(model);
      // Parts of random pieces, all the way down.
      std::set<Survivors> reached;
      std::mt19937_64 random(seed);
      std::vector<StateRegion> open = {StateRegion(model)};
      while (!open.empty()) {
        const StateRegion region = open.back();
        open.pop_back();
        ASSERT_TRUE(model.Allows(region.Newest()));
        ASSERT_TRUE(model.Allows(region.Oldest()));
        ASSERT_TRUE(model.Allows(region.Draw(needs, &random)));
        std::vector<uint32_t> undecided;
        for (uint32_t i = 0; i < model.pending().size(); ++i) {
          if (region.IsOpen(i)) undecided.push_back(i);
        }
        if (undecided.empty()) {
          ASSERT_TRUE(reached.insert(region.Newest()).second);
          continue;
        }
        const uint32_t piece = undecided[random() % undecided.size()];
        for (const bool survives : {false, true}) {
          open.push_back(region);
          open.back().Decide(piece, survives, needs);
        }
      }
      EXPECT_EQ(reached, (std::set<Survivors>(states->survivors.begin(), states->survivors.end())));
    }
  }
}

TEST(KnownRecoveries, AreFoundByTheirAnswersInWhateverOrderTheyWereAsked) {
  ProgramText text;
  text.Run("create a; write a 0 AB; create b; write b 0 CD");
  const FileTree first = text.tree();
  text.Run("write b 0 X");
  const FileTree second = text.tree();
  text.Run("write a 0 Y");
  const FileTree third = text.tree();
  TreePaths paths;
  const TreeQuestion a = {FileRead::Kind::kBytes, paths.Of("a"), 0, 2};
  const TreeQuestion b = {FileRead::Kind::kBytes, paths.Of("b"), 0, 2};
  const TreeQuestion c = {FileRead::Kind::kName, paths.Of("c")};
  TreeView one(first, paths, false), two(second, paths, false), three(third, paths, false);
  Outcome outcomes[3];
  KnownRecoveries known;
  EXPECT_EQ(known.Find(&one), nullptr);
  known.Add({&outcomes[0], {a, b, c}}, &one);
  EXPECT_EQ(known.Find(&one)->outcome, &outcomes[0]);
  EXPECT_EQ(known.Find(&two), nullptr);
  known.Add({&outcomes[1], {b, a}}, &two);
  EXPECT_EQ(known.Find(&two)->outcome, &outcomes[1]);
  EXPECT_EQ(known.Find(&three), nullptr);
  known.Add({&outcomes[2], {c}}, &three);
  EXPECT_EQ(known.Find(&three)->outcome, &outcomes[2]);
  // What asks less is found where all that it asks is so.
  text.Run("write b 0 Z");
  const FileTree fourth = text.tree();
  TreeView four(fourth, paths, false);
  EXPECT_EQ(known.Find(&four)->outcome, &outcomes[2]);
}

}  // namespace
}  // namespace fencepost
