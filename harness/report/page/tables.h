// SPDX-License-Identifier: BSD-3-Clause
// The tables of the page. A cell that is not text carries what it sorts by in `data-v`; a group of
// rows that must not be compared with others is a <tbody> of its own, inside which sorting stays.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_TABLES_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_TABLES_H_

#include <vector>

#include "harness/report/page/markup.h"
#include "harness/report/page/page_data.h"

namespace fencepost::page {

Markup EngineTables(const PageData& page);  // fast and safe: one row an engine
Markup SpeedTable(const std::vector<Group>& groups);
Markup LatencyTable(const std::vector<Group>& groups);
Markup CostTable(const std::vector<Group>& groups);
Markup CrashTable(const std::vector<CrashRow>& crashes);
Markup Violations(const std::vector<CrashRow>& crashes);
Markup Facts(const FactTable& table);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_TABLES_H_
