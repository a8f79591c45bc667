// SPDX-License-Identifier: GPL-2.0-or-later
#include "faultinject/pmemcheck/loads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace {

constexpr uint64_t kCacheBytes = 1024;  // 16 lines

class Loads : public testing::Test {
 protected:
  Loads() { pmc_loads_init(&loads_, kCacheBytes); }
  ~Loads() override { pmc_loads_free(&loads_); }

  pmc_load_counts Take(unsigned flags) {
    missed_.resize(PMC_LOADS_KEPT);
    const pmc_load_counts counts = pmc_loads_take(&loads_, flags, missed_.data(), missed_.size());
    missed_.resize(std::min<uint64_t>(counts.lines_missed, PMC_LOADS_KEPT));
    return counts;
  }

  pmc_loads loads_;
  std::vector<uint64_t> missed_;  // by the last Take
};

TEST_F(Loads, ALineIsMissedOnceAndTouchedOnce) {
  for (uint64_t at = 64; at < 128; at += 8) pmc_loads_load(&loads_, at, 8);
  const pmc_load_counts counts = Take(PMC_LOADS_END);
  EXPECT_EQ(counts.loads, 8u);
  EXPECT_EQ(counts.lines_touched, 1u);
  EXPECT_EQ(counts.lines_missed, 1u);
}

TEST_F(Loads, ALoadAcrossTwoLinesTouchesBoth) {
  pmc_loads_load(&loads_, 60, 8);
  const pmc_load_counts counts = Take(PMC_LOADS_END);
  EXPECT_EQ(counts.loads, 1u);
  EXPECT_EQ(counts.lines_touched, 2u);
  EXPECT_EQ(counts.lines_missed, 2u);
}

TEST_F(Loads, TheCacheStaysWhenCountsAreTaken) {
  pmc_loads_load(&loads_, 0, 8);
  Take(PMC_LOADS_END);
  pmc_loads_load(&loads_, 0, 8);
  const pmc_load_counts counts = Take(PMC_LOADS_END);
  EXPECT_EQ(counts.lines_touched, 1u);
  EXPECT_EQ(counts.lines_missed, 0u);
}

TEST_F(Loads, UnlessItIsToBeCold) {
  pmc_loads_load(&loads_, 0, 8);
  Take(PMC_LOADS_END | PMC_LOADS_COLD);
  pmc_loads_load(&loads_, 0, 8);
  EXPECT_EQ(Take(PMC_LOADS_END).lines_missed, 1u);
}

TEST_F(Loads, AStoreFetchesWhatTheCacheDoesNotHold) {
  pmc_loads_store(&loads_, 0, 8, /*around_cache=*/0);
  pmc_loads_store(&loads_, 8, 8, /*around_cache=*/0);
  pmc_loads_load(&loads_, 0, 8);
  const pmc_load_counts counts = Take(PMC_LOADS_END);
  EXPECT_EQ(counts.lines_fetched, 1u);
  EXPECT_EQ(counts.lines_missed, 0u);
}

TEST_F(Loads, AStoreAroundTheCacheTakesItsLineAway) {
  pmc_loads_load(&loads_, 0, 8);
  pmc_loads_store(&loads_, 0, 8, /*around_cache=*/1);
  pmc_loads_load(&loads_, 0, 8);
  const pmc_load_counts counts = Take(PMC_LOADS_END);
  EXPECT_EQ(counts.lines_missed, 2u);
  EXPECT_EQ(counts.lines_fetched, 0u);
}

TEST_F(Loads, ALineIsNewAgainToTheNextOperationOnly) {
  pmc_loads_load(&loads_, 0, 8);
  EXPECT_EQ(Take(0).lines_touched, 1u);
  pmc_loads_load(&loads_, 0, 8);
  EXPECT_EQ(Take(PMC_LOADS_END).lines_touched, 0u);
  pmc_loads_load(&loads_, 0, 8);
  EXPECT_EQ(Take(PMC_LOADS_END).lines_touched, 1u);
}

TEST_F(Loads, MissedLinesComeInTheirOrderAndAsManyAsThereIsRoomFor) {
  for (const uint64_t line : {7, 3, 7, 9}) pmc_loads_load(&loads_, line * 64, 8);
  Take(PMC_LOADS_END);
  EXPECT_EQ(missed_, (std::vector<uint64_t>{7, 3, 9}));
  for (uint64_t line = 100; line < 100 + PMC_LOADS_KEPT + 5; ++line) {
    pmc_loads_load(&loads_, line * 64, 8);
  }
  EXPECT_EQ(Take(0).lines_missed, PMC_LOADS_KEPT + 5);
  EXPECT_EQ(missed_.front(), 100u);
  EXPECT_EQ(missed_.back(), 100 + PMC_LOADS_KEPT - 1);
}

// Against sets and a map, with more lines at once than the set of touched ones has room for at
// first.
TEST_F(Loads, AreWhatSetsOfLinesSay) {
  std::mt19937_64 random(11);
  std::map<uint64_t, uint64_t> cache;
  for (int round = 0; round < 20; ++round) {
    std::set<uint64_t> touched;
    std::vector<uint64_t> missed;
    uint64_t fetched = 0;
    for (int i = 0; i < 5000; ++i) {
      const uint64_t address = random() % (uint64_t{1} << (round % 2 == 0 ? 12 : 20));
      const uint64_t bytes = 1 + random() % 32;
      const bool is_load = random() % 4 != 0;
      for (uint64_t line = address / 64; line <= (address + bytes - 1) / 64; ++line) {
        const auto place = cache.find(line % 16);
        const bool held = place != cache.end() && place->second == line;
        cache[line % 16] = line;
        if (is_load) touched.insert(line);
        if (held) continue;
        if (is_load) {
          missed.push_back(line);
        } else {
          ++fetched;
        }
      }
      if (is_load) {
        pmc_loads_load(&loads_, address, bytes);
      } else {
        pmc_loads_store(&loads_, address, bytes, /*around_cache=*/0);
      }
    }
    const pmc_load_counts counts = Take(PMC_LOADS_END);
    EXPECT_EQ(counts.lines_touched, touched.size()) << "round " << round;
    EXPECT_EQ(counts.lines_missed, missed.size()) << "round " << round;
    EXPECT_EQ(missed_, missed) << "round " << round;
    EXPECT_EQ(counts.lines_fetched, fetched) << "round " << round;
  }
}

}  // namespace
