// SPDX-License-Identifier: BSD-3-Clause
#include "engines/canaries/canary_records.h"

#include <cstddef>

namespace fencepost::canary {

bool FreeNumbers::Claim(uint64_t number) {
  if (number >= taken_.size() || taken_[number]) return false;
  taken_[number] = true;
  ++taken_count_;
  return true;
}

std::optional<uint64_t> FreeNumbers::Take() {
  uint64_t number = 0;
  if (!returned_.empty()) {
    number = returned_.back();
    returned_.pop_back();
  } else {
    while (next_ < taken_.size() && taken_[next_]) ++next_;
    if (next_ == taken_.size()) return std::nullopt;
    number = next_++;
  }
  CHECK(Claim(number));
  return number;
}

void FreeNumbers::Give(uint64_t number) {
  // A planted bug may make two places refer to one number: then it comes back twice.
  if (!taken_[number]) return;
  taken_[number] = false;
  --taken_count_;
  // Below next_ it would not be found again; above, it still will.
  if (number < next_) returned_.push_back(number);
}

bool Records::IsSane(uint64_t number) const {
  if (number >= kRecordCount) return false;
  const Record& record = records_[number];
  return record.key_bytes() >= 1 && record.key_bytes() <= kMaxKeyBytes &&
         record.value_bytes() <= kMaxValueBytes;
}

void Records::Write(uint64_t number, std::string_view key, std::string_view value) {
  Record& record = records_[number];
  StoreWord(&record.lengths, key.size() | (value.size() << 32));
  CopyCached(record.key, key.data(), key.size());
  CopyCached(record.value, value.data(), value.size());
  Flush(&record, offsetof(Record, value) + value.size());
}

}  // namespace fencepost::canary
