// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/sign_flip.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engines/status.h"
#include "harness/stats/draws.h"
#include "harness/stats/stats.h"

namespace fencepost {
namespace {

// The sums of all sign settings of `sizes`, sorted. Each further size doubles them: two sorted
// halves, merged.
std::vector<double> SignedSums(std::span<const double> sizes) {
  std::vector<double> sums = {0};
  for (const double size : sizes) {
    std::vector<double> lower = sums, upper = sums;
    for (double& sum : lower) sum -= size;
    for (double& sum : upper) sum += size;
    sums.resize(2 * lower.size());
    std::merge(lower.begin(), lower.end(), upper.begin(), upper.end(), sums.begin());
  }
  return sums;
}

// The share of sign settings whose sum is at least `bound`.
double ShareFromBound(std::span<const double> sizes, double bound) {
  const std::vector<double> first = SignedSums(sizes.first(sizes.size() / 2));
  const std::vector<double> second = SignedSums(sizes.subspan(sizes.size() / 2));
  double count = 0;
  size_t from = second.size();  // second[from] is the least that reaches the bound with first[i]
  for (const double sum : first) {
    while (from > 0 && sum + second[from - 1] >= bound) --from;
    count += static_cast<double>(second.size() - from);
  }
  return count / (static_cast<double>(first.size()) * static_cast<double>(second.size()));
}

// The same of drawn settings, the one that was found being one of them.
double DrawnShare(std::span<const double> sizes, double bound, const SignFlipOptions& options) {
  constexpr size_t kBits = 64;
  Draws draws(options.seed);
  size_t reached = 1;
  for (size_t i = 0; i < options.resamples; ++i) {
    double sum = 0;
    uint64_t bits = 0;
    for (size_t k = 0; k < sizes.size(); ++k) {
      if (k % kBits == 0) bits = draws.Bits();
      sum += (bits >> (k % kBits) & 1) != 0 ? sizes[k] : -sizes[k];
    }
    reached += std::abs(sum) >= bound;
  }
  return static_cast<double>(reached) / static_cast<double>(options.resamples + 1);
}

}  // namespace

double SignFlipPValue(std::span<const double> differences, const SignFlipOptions& options) {
  CHECK(!differences.empty());
  std::vector<double> sizes;
  for (const double difference : differences) sizes.push_back(std::abs(difference));
  const double found = std::abs(std::accumulate(differences.begin(), differences.end(), 0.0));
  const double greatest = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  // Sums that are equal but for their rounding count as equal.
  const double bound = found - 1e-12 * greatest;
  if (bound <= 0) return 1;
  if (sizes.size() > kExactSignFlips) return DrawnShare(sizes, bound, options);
  return std::min(1.0, 2 * ShareFromBound(sizes, bound));
}

std::vector<double> BoundOutliers(std::span<const double> differences, double limit) {
  CHECK(!differences.empty() && limit > 0);
  std::vector<double> sizes;
  for (const double difference : differences) sizes.push_back(std::abs(difference));
  const double bound = limit * Median(sizes);
  std::vector<double> bounded(differences.begin(), differences.end());
  if (bound == 0) return bounded;
  for (double& difference : bounded) difference = std::clamp(difference, -bound, bound);
  return bounded;
}

std::vector<double> HolmAdjust(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double greatest = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const double scaled = static_cast<double>(order.size() - rank) * p_values[order[rank]];
    greatest = std::max(greatest, std::min(1.0, scaled));
    adjusted[order[rank]] = greatest;
  }
  return adjusted;
}

}  // namespace fencepost
