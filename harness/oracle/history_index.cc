// SPDX-License-Identifier: BSD-3-Clause
#include "harness/oracle/history_index.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engines/status.h"

namespace fencepost {
namespace {

using Kind = HistoryOp::Kind;
using Outcome = HistoryOp::Outcome;

uint64_t AskedKey(uint32_t key, ValueId value) { return uint64_t{key} << 32 | value; }

// Of disjoint sets of keys, merged.
class KeySets {
 public:
  explicit KeySets(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0U); }
  uint32_t Find(uint32_t key) {
    while (parent_[key] != key) key = parent_[key] = parent_[parent_[key]];
    return key;
  }
  void Merge(uint32_t a, uint32_t b) { parent_[Find(a)] = Find(b); }

 private:
  std::vector<uint32_t> parent_;
};

bool Bound(const HistoryOp& op, uint64_t next_crash) {
  return op.end < next_crash && op.end != kNever && op.outcome != Outcome::kUnknown;
}

}  // namespace

bool IndexedOp::Covers(const IndexedOp& other) const {
  return std::all_of(other.changes.begin(), other.changes.end(), [&](const Change& change) {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const Change& own) { return own.key == change.key; });
  });
}

bool IndexedOp::SharesKeyWith(const IndexedOp& other) const {
  return std::any_of(other.changes.begin(), other.changes.end(), [&](const Change& change) {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const Change& own) { return own.key == change.key; });
  });
}

HistoryIndex::HistoryIndex(const History& history, bool compositional, std::vector<uint64_t> past)
    : history_(history), past_(std::move(past)) {
  CHECK(std::is_sorted(past_.begin(), past_.end()));
  past_.erase(std::unique(past_.begin(), past_.end()), past_.end());
  CollectKeys();
  CollectComponents(compositional);
  std::vector<const HistoryOp*> by_begin;
  for (const HistoryOp& op : history.operations) {
    CHECK(op.begin < op.end);
    by_begin.push_back(&op);
  }
  std::stable_sort(by_begin.begin(), by_begin.end(),
                   [](const HistoryOp* a, const HistoryOp* b) { return a->begin < b->begin; });
  for (const HistoryOp* op : by_begin) AddOperation(*op);
  std::sort(syncs_.begin(), syncs_.end(),
            [](const Sync& a, const Sync& b) { return a.end < b.end; });
  for (size_t i = 1; i < syncs_.size(); ++i) {
    syncs_[i].begin = std::max(syncs_[i].begin, syncs_[i - 1].begin);
  }
  for (Component& component : components_) {
    AddCrashes(&component, compositional);
    std::stable_sort(component.events.begin(), component.events.end(),
                     [](const HistoryEvent& a, const HistoryEvent& b) {
                       return std::pair(a.position, a.kind) < std::pair(b.position, b.kind);
                     });
  }
}

std::optional<uint32_t> HistoryIndex::FindKey(std::string_view key) const {
  const auto found = key_numbers_.find(key);
  if (found == key_numbers_.end()) return std::nullopt;
  return found->second;
}

ValueId HistoryIndex::FindValue(std::string_view value) const {
  const auto found = value_ids_.find(value);
  return found == value_ids_.end() ? kForeignValue : found->second;
}

std::optional<std::string> HistoryIndex::Value(ValueId value) const {
  if (value == kAbsent) return std::nullopt;
  return std::string(values_.at(value - 1));
}

bool HistoryIndex::AskedBefore(uint32_t key, ValueId value, uint64_t position) const {
  if (initial_[key] == value) return true;
  const HistoryOp* writer = FirstWriter(key, value);
  return writer && writer->begin < position;
}

const HistoryOp* HistoryIndex::FirstWriter(uint32_t key, ValueId value) const {
  const auto found = first_writer_.find(AskedKey(key, value));
  return found == first_writer_.end() ? nullptr : found->second;
}

uint64_t HistoryIndex::NextCrash(uint64_t begin) const {
  const auto next = std::upper_bound(past_.begin(), past_.end(), begin);
  return next == past_.end() ? kNever : *next;
}

uint64_t HistoryIndex::SyncedUpTo(uint64_t position) const {
  const auto crash = std::lower_bound(past_.begin(), past_.end(), position);
  const uint64_t since = crash == past_.begin() ? 0 : *(crash - 1);
  const auto sync = std::lower_bound(syncs_.begin(), syncs_.end(), position,
                                     [](const Sync& s, uint64_t p) { return s.end < p; });
  return sync == syncs_.begin() ? since : std::max(since, (sync - 1)->begin);
}

ValueId HistoryIndex::InternValue(std::string_view value) {
  const auto [entry, added] = value_ids_.emplace(value, static_cast<ValueId>(values_.size() + 1));
  if (added) values_.push_back(value);
  return entry->second;
}

ValueId HistoryIndex::InternMaybe(const std::optional<std::string>& value) {
  return value ? InternValue(*value) : kAbsent;
}

void HistoryIndex::CollectKeys() {
  for (const auto& [key, value] : history_.initial) keys_.push_back(key);
  for (const HistoryOp& op : history_.operations) {
    for (const KeyWrite& write : op.writes) keys_.push_back(write.key);
    if (op.kind == Kind::kRead) keys_.push_back(op.key);
    for (const auto& [key, value] : op.contents) keys_.push_back(key);
  }
  std::sort(keys_.begin(), keys_.end());
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  for (uint32_t i = 0; i < keys_.size(); ++i) key_numbers_.emplace(keys_[i], i);
  initial_.assign(keys_.size(), kAbsent);
  for (const auto& [key, value] : history_.initial) {
    initial_[key_numbers_.at(key)] = InternValue(value);
  }
}

