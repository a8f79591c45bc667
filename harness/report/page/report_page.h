// SPDX-License-Identifier: BSD-3-Clause
// The report as one HTML page that loads nothing.
//
// Invariants:
//   1. Whatever the results hold is text on the page: it is escaped, and the page's policy runs no
//      script but page.js and loads nothing.
//   2. Tables and figures are there without scripting; page.js sorts, shows values and switches
//   themes.
// Threads: any.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_REPORT_PAGE_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_REPORT_PAGE_H_

#include <string>

#include "harness/report/page/page_data.h"

namespace fencepost::page {

// `title` empty: made of what is in it. `made`: when and by what, for the last line.
std::string RenderPage(const PageData& page, const std::string& title, const std::string& made);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_REPORT_PAGE_H_
