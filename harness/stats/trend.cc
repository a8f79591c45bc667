// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/trend.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "harness/stats/stats.h"

namespace fencepost {
namespace {

constexpr size_t kExactCount = 50;

// The share of permutations of `count` values whose score is at least `score` from 0. A score of
// pairs - 2 * inversions; the shares of inversions are those of one value fewer, convolved.
double ExactPValue(size_t count, long score) {
  std::vector<double> shares = {1};
  for (size_t n = 2; n <= count; ++n) {
    std::vector<double> next(shares.size() + n - 1, 0);
    for (size_t inversions = 0; inversions < shares.size(); ++inversions) {
      for (size_t more = 0; more < n; ++more) {
        next[inversions + more] += shares[inversions] / static_cast<double>(n);
      }
    }
    shares = std::move(next);
  }
  const long pairs = static_cast<long>(count * (count - 1) / 2);
  double p_value = 0;
  for (size_t inversions = 0; inversions < shares.size(); ++inversions) {
    if (std::labs(pairs - 2 * static_cast<long>(inversions)) >= std::labs(score)) {
      p_value += shares[inversions];
    }
  }
  return std::min(1.0, p_value);
}

double VarianceTerm(size_t count) {
  const double n = static_cast<double>(count);
  return n * (n - 1) * (2 * n + 5) / 18;
}

// `sorted` shows which values are equal.
double NormalPValue(const std::vector<double>& sorted, long score) {
  double variance = VarianceTerm(sorted.size());
  for (size_t begin = 0; begin < sorted.size();) {
    size_t end = begin;
    while (end < sorted.size() && sorted[end] == sorted[begin]) ++end;
    variance -= VarianceTerm(end - begin);
    begin = end;
  }
  if (score == 0 || variance <= 0) return 1;
  const double z = static_cast<double>(std::labs(score) - 1) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

}  // namespace

Trend FindTrend(std::span<const double> series) {
  Trend trend;
  trend.count = series.size();
  if (series.size() < 2) return trend;
  std::vector<double> slopes;
  for (size_t i = 0; i < series.size(); ++i) {
    for (size_t k = i + 1; k < series.size(); ++k) {
      slopes.push_back((series[k] - series[i]) / static_cast<double>(k - i));
      trend.score += (series[k] > series[i]) - (series[k] < series[i]);
    }
  }
  trend.slope = Median(slopes);
  std::vector<double> sorted(series.begin(), series.end());
  std::sort(sorted.begin(), sorted.end());
  const bool ties = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  trend.p_value = ties || series.size() > kExactCount ? NormalPValue(sorted, trend.score)
                                                      : ExactPValue(series.size(), trend.score);
  return trend;
}

}  // namespace fencepost
