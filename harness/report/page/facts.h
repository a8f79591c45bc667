// SPDX-License-Identifier: BSD-3-Clause
// Environment and provenance of results as tables: on which machine, of which build, by which
// command.
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_FACTS_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_FACTS_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/report/page/load_results.h"
#include "harness/report/page/page_data.h"

namespace fencepost::page {

// Equal rows once. A fact that a result does not hold is "not known".
std::vector<FactTable> MakeFacts(const LoadedResults& results);

std::string MachineName(const nlohmann::json& manifest);
std::string CommitName(
    const nlohmann::json& manifest);  // 12 digits, and whether the tree was dirty

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_FACTS_H_
