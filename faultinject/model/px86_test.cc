// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/model/px86.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "faultinject/model/px86_test_util.h"

namespace fencepost {
namespace {

constexpr uint32_t kFile = 1;
constexpr auto kCached = Px86::StoreKind::kCached;
constexpr auto kNonTemporal = Px86::StoreKind::kNonTemporal;

// A model that counts the events itself, from 1 on.
class Px86Test : public testing::Test {
 protected:
  Px86::By By(uint32_t thread = 1) { return {++event_, thread, 0}; }
  void Store(uint64_t offset, uint64_t count, uint8_t value, Px86::StoreKind kind = kCached,
             uint32_t thread = 1) {
    model_.Store(By(thread), kFile, offset, std::vector<uint8_t>(count, value), kind);
  }
  void Clwb(uint64_t offset, uint64_t length = 1, uint32_t thread = 1) {
    model_.Flush(By(thread), kFile, offset, length, Px86::FlushKind::kWeak);
  }
  void Clflush(uint64_t offset, uint64_t length = 1) {
    model_.Flush(By(), kFile, offset, length, Px86::FlushKind::kClflush);
  }
  void Fence(uint32_t thread = 1) { model_.Fence(By(thread)); }

  const Px86Line& Line(uint64_t number = 0) const { return model_.lines().at({kFile, number}); }
  std::vector<LineState> States(uint64_t number = 0) const {
    return Line(number).States(1 << 20).value();
  }
  uint8_t Durable(uint64_t offset) const {
    return image_.Line({kFile, offset / kLineBytes})[offset % kLineBytes];
  }

