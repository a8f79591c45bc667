// SPDX-License-Identifier: BSD-3-Clause
// Distributions: which item of n is asked for next.
//
// Each class has Next(rng), and Fill(rng, out) that draws a block. Fill gives what as many calls of
// Next would give, faster; so a sequence does not depend on how it is cut into blocks.
//
// "As in YCSB" names the quirks that are kept, because results are compared with YCSB's:
//   - Zipfian is Gray's approximation, whose ranks from 2 on are near the true distribution;
//   - ScrambledZipfian has 10^10 + 1 ranks whatever the number of items, so its hottest item gets
//     3.8 %; items are hashes modulo their number, so some share two hot ranks and some get none;
//   - Latest never draws item 0, and its eta stays that of the first number of items.
// ExactZipfian and ScatteredZipfian have none of them. theta is 0.99 everywhere: YCSB has no
// property for it.
//
// Threads: none; Rng and distribution belong to one thread.
// Not covered: other values of theta.
// Source: Gray, Sundaresan, Englert, Baclawski, Weinberger. Quickly generating billion-record
//   synthetic databases. SIGMOD 1994 (Zipfian). Hoermann, Derflinger. Rejection-inversion to
//   generate variates from monotone discrete distributions. TOMACS 6, 1996 (ExactZipfian). YCSB's
//   generators, for the constants.
#ifndef FENCEPOST_WORKLOADS_DISTRIBUTIONS_H_
#define FENCEPOST_WORKLOADS_DISTRIBUTIONS_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <type_traits>
#include <vector>

#include "engines/status.h"
#include "workloads/rng.h"

namespace fencepost {

inline constexpr double kZipfianTheta = 0.99;

// Sum of i^-theta for i = 1..n, relative error below 1e-13, in constant time.
double Zeta(uint64_t n);

// Remainders by a divisor that is known ahead: one multiplication instead of a division.
class FastRemainder {
 public:
  // REQUIRES divisor > 0.
  explicit FastRemainder(uint64_t divisor) : divisor_(divisor), inverse_(UINT64_MAX / divisor) {}

  uint64_t operator()(uint64_t x) const {
    // The quotient is too small by at most one, since `inverse_` is.
    const uint64_t remainder = x - MultiplyHigh(x, inverse_) * divisor_;
    return remainder >= divisor_ ? remainder - divisor_ : remainder;
  }

 private:
  uint64_t divisor_;
  uint64_t inverse_;
};

// Every item of [0, items) alike.
class Uniform {
 public:
  explicit Uniform(uint64_t items);  // REQUIRES items > 0
  uint64_t Next(Rng& rng) const { return rng.Below(items_); }
  void Fill(Rng& rng, std::span<uint64_t> out) const;

 private:
  uint64_t items_;
};

// Ranks [0, items), 0 the most popular, as in YCSB.
class Zipfian {
 public:
  explicit Zipfian(uint64_t items);       // REQUIRES items > 0
  Zipfian(uint64_t items, double zetan);  // with a zeta computed elsewhere

  uint64_t Next(Rng& rng) const;
  void Fill(Rng& rng, std::span<uint64_t> out) const;

  // More items from now on. REQUIRES items >= items().
  void Grow(uint64_t items);
  uint64_t items() const { return items_; }

 private:
  double Eta() const;
  uint64_t Rank(double unit) const;  // for a number of [0, 1)

  uint64_t items_;
  double eta_base_;  // (2 / first number of items) ^ (1 - theta)
  double zetan_;
  double eta_ = 0;
};

// Ranks [0, items), 0 the most popular, with the probabilities of Zipf's law to 1e-7.
class ExactZipfian {
 public:
  explicit ExactZipfian(uint64_t items);  // REQUIRES items > 0

  uint64_t Next(Rng& rng) const;
  void Fill(Rng& rng, std::span<uint64_t> out) const;

  void Grow(uint64_t items);  // REQUIRES items >= items()
  uint64_t items() const { return items_; }

 private:
  // The rank for a number of [0, 1); false when another number must be drawn.
  bool Try(double unit, uint64_t* rank) const;

  const double* refused_;  // shared table, see distributions.cc
  uint64_t items_;
  double range_ = 0;
};

// Items [0, items), the popular ones spread over the range, as in YCSB.
class ScrambledZipfian {
 public:
  explicit ScrambledZipfian(uint64_t items);  // REQUIRES items > 0
  uint64_t Next(Rng& rng) const;
  void Fill(Rng& rng, std::span<uint64_t> out) const;

