// SPDX-License-Identifier: BSD-3-Clause
#include "harness/oracle/oracle.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "engines/status.h"
#include "harness/oracle/diagnosis.h"
#include "harness/oracle/frontier.h"
#include "harness/oracle/history_index.h"

namespace fencepost {
namespace {

enum class Promise : unsigned char { kAll, kPrefix, kNothing };

Promise UnderPowerLoss(Durability durability) {
  switch (durability) {
    case Durability::kPowerFail:
      return Promise::kAll;
    case Durability::kPrefix:
    case Durability::kBuffered:
      return Promise::kPrefix;
    case Durability::kProcessCrash:
    case Durability::kNone:
      break;
  }
  return Promise::kNothing;
}

std::vector<uint64_t> Positions(const std::vector<PastCrash>& past) {
  std::vector<uint64_t> positions;
  for (const PastCrash& crash : past) positions.push_back(crash.position);
  return positions;
}

// The frontier of a component after any number of its events, from copies kept along the way.
class Replay {
 public:
  explicit Replay(const Component& component)
      : component_(&component), stride_(std::max<size_t>(16, component.keys.size())) {
    Frontier frontier(component);
    for (size_t i = 0; i < component.events.size(); ++i) {
      if (i % stride_ == 0) copies_.push_back(frontier);
      frontier.Take(component.events[i]);
    }
    if (component.events.size() % stride_ == 0) copies_.push_back(std::move(frontier));
  }

  Frontier After(size_t event_count) const {
    Frontier frontier = copies_[event_count / stride_];
    for (size_t i = event_count / stride_ * stride_; i < event_count; ++i) {
      frontier.Take(component_->events[i]);
    }
    return frontier;
  }

 private:
  const Component* component_;
  size_t stride_;  // a copy costs as much as it has keys
  std::vector<Frontier> copies_;
};

// The number of events that come before (position, kind).
size_t EventsBefore(const Component& component, uint64_t position, HistoryEvent::Kind kind) {
  const auto at =
      std::lower_bound(component.events.begin(), component.events.end(), std::pair(position, kind),
                       [](const HistoryEvent& event, const auto& limit) {
                         return std::pair(event.position, event.kind) < limit;
                       });
  return static_cast<size_t>(at - component.events.begin());
}

}  // namespace

class Oracle::Judgement {
 public:
  Judgement(const History& history, Durability durability, const std::vector<PastCrash>& past)
      : promise_(UnderPowerLoss(durability)),
        index_(history, promise_ == Promise::kAll, Positions(past)),
        replaced_twice_(FindReplacedTwice(history)) {
    if (promise_ == Promise::kNothing) return;
    for (const Component& component : index_.components()) replays_.emplace_back(component);
  }

  std::vector<Violation> Judge(uint64_t position, const StoreContents& contents) const {
    std::vector<Violation> violations = JudgeContents(position, contents);
    for (const Replaced& replaced : replaced_twice_) {
      if (replaced.known_at >= position) continue;
      violations.push_back(replaced.violation);
    }
    return violations;
  }

 private:
  // An acknowledged compare-and-put uses up one write of what it replaced, whatever the order.
  struct Replaced {
    uint64_t known_at = 0;
    Violation violation;
  };
  static std::vector<Replaced> FindReplacedTwice(const History& history) {
    using KeyAndValue = std::pair<std::string_view, std::string_view>;
    std::map<KeyAndValue, uint64_t> written;
    std::map<KeyAndValue, std::vector<const HistoryOp*>> replaced;
    for (const auto& [key, value] : history.initial) ++written[{key, value}];
    for (const HistoryOp& op : history.operations) {
      for (const KeyWrite& write : op.writes) {
        if (write.value) ++written[{write.key, *write.value}];
      }
      const bool done = op.end != kNever && op.outcome == HistoryOp::Outcome::kDone;
      if (done && op.replaces && op.writes.size() == 1) {
        replaced[{op.writes[0].key, *op.replaces}].push_back(&op);
      }
    }
    std::vector<Replaced> found;
    for (auto& [key_and_value, ops] : replaced) {
      const uint64_t there = written[key_and_value];
      if (ops.size() <= there) continue;
      std::sort(ops.begin(), ops.end(),
                [](const HistoryOp* a, const HistoryOp* b) { return a->end < b->end; });
      Violation violation{.kind = ViolationKind::kContradiction,
                          .key = std::string(key_and_value.first),
                          .allowed = {},
                          .found = std::nullopt,
                          .operations = {},
                          .message = ReplacedTooOften(key_and_value.first, key_and_value.second,
                                                      ops.size(), there)};
      for (auto op = ops.rbegin(); op != ops.rend(); ++op) {
        violation.operations.push_back((*op)->id);
      }
      found.push_back({ops[there]->end, std::move(violation)});
    }
    return found;
  }

