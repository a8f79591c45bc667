// SPDX-License-Identifier: BSD-3-Clause
// PendingStores: stores to 8-byte words that are noted and not yet carried out, each word once.
//
// Threads: one an object.
#ifndef FENCEPOST_ENGINES_PMEM_PENDING_STORES_H_
#define FENCEPOST_ENGINES_PMEM_PENDING_STORES_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace fencepost::pmem {

struct PendingStore {
  uint64_t* word;
  uint64_t value;
};

class PendingStores {
 public:
  // A later store to the same word takes the place of the earlier one.
  void Store(uint64_t* word, uint64_t value);

  // Null if nothing is to be stored to the word.
  const PendingStore* Find(const uint64_t* word) const;

  size_t size() const { return stores_.size(); }
  bool empty() const { return stores_.empty(); }
  // In the order of each word's first store.
  auto begin() const { return stores_.begin(); }
  auto end() const { return stores_.end(); }

  void Clear();
  size_t capacity() const { return stores_.capacity(); }

 private:
  std::vector<PendingStore> stores_;
  std::unordered_map<const uint64_t*, size_t> index_;  // once there are many
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_PENDING_STORES_H_