  MemoryImage image_;
  Px86 model_{{}, &image_};
  uint64_t event_ = 0;
};

TEST_F(Px86Test, WhatIsDurableIsFoldedIntoTheImageAndItsLineDropped) {
  Store(0, 8, 1);
  Store(8, 8, 2);
  Clwb(0);
  Store(0, 8, 3);
  EXPECT_EQ(image_.writes(), 0u);
  Fence();
  EXPECT_EQ(Durable(0), 1);
  EXPECT_EQ(Durable(8), 2);
  EXPECT_EQ(Line().pending().size(), 1u);
  Clflush(0);
  EXPECT_EQ(Durable(0), 3);
  EXPECT_EQ(Durable(8), 2);
  EXPECT_TRUE(model_.lines().empty());
}

TEST_F(Px86Test, AFlushIsForgottenWithItsLine) {
  Store(0, 8, 1);
  Store(8, 8, 1, kNonTemporal, 2);
  Clwb(0);
  Clwb(0, 1, 3);
  model_.Sync(kFile, 0, 4096);
  EXPECT_TRUE(model_.lines().empty());
  Store(0, 8, 2);
  Store(8, 8, 2, kNonTemporal, 4);
  for (const uint32_t thread : {1u, 2u, 3u}) {
    EXPECT_FALSE(model_.FenceShrinks(thread));
    Fence(thread);
  }
  EXPECT_EQ(States().size(), 4u);
}

TEST_F(Px86Test, RangesOfNoBytesDoNothing) {
  Store(0, 0, 1);
  EXPECT_TRUE(model_.lines().empty());
  Store(0, 8, 1);
  Clwb(0, 0);
  EXPECT_FALSE(model_.FenceShrinks(1));
  Fence();
  EXPECT_FALSE(model_.ClflushShrinks(kFile, 0, 0));
  Clflush(0, 0);
  EXPECT_FALSE(model_.SyncShrinks(kFile, 0, 0));
  model_.Sync(kFile, 0, 0);
  EXPECT_EQ(States().size(), 2u);
}

TEST_F(Px86Test, RangesMayReachTheLastOffset) {
  constexpr uint64_t kLastLine = UINT64_MAX / kLineBytes;
  Store(UINT64_MAX - 3, 8, 1);  // four bytes of it have an offset
  ASSERT_EQ(model_.lines().size(), 1u);
  EXPECT_EQ(Line(kLastLine).pending()[0].bytes, 4);
  Store(UINT64_MAX - 67, 68, 2);  // ends there
  ASSERT_EQ(model_.lines().size(), 2u);
  for (const uint64_t length : {uint64_t{68}, uint64_t{100}, UINT64_MAX}) {
    EXPECT_TRUE(model_.ClflushShrinks(kFile, UINT64_MAX - 67, length));
    EXPECT_TRUE(model_.SyncShrinks(kFile, UINT64_MAX - 3, length));
  }
  Clwb(UINT64_MAX - 67, UINT64_MAX);
  Fence();
  EXPECT_TRUE(model_.lines().empty());
  EXPECT_EQ(Durable(UINT64_MAX), 2);
  Store(UINT64_MAX, 1, 3);
  Store(0, 1, 3);
  model_.Truncate(kFile, UINT64_MAX);
  EXPECT_EQ(model_.lines().size(), 1u);
  model_.Truncate(kFile, 0);
  EXPECT_TRUE(model_.lines().empty());
}

TEST_F(Px86Test, ARangeCoversTheLinesItTouchesAndNoOthers) {
  for (uint64_t line = 0; line < 5; ++line) Store(line * kLineBytes, 8, 1);
  model_.Store(By(), kFile + 1, 128, std::vector<uint8_t>{1}, kCached);
  Clflush(127, 66);  // the last byte of line 1 to the first of line 3
  EXPECT_EQ(model_.lines().size(), 3u);
  EXPECT_EQ(States(0).size(), 2u);
  EXPECT_EQ(States(4).size(), 2u);
  model_.Sync(kFile, 0, UINT64_MAX);
  ASSERT_EQ(model_.lines().size(), 1u);
  EXPECT_EQ(model_.lines().begin()->first, (LineId{kFile + 1, 2}));
}

TEST_F(Px86Test, ALongStoreIsOneStoreInEachLine) {
  Store(30, 200, 1);
  EXPECT_EQ(model_.lines().size(), 4u);
  EXPECT_EQ(Line(0).RawStates(), 32);   // bytes 30 to 63: 5 units
  EXPECT_EQ(Line(1).RawStates(), 256);  // a whole line
  EXPECT_EQ(Line(3).RawStates(), 32);   // bytes 0 to 37
  EXPECT_EQ(States(1).size(), 256u);
  EXPECT_NEAR(model_.Log10RawStates(), 2 * std::log10(32) + 2 * std::log10(256), 1e-9);
}

TEST_F(Px86Test, StatesComeInTheOrderOfTheirChoices) {
  Store(0, 16, 1);
  Store(8, 8, 2);
  Store(32, 8, 3, kNonTemporal);
  struct Expected {
    int at0, at8, at32;
    uint64_t survived, torn;
  };
  const std::vector<Expected> expected = {
      {0, 0, 0, 0b000, 0}, {1, 0, 0, 0b000, 1}, {0, 1, 0, 0b000, 1}, {1, 1, 0, 0b001, 0},
      {1, 2, 0, 0b011, 0}, {0, 0, 3, 0b100, 0}, {1, 0, 3, 0b100, 1}, {0, 1, 3, 0b100, 1},
      {1, 1, 3, 0b101, 0}, {1, 2, 3, 0b111, 0}};
  const std::vector<LineState> states = States();
  ASSERT_EQ(states.size(), expected.size());
  for (size_t i = 0; i < states.size(); ++i) {
    EXPECT_EQ(states[i].bytes[0], expected[i].at0) << i;
    EXPECT_EQ(states[i].bytes[15], expected[i].at8) << i;
    EXPECT_EQ(states[i].bytes[32], expected[i].at32) << i;
    EXPECT_EQ(states[i].survived, expected[i].survived) << i;
    EXPECT_EQ(states[i].torn, expected[i].torn) << i;
  }
}

TEST_F(Px86Test, AContentIsGivenOnceAndTheNewestLast) {
  for (const uint8_t value : std::vector<uint8_t>{1, 2, 1}) Store(0, 8, value);
  ASSERT_EQ(Line().RawStates(), 4);
  std::vector<LineState> states = States();
  ASSERT_EQ(states.size(), 3u);
  EXPECT_EQ(states[0].bytes[0], 0);
  EXPECT_EQ(states[1].bytes[0], 2);
  EXPECT_EQ(states[2].bytes[0], 1);
  EXPECT_EQ(states[2].survived, 0b111u);

  Store(0, 8, 0);  // the newest is the durable one, which is first
  states = States();
  ASSERT_EQ(states.size(), 3u);
  EXPECT_EQ(states[0].bytes, Line().Newest().bytes);
}

TEST_F(Px86Test, ALineOfTooManyChoicesHasNoStates) {
  Store(0, 64, 1);
  EXPECT_FALSE(Line().States(255).has_value());
  EXPECT_TRUE(Line().States(256).has_value());
  for (int i = 0; i < 500; ++i) Store(0, 64, 1, kNonTemporal);
  EXPECT_EQ(Line().RawStates(), HUGE_VAL);
  EXPECT_NEAR(Line().Log10RawStates(), (8 + 500 * 8) * std::log10(2), 1e-6);
  EXPECT_FALSE(Line().States(SIZE_MAX).has_value());
  std::mt19937_64 random(1);
  EXPECT_EQ(Line().Sample(random).bytes[0], 1);  // or all of 500 coins fell the same way
}

TEST_F(Px86Test, BeforeAnEventTheStoresFromItOnAreGone) {
  Store(0, 8, 1);                 // event 1
  Store(8, 8, 2, kNonTemporal);   // event 2
  Store(16, 8, 3);                // event 3
  Store(24, 8, 4, kNonTemporal);  // event 4
  EXPECT_EQ(Line().BeforeEvent(1).survived, 0u);
  EXPECT_EQ(Line().BeforeEvent(3).survived, 0b0011u);
  EXPECT_EQ(Line().BeforeEvent(5).survived, 0b1111u);
}

TEST_F(Px86Test, SinceAnEventTheCachedStoresBeforeItSurviveOnlyIfOneFollows) {
  Store(0, 8, 1);                 // event 1
  Store(8, 8, 2, kNonTemporal);   // event 2
  Store(16, 8, 3);                // event 3
  Store(24, 8, 4, kNonTemporal);  // event 4
  EXPECT_EQ(Line().SinceEvent(1).survived, 0b1111u);
  EXPECT_EQ(Line().SinceEvent(3).survived, 0b1101u);
  EXPECT_EQ(Line().SinceEvent(4).survived, 0b1000u);
  EXPECT_EQ(Line().SinceEvent(5).survived, 0u);
}

TEST_F(Px86Test, ASampleIsEachChoiceEquallyOften) {
  Store(0, 16, 1);
  Store(16, 8, 2);
  Store(32, 16, 3, kNonTemporal);
  const std::vector<LineState> states = States();
  ASSERT_EQ(states.size(), 20u);
  std::vector<int> counts(states.size());
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const LineState sample = Line().Sample(random);
    const auto same = std::find_if(states.begin(), states.end(), [&](const LineState& state) {
      return state.bytes == sample.bytes && state.survived == sample.survived &&
             state.torn == sample.torn;
    });
    ASSERT_NE(same, states.end());
    ++counts[static_cast<size_t>(same - states.begin())];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);  // five standard deviations
}

TEST_F(Px86Test, AStoreNamesTheFirstFlushThatCoversIt) {
  Store(0, 8, 1);   // event 1
  Clwb(0, 1, 2);    // event 2
  Store(8, 8, 1);   // event 3
  Clwb(0, 1, 3);    // event 4
  Store(16, 8, 1);  // event 5
  const auto pending = Line().pending();
  EXPECT_EQ(pending[0].flush_event, 2u);
  EXPECT_EQ(pending[0].flush_thread, 2u);
  EXPECT_EQ(pending[1].flush_event, 4u);
  EXPECT_EQ(pending[1].flush_thread, 3u);
  EXPECT_EQ(pending[2].flush_event, 0u);
}

TEST_F(Px86Test, DurableStoresBehindAnUndecidedOneDoNotPileUp) {
  Store(0, 16, 9, kNonTemporal, 2);  // never fenced
  for (int i = 0; i < 1000; ++i) {
    Store(static_cast<uint64_t>(i % 7), 5, static_cast<uint8_t>(i));
    Clwb(0);
    Fence();
  }
  EXPECT_LE(Line().pending().size(), 1 + 7u);
  EXPECT_EQ(Durable(0), 0);
  const std::vector<LineState> states = States();  // bytes 11 to 15 are still the non-temporal's
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].bytes[11], 0);
  EXPECT_EQ(states[1].bytes[11], 9);
  EXPECT_EQ(states[0].bytes[5], static_cast<uint8_t>(999));  // at 5: 999 % 7
  EXPECT_TRUE(Line().mixed());
}

