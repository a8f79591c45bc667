// SPDX-License-Identifier: BSD-3-Clause
// What a recovery found in a store, as it travels from the child that recovered to the judge.
#ifndef FENCEPOST_HARNESS_CRASH_RECOVERED_STORE_H_
#define FENCEPOST_HARNESS_CRASH_RECOVERED_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engines/engine.h"
#include "engines/status.h"
#include "harness/oracle/history.h"

namespace fencepost {

// A version of a value, in place of the value itself: what histories and recovered contents of
// crash runs hold. "v12"
std::string VersionToken(uint32_t version);

struct RecoveredStore {
  // "open", "for-each", "audit", "close", ...: which call failed, and how; empty if none did.
  std::string failed_call;
  std::string failure;
  StoreContents contents;  // key to version token; values with a fault are not among them
  struct Fault {
    std::string key;
    std::string fault;  // "torn", "foreign", ...
    uint64_t bytes = 0;
  };
  std::vector<Fault> faults;
  std::optional<AuditReport> audit;
  std::optional<uint64_t> count;  // what the engine says that it holds, where it knows exactly
  // What went wrong after the recovery, when the store was used on: empty if nothing did.
  std::string afterwards;

  std::string Encode() const;
  // kCorrupt if it is not what Encode gave.
  static Result<RecoveredStore> Decode(const std::string& text);
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_RECOVERED_STORE_H_
