// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/strategies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "faultinject/model/px86_test_util.h"

namespace fencepost {
namespace {

using Contents = std::map<LineId, LineBytes>;

Contents ContentsOf(const CrashState& state) {
  Contents contents;
  for (const auto& [id, line] : state) contents[id] = line.bytes;
  return contents;
}

std::vector<Contents> Generate(const std::string& strategy, const Px86& model, uint64_t since = 0,
                               uint64_t seed = 1) {
  std::vector<Contents> states;
  const Result<Strategy> parsed = ParseStrategy(strategy);
  EXPECT_TRUE(parsed.ok()) << strategy;
  const bool complete = parsed->Generate(model, seed, since, [&](const CrashState& state) {
    states.push_back(ContentsOf(state));
    return true;
  });
  EXPECT_TRUE(complete) << strategy;
  return states;
}

std::set<Contents> AsSet(const std::vector<Contents>& states) {
  return {states.begin(), states.end()};
}

// A model with a few stores; each byte that is stored is the event's number.
class ModelUnderTest {
 public:
  explicit ModelUnderTest(const Px86Options& options = {}) : model(options, &image) {}

  void Store(uint64_t offset, size_t bytes = 8, Px86::StoreKind kind = Px86::StoreKind::kCached) {
    const std::vector<uint8_t> contents(bytes, static_cast<uint8_t>(++event));
    model.Store({event, 1, 0}, 1, offset, contents, kind);
  }

  MemoryImage image;
  Px86 model;
  uint64_t event = 0;
};

// Which stores a state holds, where each store has a byte of its own at these offsets: "1.3".
std::string Survivors(const Contents& state, const std::vector<uint64_t>& offsets) {
  std::string text;
  for (const uint64_t offset : offsets) {
    const uint8_t byte = state.at({1, offset / kLineBytes})[offset % kLineBytes];
    text += byte == 0 ? '.' : static_cast<char>('0' + byte);
  }
  return text;
}

std::vector<std::string> AllSurvivors(const std::vector<Contents>& states,
                                      const std::vector<uint64_t>& offsets) {
  std::vector<std::string> texts;
  for (const Contents& state : states) texts.push_back(Survivors(state, offsets));
  return texts;
}

TEST(Strategies, AllIsTheProductOfTheLinesStates) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 100; ++round) {
    ModelUnderTest run;
    for (int i = 0; i < 5; ++i) run.Store(random() % 30 * 8, 8 << random() % 2);
    std::set<Contents> product = {{}};
    size_t count = 1;
    for (const auto& [id, line] : run.model.lines()) {
      const auto states = line.States(1000);
      ASSERT_TRUE(states.has_value());
      count *= states->size();
      std::set<Contents> wider;
      for (const Contents& narrow : product) {
        for (const LineState& state : *states) {
          Contents with = narrow;
          with[id] = state.bytes;
          wider.insert(std::move(with));
        }
      }
      product = std::move(wider);
    }
    const std::vector<Contents> all = Generate("all", run.model);
    EXPECT_EQ(all.size(), count) << "round " << round;  // none twice
    EXPECT_EQ(AsSet(all), product) << "round " << round;
  }
}

TEST(Strategies, EveryStateOfEveryOtherIsOneOfAll) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    ModelUnderTest run({.tearing = random() % 2 == 0 ? Tearing::kEightBytes : Tearing::kLine});
    for (int i = 0; i < 6; ++i) {
      const auto kind = random() % 4 == 0   ? Px86::StoreKind::kNonTemporal
                        : random() % 4 == 0 ? Px86::StoreKind::kAtomic
                                            : Px86::StoreKind::kCached;
      run.Store(random() % 24 * 8, 8 << random() % 2, kind);
      if (random() % 4 == 0)
        run.model.Flush({++run.event, 1, 0}, 1, random() % 192, 8, Px86::FlushKind::kWeak);
      if (random() % 6 == 0) run.model.Fence({++run.event, 1, 0});
    }
    const std::set<Contents> all = AsSet(Generate("all", run.model));
    const uint64_t since = random() % (run.event + 1);
    for (const std::string strategy :
         {"prefix", "suffix", "one-missing", "one-only", "sample:20"}) {
      for (const Contents& state : Generate(strategy, run.model, since, random())) {
        EXPECT_TRUE(all.contains(state)) << strategy << ", round " << round;
      }
    }
  }
}

TEST(Strategies, WithoutAChoiceThereIsOneState) {
  const ModelUnderTest run;
  for (const std::string strategy : {"all", "prefix", "suffix", "one-missing", "one-only"}) {
    EXPECT_EQ(AsSet(Generate(strategy, run.model)), std::set<Contents>{{}}) << strategy;
  }
}

class ThreeLines : public ::testing::Test {
 protected:
  ThreeLines() {
    for (const uint64_t offset : kOffsets) run_.Store(offset);
  }
  std::vector<std::string> Of(const std::string& strategy, uint64_t since = 0) {
    return AllSurvivors(Generate(strategy, run_.model, since), kOffsets);
  }
  // Stores 1 and 2 share a line.
  static inline const std::vector<uint64_t> kOffsets = {0, 8, 64, 128};
  ModelUnderTest run_;
};

