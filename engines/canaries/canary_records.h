// SPDX-License-Identifier: BSD-3-Clause
// Records: the pairs of a raw canary, in places of one size that its index refers to by number.
//
// Invariants:
//   1. Which places are taken is known in DRAM only; recovery claims what its index reaches, so a
//      crash leaks none.
//   2. A place is written only while nothing durable refers to it.
// Threads: those of the canary that owns it.
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_RECORDS_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_RECORDS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/canaries/canary_pool.h"

namespace fencepost::canary {

inline constexpr uint64_t kRecordCount = 512;

struct alignas(kLineBytes) Record {
  uint64_t lengths;  // of the key; of the value in the upper half
  char key[kMaxKeyBytes];
  char value[kMaxValueBytes];

  uint64_t key_bytes() const { return lengths & UINT32_MAX; }
  uint64_t value_bytes() const { return lengths >> 32; }
};
static_assert(sizeof(Record) == 512);

using RecordArray = std::array<Record, kRecordCount>;

// Numbers of things, given out and taken back; the last one back is the first one out.
class FreeNumbers {
 public:
  explicit FreeNumbers(uint64_t count) : taken_(count, false) {}

  // False if it is out of range or claimed already.
  bool Claim(uint64_t number);
  std::optional<uint64_t> Take();
  void Give(uint64_t number);
  bool IsTaken(uint64_t number) const { return taken_[number]; }
  uint64_t taken_count() const { return taken_count_; }

 private:
  std::vector<bool> taken_;
  std::vector<uint64_t> returned_;
  uint64_t next_ = 0;  // all numbers from here on were never given out, but may be claimed
  uint64_t taken_count_ = 0;
};

class Records {
 public:
  explicit Records(RecordArray& records) : records_(records), free_(kRecordCount) {}

  // Whether `number` is in range and what is there can be a pair.
  bool IsSane(uint64_t number) const;
  // For recovery: marks it as taken. False if it is not sane or is claimed already.
  bool Claim(uint64_t number) { return IsSane(number) && free_.Claim(number); }

  std::optional<uint64_t> Take() { return free_.Take(); }
  void Give(uint64_t number) { free_.Give(number); }
  uint64_t taken_count() const { return free_.taken_count(); }

  // Stores and flushes, without a fence.
  void Write(uint64_t number, std::string_view key, std::string_view value);
  void WritePersist(uint64_t number, std::string_view key, std::string_view value) {
    Write(number, key, value);
    Drain();
  }

  std::string_view KeyOf(uint64_t number) const {
    const Record& record = records_[number];
    return {record.key, std::min(record.key_bytes(), kMaxKeyBytes)};
  }
  std::string_view ValueOf(uint64_t number) const {
    const Record& record = records_[number];
    return {record.value, std::min(record.value_bytes(), kMaxValueBytes)};
  }

 private:
  RecordArray& records_;
  FreeNumbers free_;
};

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_RECORDS_H_
