// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/engine_judge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <csignal>
#include <cstring>
#include <set>

namespace fencepost {
namespace {

// A campaign may have as many outcomes as operations, each as large as the store.
constexpr size_t kMostDecoded = 64;

// For a message of one line: a key after a crash may be any bytes.
std::string Printable(const std::string& text) {
  constexpr size_t kMost = 300;
  std::string shown;
  for (const char c : text.substr(0, kMost)) {
    const bool plain = c >= ' ' && c <= '~';
    shown += plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return shown + (text.size() > kMost ? "..." : "");
}

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

Finding FaultFinding(const RecoveredStore::Fault& fault) {
  return {.kind = fault.fault,
          .subject = fault.key,
          .message = fmt::format("{}: {} value of {} bytes", Printable(fault.key), fault.fault,
                                 fault.bytes),
          .allowed = "a whole value of this key",
          .found = fault.fault};
}

Finding FailureFinding(const RecoveredStore& store) {
  return {.kind = fmt::format("{}-failed", store.failed_call),
          .subject = {},
          .message = fmt::format("{} failed after the crash: {}", store.failed_call,
                                 Printable(store.failure)),
          .allowed = "success",
          .found = store.failure};
}

// Whether a violation of this kind says something of its key alone (of class power-fail).
bool IsOfOneKey(ViolationKind kind) {
  switch (kind) {
    case ViolationKind::kLost:
    case ViolationKind::kStale:
    case ViolationKind::kResurrected:
    case ViolationKind::kPhantom:
      return true;
    case ViolationKind::kTornBatch:
    case ViolationKind::kHole:
    case ViolationKind::kContradiction:
      break;
  }
  return false;
}

void JudgeAudit(const AuditReport& audit, std::vector<Finding>* findings) {
  if (audit.allocated_objects == audit.reachable_objects &&
      audit.allocated_bytes == audit.reachable_bytes) {
    return;
  }
  // More reachable than allocated: what is in use may be given out again.
  const bool leaks = audit.allocated_objects >= audit.reachable_objects &&
                     audit.allocated_bytes >= audit.reachable_bytes;
  findings->push_back(
      {.kind = leaks ? "leak" : "unallocated",
       .subject = {},
       .message = leaks ? fmt::format("{} objects ({} bytes) are allocated and cannot be reached",
                                      audit.allocated_objects - audit.reachable_objects,
                                      audit.allocated_bytes - audit.reachable_bytes)
                        : fmt::format("{} objects ({} bytes) can be reached, and {} ({} bytes) are "
                                      "allocated",
                                      audit.reachable_objects, audit.reachable_bytes,
                                      audit.allocated_objects, audit.allocated_bytes),
       .allowed =
           fmt::format("{} objects of {} bytes", audit.reachable_objects, audit.reachable_bytes),
       .found =
           fmt::format("{} objects of {} bytes", audit.allocated_objects, audit.allocated_bytes)});
}

// Only a SIGKILL can come from elsewhere and not be told from the recovery's own doing.
const char* WhoKills(int signal) {
  return signal == SIGKILL ? ", which the kernel also sends where memory has run out: replay it"
                           : "";
}

}  // namespace

std::vector<Finding> JudgeEnd(const Outcome& outcome, double timeout_s) {
  const std::string said = Printable(LastLine(outcome.complaint));
  const std::string tail = said.empty() ? "" : fmt::format("; it said: {}", said);
  switch (outcome.end) {
    case Outcome::End::kAnswered:
      return {};
    case Outcome::End::kSignal:
      return {{.kind = "signal",
               .subject = {},
               .message = fmt::format("the recovery was ended by signal {} ({}){}{}", outcome.code,
                                      strsignal(outcome.code), WhoKills(outcome.code), tail),
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

bool IsRefusal(const Outcome& outcome) {
  if (outcome.end != Outcome::End::kAnswered) return false;
  const Result<RecoveredStore> store = RecoveredStore::Decode(outcome.answer);
  return store.ok() && !store->failed_call.empty();
}

EngineJudge::EngineJudge(const History& history, Durability durability, double timeout_s,
                         bool may_refuse)
    : oracle_(history, durability),
      durability_(durability),
      timeout_s_(timeout_s),
      may_refuse_(may_refuse) {}

// An engine's recovery knows nothing of the history, so its outcome is the same at each crash
// point.
std::string EngineJudge::Context(const CrashPoint& /*point*/) { return {}; }

Result<const RecoveredStore*> EngineJudge::Decoded(const std::string& answer) {
  const auto found = decoded_.find(answer);
  if (found != decoded_.end()) return &found->second;
  if (decoded_.size() >= kMostDecoded) decoded_.clear();
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
  std::vector<Finding> findings;
  const bool refused = !store.failed_call.empty();
  if (refused && !may_refuse_) findings.push_back(FailureFinding(store));
  // Of a store that could not be read to its end nothing more is known, but for what it has given
  // out by then.
  if (store.failed_call == "open" || store.failed_call == "for-each") {
    if (!may_refuse_) return findings;
    for (const RecoveredStore::Fault& fault : store.faults) findings.push_back(FaultFinding(fault));
    return findings;
  }
  JudgeContents(point, store, &findings);
  if (store.audit) JudgeAudit(*store.audit, &findings);
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
    findings.push_back(
        {.kind = may_refuse_ ? "get" : "afterwards",
         .subject = {},
         .message = fmt::format("{}{}", may_refuse_ ? "" : "used on after the recovery: ",
                                Printable(store.afterwards)),
         .allowed = "what a map would hold",
         .found = store.afterwards});
  }
  return findings;
}

// Of a recovery that failed, and of one that could not read all, something is said elsewhere.
std::vector<Finding> EngineJudge::Contradictions(const Outcome& first, const Outcome& second) {
  if (first.end != Outcome::End::kAnswered || second.end != Outcome::End::kAnswered) return {};
  const Result<RecoveredStore> before = RecoveredStore::Decode(first.answer);
  const Result<RecoveredStore> after = RecoveredStore::Decode(second.answer);
  const auto is_whole = [](const Result<RecoveredStore>& store) {
    return store.ok() && store->failed_call.empty() && store->faults.empty();
  };
  if (!is_whole(before) || !is_whole(after)) return {};
  std::set<std::string> keys;
  for (const auto& [key, token] : before->contents) keys.insert(key);
  for (const auto& [key, token] : after->contents) keys.insert(key);
  const auto shown = [](const StoreContents& contents, const std::string& key) {
    const auto found = contents.find(key);
    return found == contents.end() ? std::string("absent") : found->second;
  };
  for (const std::string& key : keys) {
    const std::string said = shown(before->contents, key), says = shown(after->contents, key);
    if (said == says) continue;
    return {{.kind = "changed",
             .subject = key,
             .message = fmt::format("{}: one recovery found {}, the next one, after a crash, {}",
                                    Printable(key), said, says),
             .allowed = said,
             .found = says}};
  }
  return {};
}

void EngineJudge::JudgeContents(const CrashPoint& point, const RecoveredStore& store,
                                std::vector<Finding>* findings) const {
  std::set<std::string> faulty;
  for (const RecoveredStore::Fault& fault : store.faults) {
    findings->push_back(FaultFinding(fault));
    faulty.insert(fault.key);
  }
  for (const Violation& violation : oracle_.Judge(point.event, store.contents)) {
    // A faulty value is missing from the contents: what follows from that is no second finding.
    const bool follows = faulty.contains(violation.key) || !IsOfOneKey(violation.kind) ||
                         durability_ != Durability::kPowerFail;
    if (!faulty.empty() && follows) continue;
    findings->push_back(OracleFinding(violation));
  }
}

}  // namespace fencepost
