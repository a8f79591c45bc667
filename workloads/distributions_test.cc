// SPDX-License-Identifier: BSD-3-Clause
// Each distribution against its exact probabilities by a chi-square test, which must also be able
// to fail: tilted probabilities (half of the items 2 % up, half down) have to be refused.
#include "workloads/distributions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "workloads/chi_square.h"
#include "workloads/keys.h"

namespace fencepost {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kDraws = 4'000'000;

// How often each of [0, items) was drawn.
template <typename Distribution>
std::vector<uint64_t> Count(Distribution distribution, uint64_t items, uint64_t draws = kDraws) {
  Rng rng(20261122);
  std::vector<uint64_t> counts(items);
  std::vector<uint64_t> block(1000);
  for (uint64_t i = 0; i < draws; i += block.size()) {
    distribution.Fill(rng, block);
    for (const uint64_t item : block) ++counts.at(item);
  }
  return counts;
}

void ExpectFits(const std::vector<uint64_t>& counts, const std::vector<double>& probabilities) {
  ASSERT_EQ(counts.size(), probabilities.size());
  ASSERT_NEAR(std::accumulate(probabilities.begin(), probabilities.end(), 0.0), 1, 1e-9);
  EXPECT_GT(ChiSquareP(counts, probabilities), 0.001);
  std::vector<double> tilted = probabilities;
  // Every other one of those that occur.
  std::vector<size_t> up;
  bool next_is_up = true;
  for (size_t i = 0; i < tilted.size(); ++i) {
    if (probabilities[i] > 0 && std::exchange(next_is_up, !next_is_up)) up.push_back(i);
  }
  double above = 0;
  for (const size_t i : up) above += probabilities[i];
  for (double& probability : tilted) probability *= 1 - 0.02 * above / (1 - above);
  for (const size_t i : up) tilted[i] = probabilities[i] * 1.02;
  EXPECT_LT(ChiSquareP(counts, tilted), 1e-6) << "the test cannot tell a wrong distribution";
}

// 1/i^theta, normalised, in the plainest way.
std::vector<double> ZipfProbabilities(uint64_t items) {
  std::vector<double> probabilities(items);
  for (uint64_t i = 0; i < items; ++i) {
    probabilities[i] = std::pow(static_cast<double>(i + 1), -kZipfianTheta);
  }
  const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
  for (double& probability : probabilities) probability /= sum;
  return probabilities;
}

double PlainZeta(uint64_t n) {
  double sum = 0;
  for (uint64_t i = n; i >= 1; --i) sum += std::pow(static_cast<double>(i), -kZipfianTheta);
  return sum;
}

// The probability that Gray's formulas give a rank below `rank`, by solving them for u. eta is
// that of `first_items`, the number before any growth.
class Gray {
 public:
  Gray(double items, double zetan, double first_items)
      : items_(items),
        zetan_(zetan),
        eta_((1 - std::pow(2 / first_items, 1 - kZipfianTheta)) / (1 - Zeta2() / zetan)) {}

  double Below(double rank) const {
    if (rank <= 0) return 0;
    if (rank <= 1) return 1 / zetan_;
    if (rank >= items_) return 1;
    const double unit = (std::pow(rank / items_, 1 - kZipfianTheta) - 1 + eta_) / eta_;
    return std::max(unit, Zeta2() / zetan_);
  }

  std::vector<double> Probabilities() const {
    std::vector<double> probabilities;
    for (double rank = 0; rank < items_; ++rank) {
      probabilities.push_back(Below(rank + 1) - Below(rank));
    }
    return probabilities;
  }

 private:
  static double Zeta2() { return 1 + std::pow(0.5, kZipfianTheta); }