void HistoryIndex::CollectComponents(bool compositional) {
  KeySets sets(keys_.size());
  bool coupled = !compositional;
  for (const HistoryOp& op : history_.operations) {
    coupled = coupled || op.kind == Kind::kReadAll;
    for (const KeyWrite& write : op.writes) {
      sets.Merge(key_numbers_.at(write.key), key_numbers_.at(op.writes[0].key));
    }
  }
  component_of_.resize(keys_.size());
  place_of_.resize(keys_.size());
  std::unordered_map<uint32_t, uint32_t> number_of_set;
  for (uint32_t key = 0; key < keys_.size(); ++key) {
    const auto [entry, added] = number_of_set.emplace(coupled ? 0 : sets.Find(key),
                                                      static_cast<uint32_t>(components_.size()));
    if (added) components_.emplace_back();
    Component& component = components_[entry->second];
    component_of_[key] = entry->second;
    place_of_[key] = static_cast<uint32_t>(component.keys.size());
    component.keys.push_back(key);
    component.initial.push_back(initial_[key]);
  }
}

void HistoryIndex::AddOperation(const HistoryOp& op) {
  const bool answered = op.outcome == Outcome::kDone && Bound(op, NextCrash(op.begin));
  IndexedOp indexed;
  indexed.source = &op;
  switch (op.kind) {
    case Kind::kSync:
      if (answered) syncs_.push_back({op.end, op.begin});
      return;
    case Kind::kReadAll: {
      // With no key at all there is nothing to be read.
      if (!answered || components_.empty()) return;
      indexed.contents.assign(keys_.size(), kAbsent);
      for (const auto& [key, value] : op.contents) {
        indexed.contents[key_numbers_.at(key)] = InternValue(value);
      }
      return AddOperationTo(&components_[0], op, std::move(indexed));
    }
    case Kind::kRead: {
      if (!answered) return;
      const uint32_t key = key_numbers_.at(op.key);
      indexed.changes.push_back({place_of_[key], InternMaybe(op.found)});
      return AddOperationTo(&components_[component_of_[key]], op, std::move(indexed));
    }
    case Kind::kWrite:
      break;
  }
  if (op.writes.empty()) return;
  indexed.optional = !answered;
  for (const KeyWrite& write : op.writes) {
    const uint32_t key = key_numbers_.at(write.key);
    const ValueId value = InternMaybe(write.value);
    indexed.changes.push_back({place_of_[key], value});
    first_writer_.emplace(AskedKey(key, value), &op);  // the earliest is the first to come
  }
  std::sort(indexed.changes.begin(), indexed.changes.end(),
            [](const Change& a, const Change& b) { return a.key < b.key; });
  for (size_t i = 1; i < indexed.changes.size(); ++i) {
    CHECK(indexed.changes[i].key != indexed.changes[i - 1].key);
  }
  AddOperationTo(&components_[component_of_[key_numbers_.at(op.writes[0].key)]], op,
                 std::move(indexed));
}

void HistoryIndex::AddOperationTo(Component* component, const HistoryOp& op, IndexedOp indexed) {
  const auto number = static_cast<uint32_t>(component->ops.size());
  component->events.push_back({op.begin, HistoryEvent::Kind::kBegin, number, nullptr});
  if (Bound(op, NextCrash(op.begin))) {
    component->events.push_back({op.end, HistoryEvent::Kind::kEnd, number, nullptr});
  }
  component->ops.push_back(std::move(indexed));
}

uint64_t HistoryIndex::FirstWriteAfterCrash(const Component& component, size_t crash) const {
  for (const IndexedOp& op : component.ops) {
    if (op.is_write() && op.source->begin >= past_[crash]) return op.source->begin;
  }
  return kNever;
}

std::vector<Fact> HistoryIndex::FactsAfterCrash(const Component& component, size_t crash,
                                                uint64_t first_write) const {
  std::vector<Fact> facts;
  for (uint32_t i = 0; i < component.ops.size(); ++i) {
    const IndexedOp& op = component.ops[i];
    if (op.is_write() || op.source->begin < past_[crash] || op.source->end >= first_write) continue;
    if (crash + 1 < past_.size() && op.source->begin >= past_[crash + 1]) continue;
    for (const Change& found : op.changes) facts.push_back({i, found});
    for (uint32_t key = 0; key < op.contents.size(); ++key) {
      facts.push_back({i, {key, op.contents[key]}});
    }
  }
  return facts;
}

void HistoryIndex::AddCrashes(Component* component, bool compositional) {
  for (size_t crash = 0; crash < past_.size(); ++crash) {
    const uint64_t first_write = FirstWriteAfterCrash(*component, crash);
    const std::vector<Fact> facts = FactsAfterCrash(*component, crash, first_write);
    auto target = std::make_shared<Target>();
    target->values.assign(component->keys.size(), kAnyValue);
    // Of two facts that disagree the later one kills the search, whichever is kept here.
    for (const Fact& fact : facts) target->values[fact.found.key] = fact.found.value;
    target->exact = std::count(target->values.begin(), target->values.end(), kAnyValue) == 0;
    const auto watch_kind =
        compositional ? HistoryEvent::Kind::kWatchAtCrash : HistoryEvent::Kind::kWatch;
    const uint64_t watch_from = compositional ? past_[crash] : SyncedUpTo(past_[crash]);
    component->events.push_back({watch_from, watch_kind, 0, std::move(target)});
    component->events.push_back({past_[crash], HistoryEvent::Kind::kCrash, 0, nullptr});
    if (crash + 1 == past_.size()) {
      component->facts = facts;
      component->first_write_after_crashes = first_write;
    }
  }
}

}  // namespace fencepost
