// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/distributions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>

#include "workloads/keys.h"
#include "workloads/portable_math.h"

namespace fencepost {
namespace {

constexpr double kTheta = kZipfianTheta;
constexpr double kOneMinusTheta = 0.01;

constexpr double Term(double i) { return Pow(i, -kTheta); }

// 1 + 2^-theta, computed as the sum that it is.
constexpr double kZeta2 = 1.0 + Term(2);

// The integral of x^-theta from 1 to x, and its inverse.
constexpr double Integral(double x) { return (Pow(x, kOneMinusTheta) - 1) / kOneMinusTheta; }
constexpr double InverseIntegral(double y) { return Pow100(1 + y * kOneMinusTheta); }

// The integral of x^-theta from 1/2 to 3/2 would cover rank 1 with room to spare; the range of the
// hat starts where exactly Term(1) = 1 is left.
constexpr double kHatStart = Integral(1.5) - 1;

// The hat is flat from k - 1/2 to k + 1/2; of rank k it accepts what ends there and has the area
// k^-theta. The table has how far after k - 1/2 that begins. Beyond the table that is nearly 0: its
// last entry, 8 * 10^-8, serves for all.
constexpr int64_t kRefusedSize = 1024;
const std::array<double, kRefusedSize>& RefusedTable() {
  static const auto table = [] {
    std::array<double, kRefusedSize> refused{};
    refused[1] = -1;  // the hat begins where rank 1 does
    for (size_t k = 2; k < refused.size(); ++k) {
      const auto x = static_cast<double>(k);
      refused[k] = InverseIntegral(Integral(x + 0.5) - Term(x)) - (x - 0.5);
    }
    return refused;
  }();
  return table;
}

constexpr uint64_t kFillBlock = 64;

}  // namespace

double Zeta(uint64_t n) {
  // Euler and Maclaurin from term 256 on; the first term left out is below 1e-16.
  constexpr uint64_t kHead = 256;
  double sum = 0;
  const uint64_t head = std::min(n, kHead);
  for (uint64_t i = 1; i <= head; ++i) sum += Term(static_cast<double>(i));
  if (n <= kHead) return sum;
  const auto from = static_cast<double>(kHead);
  const auto to = static_cast<double>(n);
  sum += Integral(to) - Integral(from);
  sum += (Term(to) - Term(from)) / 2;
  sum += kTheta / 12 * (Term(from) / from - Term(to) / to);
  sum -= kTheta * (kTheta + 1) * (kTheta + 2) / 720 *
         (Term(from) / (from * from * from) - Term(to) / (to * to * to));
  return sum;
}

Uniform::Uniform(uint64_t items) : items_(items) { CHECK(items > 0); }

void Uniform::Fill(Rng& rng, std::span<uint64_t> out) const {
  for (uint64_t& item : out) item = rng.Below(items_);
}

Zipfian::Zipfian(uint64_t items) : Zipfian(items, Zeta(items)) {}

Zipfian::Zipfian(uint64_t items, double zetan)
    : items_(items),
      eta_base_(Pow(2.0 / static_cast<double>(items), kOneMinusTheta)),
      zetan_(zetan) {
  CHECK(items > 0);
  eta_ = Eta();
}

double Zipfian::Eta() const {
  // One or two items never get past the first two ranks, where eta is 0/0.
  return zetan_ > kZeta2 ? (1 - eta_base_) / (1 - kZeta2 / zetan_) : 0;
}

void Zipfian::Grow(uint64_t items) {
  CHECK(items >= items_);
  // Far jumps are cheaper, and rounded less often, from scratch.
  if (items - items_ > 256) {
    zetan_ = Zeta(items);
  } else {
    for (uint64_t i = items_ + 1; i <= items; ++i) zetan_ += Term(static_cast<double>(i));
  }
  items_ = items;
  eta_ = Eta();
}

inline uint64_t Zipfian::Rank(double unit) const {
  const double scaled = unit * zetan_;
  const double tail = static_cast<double>(items_) * Pow100(eta_ * unit - eta_ + 1);
  const uint64_t rank = std::min(static_cast<uint64_t>(static_cast<int64_t>(tail)), items_ - 1);
  const auto head = static_cast<uint64_t>(scaled >= 1);
  return scaled < kZeta2 ? head : rank;
}

uint64_t Zipfian::Next(Rng& rng) const { return Rank(rng.Unit()); }

void Zipfian::Fill(Rng& rng, std::span<uint64_t> out) const {
  // Copies, or the compiler must fear that `out` overwrites them.
  const Zipfian ranks = *this;
  Rng local = rng;
  for (uint64_t& rank : out) rank = ranks.Rank(local.Unit());
  rng = local;
}

ExactZipfian::ExactZipfian(uint64_t items) : refused_(RefusedTable().data()), items_(0) {
  CHECK(items > 0);
  Grow(items);
}

void ExactZipfian::Grow(uint64_t items) {
  CHECK(items >= items_);
  items_ = items;
  range_ = Integral(static_cast<double>(items) + 0.5) - kHatStart;
}

inline bool ExactZipfian::Try(double unit, uint64_t* rank) const {
  const double y = kHatStart + unit * range_;
  const double x = InverseIntegral(y);
  // Signed: conversions of unsigned numbers are slow before AVX-512.
  const auto nearest = static_cast<int64_t>(x + 0.5);
  const int64_t k = std::clamp(nearest, int64_t{1}, static_cast<int64_t>(items_));
  *rank = static_cast<uint64_t>(k - 1);
  return x - static_cast<double>(k) + 0.5 >= refused_[std::min(k, kRefusedSize - 1)];
}

uint64_t ExactZipfian::Next(Rng& rng) const {
  uint64_t rank = 0;
  while (!Try(rng.Unit(), &rank)) {
  }
  return rank;
}

void ExactZipfian::Fill(Rng& rng, std::span<uint64_t> out) const {
  // Copies, or the compiler must fear that `out` overwrites them.
  const ExactZipfian ranks = *this;
  Rng local = rng;
  for (uint64_t& slot : out) {
    uint64_t rank = 0;
    while (!ranks.Try(local.Unit(), &rank)) [[unlikely]] {
      }
    slot = rank;
  }
  rng = local;
}

ScrambledZipfian::ScrambledZipfian(uint64_t items) : ranks_(kRanks, kZetan), remainder_(items) {
  CHECK(items > 0);
}

uint64_t ScrambledZipfian::Next(Rng& rng) const { return remainder_(Fnv1a64(ranks_.Next(rng))); }

void ScrambledZipfian::Fill(Rng& rng, std::span<uint64_t> out) const {
  for (size_t begin = 0; begin < out.size(); begin += kFillBlock) {
    const std::span<uint64_t> block = out.subspan(begin, std::min(kFillBlock, out.size() - begin));
    ranks_.Fill(rng, block);
    for (uint64_t& item : block) item = remainder_(Fnv1a64(item));
  }
}

ScatteredZipfian::ScatteredZipfian(uint64_t items)
    : ranks_(items),
      mask_(std::bit_ceil(items) - 1),
      shift_(std::max(1u, static_cast<unsigned>(std::bit_width(mask_)) / 2)) {
  CHECK(items < (uint64_t{1} << 62));
}

uint64_t ScatteredZipfian::Permute(uint64_t rank) const {
  // Each step is a bijection of [0, mask_]; walking on until the result is an item makes it one of
  // the items. At most every second step leaves the range, on average.
  uint64_t x = rank;
  do {
    x = (x + 0x9e3779b97f4a7c15) & mask_;
    x ^= x >> shift_;
    x = (x * 0xbf58476d1ce4e5b9) & mask_;
    x ^= x >> shift_;
    x = (x * 0x94d049bb133111eb) & mask_;
    x ^= x >> shift_;
  } while (x >= ranks_.items());
  return x;
}

void ScatteredZipfian::Fill(Rng& rng, std::span<uint64_t> out) const {
  ranks_.Fill(rng, out);
  for (uint64_t& item : out) item = Permute(item);
}

Hotspot::Hotspot(uint64_t items, double data_fraction, double operation_fraction)
    : hot_(std::min(items, static_cast<uint64_t>(static_cast<double>(items) * data_fraction))),
      cold_(items - hot_),
      // Without a hot or a cold set, the other one gets all.
      hot_operations_(hot_ == 0    ? 0
                      : cold_ == 0 ? 1
                                   : operation_fraction) {
  CHECK(items > 0 && data_fraction >= 0 && operation_fraction >= 0 && operation_fraction <= 1);
}

uint64_t Hotspot::Next(Rng& rng) const {
  const bool hot = rng.Unit() < hot_operations_;
  return hot ? rng.Below(hot_) : hot_ + rng.Below(cold_);
}

void Hotspot::Fill(Rng& rng, std::span<uint64_t> out) const {
  for (uint64_t& item : out) item = Next(rng);
}

Exponential::Exponential(double mean) : mean_(mean) { CHECK(mean > 0); }

Exponential Exponential::FromPercentile(double percentile, double range) {
  return Exponential(range / -Ln(1 - percentile / 100));
}

uint64_t Exponential::Next(Rng& rng) const {
  // 1 - [0, 1) is never 0, whose logarithm is none.
  const double variate = -Ln(1 - rng.Unit()) * mean_;
  return variate < 0x1p62 ? static_cast<uint64_t>(static_cast<int64_t>(variate))
                          : uint64_t{1} << 62;
}

void Exponential::Fill(Rng& rng, std::span<uint64_t> out) const {
  for (uint64_t& item : out) item = Next(rng);
}

Sequential::Sequential(uint64_t items, uint64_t first, uint64_t step)
    : items_(items), next_(first % std::max<uint64_t>(items, 1)), step_(0) {
  CHECK(items > 0);
  step_ = step % items;
}

uint64_t Sequential::Next(Rng&) {
  const uint64_t item = next_;
  next_ = next_ >= items_ - step_ ? next_ - (items_ - step_) : next_ + step_;
  return item;
}

void Sequential::Fill(Rng& rng, std::span<uint64_t> out) {
  for (uint64_t& item : out) item = Next(rng);
}

LengthHistogram::LengthHistogram(uint64_t block_bytes, std::span<const uint64_t> buckets)
    : block_bytes_(block_bytes),
      area_(std::accumulate(buckets.begin(), buckets.end(), uint64_t{0})) {
  CHECK(area_ > 0);
  uint64_t sum = 0;
  for (const uint64_t count : buckets) {
    // YCSB compares with <=, which gives the first bucket one draw of the last bucket's.
    sum += count;
    ends_.push_back(sum + 1);
  }
}

uint64_t LengthHistogram::Next(Rng& rng) const {
  const uint64_t draw = rng.Below(area_);
  const auto bucket =
      static_cast<uint64_t>(std::upper_bound(ends_.begin(), ends_.end() - 1, draw) - ends_.begin());
  return std::min(bucket + 1, static_cast<uint64_t>(ends_.size()) - 1) * block_bytes_;
}

void LengthHistogram::Fill(Rng& rng, std::span<uint64_t> out) const {
  for (uint64_t& bytes : out) bytes = Next(rng);
}

uint64_t LengthHistogram::max_bytes() const { return (ends_.size() - 1) * block_bytes_; }

Result<LengthHistogram> LengthHistogram::Load(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) {
    return Status::InvalidArgument(
        fmt::format("open: {}, {}", std::strerror(errno), path.string()));
  }
  uint64_t block_bytes = 0;
  std::vector<uint64_t> buckets;
  std::string line;
  for (size_t line_number = 1; std::getline(file, line); ++line_number) {
    const auto malformed = [&](std::string_view what) {
      return Status::InvalidArgument(
          fmt::format("{}:{}: '{}': {}", path.string(), line_number, line, what));
    };
    const size_t tab = std::min(line.find('\t'), line.size());
    const std::string head = line.substr(0, tab);
    uint64_t number = 0;
    const char* begin = line.data() + std::min(tab + 1, line.size());
    const char* end = line.data() + line.size();
    const auto [rest, error] = std::from_chars(begin, end, number);
    if (error != std::errc() || (rest != end && *rest != '\r') || number > UINT32_MAX) {
      return malformed("the second column must be a number below 2^32");
    }
    if (line_number == 1) {
      if (head != "BlockSize") return malformed("the first line must give the BlockSize");
      block_bytes = number;
    } else if (head != std::to_string(buckets.size())) {
      return malformed(fmt::format("expected bucket {}", buckets.size()));
    } else {
      buckets.push_back(number);
    }
  }
  if (std::accumulate(buckets.begin(), buckets.end(), uint64_t{0}) == 0) {
    return Status::InvalidArgument(fmt::format("{}: no bucket counts anything", path.string()));
  }
  return LengthHistogram(block_bytes, buckets);
}

}  // namespace fencepost
