// SPDX-License-Identifier: BSD-3-Clause
// The oracle: may a store hold this after a crash there?
#ifndef FENCEPOST_HARNESS_ORACLE_ORACLE_H_
#define FENCEPOST_HARNESS_ORACLE_ORACLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engines/durability.h"
#include "harness/oracle/history.h"

namespace fencepost {

enum class ViolationKind : unsigned char {
  kLost,         // an acknowledged write is gone
  kStale,        // an older value than the acknowledged one
  kResurrected,  // a deleted pair is back
  kPhantom,      // a value or a key that nobody wrote, or that had not been written yet
  kTornBatch,    // a part of a batch
  kHole,         // class prefix: a later write survived an earlier one that did not
  kContradiction,  // no order of the operations gives what the reads and the recovery saw
};

// "lost", "stale", ...
std::string_view ViolationKindName(ViolationKind kind);

struct Violation {
  ViolationKind kind = ViolationKind::kLost;
  std::string key;                       // one at fault
  std::vector<std::optional<std::string>> allowed;  // values it might have had; nullopt: absent
  std::optional<std::string> found;
  std::vector<uint64_t> operations;      // ids of those that bear on it, latest first
  std::string message;                   // one line
};

// One crash that the history has gone through already, and what was read after it: facts for every
// later crash. Operations under way at `position` have taken effect before it, or never.
struct PastCrash {
  uint64_t position = 0;
};

class Oracle {
 public:
  // REQUIRES: `history` outlives the oracle. Past crashes in ascending order.
  Oracle(const History& history, Durability durability, std::vector<PastCrash> past = {});

  // Every violation of `contents` having been recovered after a crash at `position`, at most one a
  // key; empty: it is allowed.
  std::vector<Violation> Judge(uint64_t position, const StoreContents& contents) const;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_ORACLE_H_
