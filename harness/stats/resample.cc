// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/resample.h"

#include <optional>

#include "engines/status.h"
#include "harness/stats/draws.h"

namespace fencepost {
namespace {

constexpr size_t kNoCell = SIZE_MAX;

// Gives a suite's cells their pairs.
class PairSource {
 public:
  virtual ~PairSource() = default;
  // The next pair of a cell's pool; nothing where it has none left.
  virtual std::optional<double> Next(size_t cell, const std::vector<double>& pool) = 0;
};

class DrawnPairs final : public PairSource {
 public:
  explicit DrawnPairs(uint64_t seed) : draws_(seed) {}
  std::optional<double> Next(size_t /*cell*/, const std::vector<double>& pool) override {
    return pool[draws_.Index(pool.size())];
  }

 private:
  Draws draws_;
};

class PairsInOrder final : public PairSource {
 public:
  explicit PairsInOrder(size_t cells) : used_(cells, 0) {}
  std::optional<double> Next(size_t cell, const std::vector<double>& pool) override {
    if (used_[cell] == pool.size()) return std::nullopt;
    return pool[used_[cell]++];
  }

 private:
  std::vector<size_t> used_;
};

// Suites with `slow_cell` slowed down (kNoCell: none), until there are enough or the source is
// empty.
SuiteCount CountSuites(const std::vector<PairPool>& pools, size_t slow_cell, size_t suites,
                       const PairedSettings& settings, PairSource* source) {
  SuiteCount count;
  size_t pairs = 0;
  while (count.suites < suites) {
    std::vector<std::vector<double>> log_ratios(pools.size());
    for (size_t i = 0; i < pools.size(); ++i) {
      const std::vector<double>& pool = i == slow_cell ? pools[i].slow : pools[i].equal;
      while (!EnoughPairs(log_ratios[i], settings)) {
        const std::optional<double> next = source->Next(i, pool);
        if (!next) return count;
        log_ratios[i].push_back(*next);
      }
    }
    bool found = false;
    const std::vector<PairedCell> judged = JudgePairs(log_ratios, settings);
    for (size_t i = 0; i < judged.size(); ++i) {
      pairs += log_ratios[i].size();
      const bool counts = slow_cell == kNoCell || slow_cell == i;
      found |= counts && judged[i].verdict == PairedVerdict::kSlower;
    }
    ++count.suites;
    count.found += found;
    count.mean_pairs =
        static_cast<double>(pairs) / static_cast<double>(count.suites * pools.size());
  }
  return count;
}

}  // namespace

ResampleResult Resample(const std::vector<PairPool>& pools, size_t suites,
                        const PairedSettings& settings) {
  for (const PairPool& pool : pools) {
    CHECK(pool.equal.size() >= settings.min_pairs);
    CHECK(pool.slow.empty() || pool.slow.size() >= settings.min_pairs);
  }
  ResampleResult result;
  const auto count = [&](size_t slow_cell, SuiteCount* drawn, SuiteCount* in_order) {
    // Another seed for each, or all would draw alike.
    DrawnPairs draws(settings.seed + slow_cell + 1);
    *drawn = CountSuites(pools, slow_cell, suites, settings, &draws);
    PairsInOrder order(pools.size());
    *in_order = CountSuites(pools, slow_cell, suites, settings, &order);
  };
  count(kNoCell, &result.equal, &result.equal_in_order);
  for (size_t i = 0; i < pools.size(); ++i) {
    result.slow.emplace_back();
    result.slow_in_order.emplace_back();
    if (!pools[i].slow.empty()) count(i, &result.slow.back(), &result.slow_in_order.back());
  }
  return result;
}

}  // namespace fencepost
