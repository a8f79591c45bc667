// SPDX-License-Identifier: BSD-3-Clause
#include "harness/run_request.h"

#include <fmt/format.h>

#include <cstdio>

#include "harness/engine_setup.h"

namespace fencepost {

std::string NotEmpty(const std::string& value) { return value.empty() ? "is empty" : ""; }

void AppendWords(const WorkloadFlags& flags, std::vector<std::string>* words) {
  for (const std::string& file : flags.files) words->insert(words->end(), {"-P", file});
  for (const std::string& property : flags.properties) {
    words->insert(words->end(), {"-p", property});
  }
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) words->push_back(fmt::format("--{}={}", name, value));
  };
  add("trace", flags.trace_file);
  add("threads", flags.threads);
  add("target", flags.target);
  add("seconds", flags.seconds);
  add("label", flags.label);
  if (flags.status) words->emplace_back("--status");
}

Result<std::unique_ptr<Properties>> ReadProperties(const WorkloadFlags& flags) {
  auto properties = std::make_unique<Properties>();
  for (const std::string& file : flags.files) RETURN_IF_ERROR(properties->LoadFile(file));
  for (const std::string& property : flags.properties) RETURN_IF_ERROR(properties->Set(property));
  const auto set = [&](std::string_view name, const std::string& value) {
    return value.empty() ? Status::Ok() : properties->Set(fmt::format("{}={}", name, value));
  };
  RETURN_IF_ERROR(set("fencepost.trace_file", flags.trace_file));
  RETURN_IF_ERROR(set("threadcount", flags.threads));
  RETURN_IF_ERROR(set("target", flags.target));
  RETURN_IF_ERROR(set("label", flags.label));
  RETURN_IF_ERROR(set("maxexecutiontime", flags.seconds));
  if (!flags.seconds.empty()) RETURN_IF_ERROR(properties->Set("operationcount=0"));
  if (flags.status) RETURN_IF_ERROR(properties->Set("status=true"));
  return properties;
}

namespace {

// Numbers that a clock in nanoseconds can hold, and a warm-up that leaves something to measure.
Status CheckTimes(const WorkloadSpec& spec) {
  constexpr double kMaxSeconds = 1e9;
  constexpr double kMinTarget = 1e-3;
  if (spec.max_execution_time_s > kMaxSeconds || spec.warmup.seconds > kMaxSeconds) {
    return Status::InvalidArgument(
        fmt::format("maxexecutiontime, fencepost.warmup: at most {} s", kMaxSeconds));
  }
  if (spec.target_ops_per_s != 0 && spec.target_ops_per_s < kMinTarget) {
    return Status::InvalidArgument(
        fmt::format("target={}: must be 0 or at least {}", spec.target_ops_per_s, kMinTarget));
  }
  if (spec.warmup.seconds > 0 && spec.operation_count > 0) {
    return Status::InvalidArgument(
        "fencepost.warmup by time needs a run by time (operationcount=0 and maxexecutiontime, or "
        "--seconds); a warm-up of operations goes with operationcount");
  }
  return Status::Ok();
}

}  // namespace

Result<RunPlan> MakeRunPlan(const WorkloadFlags& flags, const std::string& engine,
                            Placement placement, const std::string& leaf) {
  RunPlan plan;
  ASSIGN_OR_RETURN(plan.row, FindEngineOrCanary(engine));
  ASSIGN_OR_RETURN(plan.properties, ReadProperties(flags));
  ASSIGN_OR_RETURN(WorkloadSpec spec, ParseWorkload(*plan.properties, HarnessProperties()));
  plan.spec = std::make_unique<WorkloadSpec>(std::move(spec));
  ASSIGN_OR_RETURN(plan.settings, ParseRunSettings(*plan.properties));
  RETURN_IF_ERROR(CheckTimes(*plan.spec));
  ASSIGN_OR_RETURN(plan.options,
                   MakeEngineOptions(*plan.row, *plan.properties, *plan.spec, placement, leaf));
  return plan;
}

void WarnOfUnread(const std::string& name, const std::string& origin) {
  fmt::print(stderr, "fencepost: warning: {}: nothing reads '{}'\n", origin, name);
}

void WarnOfUnread(const Properties& properties) {
  for (const auto& [name, entry] : properties.Unread()) WarnOfUnread(name, entry.origin);
}

}  // namespace fencepost