  static constexpr uint64_t kRanks = 10'000'000'001;
  static constexpr double kZetan = 26.46902820178302;

 private:
  Zipfian ranks_;
  FastRemainder remainder_;
};

// Items [0, items), the popular ones spread over the range: ExactZipfian behind a permutation.
class ScatteredZipfian {
 public:
  explicit ScatteredZipfian(uint64_t items);  // REQUIRES 0 < items < 2^62
  uint64_t Next(Rng& rng) const { return Permute(ranks_.Next(rng)); }
  void Fill(Rng& rng, std::span<uint64_t> out) const;

  // A bijection of [0, items). Public so that the hottest item can be named.
  uint64_t Permute(uint64_t rank) const;

 private:
  ExactZipfian ranks_;
  uint64_t mask_;  // the next power of two, less one
  unsigned shift_;
};

// Items [0, max]; the newest, max, is the most popular: max - rank. Ranks is Zipfian (as in YCSB:
// of `max` items, so item 0 is left out) or ExactZipfian (of max + 1 items).
template <typename Ranks>
class Latest {
 public:
  explicit Latest(uint64_t max) : max_(max), ranks_(Items(max)) {}

  // REQUIRES max not below the present one.
  void SetMax(uint64_t max) {
    if (max == max_) return;
    max_ = max;
    ranks_.Grow(Items(max));
  }

  uint64_t Next(Rng& rng) const { return max_ == 0 ? 0 : max_ - ranks_.Next(rng); }
  void Fill(Rng& rng, std::span<uint64_t> out) const {
    for (uint64_t& item : out) item = Next(rng);
  }

 private:
  static uint64_t Items(uint64_t max) {
    if constexpr (std::is_same_v<Ranks, ExactZipfian>) return max + 1;
    return max > 0 ? max : 1;
  }

  uint64_t max_;
  Ranks ranks_;
};

// The first `data_fraction` of [0, items) gets `operation_fraction` of the draws.
class Hotspot {
 public:
  // REQUIRES items > 0 and both fractions in [0, 1].
  Hotspot(uint64_t items, double data_fraction, double operation_fraction);
  uint64_t Next(Rng& rng) const;
  void Fill(Rng& rng, std::span<uint64_t> out) const;
  uint64_t hot_items() const { return hot_; }

 private:
  uint64_t hot_;
  uint64_t cold_;
  double hot_operations_;
};

// Whole part of an exponential variate. Also the gaps of Poisson arrivals.
class Exponential {
 public:
  explicit Exponential(double mean);  // REQUIRES mean > 0
  // As in YCSB: `percentile` per cent of the draws are below `range`.
  static Exponential FromPercentile(double percentile, double range);
  uint64_t Next(Rng& rng) const;
  void Fill(Rng& rng, std::span<uint64_t> out) const;
  double mean() const { return mean_; }

 private:
  double mean_;
};

// first, first + step, ... modulo items: T threads with first = t and step = T share one counter.
class Sequential {
 public:
  explicit Sequential(uint64_t items, uint64_t first = 0, uint64_t step = 1);  // REQUIRES items > 0
  uint64_t Next(Rng& rng);
  void Fill(Rng& rng, std::span<uint64_t> out);

 private:
  uint64_t items_;
  uint64_t next_;
  uint64_t step_;
};

// Lengths by their measured frequency, as in YCSB: bucket i stands for (i + 1) * block_bytes, but
// the last bucket, like the one before it, for its own index times block_bytes.
class LengthHistogram {
 public:
  // REQUIRES buckets that do not sum to 0.
  LengthHistogram(uint64_t block_bytes, std::span<const uint64_t> buckets);
  // A file of "BlockSize<tab>n", then "index<tab>count" lines. kInvalidArgument names file:line.
  static Result<LengthHistogram> Load(const std::filesystem::path& path);
  uint64_t Next(Rng& rng) const;
  void Fill(Rng& rng, std::span<uint64_t> out) const;
  uint64_t max_bytes() const;

 private:
  uint64_t block_bytes_;
  uint64_t area_;
  std::vector<uint64_t> ends_;  // a draw d below area_ falls in the first bucket with d < end
};

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_DISTRIBUTIONS_H_