TEST_F(ThreeLines, PrefixHasStoresSurviveInTraceOrder) {
  const auto states = Of("prefix");
  EXPECT_EQ(std::set<std::string>(states.begin(), states.end()),
            (std::set<std::string>{"....", "1...", "12..", "123.", "1234"}));
  EXPECT_EQ(states.front(), "....");
  EXPECT_EQ(states.back(), "1234");
}

TEST_F(ThreeLines, PrefixTakesStoresBeforeTheLastPointTogether) {
  const auto states = Of("prefix", /*since=*/3);
  EXPECT_EQ(std::set<std::string>(states.begin(), states.end()),
            (std::set<std::string>{"....", "12..", "123.", "1234"}));
}

TEST_F(ThreeLines, SuffixHasStoresSurviveFromOneOnAsFarAsTheLineAllows) {
  const auto states = Of("suffix");
  // Store 2 cannot survive without store 1.
  EXPECT_EQ(std::set<std::string>(states.begin(), states.end()),
            (std::set<std::string>{"1234", "..34", "...4", "...."}));
  EXPECT_EQ(states.front(), "1234");
}

TEST_F(ThreeLines, OneMissingHasOneLineInEachOfItsStates) {
  const auto states = Of("one-missing");
  EXPECT_EQ(std::set<std::string>(states.begin(), states.end()),
            (std::set<std::string>{"1234", "..34", "1.34", "12.4", "123."}));
  EXPECT_EQ(states.size(), 5u);
}

TEST_F(ThreeLines, OneOnlyHasNothingButOneLine) {
  const auto states = Of("one-only");
  EXPECT_EQ(std::set<std::string>(states.begin(), states.end()),
            (std::set<std::string>{"....", "1...", "12..", "..3.", "...4"}));
  EXPECT_EQ(states.size(), 5u);
}

TEST_F(ThreeLines, SampleDrawsSoManyByTheSeed) {
  const auto one = Generate("sample:50", run_.model, 0, 1);
  EXPECT_EQ(one.size(), 50u);
  EXPECT_EQ(one, Generate("sample:50", run_.model, 0, 1));
  EXPECT_NE(one, Generate("sample:50", run_.model, 0, 2));
  EXPECT_EQ(AsSet(Generate("sample:1000", run_.model)), AsSet(Generate("all", run_.model)));
}

TEST_F(ThreeLines, AVisitorCanStop) {
  for (const std::string strategy :
       {"all", "prefix", "suffix", "one-missing", "one-only", "sample:9"}) {
    for (int wanted = 1; wanted <= 4; ++wanted) {
      int seen = 0;
      ParseStrategy(strategy)->Generate(run_.model, 1, 0,
                                        [&](const CrashState&) { return ++seen < wanted; });
      EXPECT_EQ(seen, wanted) << strategy;
    }
  }
}

TEST(Strategies, ALineWithTooManyStatesIsTriedInOrderAndSaysSo) {
  ModelUnderTest run;
  // 2^16 choices in one line: non-temporal stores over each other.
  for (int i = 0; i < 16; ++i) run.Store(8 * (i % 8), 8, Px86::StoreKind::kNonTemporal);
  std::set<Contents> states;
  const bool complete =
      ParseStrategy("all")->Generate(run.model, 1, 0, [&](const CrashState& state) {
        states.insert(ContentsOf(state));
        return true;
      });
  EXPECT_FALSE(complete);
  EXPECT_EQ(states.size(), 17u);
}

TEST(Strategies, NamesOfPmreorderAreUnderstood) {
  const auto row = [](const std::string& name) {
    const Result<Strategy> strategy = ParseStrategy(name);
    EXPECT_TRUE(strategy.ok()) << name;
    EXPECT_EQ(strategy->name, name);
    return strategy->row == nullptr ? std::string("none") : std::string(strategy->row->name);
  };
  EXPECT_EQ(row("NoReorderNoCheck"), "none");
  EXPECT_EQ(row("NoReorderDoCheck"), "prefix");
  EXPECT_EQ(row("ReorderAccumulative"), "prefix");
  EXPECT_EQ(row("ReorderReverseAccumulative"), "suffix");
  EXPECT_EQ(row("ReorderPartial"), "sample");
  EXPECT_EQ(row("ReorderFull"), "all");
  EXPECT_EQ(ParseStrategy("ReorderPartial")->count, 10u);
  EXPECT_TRUE(ParseStrategy("ReorderFull")->exhaustive());
  EXPECT_FALSE(ParseStrategy("NoReorderNoCheck")->exhaustive());
}

TEST(Strategies, NoReorderNoCheckTriesNothing) {
  ModelUnderTest run;
  run.Store(0);
  EXPECT_TRUE(Generate("NoReorderNoCheck", run.model).empty());
}

TEST(Strategies, WhatIsNoStrategyIsRefused) {
  for (const std::string text :
       {"", "none", "All", "all:3", "prefix:", "sample", "sample:", "sample:0", "sample:-1",
        "sample:1x", "sample: 1", "sample:99999999999999999999", ":3", "reorderfull"}) {
    const Result<Strategy> strategy = ParseStrategy(text);
    ASSERT_FALSE(strategy.ok()) << text;
    EXPECT_EQ(strategy.status().code(), StatusCode::kInvalidArgument) << text;
  }
  EXPECT_NE(ParseStrategy("none").status().message().find("sample:N"), std::string::npos);
}

}  // namespace
}  // namespace fencepost
