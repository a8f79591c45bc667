// SPDX-License-Identifier: BSD-3-Clause
#include "harness/report/page/number_text.h"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace fencepost::page {
namespace {

// Three digits: "1.23", "12.3", "123", without zeros at the end.
std::string Digits(double value) { return fmt::format("{:.3g}", value); }

std::string Scaled(double value, std::initializer_list<std::pair<double, std::string_view>> units,
                   std::string_view plain) {
  for (const auto& [factor, unit] : units) {
    if (std::abs(value) >= factor * 0.9995) return Digits(value / factor) + std::string(unit);
  }
  return Digits(value) + std::string(plain);
}

}  // namespace

std::string Short(double value) { return Scaled(value, {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}, ""); }

std::string Duration(double value_ns) {
  return Scaled(value_ns, {{1e9, " s"}, {1e6, " ms"}, {1e3, " µs"}}, " ns");
}

std::string Microseconds(double value_ns) {
  const double us = value_ns * 1e-3;
  return us < 1000 ? fmt::format("{:.2f}", us) : Grouped(us);
}

std::string Bytes(double bytes) {
  return Scaled(
      bytes, {{1099511627776., " TiB"}, {1073741824., " GiB"}, {1048576., " MiB"}, {1024., " KiB"}},
      " B");
}

std::string PowerOfTen(double log10_value) {
  if (log10_value < 6) return Grouped(std::round(std::pow(10, log10_value)));
  const double whole = std::floor(log10_value);
  return fmt::format("{:.1f}e+{:.0f}", std::pow(10, log10_value - whole), whole);
}

}  // namespace fencepost::page
