// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/explore/budget.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cmath>
#include <utility>

namespace fencepost {

void ExploreBudget::Check(uint64_t groups) {
  if (limits_.max_seconds > 0 && Seconds() >= limits_.max_seconds) {
    stopped_ = fmt::format("the budget of {:.6g} s was used up", limits_.max_seconds);
  } else if (limits_.stop_after > 0 && groups >= limits_.stop_after) {
    stopped_ = "enough violations were found";
  } else if (hooks_.interrupted && hooks_.interrupted()) {
    stopped_ = "interrupted";
  }
}

bool ExploreBudget::MayRecover(uint64_t recoveries, uint64_t groups) {
  Check(groups);
  if (stopped_.empty() && recoveries >= limits_.max_recoveries) {
    stopped_ = fmt::format("the budget of {} recoveries was used up", limits_.max_recoveries);
  }
  return stopped_.empty();
}

uint64_t SeedOfPoint(uint64_t seed, uint64_t point) {
  const uint64_t both[] = {seed, point};
  return XXH3_64bits(both, sizeof(both));
}

double AddLog10(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNoStatesLog10 ? a : a + std::log10(1 + std::pow(10, b - a));
}

}  // namespace fencepost
