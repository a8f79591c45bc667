// SPDX-License-Identifier: BSD-3-Clause
#include "harness/commands/suite_check.h"

#include <fmt/format.h>

#include "harness/commands/bench_plan.h"
#include "harness/commands/crash_request.h"
#include "harness/crash/engine_recording.h"

namespace fencepost {
namespace {

Status CheckBench(const SuiteStep& step) {
  ASSIGN_OR_RETURN(const BenchFlags flags, ParseBenchFlags(step.words));
  return PlanCells(flags).status();
}

Status CheckCrash(const SuiteStep& step) {
  ASSIGN_OR_RETURN(const CrashRequest request, ParseCrashRequest(step.words));
  ASSIGN_OR_RETURN(const CrashSubject subject,
                   MakeCrashSubject(request.workload, request.engine, request.creation));
  ASSIGN_OR_RETURN(const RunPlan plan, subject.Plan());
  return MakeSettings(request.crash, DomainOf(*plan.row)).status();
}

}  // namespace

Status CheckSteps(const Suite& suite, const std::string& file) {
  for (const SuiteStep& step : suite.steps) {
    const Status status = step.command == "bench" ? CheckBench(step) : CheckCrash(step);
    if (status.ok()) continue;
    return Status(status.code(), fmt::format("{}:{}: step '{}': {}", file, step.line, step.name,
                                             status.message()));
  }
  return Status::Ok();
}

}  // namespace fencepost
