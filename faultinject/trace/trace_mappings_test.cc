// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/trace/trace_mappings.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fencepost {
namespace {

fpt_event Event(fpt_kind kind, uint64_t base, uint64_t length, uint32_t file = 0,
                uint64_t offset = 0) {
  fpt_event event = {};
  event.kind = kind;
  event.address = base;
  event.length = length;
  event.file = file;
  event.file_offset = offset;
  return event;
}

TEST(TraceMappings, AnAddressIsInsideFromBaseToEnd) {
  TraceMappings mappings;
  mappings.Apply(Event(FPT_MAP, 0x1000, 0x1000, 1, 0x500));
  EXPECT_FALSE(mappings.Find(0xfff));
  EXPECT_EQ(mappings.Find(0x1000), (TraceMapping{0x1000, 0x1000, 1, 0x500}));
  EXPECT_TRUE(mappings.Find(0x1fff));
  EXPECT_FALSE(mappings.Find(0x2000));
}

TEST(TraceMappings, RemoveMappingIsForReportsOnly) {
  TraceMappings mappings;
  mappings.Apply(Event(FPT_MAP, 0x1000, 0x1000, 1));
  mappings.Apply(Event(FPT_REMOVE_MAPPING, 0x1000, 0x1000));
  EXPECT_TRUE(mappings.Find(0x1800));
}

TEST(TraceMappings, WhatHasNoFileTakesNothingFromWhatHasOne) {
  TraceMappings mappings;
  mappings.Apply(Event(FPT_MAP, 0x2000, 0x1000, 1));
  mappings.Apply(Event(FPT_MAP, 0x4000, 0x1000, 2));
  mappings.Apply(Event(FPT_MAP, 0x1000, 0x5000));
  EXPECT_EQ(mappings.Find(0x1fff), (TraceMapping{0x1000, 0x1000, 0, 0}));
  EXPECT_EQ(mappings.Find(0x2fff), (TraceMapping{0x2000, 0x1000, 1, 0}));
  EXPECT_EQ(mappings.Find(0x3000), (TraceMapping{0x3000, 0x1000, 0, 0}));
  EXPECT_EQ(mappings.Find(0x4000), (TraceMapping{0x4000, 0x1000, 2, 0}));
  EXPECT_EQ(mappings.Find(0x5fff), (TraceMapping{0x5000, 0x1000, 0, 0}));
  EXPECT_FALSE(mappings.Find(0x6000));
  mappings.Apply(Event(FPT_MAP, 0x2800, 0x100));  // inside
  EXPECT_EQ(mappings.Find(0x2800), (TraceMapping{0x2000, 0x1000, 1, 0}));
}

TEST(TraceMappings, ARangePastTheLastAddressEndsThere) {
  TraceMappings mappings;
  mappings.Apply(Event(FPT_MAP, ~uint64_t{15}, ~uint64_t{0}, 1));
  EXPECT_TRUE(mappings.Find(~uint64_t{15}));
  EXPECT_FALSE(mappings.Find(0));
  mappings.Apply(Event(FPT_UNMAP, 0, ~uint64_t{0}));
  EXPECT_FALSE(mappings.Find(~uint64_t{15}));
}

TEST(TraceMappings, RandomMapsAndUnmapsAgreeWithAnArray) {
  constexpr uint64_t kCells = 64;
  std::mt19937_64 rng(1);
  TraceMappings mappings;
  struct Cell {
    uint32_t file = 0;
    uint64_t offset = 0;
  };
  std::vector<Cell> cells(kCells);
  for (uint32_t round = 1; round < 5000; ++round) {
    const uint64_t base = rng() % kCells, length = rng() % (kCells - base + 1), at = rng() % 1000;
    const bool map = rng() % 3 != 0;
    mappings.Apply(Event(map ? FPT_MAP : FPT_UNMAP, base, length, round, at));
    for (uint64_t i = 0; i < length; ++i) cells[base + i] = map ? Cell{round, at + i} : Cell{};
    for (uint64_t i = 0; i < kCells; ++i) {
      const std::optional<TraceMapping> found = mappings.Find(i);
      ASSERT_EQ(found.has_value(), cells[i].file != 0) << "round " << round << " cell " << i;
      if (!found) continue;
      ASSERT_EQ(found->file, cells[i].file);
      ASSERT_EQ(found->file_offset + (i - found->base), cells[i].offset);
    }
  }
}

}  // namespace
}  // namespace fencepost
