// SPDX-License-Identifier: BSD-3-Clause
// What a reader must know before comparing: said once, on top of the report.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_NOTICES_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_NOTICES_H_

#include <vector>

#include "harness/report/page/load_results.h"
#include "harness/report/page/page_data.h"

namespace fencepost::page {

// An interval whose end is farther than this share from its median is called wide.
inline constexpr double kWideInterval = 0.10;

// Grave ones first. REQUIRES: groups and crashes of `page` are complete.
std::vector<Notice> MakeNotices(const PageData& page, const LoadedResults& results);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_NOTICES_H_
