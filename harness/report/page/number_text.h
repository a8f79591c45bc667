// SPDX-License-Identifier: BSD-3-Clause
// How numbers are written on a page: few digits, units where they help. Counts: Grouped() of
// text_table.h.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_NUMBER_TEXT_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_NUMBER_TEXT_H_

#include <string>

#include "harness/text_table.h"

namespace fencepost::page {

std::string Short(double value);             // 1234567 -> "1.23M"
std::string Duration(double value_ns);       // 25000 -> "25 µs"
std::string Microseconds(double value_ns);   // 25000 -> "25.00", a column of µs
std::string Bytes(double bytes);             // 1536 -> "1.5 KiB"
std::string PowerOfTen(double log10_value);  // 3.0 -> "1,000"; 36.2 -> "1.6e+36"

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_NUMBER_TEXT_H_
