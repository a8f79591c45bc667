// SPDX-License-Identifier: BSD-3-Clause
// The Px86 rules once more, for tests: by brute force, from the list of events, without a state.
//
// What a crash after the first n events can leave is found anew for each n: which stores are
// guaranteed is a search over the events, and the contents are all subsets of all stores' 8-byte
// units, less those that a rule forbids. It shares nothing with the model, not even the names.
#ifndef FENCEPOST_FAULTINJECT_MODEL_PX86_REFERENCE_H_
#define FENCEPOST_FAULTINJECT_MODEL_PX86_REFERENCE_H_

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fencepost::reference {

inline constexpr int kLines = 3;
inline constexpr int kFileBytes = kLines * 64;

struct Event {
  enum Kind { kStore, kNtStore, kLocked, kClwb, kClflush, kFence, kSync };
  Kind kind = kStore;
  int thread = 0;
  int offset = 0;
  int length = 0;
  std::string bytes;  // of a store
};

inline bool IsStore(const Event& e) { return e.kind <= Event::kLocked; }
inline bool IsCached(const Event& e) { return e.kind == Event::kStore || e.kind == Event::kLocked; }
inline bool IsFence(const Event& e) { return e.kind == Event::kFence || e.kind == Event::kLocked; }
inline bool Touches(const Event& e, int line) {
  return e.length > 0 && e.offset < 64 * (line + 1) && e.offset + e.length > 64 * line;
}

inline std::string Describe(const std::vector<Event>& events) {
  static constexpr const char* kNames[] = {"store",   "nt store", "locked", "clwb",
                                           "clflush", "fence",    "sync"};
  std::ostringstream out;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& e = events[i];
    out << i << ": T" << e.thread << ' ' << kNames[e.kind] << ' ' << e.offset << "+" << e.length;
    for (const char c : e.bytes) out << ' ' << static_cast<int>(static_cast<uint8_t>(c));
    out << '\n';
  }
  return out.str();
}

struct Rules {
  bool tear_by_line = false;
  bool eadr = false;
};

// The states of one line after a crash at the end of the events.
class Line {
 public:
  // Gives up, with too_many(), where the rules leave more than `most_choices` choices.
  Line(const Rules& rules, const std::string& file, const std::vector<Event>& events, int line,
       size_t most_choices)
      : rules_(rules), events_(events), line_(line), most_choices_(most_choices) {
    for (size_t i = 0; i < events.size(); ++i) {
      if (IsStore(events[i]) && Touches(events[i], line)) stores_.push_back(i);
    }
    for (const size_t store : stores_) {
      guaranteed_.push_back(IsGuaranteed(store));
      units_.push_back(Units(store));
    }
    Choose(file.substr(static_cast<size_t>(64 * line), 64), {});
  }

  bool too_many() const { return choices_ > most_choices_; }
  size_t choices() const { return choices_; }
  const std::set<std::string>& contents() const { return contents_; }
  size_t undecided() const {
    size_t count = 0;
    for (const bool guaranteed : guaranteed_) count += guaranteed ? 0 : 1;
    return count;
  }

 private:
  bool IsGuaranteed(size_t store) const {
    if (rules_.eadr && IsCached(events_[store])) return true;
    for (size_t later = store + 1; later < events_.size(); ++later) {
      const Event& e = events_[later];
      if (e.kind == Event::kSync && Touches(e, line_)) return true;
      if (e.kind == Event::kClflush && Touches(e, line_) && IsCached(events_[store])) return true;
      if (IsFence(e) && IsDrainedBy(store, later)) return true;
    }
    return false;
  }

  bool IsDrainedBy(size_t store, size_t fence) const {
    if (!IsCached(events_[store])) return events_[store].thread == events_[fence].thread;
    for (size_t flush = store + 1; flush < fence; ++flush) {
      const Event& e = events_[flush];
      if (e.kind == Event::kClwb && e.thread == events_[fence].thread && Touches(e, line_)) {
        return true;
      }
    }
    return false;
  }

  using UnitList = std::vector<std::vector<int>>;

  // The bytes of the line that a store writes, by aligned 8.
  UnitList Units(size_t store) const {
    const Event& e = events_[store];
    UnitList units;
    for (int unit = 0; unit < 8; ++unit) {
      std::vector<int> bytes;
      for (int at = 64 * line_ + 8 * unit; at < 64 * line_ + 8 * (unit + 1); ++at) {
        if (at >= e.offset && at < e.offset + e.length) bytes.push_back(at - 64 * line_);
      }
      if (!bytes.empty()) units.push_back(bytes);
    }
    return units;
  }

