// SPDX-License-Identifier: BSD-3-Clause
// Logarithm and power whose every bit is the same on every machine.
//
// One seed must give one operation trace for ever, but C libraries differ in the last bit of pow()
// and log(). These use nothing but IEEE 754 additions, multiplications and divisions, so they do
// not differ. The relative error is below 1e-14 for the arguments that distributions use.
//
// Invariant: compiled without contraction into fused multiply-add (what ISO mode of g++ and a
//   target without FMA give; scripts build for x86-64-v2).
// Threads: pure functions.
// Not covered: zero, negative numbers, subnormals, infinities, NaN; Exp() outside [-700, 700].
#ifndef FENCEPOST_WORKLOADS_PORTABLE_MATH_H_
#define FENCEPOST_WORKLOADS_PORTABLE_MATH_H_

#include <bit>
#include <cstdint>
#include <initializer_list>

namespace fencepost {

namespace internal {
// ln 2 in two parts; the first has few enough bits that an exponent times it is exact.
inline constexpr double kLn2High = 0x1.62e42fee00000p-1;
inline constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
}  // namespace internal

// Natural logarithm. REQUIRES x normal and positive.
constexpr double Ln(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  auto exponent = static_cast<int>(bits >> 52) - 1023;
  double mantissa = std::bit_cast<double>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    ++exponent;
  }
  // ln m = 2 artanh(s) with s = (m-1)/(m+1), |s| < 0.172: eleven terms reach the last bit.
  const double s = (mantissa - 1) / (mantissa + 1);
  const double z = s * s;
  double series = 1.0 / 21;
  for (const double term :
       {1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3}) {
    series = series * z + term;
  }
  const double log_mantissa = 2 * s + 2 * s * z * series;
  return exponent * internal::kLn2High + (exponent * internal::kLn2Low + log_mantissa);
}

// e to the x. REQUIRES |x| <= 700.
constexpr double Exp(double x) {
  const double scaled = x * 1.4426950408889634;  // x / ln 2
  const auto power = static_cast<int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  const auto power_double = static_cast<double>(power);
  const double r = (x - power_double * internal::kLn2High) - power_double * internal::kLn2Low;
  double series = 1;
  for (int i = 14; i >= 1; --i) series = 1 + series * r / i;
  return series * std::bit_cast<double>(static_cast<uint64_t>(power + 1023) << 52);
}

// x to the y. REQUIRES x normal and positive, |y ln x| <= 700.
constexpr double Pow(double x, double y) { return Exp(y * Ln(x)); }

// x to the 100th: the inverse exponent of a zipfian with theta 0.99, in eight multiplications.
constexpr double Pow100(double x) {
  const double x2 = x * x;
  const double x4 = x2 * x2;
  const double x8 = x4 * x4;
  const double x16 = x8 * x8;
  const double x32 = x16 * x16;
  return x32 * x32 * x32 * x4;
}

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_PORTABLE_MATH_H_
