// SPDX-License-Identifier: BSD-3-Clause
// A history made ready for judging: keys and values as small numbers, and the operations of each
// component as a sequence of events.
//
// A component is a set of keys that can be judged by itself. Linearizability is compositional: keys
// that no batch and no read of everything couples are components of their own. A prefix is not
// compositional: there, all keys are one component.
//
// Invariants:
//   1. Events ascend by position; at one position crashes come first and ends come last, so that
//      "a ended before b began" is strict and a crash sees what is strictly before it.
//   2. Reads that were not answered and syncs are in no component: they constrain nothing.
// Threads: immutable once made.
#ifndef FENCEPOST_HARNESS_ORACLE_HISTORY_INDEX_H_
#define FENCEPOST_HARNESS_ORACLE_HISTORY_INDEX_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/oracle/history.h"

namespace fencepost {

using ValueId = uint32_t;
inline constexpr ValueId kAbsent = 0;
inline constexpr ValueId kForeignValue = UINT32_MAX - 1;  // of no operation of the history
inline constexpr ValueId kAnyValue = UINT32_MAX;          // in a target: not known

struct Change {
  uint32_t key = 0;  // within the component
  ValueId value = kAbsent;
  bool operator==(const Change&) const = default;
};

struct IndexedOp {
  const HistoryOp* source = nullptr;
  // A write that no answer obliges to have happened: without an answer, with an I/O error, refused,
  // or under way at a crash of the past.
  bool optional = false;
  std::vector<Change> changes;    // kWrite, ascending by key; kRead: the one value found
  std::vector<ValueId> contents;  // kReadAll: of each key of the component

  bool is_write() const { return source->kind == HistoryOp::Kind::kWrite; }
  bool is_read_all() const { return source->kind == HistoryOp::Kind::kReadAll; }
  bool Covers(const IndexedOp& other) const;  // writes all keys that the other writes
  bool SharesKeyWith(const IndexedOp& other) const;
};

// What the state must have been at some instant: values by key, kAnyValue where nothing is known.
struct Target {
  std::vector<ValueId> values;
  bool exact = true;  // no kAnyValue
};

struct HistoryEvent {
  // In the order in which they come at one position.
  enum class Kind : unsigned char {
    kWatchAtCrash,  // the state from here to the crash may be the one that the crash leaves
    kCrash,
    kWatch,  // as kWatchAtCrash, long before the crash
    kBegin,
    kEnd,  // the operation returned and its answer binds
  };
  uint64_t position = 0;
  Kind kind = Kind::kBegin;
  uint32_t op = 0;                       // kBegin, kEnd
  std::shared_ptr<const Target> target;  // kWatch, kWatchAtCrash: what was read after the crash
};

// Read after the last crash, before anything was written: so it is what the crash left.
struct Fact {
  uint32_t op = 0;
  Change found;
};

struct Component {
  std::vector<uint32_t> keys;  // numbers within the history, ascending
  std::vector<ValueId> initial;
  std::vector<IndexedOp> ops;  // ascending by begin
  std::vector<HistoryEvent> events;
  std::vector<Fact> facts;
  uint64_t first_write_after_crashes = kNever;  // begin of the first write after the last crash
};

class HistoryIndex {
 public:
  // `past`: positions of crashes, ascending. REQUIRES: `history` outlives the index.
  HistoryIndex(const History& history, bool compositional, std::vector<uint64_t> past);

  const std::vector<std::string_view>& keys() const { return keys_; }
  const std::vector<Component>& components() const { return components_; }
  const std::vector<uint64_t>& past() const { return past_; }

  std::optional<uint32_t> FindKey(std::string_view key) const;
  ValueId FindValue(std::string_view value) const;
  std::optional<std::string> Value(ValueId value) const;  // REQUIRES: of this history, or kAbsent
  // Whether the key held the value at first, or a write of it began before `position`.
  bool AskedBefore(uint32_t key, ValueId value, uint64_t position) const;

  const HistoryOp* FirstWriter(uint32_t key, ValueId value) const;  // null: none asked for it

  // What a crash at `position` must have kept: whatever was acknowledged before this position,
  // which is that of the last crash before, or of the last sync that returned after it.
  uint64_t SyncedUpTo(uint64_t position) const;

 private:
  // REQUIRES: `value` lives in the history; views of it are kept.
  ValueId InternValue(std::string_view value);
  ValueId InternMaybe(const std::optional<std::string>& value);
  void CollectKeys();
  void CollectComponents(bool compositional);
  void AddOperation(const HistoryOp& op);
  void AddOperationTo(Component* component, const HistoryOp& op, IndexedOp indexed);
  void AddCrashes(Component* component, bool compositional);
  std::vector<Fact> FactsAfterCrash(const Component& component, size_t crash,
                                    uint64_t first_write) const;
  uint64_t FirstWriteAfterCrash(const Component& component, size_t crash) const;
  uint64_t NextCrash(uint64_t begin) const;  // kNever where there is none

  const History& history_;
  std::vector<uint64_t> past_;
  std::vector<std::string_view> keys_;  // ascending
  std::unordered_map<std::string_view, uint32_t> key_numbers_;
  std::vector<std::string_view> values_;  // of id - 1
  std::unordered_map<std::string_view, ValueId> value_ids_;
  std::unordered_map<uint64_t, const HistoryOp*> first_writer_;  // of key and value
  std::vector<ValueId> initial_;                                 // by key
  std::vector<Component> components_;
  std::vector<uint32_t> component_of_;  // by key
  std::vector<uint32_t> place_of_;      // by key: its number within its component
  struct Sync {
    uint64_t end;
    uint64_t begin;  // the greatest of all syncs that returned by `end`
  };
  std::vector<Sync> syncs_;  // ascending by end
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_HISTORY_INDEX_H_
