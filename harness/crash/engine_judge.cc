// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_judge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

namespace fencepost {
namespace {

std::string Shown(const std::optional<std::string>& value) { return value ? *value : "absent"; }

// The last line that a recovery wrote to standard error, for a message of one line.
std::string LastLine(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return {};
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

Finding OracleFinding(const Violation& violation) {
  std::vector<std::string> allowed;
  for (const auto& value : violation.allowed) allowed.push_back(Shown(value));
  // The oracle was given versions in place of values: their length is none of the value's.
  std::string message = violation.message;
  if (const size_t length = message.rfind(" ("); message.ends_with(" bytes)")) {
    message.resize(length);
  }
  return {.kind = std::string(ViolationKindName(violation.kind)),
          .subject = violation.key,
          .message = std::move(message),
          .allowed = fmt::format("{}", fmt::join(allowed, " or ")),
          .found = Shown(violation.found)};
}

}  // namespace

std::vector<Finding> JudgeEnd(const Outcome& outcome, double timeout_s) {
  const std::string said = LastLine(outcome.complaint);
  const std::string tail = said.empty() ? "" : fmt::format("; it said: {}", said);
  switch (outcome.end) {
    case Outcome::End::kAnswered:
      return {};
    case Outcome::End::kSignal:
      return {{.kind = "signal",
               .subject = {},
               .message = fmt::format("the recovery was ended by signal {} ({}){}", outcome.code,
                                      strsignal(outcome.code), tail),
               .allowed = "an end of its own",
               .found = strsignal(outcome.code)}};
    case Outcome::End::kExited:
      return {{.kind = "exit",
               .subject = {},
               .message = fmt::format("the recovery ended the process with exit code {}{}",
                                      outcome.code, tail),
               .allowed = "an answer",
               .found = fmt::format("exit code {}", outcome.code)}};
    case Outcome::End::kTimedOut:
      return {{.kind = "hang",
               .subject = {},
               .message = fmt::format("the recovery had not ended after {} s{}", timeout_s, tail),
               .allowed = fmt::format("an end within {} s", timeout_s),
               .found = "none"}};
  }
  return {};
}

EngineJudge::EngineJudge(const History& history, Durability durability, double timeout_s)
    : oracle_(history, durability), timeout_s_(timeout_s) {}

// An engine's recovery knows nothing of the history, so its outcome is the same at each crash
// point.
std::string EngineJudge::Context(const CrashPoint& /*point*/) { return {}; }

Result<const RecoveredStore*> EngineJudge::Decoded(const std::string& answer) {
  const auto found = decoded_.find(answer);
  if (found != decoded_.end()) return &found->second;
  ASSIGN_OR_RETURN(RecoveredStore store, RecoveredStore::Decode(answer));
  return &decoded_.emplace(answer, std::move(store)).first->second;
}

std::vector<Finding> EngineJudge::Verdict(const CrashPoint& point, const Outcome& outcome) {
  if (outcome.end != Outcome::End::kAnswered) return JudgeEnd(outcome, timeout_s_);
  const Result<const RecoveredStore*> decoded = Decoded(outcome.answer);
  if (!decoded.ok()) {
    return {{.kind = "garbled",
             .subject = {},
             .message = std::string(decoded.message()),
             .allowed = {},
             .found = {}}};
  }
  const RecoveredStore& store = **decoded;
  if (!store.failed_call.empty()) {
    return {
        {.kind = fmt::format("{}-failed", store.failed_call),
         .subject = {},
         .message = fmt::format("{} failed after the crash: {}", store.failed_call, store.failure),
         .allowed = "success",
         .found = store.failure}};
  }
  std::vector<Finding> findings;
  for (const RecoveredStore::Fault& fault : store.faults) {
    findings.push_back(
        {.kind = fault.fault,
         .subject = fault.key,
         .message = fmt::format("{}: {} value of {} bytes", fault.key, fault.fault, fault.bytes),
         .allowed = "a whole value of this key",
         .found = fault.fault});
  }
  // A faulty value is missing from the contents: the oracle would call it lost as well.
  if (findings.empty()) {
    for (const Violation& violation : oracle_.Judge(point.event, store.contents)) {
      findings.push_back(OracleFinding(violation));
    }
  }
  if (store.audit && store.audit->allocated_objects != store.audit->reachable_objects) {
    const uint64_t leaked = store.audit->allocated_objects - store.audit->reachable_objects;
    findings.push_back({.kind = "leak",
                        .subject = {},
                        .message = fmt::format(
                            "{} objects ({} bytes) are allocated and cannot be "
                            "reached",
                            leaked, store.audit->allocated_bytes - store.audit->reachable_bytes),
                        .allowed = "none",
                        .found = fmt::format("{}", leaked)});
  }
  const uint64_t pairs = store.contents.size() + store.faults.size();
  if (store.count && *store.count != pairs) {
    findings.push_back({.kind = "count",
                        .subject = {},
                        .message = fmt::format("the store says that it holds {} pairs, and has {}",
                                               *store.count, pairs),
                        .allowed = fmt::format("{}", pairs),
                        .found = fmt::format("{}", *store.count)});
  }
  if (!store.afterwards.empty()) {
    findings.push_back({.kind = "afterwards",
                        .subject = {},
                        .message = fmt::format("used on after the recovery: {}", store.afterwards),
                        .allowed = "what a map would hold",
                        .found = store.afterwards});
  }
  return findings;
}

}  // namespace fencepost