TEST_F(Px86Test, NothingIsUndecidedBeyondATruncation) {
  image_.WriteLine({kFile, 0}, LineBytes{7, 7, 7, 7, 7, 7, 7, 7});
  Store(0, 2, 1);
  Store(2, 4, 2);
  Store(4, 2, 3);
  Store(64, 8, 4);
  Store(128, 8, 5, kNonTemporal);
  Clwb(0);
  model_.Truncate(kFile, 3);
  ASSERT_EQ(model_.lines().size(), 1u);
  EXPECT_EQ(Line().pending().size(), 2u);
  const std::vector<LineState> states = States();
  ASSERT_EQ(states.size(), 3u);
  EXPECT_EQ(states[0].bytes, (LineBytes{7, 7, 7}));
  EXPECT_EQ(states[1].bytes, (LineBytes{1, 1, 7}));
  EXPECT_EQ(states[2].bytes, (LineBytes{1, 1, 2}));
  Store(0, 1, 9);
  Fence();  // what was flushed before is so still, and no more than that
  ASSERT_EQ(States().size(), 2u);
  EXPECT_EQ(States()[0].bytes, (LineBytes{1, 1, 2}));
}

TEST_F(Px86Test, ATruncationMayLeaveOnlyWhatIsDurable) {
  Store(32, 8, 1, kNonTemporal, 2);
  Store(0, 8, 2);
  Clwb(0);
  Fence();
  EXPECT_EQ(Durable(0), 0);
  model_.Truncate(kFile, 16);
  EXPECT_TRUE(model_.lines().empty());
  EXPECT_EQ(Durable(0), 2);
}

