// SPDX-License-Identifier: GPL-2.0-or-later
#include "faultinject/pmemcheck/ranges.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <vector>

namespace {

class Ranges : public testing::Test {
 protected:
  Ranges() { pmc_ranges_init(&set_); }
  ~Ranges() override { pmc_ranges_clear(&set_); }

  std::optional<uint64_t> ValueAt(uint64_t address) const {
    const pmc_range* range = pmc_ranges_find(&set_, address);
    return range == nullptr ? std::nullopt : std::optional(range->value);
  }

  pmc_ranges set_;
};

TEST_F(Ranges, EmptyHoldsNothing) {
  uint64_t begin = 1, end = 1;
  pmc_ranges_hull(&set_, &begin, &end);
  EXPECT_EQ(begin, 0u);
  EXPECT_EQ(end, 0u);
  EXPECT_EQ(pmc_ranges_from(&set_, 0), nullptr);
  EXPECT_EQ(pmc_ranges_coverage(&set_, 0, 100), PMC_OUTSIDE);
  pmc_ranges_add(&set_, 5, 5, 1);
  pmc_ranges_remove(&set_, 0, 100);
  EXPECT_EQ(set_.count, 0u);
}

TEST_F(Ranges, ARemovedMiddleLeavesBothEnds) {
  pmc_ranges_add(&set_, 100, 200, 7);
  pmc_ranges_remove(&set_, 130, 150);
  EXPECT_EQ(set_.count, 2u);
  EXPECT_EQ(ValueAt(129), 7u);
  EXPECT_EQ(ValueAt(130), std::nullopt);
  EXPECT_EQ(ValueAt(149), std::nullopt);
  EXPECT_EQ(ValueAt(150), 7u);
  EXPECT_EQ(pmc_ranges_find(&set_, 150)->base, 100u) << "where it was added";
  EXPECT_EQ(pmc_ranges_coverage(&set_, 100, 130), PMC_INSIDE);
  EXPECT_EQ(pmc_ranges_coverage(&set_, 100, 131), PMC_PARTLY);
  EXPECT_EQ(pmc_ranges_coverage(&set_, 130, 150), PMC_OUTSIDE);
  EXPECT_EQ(pmc_ranges_coverage(&set_, 149, 160), PMC_PARTLY);
}

TEST_F(Ranges, NeighboursCoverTogether) {
  pmc_ranges_add(&set_, 0, 10, 1);
  pmc_ranges_add(&set_, 10, 20, 2);
  EXPECT_EQ(pmc_ranges_coverage(&set_, 5, 15), PMC_INSIDE);
}

// Against an array with one value for each address.
TEST_F(Ranges, AreWhatAnArrayOfAddressesSays) {
  constexpr uint64_t kSpan = 400;
  std::mt19937_64 random(1);
  std::vector<std::optional<uint64_t>> model(kSpan);
  for (int step = 0; step < 4000; ++step) {
    const uint64_t begin = random() % kSpan, end = begin + random() % (kSpan - begin + 1);
    if (random() % 3 != 0) {
      pmc_ranges_add(&set_, begin, end, static_cast<uint64_t>(step));
      for (uint64_t at = begin; at < end; ++at) model[at] = static_cast<uint64_t>(step);
    } else {
      pmc_ranges_remove(&set_, begin, end);
      for (uint64_t at = begin; at < end; ++at) model[at].reset();
    }
    uint64_t count = 0, previous_end = 0;
    for (const pmc_range* r = pmc_ranges_from(&set_, 0); r; r = pmc_ranges_from(&set_, r->end)) {
      ASSERT_LT(r->begin, r->end);
      ASSERT_LE(previous_end, r->begin);
      previous_end = r->end;
      ++count;
    }
    ASSERT_EQ(count, set_.count);
    for (uint64_t at = 0; at < kSpan; ++at) ASSERT_EQ(ValueAt(at), model[at]) << step;
  }
}

}  // namespace
