// SPDX-License-Identifier: BSD-3-Clause
#include "harness/oracle/frontier.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "engines/status.h"

namespace fencepost {
namespace {

size_t Mix(size_t hash, size_t value) {
  constexpr size_t kOdd = 0x9e3779b97f4a7c15U;
  hash = (hash ^ value) * kOdd;
  return hash ^ (hash >> 29);
}

bool Fits(ValueId wanted, ValueId held) { return wanted == kAnyValue || wanted == held; }

bool Contains(const std::vector<uint32_t>& sorted, uint32_t op) {
  return std::binary_search(sorted.begin(), sorted.end(), op);
}

void Insert(std::vector<uint32_t>* sorted, uint32_t op) {
  sorted->insert(std::lower_bound(sorted->begin(), sorted->end(), op), op);
}

void Erase(std::vector<uint32_t>* sorted, uint32_t op) {
  const auto at = std::lower_bound(sorted->begin(), sorted->end(), op);
  if (at != sorted->end() && *at == op) sorted->erase(at);
}

auto FindChange(std::vector<Change>& changes, uint32_t key) {
  return std::lower_bound(changes.begin(), changes.end(), key,
                          [](const Change& change, uint32_t k) { return change.key < k; });
}

}  // namespace

bool Configuration::Has(uint32_t op) const { return Contains(linearized, op); }

bool Configuration::Hides(uint32_t op) const { return Contains(hidden, op); }

void Configuration::Add(uint32_t op) {
  Erase(&hidden, op);
  Insert(&linearized, op);
}

void Configuration::Remove(uint32_t op) {
  Erase(&hidden, op);
  Erase(&linearized, op);
}

// Configurations of which none covers another one.
class Frontier::Set {
 public:
  explicit Set(const Frontier& frontier) : frontier_(frontier) {}

  // False where one that is there already is at least as good.
  bool Insert(const Configuration& c) {
    std::vector<Configuration>& rivals = by_hash_[Hash(c)];
    for (const Configuration& rival : rivals) {
      if (frontier_.Covers(rival, c)) return false;
    }
    std::erase_if(rivals, [&](const Configuration& rival) { return frontier_.Covers(c, rival); });
    rivals.push_back(c);
    return true;
  }

  std::vector<Configuration> TakeAll() {
    std::vector<Configuration> all;
    for (auto& [hash, configurations] : by_hash_) {
      for (Configuration& c : configurations) all.push_back(std::move(c));
    }
    return all;
  }

 private:
  // Of what two configurations must have in common for one to cover the other.
  size_t Hash(const Configuration& c) const {
    size_t hash = frontier_.watch_ && !frontier_.watch_->exact ? c.snapshot : 0;
    for (const Change& change : c.difference) hash = Mix(Mix(hash, change.key), change.value);
    return hash;
  }

