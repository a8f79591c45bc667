// SPDX-License-Identifier: BSD-3-Clause
// Says what is wrong with contents that the oracle has found wrong: which key, which kind, whose
// fault. Costs as much as the component has operations; nothing here decides whether it is wrong.
#ifndef FENCEPOST_HARNESS_ORACLE_DIAGNOSIS_H_
#define FENCEPOST_HARNESS_ORACLE_DIAGNOSIS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/oracle/frontier.h"
#include "harness/oracle/history_index.h"
#include "harness/oracle/oracle.h"

namespace fencepost {

// What was recovered of one component.
struct Finding {
  const HistoryIndex& index;
  const Component& component;
  const Target& target;
  const StoreContents& contents;
  uint64_t position;  // of the crash
};

// A pair whose key no operation mentions.
Violation UnknownKey(std::string_view key, std::string_view value);

// A value that no write of this key that began before the crash had. `key` is the history's number.
// The message of a value that was replaced more often than it was written.
std::string ReplacedTooOften(std::string_view key, std::string_view value, uint64_t replaced,
                             uint64_t written);
Violation NeverWritten(const HistoryIndex& index, uint32_t key, const StoreContents& contents,
                       uint64_t position);

// Appends a violation for each key that differs from what a read after the last crash saw; false
// where there is none.
bool ExplainChangedSinceRead(const Finding& finding, std::vector<Violation>* violations);

// Appends why everything acknowledged does not lead to the contents: at least one violation.
// `at_crash` is the frontier at the crash.
void ExplainAll(const Finding& finding, const Frontier& at_crash,
                std::vector<Violation>* violations);

// Appends why no prefix leads to the contents: at least one violation. `at_sync` is the frontier at
// `synced`, from where on prefixes are allowed to end.
void ExplainPrefix(const Finding& finding, const Frontier& at_sync, const Frontier& at_crash,
                   uint64_t synced, std::vector<Violation>* violations);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_DIAGNOSIS_H_
