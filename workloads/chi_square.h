// SPDX-License-Identifier: BSD-3-Clause
// Pearson's chi-square test, for the tests of distributions.
//
// Bins with less than kMinExpected draws to be expected are joined with their neighbours.
// Source: Press et al., Numerical Recipes, section 6.2, for the incomplete gamma function.
#ifndef FENCEPOST_WORKLOADS_CHI_SQUARE_H_
#define FENCEPOST_WORKLOADS_CHI_SQUARE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fencepost {

// Q(a, x), the upper regularised incomplete gamma function.
inline double UpperGamma(double a, double x) {
  const double scale = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (int i = 1; i < 100000 && term > sum * 1e-15; ++i) sum += term *= x / (a + i);
    return 1 - scale * sum;
  }
  double b = x + 1 - a;
  double c = 1e300;
  double d = 1 / b;
  double fraction = d;
  for (int i = 1; i < 100000; ++i) {
    const double step = -i * (i - a);
    b += 2;
    d = 1 / (step * d + b);
    c = b + step / c;
    fraction *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return scale * fraction;
}

// The probability of a deviation as large as this, were `probabilities` (which sum to 1) the true
// ones. REQUIRES as many counts as probabilities.
inline double ChiSquareP(std::span<const uint64_t> counts, std::span<const double> probabilities) {
  constexpr double kMinExpected = 20;
  double draws = 0;
  for (const uint64_t count : counts) draws += static_cast<double>(count);
  double statistic = 0, expected = 0, observed = 0;
  size_t bins = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    expected += probabilities[i] * draws;
    observed += static_cast<double>(counts[i]);
    if (expected < kMinExpected) continue;
    statistic += (observed - expected) * (observed - expected) / expected;
    expected = observed = 0;
    ++bins;
  }
  // A rest too small for a bin would still show draws that should not be there.
  if (observed > expected + 10 * std::sqrt(kMinExpected)) return 0;
  return UpperGamma(static_cast<double>(bins - 1) / 2, statistic / 2);
}

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_CHI_SQUARE_H_
