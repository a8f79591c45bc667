// SPDX-License-Identifier: BSD-3-Clause
// History: what a client asked of a store and what it was told, outside of the crash domain.
//
// Positions are those of one total order of events (the numbers of the trace's events; any other
// total order does). An operation is under way from `begin` until `end`; a crash at position p has
// seen the events before p.
//
// Invariants:
//   1. An operation's `begin` is below its `end`; one that never returned has end == kNever.
//   2. Operations of one thread do not overlap.
// Threads: none; a history is immutable once recorded.
#ifndef FENCEPOST_HARNESS_ORACLE_HISTORY_H_
#define FENCEPOST_HARNESS_ORACLE_HISTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fencepost {

inline constexpr uint64_t kNever = UINT64_MAX;

// What a store holds, or is said to hold.
using StoreContents = std::map<std::string, std::string>;

// One change of one key: a put, or a delete where there is no value.
struct KeyWrite {
  std::string key;
  std::optional<std::string> value;
};

struct HistoryOp {
  enum class Kind : unsigned char {
    kWrite,    // one or more changes, all or nothing
    kRead,     // one key: `found`
    kReadAll,  // the whole map at one instant: `contents`
    kSync,     // everything acknowledged before it began is durable once it has returned
  };
  enum class Outcome : unsigned char {
    kDone,     // acknowledged
    kRefused,  // clean refusal (full): must not have happened
    kUnknown,  // failed with an I/O error: may or may not have happened
  };

  uint64_t id = 0;
  uint32_t thread = 0;
  Kind kind = Kind::kWrite;
  Outcome outcome = Outcome::kDone;  // of an operation that returned
  uint64_t begin = 0;
  uint64_t end = kNever;
  std::vector<KeyWrite> writes = {};  // kWrite; a key at most once
  // kWrite of one key, conditional on its value having been this one; kRefused where it was not.
  std::optional<std::string> replaces = {};
  std::string key = {};                   // kRead
  std::optional<std::string> found = {};  // kRead: the value, or absent
  StoreContents contents = {};            // kReadAll
};

struct History {
  StoreContents initial;  // before the first operation, durably
  std::vector<HistoryOp> operations;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_HISTORY_H_