  const Frontier& frontier_;
  std::unordered_map<size_t, std::vector<Configuration>> by_hash_;
};

Frontier::Frontier(const Component& component)
    : component_(&component), base_(component.initial), configurations_(1) {}

void Frontier::Take(const HistoryEvent& event) {
  if (dead()) return;
  switch (event.kind) {
    case HistoryEvent::Kind::kBegin:
      return Begin(event.op);
    case HistoryEvent::Kind::kEnd:
      return End(event.op);
    case HistoryEvent::Kind::kWatch:
    case HistoryEvent::Kind::kWatchAtCrash:
      return Watch(event.target);
    case HistoryEvent::Kind::kCrash:
      return Crash();
  }
}

ValueId Frontier::Held(const Configuration& c, uint32_t key) const {
  for (const Change& change : c.difference) {
    if (change.key == key) return change.value;
  }
  return base_[key];
}

size_t Frontier::BaseMismatches(const std::vector<ValueId>& wanted) const {
  size_t mismatches = 0;
  for (size_t key = 0; key < base_.size(); ++key) mismatches += !Fits(wanted[key], base_[key]);
  return mismatches;
}

size_t Frontier::Mismatches(const Configuration& c, const std::vector<ValueId>& wanted,
                            size_t base_mismatches) const {
  for (const Change& change : c.difference) {
    base_mismatches += !Fits(wanted[change.key], change.value);
    base_mismatches -= !Fits(wanted[change.key], base_[change.key]);
  }
  return base_mismatches;
}

bool Frontier::Sees(const Configuration& c, const ActiveRead& read) const {
  const IndexedOp& o = op(read.op);
  if (o.is_read_all()) return Mismatches(c, o.contents, read.base_mismatches) == 0;
  return Held(c, o.changes[0].key) == o.changes[0].value;
}

void Frontier::Begin(uint32_t number) {
  if (op(number).is_write()) {
    writes_.push_back(number);
    return;
  }
  const bool all = op(number).is_read_all();
  reads_.push_back({number, all ? BaseMismatches(op(number).contents) : 0});
  for (Configuration& c : configurations_) {
    if (Sees(c, reads_.back())) c.Add(number);
  }
}

void Frontier::End(uint32_t number) {
  if (op(number).source->outcome == HistoryOp::Outcome::kRefused) {
    EndRefused(number);
  } else if (!EndSimply(number)) {
    EndBySearch(number);
  }
  std::erase(writes_, number);
  std::erase_if(reads_, [&](const ActiveRead& read) { return read.op == number; });
  if (dead()) dead_op_ = number;
}

void Frontier::EndRefused(uint32_t number) {
  std::erase_if(configurations_, [&](const Configuration& c) { return c.Has(number); });
  Fold();
}

// The two cases that are nearly all of a history: every configuration has it already; or it is the
// only write under way.
bool Frontier::EndSimply(uint32_t number) {
  if (std::all_of(configurations_.begin(), configurations_.end(),
                  [&](const Configuration& c) { return c.Has(number); })) {
    for (Configuration& c : configurations_) c.Remove(number);
    return true;
  }
  if (configurations_.size() != 1 || writes_.size() != 1 || writes_[0] != number ||
      configurations_[0].Hides(number)) {
    return false;
  }
  configurations_ = Apply(std::move(configurations_[0]), number);
  for (Configuration& c : configurations_) c.Remove(number);
  Fold();
  return true;
}

void Frontier::EndBySearch(uint32_t number) {
  const IndexedOp& ending = op(number);
  Set done(*this);
  Set seen(*this);
  std::vector<Configuration> open;
  const auto put = [&](Configuration c) {
    if (c.Has(number)) {
      c.Remove(number);
      done.Insert(c);
      return;
    }
    if (!seen.Insert(c)) return;
    if (c.Hides(number)) {
      Configuration unseen = c;
      unseen.Remove(number);
      done.Insert(unseen);
    }
    open.push_back(std::move(c));
  };
  for (Configuration& c : configurations_) put(std::move(c));
  while (!open.empty()) {
    Configuration c = std::move(open.back());
    open.pop_back();
    if (ending.is_read_all() && OnlyReadAll(c, number)) {
      ApplyForced(&c, ending.contents);
      c = std::move(Settle(std::move(c))[0]);  // only one: no crash is being watched for
      if (c.Has(number)) {
        put(std::move(c));
        continue;
      }
    }
    for (const uint32_t write : writes_) {
      if (c.Has(write) || (write != number && !Useful(c, write))) continue;
      for (Configuration& next : Apply(c, write)) put(std::move(next));
    }
  }
  configurations_ = done.TakeAll();
  Fold();
}

void Frontier::Watch(std::shared_ptr<const Target> target) {
  if (dead() || watch_) return;
  watch_ = std::move(target);
  watch_base_mismatches_ = BaseMismatches(watch_->values);
  std::vector<Configuration> settled;
  for (Configuration& c : configurations_) {
    for (Configuration& s : Settle(std::move(c))) settled.push_back(std::move(s));
  }
  configurations_ = std::move(settled);
}

void Frontier::Crash() {
  CHECK(watch_ != nullptr && reads_.empty());
  std::set<uint32_t> chosen;
  Set seen(*this);
  std::vector<Configuration> open;
  const auto put = [&](Configuration c) {
    if (c.snapshot != kNoSnapshot) {
      chosen.insert(c.snapshot);
    } else if (seen.Insert(c)) {
      open.push_back(std::move(c));
    }
  };
  for (Configuration& c : configurations_) put(std::move(c));
  while (!open.empty()) {
    Configuration c = std::move(open.back());
    open.pop_back();
    if (watch_->exact && !chosen.empty()) break;
    ApplyForced(&c, watch_->values);
    for (Configuration& settled : Settle(c)) {
      if (settled.snapshot != kNoSnapshot) put(std::move(settled));
    }
    for (const uint32_t write : writes_) {
      if (c.Has(write) || !Useful(c, write)) continue;
      for (Configuration& next : Apply(c, write)) put(std::move(next));
    }
  }
  configurations_.clear();
  watch_.reset();
  writes_.clear();
  const auto snapshots = std::exchange(snapshots_, {});
  for (const auto& [state, snapshot] : snapshots) {
    if (!chosen.contains(snapshot)) continue;
    if (configurations_.empty()) base_ = state;
    Configuration& c = configurations_.emplace_back();
    for (uint32_t key = 0; key < state.size(); ++key) {
      if (state[key] != base_[key]) c.difference.push_back({key, state[key]});
    }
  }
}

void Frontier::Write(Configuration* c, uint32_t number) const {
  for (const Change& change : op(number).changes) {
    const auto at = FindChange(c->difference, change.key);
    const bool there = at != c->difference.end() && at->key == change.key;
    if (base_[change.key] == change.value) {
      if (there) c->difference.erase(at);
    } else if (there) {
      at->value = change.value;
    } else {
      c->difference.insert(at, change);
    }
  }
  c->Add(number);
  Hide(c, number);
}

void Frontier::Hide(Configuration* c, uint32_t behind) const {
  for (const uint32_t write : writes_) {
    if (op(write).optional || c->Has(write) || c->Hides(write)) continue;
    if (op(behind).Covers(op(write))) Insert(&c->hidden, write);
  }
}

std::vector<Configuration> Frontier::Apply(Configuration c, uint32_t number) {
  Write(&c, number);
  return Settle(std::move(c));
}

std::vector<Configuration> Frontier::Settle(Configuration c) {
  for (const ActiveRead& read : reads_) {
    if (!c.Has(read.op) && Sees(c, read)) c.Add(read.op);
  }
  std::vector<Configuration> settled;
  if (watch_ && c.snapshot == kNoSnapshot &&
      Mismatches(c, watch_->values, watch_base_mismatches_) == 0) {
    // A state that is known whole is no choice: any later one would be the same.
    if (!watch_->exact) settled.push_back(c);
    c.snapshot = InternSnapshot(c);
  }
  settled.push_back(std::move(c));
  return settled;
}

uint32_t Frontier::InternSnapshot(const Configuration& c) {
  std::vector<ValueId> state = base_;
  for (const Change& change : c.difference) state[change.key] = change.value;
  return snapshots_.emplace(std::move(state), static_cast<uint32_t>(snapshots_.size()))
      .first->second;
}

bool Frontier::FeedsARead(const Configuration& c, const IndexedOp& write) const {
  const auto feeds = [&](const auto& wanted) {
    return std::any_of(write.changes.begin(), write.changes.end(), [&](const Change& change) {
      return wanted(change) && Held(c, change.key) != change.value;
    });
  };
  if (watch_ && c.snapshot == kNoSnapshot &&
      feeds([&](const Change& change) { return Fits(watch_->values[change.key], change.value); })) {
    return true;
  }
  return std::any_of(reads_.begin(), reads_.end(), [&](const ActiveRead& read) {
    const IndexedOp& o = op(read.op);
    if (c.Has(read.op)) return false;
    return feeds([&](const Change& change) {
      return o.is_read_all() ? o.contents[change.key] == change.value : o.changes[0] == change;
    });
  });
}

bool Frontier::Useful(const Configuration& c, uint32_t write) const {
  const IndexedOp& candidate = op(write);
  const bool needed = !candidate.optional && !c.Hides(write);
  for (const uint32_t other : writes_) {
    if (other == write || c.Has(other) || !op(other).SharesKeyWith(candidate)) continue;
    // Where the other one hides it whole, a write that need not be might as well not have been.
    if (needed || !op(other).Covers(candidate)) return true;
  }
  return FeedsARead(c, candidate);
}

bool Frontier::OnlyReadAll(const Configuration& c, uint32_t number) const {
  if (watch_ && c.snapshot == kNoSnapshot) return false;
  return std::none_of(reads_.begin(), reads_.end(), [&](const ActiveRead& read) {
    return read.op != number && op(read.op).is_read_all() && !c.Has(read.op);
  });
}

// Writes that nothing else can stand in for, on the way to `wanted`: they commute with the rest, so
// they need no search.
void Frontier::ApplyForced(Configuration* c, const std::vector<ValueId>& wanted) const {
  for (const uint32_t write : writes_) {
    if (c->Has(write)) continue;
    const IndexedOp& candidate = op(write);
    bool differs = false;
    bool fits = true;
    for (const Change& change : candidate.changes) {
      fits = fits && wanted[change.key] == change.value;
      differs = differs || Held(*c, change.key) != change.value;
    }
    if (!fits || !differs) continue;
    const bool alone = std::none_of(writes_.begin(), writes_.end(), [&](uint32_t other) {
      return other != write && !c->Has(other) && op(other).SharesKeyWith(candidate);
    });
    if (alone) Write(c, write);
  }
}

bool Frontier::Covers(const Configuration& a, const Configuration& b) const {
  if (a.difference != b.difference) return false;
  const bool chosen_first = watch_ && watch_->exact && a.snapshot != kNoSnapshot;
  if (a.snapshot != b.snapshot && !chosen_first) return false;
  const auto done_too = [&](uint32_t number) { return !op(number).is_write() || b.Has(number); };
  const auto as_good = [&](uint32_t number) {
    return a.Has(number) || a.Hides(number) || op(number).optional;
  };
  return std::all_of(a.linearized.begin(), a.linearized.end(), done_too) &&
         std::all_of(b.linearized.begin(), b.linearized.end(), as_good) &&
         std::includes(a.hidden.begin(), a.hidden.end(), b.hidden.begin(), b.hidden.end());
}

void Frontier::SetBase(uint32_t key, ValueId value) {
  const auto adjust = [&](const std::vector<ValueId>& wanted, size_t* mismatches) {
    *mismatches += !Fits(wanted[key], value);
    *mismatches -= !Fits(wanted[key], base_[key]);
  };
  for (ActiveRead& read : reads_) {
    if (op(read.op).is_read_all()) adjust(op(read.op).contents, &read.base_mismatches);
  }
  if (watch_) adjust(watch_->values, &watch_base_mismatches_);
  base_[key] = value;
}

// What all configurations agree on belongs to the base.
void Frontier::Fold() {
  if (dead()) return;
  const std::vector<Change> first = configurations_[0].difference;
  for (const Change& change : first) {
    const bool agreed =
        std::all_of(configurations_.begin() + 1, configurations_.end(),
                    [&](const Configuration& c) { return Held(c, change.key) == change.value; });
    if (!agreed) continue;
    SetBase(change.key, change.value);
    for (Configuration& c : configurations_)
      c.difference.erase(FindChange(c.difference, change.key));
  }
}

// Backwards: a write may come last if the target has all that it wrote, and whatever came before
// need not have been right in its keys. None of those left under way must take effect, so taking
// one never harms.
bool Frontier::MayLeave(const Target& target) const {
  const size_t base_mismatches = BaseMismatches(target.values);
  for (const Configuration& c : configurations_) {
    if (watch_ && c.snapshot != kNoSnapshot) return true;
    size_t mismatches = Mismatches(c, target.values, base_mismatches);
    std::vector<uint32_t> left;
    for (const uint32_t write : writes_) {
      if (!c.Has(write)) left.push_back(write);
    }
    std::set<uint32_t> explained;
    for (bool progress = true; progress && mismatches > 0;) {
      progress = std::erase_if(left, [&](uint32_t write) {
                   const auto& changes = op(write).changes;
                   const bool last =
                       std::all_of(changes.begin(), changes.end(), [&](const Change& change) {
                         return explained.contains(change.key) ||
                                target.values[change.key] == change.value;
                       });
                   if (!last) return false;
                   for (const Change& change : changes) {
                     if (!explained.insert(change.key).second) continue;
                     mismatches -= Held(c, change.key) != target.values[change.key];
                   }
                   return true;
                 }) > 0;
    }
    if (mismatches == 0) return true;
  }
  return false;
}

std::set<ValueId> Frontier::HeldNow(uint32_t key) const {
  std::set<ValueId> values;
  for (const Configuration& c : configurations_) values.insert(Held(c, key));
  return values;
}

std::set<ValueId> Frontier::PossibleValues(uint32_t key) const {
  std::set<ValueId> values = HeldNow(key);
  for (const uint32_t write : writes_) {
    if (std::all_of(configurations_.begin(), configurations_.end(),
                    [&](const Configuration& c) { return c.Has(write); })) {
      continue;  // had its turn
    }
    for (const Change& change : op(write).changes) {
      if (change.key == key) values.insert(change.value);
    }
  }
  return values;
}

}  // namespace fencepost
