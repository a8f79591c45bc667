// SPDX-License-Identifier: BSD-3-Clause
// Opening a map: one walk over all bucket lines counts the pairs, marks in the slab heap what is in
// use, and finds links that cannot be. Large tables are walked by several threads.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>
#include <vector>

#include "engines/cmap/cmap_chain.h"
#include "engines/cmap/cmap_map.h"

namespace fencepost::cmap {
namespace {

// Below this many buckets a second thread costs more than it saves.
constexpr uint64_t kBucketsAThread = uint64_t{1} << 16;
constexpr uint64_t kMaxThreads = 8;
// Records whose slabs are on their way from memory while others are marked.
constexpr uint64_t kUnderWay = 32;

}  // namespace

class Map::Opener {
 public:
  explicit Opener(Store& store) : store_(store), heap_(store.heap()) {}

  // The number of pairs in buckets [begin, end).
  Result<uint64_t> Walk(uint64_t begin, uint64_t end) const {
    uint64_t pair_count = 0;
    std::array<SlabHeap::Place, kUnderWay> under_way{};
    const auto visit = [&](Bucket& bucket, uint64_t offset) -> Status {
      if (offset != 0 && heap_.MarkBucket(heap_.Find(offset)) != SlabHeap::Marked::kOk) {
        return store_.Corrupt(fmt::format("a link to {:#x} refers to no overflow bucket", offset));
      }
      for (const uint64_t slot : bucket.slots) {
        if (slot == 0) continue;
        SlabHeap::Place& oldest = under_way[pair_count++ % kUnderWay];
        const SlabHeap::Place place = std::exchange(oldest, Find(SlotRecord(slot)));
        if (!Mark(place)) [[unlikely]]
          return NoRecord(place);
      }
      return Status::Ok();
    };
    for (uint64_t i = begin; i < end; ++i) RETURN_IF_ERROR(WalkChain(store_, i, visit));
    for (const SlabHeap::Place& place : under_way) {
      if (!Mark(place)) return NoRecord(place);
    }
    return pair_count;
  }

  Result<uint64_t> WalkAll() const {
    const uint64_t buckets = store_.bucket_count();
    const uint64_t threads = std::clamp<uint64_t>(
        std::min<uint64_t>(buckets / kBucketsAThread, std::thread::hardware_concurrency()), 1,
        kMaxThreads);
    if (threads == 1) return Walk(0, buckets);
    std::vector<Result<uint64_t>> counts(threads, uint64_t{0});
    const auto walk_share = [&](uint64_t i) {
      counts[i] = Walk(buckets * i / threads, buckets * (i + 1) / threads);
    };
    std::vector<std::thread> others;
    for (uint64_t i = 1; i < threads; ++i) others.emplace_back(walk_share, i);
    walk_share(0);
    for (std::thread& other : others) other.join();
    uint64_t sum = 0;
    for (const Result<uint64_t>& count : counts) {
      if (!count.ok()) return count.status();
      sum += *count;
    }
    return sum;
  }

 private:
  // Nothing is left to be marked of what is an object; whether it is one is seen on first use.
  SlabHeap::Place Find(RecordRef record) const {
    const SlabHeap::Place place = heap_.Find(record.offset);
    if (!record.is_object) return place;
    const bool possible = place.slab == nullptr && record.offset % kRecordAlignment == 0 &&
                          store_.pool().Contains(record.offset, RecordBytes(0, 0));
    return possible ? SlabHeap::Place{} : SlabHeap::Place{nullptr, record.offset};
  }

  bool Mark(SlabHeap::Place place) const {
    return place.offset == SlabHeap::kNowhere || heap_.MarkRecord(place) == SlabHeap::Marked::kOk;
  }

  Status NoRecord(SlabHeap::Place place) const {
    return store_.Corrupt(
        fmt::format("a slot refers to no record, or to another's ({:#x})", place.offset));
  }

  Store& store_;
  SlabHeap& heap_;
};

Result<std::unique_ptr<Map>> Map::Open(std::unique_ptr<Store> store) {
  std::unique_ptr<Map> map(new Map(std::move(store)));
  ASSIGN_OR_RETURN(const uint64_t count, Opener(*map->store_).WalkAll());
  map->count_.Start(count);
  map->store_->heap().FinishMarking();
  return map;
}

}  // namespace fencepost::cmap
