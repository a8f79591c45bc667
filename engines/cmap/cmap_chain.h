// SPDX-License-Identifier: BSD-3-Clause
// Walking a chain: a bucket of the table and its overflow buckets.
#ifndef FENCEPOST_ENGINES_CMAP_CMAP_CHAIN_H_
#define FENCEPOST_ENGINES_CMAP_CMAP_CHAIN_H_

#include <fmt/format.h>

#include <cstdint>

#include "engines/cmap/cmap_store.h"
#include "engines/status.h"

namespace fencepost::cmap {

// A longer chain is a cycle, made by a damaged pool.
inline constexpr uint64_t kMaxChainBuckets = uint64_t{1} << 16;

// Calls visit(Bucket&, offset of the bucket if it is an overflow bucket, else 0) -> Status for each
// bucket of the chain. kCorrupt before a bucket in which a bit has been flipped. REQUIRES: the
// chain's stripe is held exclusively or for update, or nothing else runs.
template <typename Visit>
Status WalkChain(const Store& store, uint64_t bucket_index, Visit visit) {
  Bucket* bucket = store.BucketAt(bucket_index);
  uint64_t offset = 0;
  for (uint64_t length = 1; length <= kMaxChainBuckets; ++length) {
    if (!IsSound(*bucket)) [[unlikely]]
      return store.Corrupt(fmt::format("a bucket of the chain of {} is damaged", bucket_index));
    RETURN_IF_ERROR(visit(*bucket, offset));
    const uint64_t link = bucket->overflow;
    if (link == 0) return Status::Ok();
    bucket = store.OverflowIn(link);
    if (bucket == nullptr) break;
    offset = Unchecked(link);
  }
  return store.Corrupt("a chain of buckets is broken");
}

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_CHAIN_H_
