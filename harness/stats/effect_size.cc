// SPDX-License-Identifier: BSD-3-Clause
#include "harness/stats/effect_size.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engines/status.h"

namespace fencepost {

double CliffsDelta(std::span<const double> above, std::span<const double> below) {
  CHECK(!above.empty() && !below.empty());
  std::vector<double> sorted(below.begin(), below.end());
  std::sort(sorted.begin(), sorted.end());
  double dominance = 0;
  for (const double value : above) {
    const auto smaller = std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    const auto greater = sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), value);
    dominance += static_cast<double>(smaller - greater);
  }
  return dominance / (static_cast<double>(above.size()) * static_cast<double>(below.size()));
}

std::string_view EffectName(double cliffs_delta) {
  const double size = std::abs(cliffs_delta);
  if (size < 0.147) return "negligible";
  if (size < 0.33) return "small";
  return size < 0.474 ? "medium" : "large";
}

}  // namespace fencepost
