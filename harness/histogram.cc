// SPDX-License-Identifier: BSD-3-Clause
#include "harness/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engines/status.h"

namespace fencepost {
namespace {

// How many values make up `percentile` percent of `total`: rounded up, at least 1, after taking
// one ulp off the percentile so that a product that should be whole does not round past itself.
uint64_t CountAtPercentile(double percentile, uint64_t total) {
  const double lowered =
      std::max(std::nextafter(percentile, -std::numeric_limits<double>::infinity()), 0.0);
  const double count = std::ceil(lowered * static_cast<double>(total) / 100.0);
  return std::clamp<uint64_t>(static_cast<uint64_t>(count), 1, total);
}

}  // namespace

void Histogram::Add(const Histogram& other) {
  for (size_t i = 0; i < kBucketCount; ++i) counts_[i] += other.counts_[i];
  saturated_count_ += other.saturated_count_;
}

void Histogram::Reset() {
  std::fill(counts_.begin(), counts_.end(), 0);
  saturated_count_ = 0;
}

uint64_t Histogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

uint64_t Histogram::min_ns() const {
  const auto first =
      std::find_if(counts_.begin(), counts_.end(), [](uint64_t c) { return c != 0; });
  return first == counts_.end() ? 0 : LowestOf(static_cast<size_t>(first - counts_.begin()));
}

uint64_t Histogram::max_ns() const {
  const auto last =
      std::find_if(counts_.rbegin(), counts_.rend(), [](uint64_t c) { return c != 0; });
  return last == counts_.rend() ? 0 : HighestOf(static_cast<size_t>(counts_.rend() - last) - 1);
}

double Histogram::mean_ns() const {
  double sum = 0;
  uint64_t total = 0;
  for (size_t i = 0; i < kBucketCount; ++i) {
    if (counts_[i] == 0) continue;
    sum += static_cast<double>(counts_[i]) * static_cast<double>(MiddleOf(i));
    total += counts_[i];
  }
  return total == 0 ? 0 : sum / static_cast<double>(total);
}

double Histogram::stddev_ns() const {
  const double mean = mean_ns();
  double sum_of_squares = 0;
  uint64_t total = 0;
  for (size_t i = 0; i < kBucketCount; ++i) {
    if (counts_[i] == 0) continue;
    const double deviation = static_cast<double>(MiddleOf(i)) - mean;
    sum_of_squares += static_cast<double>(counts_[i]) * deviation * deviation;
    total += counts_[i];
  }
  return total == 0 ? 0 : std::sqrt(sum_of_squares / static_cast<double>(total));
}

uint64_t Histogram::Percentile(double percentile) const {
  return Percentiles(std::span(&percentile, 1)).front();
}

std::vector<uint64_t> Histogram::Percentiles(std::span<const double> percentiles) const {
  CHECK(std::is_sorted(percentiles.begin(), percentiles.end()));
  std::vector<uint64_t> values_ns(percentiles.size(), 0);
  const uint64_t total = count();
  if (total == 0) return values_ns;
  size_t index = 0;
  uint64_t reached = counts_[0];
  for (size_t i = 0; i < percentiles.size(); ++i) {
    CHECK(percentiles[i] >= 0 && percentiles[i] <= 100);
    const uint64_t wanted = CountAtPercentile(percentiles[i], total);
    while (reached < wanted) reached += counts_[++index];
    values_ns[i] = percentiles[i] > 0 ? HighestOf(index) : LowestOf(index);
  }
  return values_ns;
}

std::vector<CurvePoint> Histogram::Curve(unsigned ticks_per_half_distance) const {
  CHECK(ticks_per_half_distance > 0);
  std::vector<CurvePoint> points;
  const uint64_t total = count();
  if (total == 0) return points;
  double level = 0;
  uint64_t reached = 0;
  size_t index = 0;
  for (; reached < total; ++index) {
    if (counts_[index] == 0) continue;
    reached += counts_[index];
    const double percentile = 100.0 * static_cast<double>(reached) / static_cast<double>(total);
    // A bucket answers for every level up to its own percentile. The last one would answer for
    // levels without end: it gives one, and then 100 %.
    while (percentile >= level) {
      points.push_back({level, HighestOf(index), reached});
      // Steps are of one size from each halving of the distance to 100 % to the next.
      const double halvings = std::floor(std::log2(100.0 / (100.0 - level))) + 1;
      level += 100.0 / (ticks_per_half_distance * std::exp2(halvings));
      if (reached == total) break;
    }
  }
  points.push_back({100.0, HighestOf(index - 1), total});
  return points;
}

}  // namespace fencepost
