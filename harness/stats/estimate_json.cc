// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/estimate_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace fencepost {

using nlohmann::json;

json EstimateJson(const std::optional<Estimate>& estimate, const char* what) {
  if (!estimate) return nullptr;
  json out = {{"median", estimate->value},
              {"low", nullptr},
              {"high", nullptr},
              {"method", "single run"},
              {"n", estimate->count}};
  // Confidence 0: one of the two sides of a ratio is a single run.
  if (estimate->count > 1 && estimate->confidence > 0) {
    out["low"] = estimate->low;
    out["high"] = estimate->high;
    out["method"] = fmt::format("{:.1f} % interval of {}", estimate->confidence * 100, what);
  }
  return out;
}

}  // namespace fencepost
