// SPDX-License-Identifier: BSD-3-Clause
// A crash campaign as a row: its verdict in a word, and what keeps it from covering more.
//
// Invariants: "proved" only where the strategy tries every state that the model allows and came to
//   its end; a campaign that killed processes proves nothing.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_CRASH_ROWS_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_CRASH_ROWS_H_

#include <nlohmann/json.hpp>

#include "harness/report/page/page_data.h"

namespace fencepost::page {

// REQUIRES: `report` is valid by crash.schema.json.
CrashRow MakeCrashRow(const nlohmann::json& report);

// A setting of an engine that says how large it is and not how it works: a verdict on a small pool
// stands beside the speed of a large one.
bool IsPromiseFree(const std::string& setting);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_CRASH_ROWS_H_