  double items_;
  double zetan_;
  double eta_;
};

TEST(Zeta, IsTheSum) {
  for (const uint64_t n : {1u, 2u, 3u, 255u, 256u, 257u, 1000u, 100000u, 3000000u}) {
    EXPECT_NEAR(Zeta(n) / PlainZeta(n), 1, 1e-13) << n;
  }
}

TEST(Zeta, AgreesWithYcsbsConstant) {
  EXPECT_NEAR(Zeta(10'000'000'000) / ScrambledZipfian::kZetan, 1, 1e-10);
}

TEST(FastRemainder, IsTheRemainder) {
  Rng rng(1);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t divisor = (rng.Next() >> rng.Below(64)) | 1;
    const uint64_t x = rng.Next();
    const FastRemainder remainder(divisor);
    ASSERT_EQ(remainder(x), x % divisor) << x << " % " << divisor;
    ASSERT_EQ(remainder(x / divisor * divisor), 0u);
    ASSERT_EQ(remainder(UINT64_MAX), UINT64_MAX % divisor);
  }
  EXPECT_EQ(FastRemainder(1)(5), 0u);
}

TEST(Uniform, FitsItsProbabilities) {
  ExpectFits(Count(Uniform(1000), 1000), std::vector<double>(1000, 0.001));
}

TEST(Zipfian, FitsGraysFormulas) {
  const Gray gray(1000, PlainZeta(1000), 1000);
  const std::vector<uint64_t> counts = Count(Zipfian(1000), 1000);
  ExpectFits(counts, gray.Probabilities());
  EXPECT_LT(ChiSquareP(counts, ZipfProbabilities(1000)), 1e-6) << "Gray's is an approximation";
}

TEST(Zipfian, FitsGraysFormulasAfterGrowth) {
  Zipfian zipfian(700);
  for (uint64_t items = 701; items <= 750; ++items) zipfian.Grow(items);
  zipfian.Grow(1100);
  const Gray gray(1100, PlainZeta(1100), 700);
  ExpectFits(Count(zipfian, 1100), gray.Probabilities());
}

TEST(Zipfian, FitsGraysFormulasOverTenBillionRanks) {
  const Zipfian zipfian(ScrambledZipfian::kRanks, ScrambledZipfian::kZetan);
  const Gray gray(1e10 + 1, ScrambledZipfian::kZetan, 1e10 + 1);
  // Bins that double: rank 0, 1, 2-3, 4-7, ...
  std::vector<uint64_t> counts(35);
  Rng rng(5);
  for (uint64_t i = 0; i < kDraws; ++i) {
    ++counts.at(static_cast<size_t>(std::bit_width(zipfian.Next(rng))));
  }
  std::vector<double> probabilities{gray.Below(1)};
  for (size_t bin = 1; bin < counts.size(); ++bin) {
    probabilities.push_back(gray.Below(std::ldexp(1.0, static_cast<int>(bin))) -
                            gray.Below(std::ldexp(1.0, static_cast<int>(bin) - 1)));
  }
  ExpectFits(counts, probabilities);
}

TEST(Zipfian, FewItemsWork) {
  EXPECT_EQ(Count(Zipfian(1), 1, 1000)[0], 1000u);
  const std::vector<uint64_t> counts = Count(Zipfian(2), 2);
  const double zeta2 = 1 + std::pow(0.5, kZipfianTheta);
  ExpectFits(counts, {1 / zeta2, 1 - 1 / zeta2});
  EXPECT_EQ(Count(ExactZipfian(1), 1, 1000)[0], 1000u);
  ExpectFits(Count(ExactZipfian(2), 2), {1 / zeta2, 1 - 1 / zeta2});
}

TEST(ExactZipfian, FitsZipfsLaw) {
  const std::vector<uint64_t> counts = Count(ExactZipfian(1000), 1000);
  ExpectFits(counts, ZipfProbabilities(1000));
  EXPECT_NEAR(static_cast<double>(counts[0]) / kDraws, 0.129, 0.001);
  // Few items show best what belongs to the first.
  for (const uint64_t items : {3u, 5u, 10u}) {
    ExpectFits(Count(ExactZipfian(items), items), ZipfProbabilities(items));
  }
  ExpectFits(Count(ExactZipfian(100000), 100000, 20'000'000), ZipfProbabilities(100000));
}

TEST(ExactZipfian, FitsZipfsLawAfterGrowth) {
  ExactZipfian zipfian(10);
  zipfian.Grow(5000);
  ExpectFits(Count(zipfian, 5000), ZipfProbabilities(5000));
}

// The whole of YCSB's algorithm for workload c with 1,000 records, which are 1,001 items: what
// falls on an item is the sum over the ranks that hash to it. From rank 4 million on each rank has
// so little that the items share evenly.
TEST(ScrambledZipfian, FitsYcsbsAlgorithm) {
  constexpr uint64_t kItems = 1001;
  constexpr uint64_t kHead = 4'000'000;
  const Gray gray(1e10 + 1, ScrambledZipfian::kZetan, 1e10 + 1);
  std::vector<double> probabilities(kItems);
  double below = 0;
  for (uint64_t rank = 0; rank < kHead; ++rank) {
    const double next = gray.Below(static_cast<double>(rank + 1));
    probabilities[Fnv1a64(rank) % kItems] += next - below;
    below = next;
  }
  for (double& probability : probabilities) probability += (1 - below) / kItems;
  const std::vector<uint64_t> counts = Count(ScrambledZipfian(kItems), kItems);
  ExpectFits(counts, probabilities);
  const auto hottest = std::max_element(counts.begin(), counts.end());
  EXPECT_EQ(hottest - counts.begin(), 144);
  EXPECT_NEAR(static_cast<double>(*hottest) / kDraws, 0.0387, 0.0012);  // 1/zeta and a share
}

TEST(ScatteredZipfian, FitsZipfsLawBehindAPermutation) {
  const ScatteredZipfian zipfian(1000);
  const std::vector<double> law = ZipfProbabilities(1000);
  std::vector<double> probabilities(1000);
  for (uint64_t rank = 0; rank < 1000; ++rank) probabilities[zipfian.Permute(rank)] = law[rank];
  ExpectFits(Count(zipfian, 1000), probabilities);
}

TEST(ScatteredZipfian, PermutesAndSpreads) {
  for (const uint64_t items : {1u, 2u, 3u, 64u, 100u, 1000u, 4096u, 65537u}) {
    const ScatteredZipfian zipfian(items);
    std::vector<bool> seen(items);
    for (uint64_t rank = 0; rank < items; ++rank) {
      const uint64_t item = zipfian.Permute(rank);
      ASSERT_LT(item, items);
      ASSERT_FALSE(seen[item]) << items;
      seen[item] = true;
    }
  }
  // The ten hottest of a thousand are in no fewer than five of ten parts.
  const ScatteredZipfian zipfian(1000);
  std::vector<bool> part(10);
  for (uint64_t rank = 0; rank < 10; ++rank) part[zipfian.Permute(rank) / 100] = true;
  EXPECT_GE(std::count(part.begin(), part.end(), true), 5);
}

TEST(Latest, FitsYcsbsAlgorithm) {
  Latest<Zipfian> latest(899);
  for (uint64_t max = 900; max < 1000; ++max) latest.SetMax(max);
  // 999 ranks below max, eta from 899; item 0 is never drawn.
  std::vector<double> probabilities = Gray(999, PlainZeta(999), 899).Probabilities();
  std::reverse(probabilities.begin(), probabilities.end());
  probabilities.insert(probabilities.begin(), 0.0);
  const std::vector<uint64_t> counts = Count(latest, 1000);
  EXPECT_EQ(counts[0], 0u);
  ExpectFits(counts, probabilities);
}

TEST(Latest, ExactFitsZipfsLawFromTheNewest) {
  Latest<ExactZipfian> latest(0);
  latest.SetMax(999);
  std::vector<double> probabilities = ZipfProbabilities(1000);
  std::reverse(probabilities.begin(), probabilities.end());
  ExpectFits(Count(latest, 1000), probabilities);
}

TEST(Latest, OneItemIsAlwaysTheLatest) {
  EXPECT_EQ(Count(Latest<Zipfian>(0), 1, 1000)[0], 1000u);
  EXPECT_EQ(Count(Latest<ExactZipfian>(0), 1, 1000)[0], 1000u);
}

TEST(Hotspot, FitsItsProbabilities) {
  std::vector<double> probabilities(1000, 0.8 / 200);
  std::fill(probabilities.begin() + 200, probabilities.end(), 0.2 / 800);
  ExpectFits(Count(Hotspot(1000, 0.2, 0.8), 1000), probabilities);
}

TEST(Hotspot, WithoutAHotOrAColdSetTheOtherGetsAll) {
  ExpectFits(Count(Hotspot(100, 0, 0.8), 100), std::vector<double>(100, 0.01));
  ExpectFits(Count(Hotspot(100, 1, 0.8), 100), std::vector<double>(100, 0.01));
}

TEST(Exponential, FitsItsProbabilities) {
  const double gamma = -std::log(1 - 0.95) / 857;
  std::vector<uint64_t> counts = Count(Exponential::FromPercentile(95, 857), 20000);
  EXPECT_NEAR(static_cast<double>(std::accumulate(counts.begin(), counts.begin() + 857, 0ul)),
              0.95 * kDraws, 3000);
  std::vector<double> probabilities(counts.size());
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const auto x = static_cast<double>(i);
    probabilities[i] = std::exp(-gamma * x) - std::exp(-gamma * (x + 1));
  }
  ExpectFits(counts, probabilities);
}

TEST(Exponential, HasItsMean) {
  Rng rng(1);
  const Exponential gaps(5000);
  double sum = 0;
  for (int i = 0; i < 1000000; ++i) sum += static_cast<double>(gaps.Next(rng)) + 0.5;
  EXPECT_NEAR(sum / 1000000, 5000, 25);
}

TEST(Sequential, WrapsAndIsSharedByThreads) {
  Rng rng(1);
  Sequential all(5);
  Sequential even(5, 0, 2);
  Sequential odd(5, 1, 2);
  for (uint64_t i = 0; i < 40; ++i) {
    ASSERT_EQ(all.Next(rng), i % 5);
    ASSERT_EQ((i % 2 == 0 ? even : odd).Next(rng), i % 5);
  }
  Sequential more_threads_than_items(3, 7, 8);
  for (uint64_t i = 0; i < 10; ++i) ASSERT_EQ(more_threads_than_items.Next(rng), (7 + 8 * i) % 3);
}

TEST(LengthHistogram, FitsYcsbsAlgorithm) {
  const std::vector<uint64_t> buckets{5, 0, 3, 12};
  // YCSB's loop over all 20 draws.
  std::vector<double> probabilities(400);
  for (int draw = 0; draw < 20; ++draw) {
    int number = draw;
    size_t i = 0;
    size_t bytes = 3 * 100;
    for (; i < 3; ++i) {
      number -= static_cast<int>(buckets[i]);
      if (number <= 0) {
        bytes = (i + 1) * 100;
        break;
      }
    }
    probabilities[bytes] += 1.0 / 20;
  }
  const LengthHistogram histogram(100, buckets);
  EXPECT_EQ(histogram.max_bytes(), 300u);
  ExpectFits(Count(histogram, 400), probabilities);
}

TEST(LengthHistogram, FilesAreReadAndErrorsNamed) {
  const std::string path = "/tmp/fencepost_histogram_" + std::to_string(getpid());
  const auto load = [&](const std::string& text) {
    std::ofstream(path) << text;
    return LengthHistogram::Load(path);
  };
  const Result<LengthHistogram> good = load("BlockSize\t100\n0\t5\n1\t7\r\n2\t0\n");
  ASSERT_TRUE(good.ok()) << good.message();
  EXPECT_EQ(good->max_bytes(), 200u);
  EXPECT_THAT(std::string(load("0\t5\n").message()), HasSubstr(path + ":1: '0\t5': the first"));
  EXPECT_THAT(std::string(load("BlockSize\tx\n").message()), HasSubstr(":1:"));
  EXPECT_THAT(std::string(load("BlockSize\t10\n1\t5\n").message()), HasSubstr("expected bucket 0"));
  EXPECT_THAT(std::string(load("BlockSize\t10\n0\t-5\n").message()), HasSubstr(":2:"));
  EXPECT_THAT(std::string(load("BlockSize\t10\n").message()), HasSubstr("no bucket"));
  std::filesystem::remove(path);
  EXPECT_THAT(std::string(LengthHistogram::Load(path).message()), HasSubstr("open: "));
}

template <typename Distribution>
void ExpectFillIsNext(Distribution distribution) {
  Distribution same = distribution;
  Rng a(9), b(9);
  std::vector<uint64_t> block(1000);
  distribution.Fill(a, block);
  for (const uint64_t item : block) ASSERT_EQ(item, same.Next(b));
  ASSERT_EQ(a.Next(), b.Next());
}

TEST(Distributions, FillGivesWhatNextGives) {
  ExpectFillIsNext(Uniform(1000));
  ExpectFillIsNext(Zipfian(1'000'000));
  ExpectFillIsNext(ExactZipfian(1'000'000));
  ExpectFillIsNext(ScrambledZipfian(1'000'001));
  ExpectFillIsNext(ScatteredZipfian(1'000'000));
  ExpectFillIsNext(Latest<Zipfian>(99999));
  ExpectFillIsNext(Latest<ExactZipfian>(99999));
  ExpectFillIsNext(Hotspot(1000, 0.2, 0.8));
  ExpectFillIsNext(Exponential(1e6));
  ExpectFillIsNext(Sequential(7, 1, 3));
}

}  // namespace
}  // namespace fencepost
