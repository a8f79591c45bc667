// SPDX-License-Identifier: BSD-3-Clause
// Short ways to write a history down, for tests.
#ifndef FENCEPOST_HARNESS_ORACLE_ORACLE_TEST_UTIL_H_
#define FENCEPOST_HARNESS_ORACLE_ORACLE_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/oracle/oracle.h"

namespace fencepost {

using MaybeValue = std::optional<std::string>;

// One operation, from `begin` to `end`. Ids are the begins.
inline HistoryOp Op(HistoryOp::Kind kind, uint64_t begin, uint64_t end) {
  HistoryOp op;
  op.id = begin;
  op.kind = kind;
  op.begin = begin;
  op.end = end;
  return op;
}

inline HistoryOp Batch(uint64_t begin, uint64_t end, std::vector<KeyWrite> writes) {
  HistoryOp op = Op(HistoryOp::Kind::kWrite, begin, end);
  op.writes = std::move(writes);
  return op;
}

inline HistoryOp Put(uint64_t begin, uint64_t end, std::string key, MaybeValue value) {
  return Batch(begin, end, {{std::move(key), std::move(value)}});
}

inline HistoryOp Delete(uint64_t begin, uint64_t end, std::string key) {
  return Put(begin, end, std::move(key), std::nullopt);
}

inline HistoryOp Read(uint64_t begin, uint64_t end, std::string key, MaybeValue found) {
  HistoryOp op = Op(HistoryOp::Kind::kRead, begin, end);
  op.key = std::move(key);
  op.found = std::move(found);
  return op;
}

inline HistoryOp ReadAll(uint64_t begin, uint64_t end, StoreContents contents) {
  HistoryOp op = Op(HistoryOp::Kind::kReadAll, begin, end);
  op.contents = std::move(contents);
  return op;
}

inline HistoryOp Sync(uint64_t begin, uint64_t end) {
  return Op(HistoryOp::Kind::kSync, begin, end);
}

inline HistoryOp Refused(HistoryOp op) {
  op.outcome = HistoryOp::Outcome::kRefused;
  return op;
}

inline HistoryOp Unknown(HistoryOp op) {
  op.outcome = HistoryOp::Outcome::kUnknown;
  return op;
}

// The kinds of all violations, as "lost a, stale b"; "" where it is allowed.
inline std::string Judged(const History& history, Durability durability, uint64_t position,
                          const StoreContents& contents, std::vector<PastCrash> past = {}) {
  std::string judged;
  for (const Violation& v :
       Oracle(history, durability, std::move(past)).Judge(position, contents)) {
    EXPECT_TRUE(v.message.starts_with("key ")) << v.message;
    EXPECT_EQ(v.message.find('\n'), std::string::npos) << v.message;
    if (!judged.empty()) judged += ", ";
    judged += std::string(ViolationKindName(v.kind)) + " " + v.key;
  }
  return judged;
}

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_ORACLE_ORACLE_TEST_UTIL_H_
