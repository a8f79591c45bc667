// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/pending_stores.h"

namespace fencepost::pmem {
namespace {

// Above this many stores a word is looked up by hash instead of one by one.
constexpr size_t kLinearSearchMax = 32;

}  // namespace

const PendingStore* PendingStores::Find(const uint64_t* word) const {
  if (stores_.size() > kLinearSearchMax) {
    const auto found = index_.find(word);
    return found == index_.end() ? nullptr : &stores_[found->second];
  }
  for (const PendingStore& store : stores_) {
    if (store.word == word) return &store;
  }
  return nullptr;
}

void PendingStores::Store(uint64_t* word, uint64_t value) {
  if (const PendingStore* found = Find(word)) {
    stores_[static_cast<size_t>(found - stores_.data())].value = value;
    return;
  }
  stores_.push_back({word, value});
  if (stores_.size() <= kLinearSearchMax) return;
  if (stores_.size() == kLinearSearchMax + 1) {
    for (size_t i = 0; i < stores_.size(); ++i) index_.emplace(stores_[i].word, i);
  } else {
    index_.emplace(word, stores_.size() - 1);
  }
}

void PendingStores::Clear() {
  stores_.clear();
  if (!index_.empty()) index_.clear();
}

}  // namespace fencepost::pmem
