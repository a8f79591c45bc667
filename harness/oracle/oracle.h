// SPDX-License-Identifier: BSD-3-Clause
// The oracle: may a store hold this after a crash there?
//
// It may if there is one order of the operations that keeps real time (what ended before another
// one began comes first), explains every answered read, and has what was recovered as its state:
//   power-fail         at the crash, with every acknowledged write in it (durable linearizability);
//   prefix, buffered   at some point not before what was acknowledged when the last completed sync
//                      began;
//   process-crash, none: whatever the order. Only values that nobody wrote are violations.
// An operation under way at the crash, whatever its answer would have been, and one that returned
// an I/O error may have taken effect until the crash, wholly, or not at all. A refused one has not.
// A value that more compare-and-puts have replaced than writes have made is a contradiction; what
// one that was not answered had been waiting for is not judged.
//
// Threads: Judge() may be called from several at once.
// Not covered: what an answered read saw is an answer of the running store, which has lost nothing;
//   engines that answer reads from what a crash of the process would lose are judged all the same.
// Source: Izraelevitz, Mendes, Scott. Linearizability of persistent memory objects under a
//   full-system-crash failure model. DISC 2016.
#ifndef FENCEPOST_HARNESS_ORACLE_ORACLE_H_
#define FENCEPOST_HARNESS_ORACLE_ORACLE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engines/durability.h"
#include "harness/oracle/history.h"

namespace fencepost {

enum class ViolationKind : unsigned char {
  kLost,           // an acknowledged write is gone
  kStale,          // an older value than the acknowledged one
  kResurrected,    // a deleted pair is back
  kPhantom,        // a value or a key that nobody wrote, or that had not been written yet
  kTornBatch,      // a part of a batch
  kHole,           // class prefix: a later write survived an earlier one that did not
  kContradiction,  // no order of the operations gives what the reads and the recovery saw
};

// "lost", "stale", ...
std::string_view ViolationKindName(ViolationKind kind);

struct Violation {
  ViolationKind kind = ViolationKind::kLost;
  std::string key;                                  // one at fault
  std::vector<std::optional<std::string>> allowed;  // values it might have had; nullopt: absent
  std::optional<std::string> found;
  std::vector<uint64_t> operations;  // ids of those that bear on it, latest first
  std::string message;               // one line
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
  Oracle(Oracle&&) noexcept;
  Oracle& operator=(Oracle&&) noexcept;
  ~Oracle();

  // Every violation of `contents` having been recovered after a crash at `position`, at most one a
  // key; empty: it is allowed. REQUIRES: `position` is not before a past crash.
  // Costs about as much as comparing the contents with a map of the same size; for a prefix, also
  // as much as the operations since the last sync before `position`.
  std::vector<Violation> Judge(uint64_t position, const StoreContents& contents) const;

 private:
  class Judgement;

  std::unique_ptr<const Judgement> judgement_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_ORACLE_H_