  enum Part { kNothing, kSome, kAll };

  // Whether store number `chosen.size() - 1` of the line may survive like that, after the others.
  bool Allowed(const std::vector<Part>& chosen) const {
    const size_t last = chosen.size() - 1;
    const Event& e = events_[stores_[last]];
    if (guaranteed_[last] && chosen[last] != kAll) return false;
    const bool indivisible = rules_.tear_by_line || e.kind == Event::kLocked;
    if (indivisible && chosen[last] == kSome) return false;
    if (!IsCached(e)) return true;
    for (size_t before = 0; before < last; ++before) {
      const bool in_order = IsCached(events_[stores_[before]]);
      if (in_order && chosen[before] != kAll && chosen[last] != kNothing) return false;
    }
    return true;
  }

  void Choose(const std::string& content, std::vector<Part> chosen) {
    if (too_many()) return;
    if (chosen.size() == stores_.size()) {
      ++choices_;
      contents_.insert(content);
      return;
    }
    const size_t store = stores_[chosen.size()];
    const UnitList& units = units_[chosen.size()];
    const unsigned all = (1u << units.size()) - 1;
    chosen.push_back(kNothing);
    for (unsigned subset = 0; subset <= all; ++subset) {
      chosen.back() = subset == 0 ? kNothing : subset == all ? kAll : kSome;
      if (Allowed(chosen)) Choose(Written(content, store, units, subset), chosen);
    }
  }

  std::string Written(std::string content, size_t store, const UnitList& units,
                      unsigned subset) const {
    for (size_t unit = 0; unit < units.size(); ++unit) {
      if ((subset >> unit & 1) == 0) continue;
      for (const int at : units[unit]) {
        const int from = 64 * line_ + at - events_[store].offset;
        content[static_cast<size_t>(at)] = events_[store].bytes[static_cast<size_t>(from)];
      }
    }
    return content;
  }

  const Rules rules_;
  const std::vector<Event>& events_;
  const int line_;
  const size_t most_choices_;
  std::vector<size_t> stores_;    // which events store to the line
  std::vector<bool> guaranteed_;  // each of them
  std::vector<UnitList> units_;   // of each of them
  size_t choices_ = 0;
  std::set<std::string> contents_;
};

// -- random traces

inline int Draw(std::mt19937_64& random, int from, int to) {
  return from + static_cast<int>(random() % static_cast<uint64_t>(to - from + 1));
}

// Any bytes, or often bytes that are there already.
inline std::string AnyBytes(std::mt19937_64& random, int length, bool few_values) {
  std::string bytes(static_cast<size_t>(length), '\0');
  const auto fill = static_cast<char>(random() % 2);
  for (char& c : bytes) c = few_values ? fill : static_cast<char>(random());
  return bytes;
}

inline int AnyStoreLength(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
      return Draw(random, 33, 70);  // as of a REP instruction
    case 1:
    case 2:
      return Draw(random, 1, 32);
    case 3:
      return 16;
    default:
      return 8;
  }
}

inline Event AnyEvent(std::mt19937_64& random, bool few_values) {
  Event e;
  e.thread = Draw(random, 0, 2);
  const int kind = Draw(random, 0, 19);
  e.kind = kind < 6    ? Event::kStore
           : kind < 8  ? Event::kNtStore
           : kind < 9  ? Event::kLocked
           : kind < 14 ? Event::kClwb
           : kind < 15 ? Event::kClflush
           : kind < 19 ? Event::kFence
                       : Event::kSync;
  if (e.kind == Event::kFence) return e;
  e.length = IsStore(e) ? AnyStoreLength(random) : Draw(random, 1, random() % 4 == 0 ? 100 : 8);
  e.offset = Draw(random, 0, kFileBytes - e.length);
  if (random() % 2 == 0) e.offset -= e.offset % 8;
  if (IsStore(e)) e.bytes = AnyBytes(random, e.length, few_values);
  return e;
}

}  // namespace fencepost::reference

#endif  // FENCEPOST_FAULTINJECT_MODEL_PX86_REFERENCE_H_
