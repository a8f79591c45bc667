// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/decision_tree.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <random>
#include <set>

namespace fencepost {
namespace {

LineState Content(uint8_t byte0, uint8_t byte1) {
  LineState state;
  state.bytes[0] = byte0;
  state.bytes[1] = byte1;
  return state;
}

// What a made-up recovery has read of a state, in order, and what it answers.
struct Took {
  std::vector<LineRead> reads;
  uint64_t answer = 0;
};
using Recovery = std::function<Took(const std::vector<LineBytes>& lines)>;

// The contents that each line may have.
using Choices = std::vector<std::vector<LineState>>;

// Explores a batch of crash points, one recovery after the other.
class Search {
 public:
  explicit Search(Recovery recovery) : recovery_(std::move(recovery)) {}

  Status Take(size_t point, const Choices& choices) {
    LineChoices lines_of_point;
    for (const std::vector<LineState>& line : choices) {
      lines_of_point.push_back(std::make_shared<const std::vector<LineState>>(line));
    }
    RETURN_IF_ERROR(tree_.Search(
        StateSet(point, std::make_shared<const LineChoices>(std::move(lines_of_point))), visitor_));
    while (!wanted_.empty()) {
      DecisionTree::Node* const node = wanted_.front().first;
      const std::vector<LineBytes> lines = std::move(wanted_.front().second);
      wanted_.pop_front();
      ++recoveries;
      const Took run = recovery_(lines);
      RETURN_IF_ERROR(tree_.Insert(
          node, run.reads, [&](uint32_t line) -> const LineBytes& { return lines[line]; },
          run.answer, visitor_));
    }
    return Status::Ok();
  }

  uint64_t recoveries = 0;
  std::map<size_t, std::set<uint64_t>> answers;  // by crash point
  std::map<size_t, double> covered;

 private:
  DecisionTree tree_;
  Recovery recovery_;
  std::deque<std::pair<DecisionTree::Node*, std::vector<LineBytes>>> wanted_;
  const DecisionTree::Visitor visitor_ = {
      .explore =
          [this](DecisionTree::Node* node, const StateSet& states) {
            std::vector<LineBytes> lines;
            for (uint32_t i = 0; i < states.lines(); ++i) lines.push_back(states.First(i).bytes);
            wanted_.emplace_back(node, std::move(lines));
            return Status::Ok();
          },
      .judge =
          [this](const StateSet& states, DecisionTree::Leaf leaf) {
            answers[states.point()].insert(leaf);
            covered[states.point()] += states.Share();
            return Status::Ok();
          }};
};

TEST(DecisionTreeTest, WhatIsNotReadIsNotBranchedOn) {
  Search search([](const std::vector<LineBytes>& lines) { return Took{{{0, 1}}, lines[0][0]}; });
  const Choices choices = {{Content(0, 0), Content(1, 0)},
                           {Content(0, 0), Content(1, 0), Content(2, 0)}};
  ASSERT_TRUE(search.Take(0, choices).ok());
  EXPECT_EQ(search.recoveries, 2u);
  EXPECT_EQ(search.answers[0], (std::set<uint64_t>{0, 1}));
  EXPECT_DOUBLE_EQ(search.covered[0], 1);
}

TEST(DecisionTreeTest, EqualValuesOfWhatIsReadAreOneBranch) {
  // Four contents, but the byte that is read has two values.
  Search search([](const std::vector<LineBytes>& lines) { return Took{{{0, 1}}, lines[0][0]}; });
  ASSERT_TRUE(search.Take(0, {{Content(0, 0), Content(0, 1), Content(5, 0), Content(5, 1)}}).ok());
  EXPECT_EQ(search.recoveries, 2u);
}

TEST(DecisionTreeTest, AReadNarrowsTheLineForTheNext) {
  // The second byte is read after the first: of the four pairs only two are possible.
  Search search([](const std::vector<LineBytes>& lines) {
    return Took{{{0, 1}, {0, 2}}, static_cast<uint64_t>(lines[0][0] * 10 + lines[0][1])};
  });
  ASSERT_TRUE(search.Take(0, {{Content(0, 0), Content(1, 1)}}).ok());
  EXPECT_EQ(search.answers[0], (std::set<uint64_t>{0, 11}));
  EXPECT_EQ(search.recoveries, 2u);
}

TEST(DecisionTreeTest, CrashPointsShareRecoveries) {
  Search search([](const std::vector<LineBytes>& lines) { return Took{{{0, 1}}, lines[0][0]}; });
  const Choices first = {{Content(0, 0), Content(1, 0)}}, second = {{Content(1, 7)}},
                third = {{Content(1, 7), Content(2, 7)}};
  ASSERT_TRUE(search.Take(0, first).ok());
  ASSERT_TRUE(search.Take(1, second).ok());
  EXPECT_EQ(search.recoveries, 2u);
  ASSERT_TRUE(search.Take(2, third).ok());
  EXPECT_EQ(search.recoveries, 3u);
  EXPECT_EQ(search.answers[1], (std::set<uint64_t>{1}));
  EXPECT_EQ(search.answers[2], (std::set<uint64_t>{1, 2}));
}

TEST(DecisionTreeTest, ARecoveryThatIsNotDeterministicIsRefused) {
  uint64_t runs = 0;
  Search otherwise([&](const std::vector<LineBytes>&) {
    // The first time line 0 is read first, then line 1.
    return Took{{{runs++ == 0 ? 0u : 1u, 1}, {0, 2}}, 0};
  });
  const Choices choices = {{Content(0, 0), Content(1, 1)}, {Content(0, 0)}};
  const Status status = otherwise.Take(0, choices);
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find("not deterministic"), std::string_view::npos);

