// SPDX-License-Identifier: BSD-3-Clause
// Estimates as results/README.md has them: median, low, high, method, n.
#ifndef FENCEPOST_HARNESS_STATS_ESTIMATE_JSON_H_
#define FENCEPOST_HARNESS_STATS_ESTIMATE_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "harness/stats/stats.h"

namespace fencepost {

// null for nothing. A single run has no interval: `low` and `high` are null. `what` is estimated:
// "the median", "the ratio".
nlohmann::json EstimateJson(const std::optional<Estimate>& estimate,
                            const char* what = "the median");

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_STATS_ESTIMATE_JSON_H_
