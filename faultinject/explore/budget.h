// SPDX-License-Identifier: BSD-3-Clause
// ExploreBudget: how long a search may go on, and why it was stopped; and the sums that all
// searches keep.
//
// Threads: none.
#ifndef FENCEPOST_FAULTINJECT_EXPLORE_BUDGET_H_
#define FENCEPOST_FAULTINJECT_EXPLORE_BUDGET_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace fencepost {

struct ExploreProgress {
  double fraction = 0;  // of the trace
  uint64_t recoveries = 0;
  uint64_t groups = 0;
};

struct ExploreHooks {
  std::function<void(const ExploreProgress&)> progress;
  std::function<bool()> interrupted;
};

struct Limits {
  uint64_t max_recoveries = UINT64_MAX;
  double max_seconds = 0;   // 0: none
  uint64_t stop_after = 0;  // groups of findings; 0: none
};

class ExploreBudget {
 public:
  // The clock starts. REQUIRES: `hooks` outlives it.
  ExploreBudget(const Limits& limits, const ExploreHooks& hooks) : limits_(limits), hooks_(hooks) {}

  // Stops once time is up, `groups` are enough, or somebody interrupts.
  void Check(uint64_t groups);
  // As above, and whether another recovery may be executed.
  bool MayRecover(uint64_t recoveries, uint64_t groups);
  // Why there is no more; empty while there is.
  const std::string& stopped() const { return stopped_; }
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const Limits limits_;
  const ExploreHooks& hooks_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::string stopped_;
};

// Each crash point draws from a stream of its own, so that one may be explored alone.
uint64_t SeedOfPoint(uint64_t seed, uint64_t point);

// Numbers of states as powers of ten.
inline constexpr double kNoStatesLog10 = -std::numeric_limits<double>::infinity();
double AddLog10(double a, double b);  // log10(10^a + 10^b)

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_EXPLORE_BUDGET_H_
