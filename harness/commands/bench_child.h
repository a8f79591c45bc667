// SPDX-License-Identifier: BSD-3-Clause
// One run of a bench: a process of its own, waited for while the progress line moves.
#ifndef FENCEPOST_HARNESS_COMMANDS_BENCH_CHILD_H_
#define FENCEPOST_HARNESS_COMMANDS_BENCH_CHILD_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engines/status.h"
#include "harness/child_process.h"
#include "harness/progress.h"

namespace fencepost {

struct ChildRun {
  std::optional<nlohmann::json> summary;  // whatever the exit code: of a run that ended early, too
  std::string error;                      // one line, if the exit code is not 0; empty on Ctrl-C
  bool violated = false;                  // exit code 1
};

// What a run that has ended has left in its folder, and how it ended.
ChildRun RunOf(const ChildProcess& ended, const std::filesystem::path& folder);

class ChildRunner {
 public:
  // `expected_s` is what a run is thought to take, until some have ended.
  ChildRunner(Progress* progress, double expected_s)
      : progress_(progress), expected_s_(expected_s) {}

  // Runs `words`, whose results go to `folder`. The fractions are of all the work. One that takes
  // longer than `timeout_ms`, if that is not 0, is killed.
  Result<ChildRun> Run(const std::vector<std::string>& words, const std::filesystem::path& folder,
                       const std::string& what, double fraction_begin, double fraction_end,
                       int timeout_ms = 0);

 private:
  Progress* progress_;
  double SecondsPerRun() const { return ended_ > 0 ? ended_s_ / ended_ : expected_s_; }

  const double expected_s_;
  double ended_ = 0;  // runs
  double ended_s_ = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_COMMANDS_BENCH_CHILD_H_