  std::vector<Violation> JudgeContents(uint64_t position, const StoreContents& contents) const {
    CHECK(index_.past().empty() || position >= index_.past().back());
    std::vector<Violation> violations;
    const std::vector<ValueId> found = Translate(contents, &violations);
    if (promise_ == Promise::kNothing) {
      for (uint32_t key = 0; key < found.size(); ++key) {
        if (found[key] == kAbsent || index_.AskedBefore(key, found[key], position)) continue;
        violations.push_back(NeverWritten(index_, key, contents, position));
      }
      return violations;
    }
    for (size_t i = 0; i < replays_.size(); ++i) {
      const Component& component = index_.components()[i];
      Target target;
      target.values.reserve(component.keys.size());
      for (const uint32_t key : component.keys) target.values.push_back(found[key]);
      JudgeComponent({index_, component, target, contents, position}, replays_[i], &violations);
    }
    return violations;
  }

  // By key of the history. A pair whose key the history does not mention is a violation.
  std::vector<ValueId> Translate(const StoreContents& contents,
                                 std::vector<Violation>* violations) const {
    std::vector<ValueId> found(index_.keys().size(), kAbsent);
    size_t key = 0;  // both ascend
    for (const auto& [name, value] : contents) {
      while (key < found.size() && index_.keys()[key] < name) ++key;
      if (key < found.size() && index_.keys()[key] == name) {
        found[key] = index_.FindValue(value);
      } else {
        violations->push_back(UnknownKey(name, value));
      }
    }
    return found;
  }

  void JudgeComponent(const Finding& finding, const Replay& replay,
                      std::vector<Violation>* violations) const {
    const Component& component = finding.component;
    uint64_t position = finding.position;
    // As long as nothing was written since the last crash, what is there now is what that one left,
    // and what was read since then is known of it.
    if (!index_.past().empty() && position <= component.first_write_after_crashes) {
      if (ExplainChangedSinceRead(finding, violations)) return;
      position = index_.past().back();
    }
    const size_t last = EventsBefore(component, position, HistoryEvent::Kind::kWatchAtCrash);
    if (promise_ == Promise::kAll) {
      const Frontier frontier = replay.After(last);
      if (!frontier.MayLeave(finding.target)) ExplainAll(finding, frontier, violations);
      return;
    }
    const uint64_t synced = index_.SyncedUpTo(position);
    const size_t first = EventsBefore(component, synced, HistoryEvent::Kind::kWatch);
    Frontier frontier = replay.After(first);
    frontier.Watch(std::make_shared<const Target>(finding.target));
    for (size_t i = first; i < last; ++i) frontier.Take(component.events[i]);
    if (frontier.MayLeave(finding.target)) return;
    ExplainPrefix(finding, replay.After(first), frontier, synced, violations);
  }

  Promise promise_;
  HistoryIndex index_;
  std::vector<Replaced> replaced_twice_;
  std::vector<Replay> replays_;
};

Oracle::Oracle(const History& history, Durability durability, std::vector<PastCrash> past)
    : judgement_(std::make_unique<const Judgement>(history, durability, past)) {}
Oracle::Oracle(Oracle&&) noexcept = default;
Oracle& Oracle::operator=(Oracle&&) noexcept = default;
Oracle::~Oracle() = default;

std::vector<Violation> Oracle::Judge(uint64_t position, const StoreContents& contents) const {
  return judgement_->Judge(position, contents);
}

}  // namespace fencepost
