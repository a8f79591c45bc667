// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/key_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "workloads/values.h"

namespace fencepost {

KeyTable::KeyTable(const KeyFormat& format, uint64_t first, uint64_t count, uint64_t max_bytes)
    : first_(first) {
  if (format.max_key_bytes() > Entry::kMaxKeyBytes) return;
  count_ = std::min(count, max_bytes / sizeof(Entry));
  entries_ = std::make_unique_for_overwrite<Entry[]>(count_);
  KeyBlock block;
  std::array<uint64_t, 64> numbers;
  for (uint64_t begin = 0; begin < count_; begin += numbers.size()) {
    const size_t size = std::min<uint64_t>(numbers.size(), count_ - begin);
    for (size_t i = 0; i < size; ++i) numbers[i] = first + begin + i;
    block.Build(format, std::span(numbers).first(size));
    for (size_t i = 0; i < size; ++i) {
      Entry& entry = entries_[begin + i];
      const std::string_view key = block[i];
      std::memcpy(entry.bytes, key.data(), key.size());
      entry.key_hash = KeyHash(key);
      entry.length = static_cast<uint32_t>(key.size());
    }
  }
}

}  // namespace fencepost
