// SPDX-License-Identifier: BSD-3-Clause
// Finished keys of a range of key numbers, with their hashes.
//
// A run asks for the same keys again and again. Building one takes 30 ns, a third of what the whole
// harness may cost an operation; reading one that was prefetched takes 3.
//
// Threads: immutable once made.
// Not covered: misses (kMissBit), and keys longer than an entry.
#ifndef FENCEPOST_WORKLOADS_KEY_TABLE_H_
#define FENCEPOST_WORKLOADS_KEY_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "workloads/keys.h"

namespace fencepost {

class KeyTable {
 public:
  struct alignas(32) Entry {
    static constexpr size_t kMaxKeyBytes = 24;
    char bytes[kMaxKeyBytes];
    uint32_t key_hash;  // KeyHash(key())
    uint32_t length;

    std::string_view key() const { return {bytes, length}; }
  };
  static_assert(sizeof(Entry) == 32, "two to a cache line");

  KeyTable() = default;  // of no number
  // Of the numbers from `first` on: `count`, or as many as fit in `max_bytes`. Of none where the
  // format's keys may be longer than an entry.
  KeyTable(const KeyFormat& format, uint64_t first, uint64_t count, uint64_t max_bytes);

  uint64_t size() const { return count_; }

  // nullptr: not here.
  const Entry* Find(uint64_t number) const {
    const uint64_t index = number - first_;
    return index < count_ ? &entries_[index] : nullptr;
  }
  // Inlined always: GCC 12 takes a function that only prefetches for one that does nothing.
  [[gnu::always_inline]] void Prefetch(uint64_t number) const {
    if (const Entry* entry = Find(number)) __builtin_prefetch(entry);
  }

 private:
  uint64_t first_ = 0;
  uint64_t count_ = 0;
  std::unique_ptr<Entry[]> entries_;
};

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_KEY_TABLE_H_
