// SPDX-License-Identifier: BSD-3-Clause
// Log-linear (HDR) latency histogram in nanoseconds, three significant digits.
//
// Buckets: values below 2048 have one each; above, each doubling is cut into 1024, so a bucket is
// at most 1/1024 of its values wide and a value taken from its middle is off by 0.05 % at most.
// This is the layout of an HdrHistogram(1, kHighestNs, 3), index for index.
//
// Invariants:
//   1. The counts are all there is (but for `saturated_count`): every figure is a function of
//      them, so merging and a round trip through the log format lose nothing.
//   2. All values of a bucket are equivalent. min_ns, max_ns and percentiles name the edge of a
//      bucket as HdrHistogram does, so p100 = max_ns, and other tools that read our logs agree.
// Threads: none; one histogram a thread, merged by Add() when the thread is done.
// Not covered: values beyond kHighestNs (73 minutes) are counted as kHighestNs and, besides, in
//   saturated_count.
// Source: G. Tene, HdrHistogram (public domain), AbstractHistogram: the layout and the definitions
//   of percentile, mean and standard deviation.
#ifndef FENCEPOST_HARNESS_HISTOGRAM_H_
#define FENCEPOST_HARNESS_HISTOGRAM_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fencepost {

// One point of a percentile curve.
struct CurvePoint {
  double percentile = 0;  // 0..100
  uint64_t value_ns = 0;  // this many percent of the values are at most this
  uint64_t count = 0;     // how many values are at most value_ns
};

class Histogram {
 public:
  static constexpr int kSignificantDigits = 3;
  static constexpr unsigned kSubBucketBits = 11;  // the power of two at or above 2 * 10^3
  static constexpr uint64_t kSubBucketCount = uint64_t{1} << kSubBucketBits;
  static constexpr uint64_t kHalfCount = kSubBucketCount / 2;
  static constexpr uint64_t kHighestNs = (uint64_t{1} << 42) - 1;

  // The bucket that holds `value_ns`. REQUIRES: value_ns <= kHighestNs.
  static constexpr size_t IndexOf(uint64_t value_ns) {
    const unsigned shift = ShiftOf(value_ns);
    return (static_cast<size_t>(shift) << (kSubBucketBits - 1)) + (value_ns >> shift);
  }
  static constexpr size_t kBucketCount = (43 - kSubBucketBits) * kHalfCount + kHalfCount;

  // The edges of a bucket. REQUIRES: index < kBucketCount.
  static constexpr uint64_t LowestOf(size_t index) {
    if (index < kSubBucketCount) return index;
    const size_t shift = index / kHalfCount - 1;
    return (index % kHalfCount + kHalfCount) << shift;
  }
  static constexpr uint64_t HighestOf(size_t index) { return LowestOf(index + 1) - 1; }
  // The value that stands for a bucket in mean and standard deviation.
  static constexpr uint64_t MiddleOf(size_t index) {
    return LowestOf(index) + (LowestOf(index + 1) - LowestOf(index)) / 2;
  }

  // Touches all its memory (270 KB), so that recording meets no page fault.
  Histogram() : counts_(kBucketCount, 0) {}

  void Record(uint64_t value_ns) { RecordCount(value_ns, 1); }

  void RecordCount(uint64_t value_ns, uint64_t count) {
    if (value_ns > kHighestNs) [[unlikely]] {
      saturated_count_ += count;
      value_ns = kHighestNs;
    }
    counts_[IndexOf(value_ns)] += count;
  }

  // Adds every value of `other`.
  void Add(const Histogram& other);
  void Reset();

  // How many values were recorded. Looks at every bucket, as does all that follows.
  uint64_t count() const;
  // How many of them were beyond kHighestNs.
  uint64_t saturated_count() const { return saturated_count_; }
  bool empty() const { return count() == 0; }

  // Each is 0 for an empty histogram.
  uint64_t min_ns() const;  // the lowest value of the lowest bucket in use
  uint64_t max_ns() const;  // the highest value of the highest bucket in use
  double mean_ns() const;
  double stddev_ns() const;  // of the population

  // The highest value equivalent to the least recorded value that at least `percentile` percent
  // of all values are smaller than or equivalent to; for percentile 0, min_ns(). 0 when empty.
  // REQUIRES: 0 <= percentile <= 100.
  uint64_t Percentile(double percentile) const;
  // The same for several percentiles in one pass. REQUIRES: ascending.
  std::vector<uint64_t> Percentiles(std::span<const double> percentiles) const;

  // The percentile curve for a plot: from 0 % on, `ticks_per_half_distance` steps to each halving
  // of the distance to 100 %, and 100 % last. Empty when the histogram is.
  std::vector<CurvePoint> Curve(unsigned ticks_per_half_distance = 5) const;

  // Calls visit(lowest_ns, highest_ns, count) for each bucket in use, in ascending order.
  template <typename Visit>
  void ForEachRecorded(Visit visit) const {
    for (size_t i = 0; i < kBucketCount; ++i) {
      if (counts_[i] != 0) visit(LowestOf(i), HighestOf(i), counts_[i]);
    }
  }

  // One count a bucket, kBucketCount of them.
  std::span<const uint64_t> counts() const { return counts_; }

  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  // By how much values of this magnitude are shifted to leave kSubBucketBits bits; 0 if they fit.
  static constexpr unsigned ShiftOf(uint64_t value_ns) {
    return 64 - kSubBucketBits -
           static_cast<unsigned>(std::countl_zero(value_ns | (kSubBucketCount - 1)));
  }

  std::vector<uint64_t> counts_;
  uint64_t saturated_count_ = 0;
};

static_assert(Histogram::IndexOf(Histogram::kHighestNs) == Histogram::kBucketCount - 1);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_HISTOGRAM_H_