  runs = 0;
  Search shorter([&](const std::vector<LineBytes>&) {
    return runs++ == 0 ? Took{{{0, 1}}, 0} : Took{};
  });
  EXPECT_EQ(shorter.Take(0, choices).code(), StatusCode::kInternal);
}

// Reads where a hash of all that it has read sends it.
Took Wander(const std::vector<LineBytes>& lines, uint64_t seed) {
  Took run;
  std::vector<uint64_t> seen(lines.size(), 0);
  std::mt19937_64 random(seed);
  uint64_t state = random();
  for (int step = 0; step < 6; ++step) {
    std::mt19937_64 next(state);
    if (next() % 5 == 0) break;
    const auto line = static_cast<uint32_t>(next() % lines.size());
    const uint64_t bytes = (next() % 3 + 1) & ~seen[line];
    if (bytes == 0) continue;
    seen[line] |= bytes;
    run.reads.push_back({line, bytes});
    for (const char byte : ValueOf(lines[line], bytes)) {
      state = state * 31 + static_cast<unsigned char>(byte) + 1;
    }
  }
  run.answer = state;
  return run;
}

TEST(DecisionTreeTest, TheOutcomesAreThoseOfEveryStateWhateverIsRead) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const size_t line_count = random() % 4 + 1;
    std::vector<Choices> points(random() % 3 + 1);
    for (Choices& choices : points) {
      choices.resize(line_count);
      for (std::vector<LineState>& line : choices) {
        std::set<std::pair<int, int>> contents;
        for (uint64_t i = random() % 4 + 1; i > 0; --i)
          contents.insert({random() % 3, random() % 3});
        for (const auto& [a, b] : contents) {
          line.push_back(Content(static_cast<uint8_t>(a), static_cast<uint8_t>(b)));
        }
      }
    }
    uint64_t states = 0;
    std::map<size_t, std::set<uint64_t>> expected;
    for (size_t point = 0; point < points.size(); ++point) {
      std::vector<size_t> digits(line_count, 0);
      for (bool more = true; more;) {
        std::vector<LineBytes> lines;
        for (size_t i = 0; i < line_count; ++i) lines.push_back(points[point][i][digits[i]].bytes);
        expected[point].insert(Wander(lines, seed).answer);
        ++states;
        more = false;
        for (size_t i = 0; i < line_count && !more; ++i) {
          digits[i] = (digits[i] + 1) % points[point][i].size();
          more = digits[i] != 0;
        }
      }
    }
    Search search([seed](const std::vector<LineBytes>& lines) { return Wander(lines, seed); });
    for (size_t point = 0; point < points.size(); ++point) {
      ASSERT_TRUE(search.Take(point, points[point]).ok());
      EXPECT_NEAR(search.covered[point], 1, 1e-9);
    }
    EXPECT_EQ(search.answers, expected);
    EXPECT_LE(search.recoveries, states);
  }
}

}  // namespace
}  // namespace fencepost