TEST_F(Px86Test, DrainingWhatWasThereAlreadyShrinksNothing) {
  Store(0, 64, 0);
  Clwb(0);
  EXPECT_EQ(Line().RawStates(), 256);
  EXPECT_EQ(States().size(), 1u);
  EXPECT_FALSE(model_.FenceShrinks(1));
  EXPECT_FALSE(model_.ClflushShrinks(kFile, 0, 1));
  EXPECT_FALSE(model_.SyncShrinks(kFile, 0, 1));
  Store(0, 8, 1);
  EXPECT_FALSE(model_.FenceShrinks(1));
  EXPECT_TRUE(model_.ClflushShrinks(kFile, 0, 1));
  Clwb(0);
  EXPECT_TRUE(model_.FenceShrinks(1));
  EXPECT_FALSE(model_.FenceShrinks(2));
}

TEST_F(Px86Test, WithTooManyChoicesToCompareADrainCountsAsShrinking) {
  Store(0, 64, 1, kNonTemporal, 2);
  Store(0, 8, 0);
  Clwb(0);
  Store(0, 64, 2, kNonTemporal, 2);
  Store(0, 64, 3, kNonTemporal, 3);
  EXPECT_GT(Line().RawStates(), Px86::kMaxComparedChoices);
  EXPECT_TRUE(model_.FenceShrinks(1));
}

}  // namespace
}  // namespace fencepost
