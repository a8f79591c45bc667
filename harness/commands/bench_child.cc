// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/bench_child.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "harness/exit_code.h"
#include "harness/interrupt.h"
#include "harness/report/stored_results.h"

namespace fencepost {

ChildRun RunOf(const ChildProcess& ended, const std::filesystem::path& folder) {
  ChildRun run;
  nlohmann::json summary = ReadObject(folder / "summary.json");
  if (!summary.empty()) run.summary = std::move(summary);
  if (ended.exit_code() != 0 && !Interrupted()) {
    run.error = ended.FirstError();
    if (run.error.empty()) run.error = fmt::format("it exited with {}", ended.exit_code());
    run.violated = ended.exit_code() == static_cast<int>(ExitCode::kViolation);
  }
  return run;
}

Result<ChildRun> ChildRunner::Run(const std::vector<std::string>& words,
                                  const std::filesystem::path& folder, const std::string& what,
                                  double fraction_begin, double fraction_end, int timeout_ms) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed_s = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  ASSIGN_OR_RETURN(ChildProcess child, ChildProcess::Start(words));
  bool passed_on = false;
  while (!child.WaitFor(200)) {
    if (Interrupted() && !std::exchange(passed_on, true)) child.Interrupt();
    const double done = std::min(elapsed_s() / SecondsPerRun(), 1.0);
    const double fraction = fraction_begin + done * (fraction_end - fraction_begin);
    const double runs_left = (1 - fraction) / (fraction_end - fraction_begin);
    progress_->Update(fraction, what, runs_left * SecondsPerRun());
    if (timeout_ms > 0 && elapsed_s() * 1e3 > timeout_ms) {
      return Status::IoError(fmt::format("it does not end within {} s", timeout_ms / 1000));
    }
  }
  ended_ += 1;
  ended_s_ += elapsed_s();
  return RunOf(child, folder);
}

}  // namespace fencepost
