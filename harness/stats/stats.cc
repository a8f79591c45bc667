// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/stats.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engines/status.h"
#include "harness/stats/draws.h"

namespace fencepost {
namespace {

// Sorts no more of `values` than it needs, in place.
double QuantileInPlace(std::span<double> values, double q) {
  CHECK(!values.empty());
  CHECK(q >= 0 && q <= 1);
  const double position = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(position);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin(), nth, values.end());
  const double fraction = position - static_cast<double>(below);
  if (fraction == 0) return *nth;
  const double next = *std::min_element(nth + 1, values.end());
  return *nth + fraction * (next - *nth);
}

double QuantileOf(std::vector<double> values, double q) { return QuantileInPlace(values, q); }

void CheckOptions(const BootstrapOptions& options) {
  CHECK(options.confidence > 0 && options.confidence < 1);
  CHECK(options.resamples >= 2000);
}

// Sets the interval to the middle `confidence` of the resampled statistics.
void SetPercentileInterval(std::span<double> statistics, double confidence, Estimate* estimate) {
  const double tail = (1 - confidence) / 2;
  estimate->low = QuantileInPlace(statistics, tail);
  estimate->high = QuantileInPlace(statistics, 1 - tail);
  estimate->confidence = confidence;
}

// Sets the interval to [k-th least, k-th greatest] with the greatest k whose confidence is at least
// `confidence`; k = 1 if none is. Each value falls to either side of the true median with even
// odds, so the interval misses it if fewer than k fall to one side:
// 2 * P(Binomial(n, 1/2) < k).
void SetOrderStatisticsInterval(std::vector<double> values, double confidence, Estimate* estimate) {
  std::sort(values.begin(), values.end());
  const size_t count = values.size();
  size_t k = 0;
  double miss = 0;                                          // of the interval for k
  double mass = std::exp2(1 - static_cast<double>(count));  // 2 * P(Binomial = k)
  while (k < count / 2 && (k == 0 || 1 - (miss + mass) >= confidence)) {
    miss += mass;
    mass *= static_cast<double>(count - k) / static_cast<double>(k + 1);
    ++k;
  }
  if (k == 0) {  // a single value
    k = 1;
    miss = 1;
  }
  estimate->low = values[k - 1];
  estimate->high = values[count - k];
  estimate->confidence = 1 - miss;
}

}  // namespace

double Quantile(std::span<const double> values, double q) {
  return QuantileOf(std::vector<double>(values.begin(), values.end()), q);
}

double Median(std::span<const double> values) { return Quantile(values, 0.5); }

double MedianAbsoluteDeviation(std::span<const double> values) {
  const double median = Median(values);
  std::vector<double> distances;
  for (double value : values) distances.push_back(std::abs(value - median));
  return QuantileInPlace(distances, 0.5);
}

Estimate MedianEstimate(std::span<const double> values, const BootstrapOptions& options) {
  CheckOptions(options);
  Estimate estimate{.value = Median(values), .count = values.size()};
  if (values.size() < kFewRuns) {
    SetOrderStatisticsInterval({values.begin(), values.end()}, options.confidence, &estimate);
    return estimate;
  }
  Draws draws(options.seed);
  std::vector<double> medians, sample(values.size());
  for (size_t i = 0; i < options.resamples; ++i) {
    for (double& drawn : sample) drawn = values[draws.Index(values.size())];
    medians.push_back(QuantileInPlace(sample, 0.5));
  }
  SetPercentileInterval(medians, options.confidence, &estimate);
  return estimate;
}

Estimate MedianByOrderStatistics(std::span<const double> values, double confidence) {
  CHECK(confidence > 0 && confidence < 1);
  // Beyond, the first term of the sum is below the least double.
  CHECK(values.size() <= 1000);
  Estimate estimate{.value = Median(values), .count = values.size()};
  SetOrderStatisticsInterval({values.begin(), values.end()}, confidence, &estimate);
  return estimate;
}

Estimate MedianRatioEstimate(std::span<const double> numerators,
                             std::span<const double> denominators,
                             const BootstrapOptions& options) {
  CheckOptions(options);
  CHECK(numerators.size() == denominators.size());
  const size_t count = numerators.size();
  std::vector<double> ratios;
  for (size_t i = 0; i < count; ++i) {
    CHECK(numerators[i] > 0 && denominators[i] > 0);
    ratios.push_back(numerators[i] / denominators[i]);
  }
  Estimate estimate{.value = Median(numerators) / Median(denominators), .count = count};
  if (count < kFewRuns) {
    SetOrderStatisticsInterval(ratios, options.confidence, &estimate);
    estimate.low = std::min(estimate.low, estimate.value);
    estimate.high = std::max(estimate.high, estimate.value);
    return estimate;
  }
  Draws draws(options.seed);
  std::vector<double> resampled, upper(count), lower(count);
  for (size_t i = 0; i < options.resamples; ++i) {
    for (size_t k = 0; k < count; ++k) {
      const size_t pair = draws.Index(count);
      upper[k] = numerators[pair];
      lower[k] = denominators[pair];
    }
    resampled.push_back(QuantileInPlace(upper, 0.5) / QuantileInPlace(lower, 0.5));
  }
  SetPercentileInterval(resampled, options.confidence, &estimate);
  return estimate;
}

Estimate UnpairedMedianRatioEstimate(std::span<const double> numerators,
                                     std::span<const double> denominators,
                                     const BootstrapOptions& options) {
  CheckOptions(options);
  const auto positive = [](double value) { return value > 0; };
  CHECK(std::all_of(numerators.begin(), numerators.end(), positive));
  CHECK(std::all_of(denominators.begin(), denominators.end(), positive));
  const size_t count = std::min(numerators.size(), denominators.size());
  Estimate estimate{.value = Median(numerators) / Median(denominators), .count = count};
  if (count < kFewRuns) {
    const BootstrapOptions each = {.confidence = std::sqrt(options.confidence),
                                   .resamples = options.resamples,
                                   .seed = options.seed};
    const Estimate upper = MedianEstimate(numerators, each);
    const Estimate lower = MedianEstimate(denominators, each);
    estimate.low = upper.low / lower.high;
    estimate.high = upper.high / lower.low;
    estimate.confidence = upper.confidence * lower.confidence;
    return estimate;
  }
  Draws draws(options.seed);
  std::vector<double> resampled, upper(numerators.size()), lower(denominators.size());
  for (size_t i = 0; i < options.resamples; ++i) {
    for (double& drawn : upper) drawn = numerators[draws.Index(numerators.size())];
    for (double& drawn : lower) drawn = denominators[draws.Index(denominators.size())];
    resampled.push_back(QuantileInPlace(upper, 0.5) / QuantileInPlace(lower, 0.5));
  }
  SetPercentileInterval(resampled, options.confidence, &estimate);
  return estimate;
}

}  // namespace fencepost
