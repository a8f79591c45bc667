// SPDX-License-Identifier: BSD-3-Clause
// The audit of cmap: everything allocated against everything that can be reached.
//
// Allocated are the objects of libpmemobj and, within extents, the taken positions. Equal sums
// alone could hide a leak behind a slot that refers to freed space, so each link is looked up among
// the allocations, and each allocation may be linked once.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "engines/cmap/cmap_chain.h"
#include "engines/cmap/cmap_map.h"

namespace fencepost::cmap {

class Map::Auditor {
 public:
  explicit Auditor(const Map& map) : map_(map), store_(*map.store_) {}

  Result<AuditReport> Run() {
    store_.pool().ForEachObject([&](const pmem::PoolObject& object) {
      objects_.push_back({object.offset, object.usable_bytes, false});
      report_.allocated_bytes += object.usable_bytes;
      report_.occupied_bytes += object.usable_bytes;
      ++report_.allocated_objects;
    });
    std::sort(objects_.begin(), objects_.end(),
              [](const Object& a, const Object& b) { return a.offset < b.offset; });
    store_.heap().ReleaseKept();
    const SlabHeap::Usage usage = store_.heap().ReadUsage();
    report_.allocated_bytes += usage.position_bytes;
    report_.allocated_objects += usage.positions;
    RETURN_IF_ERROR(store_.ForEachOwnObject(
        [&](uint64_t offset, uint64_t bytes) { return Reach(offset, bytes); }));
    for (uint64_t i = 0; i < store_.bucket_count(); ++i) RETURN_IF_ERROR(AuditChain(i));
    if (pair_count_ != map_.count()) {
      return store_.Corrupt(
          fmt::format("{} pairs are stored, the count is {}", pair_count_, map_.count()));
    }
    return report_;
  }

 private:
  struct Object {
    uint64_t offset;
    uint64_t bytes;
    bool reached;
  };

  Status Reach(uint64_t offset, uint64_t needed_bytes) {
    const auto found = std::lower_bound(
        objects_.begin(), objects_.end(), offset,
        [](const Object& object, uint64_t wanted) { return object.offset < wanted; });
    if (found == objects_.end() || found->offset != offset || found->bytes < needed_bytes) {
      return store_.Corrupt(fmt::format("a link to {:#x} refers to no object", offset));
    }
    if (found->reached) return store_.Corrupt(fmt::format("{:#x} is linked twice", offset));
    found->reached = true;
    report_.reachable_bytes += found->bytes;
    ++report_.reachable_objects;
    return Status::Ok();
  }

  Status ReachPosition(uint64_t offset, uint64_t needed_bytes) {
    const uint64_t bytes = store_.heap().TakenBytes(offset);
    if (bytes < needed_bytes) {
      return store_.Corrupt(fmt::format("a link to {:#x} refers to no taken position", offset));
    }
    if (!positions_.insert(offset).second) {
      return store_.Corrupt(fmt::format("{:#x} is linked twice", offset));
    }
    report_.reachable_bytes += bytes;
    ++report_.reachable_objects;
    return Status::Ok();
  }

  Status AuditChain(uint64_t index) {
    std::set<std::string_view> keys;
    return WalkChain(store_, index, [&](Bucket& bucket, uint64_t offset) -> Status {
      if (offset != 0) RETURN_IF_ERROR(ReachPosition(offset, sizeof(Bucket)));
      for (const uint64_t slot : bucket.slots) {
        if (slot == 0) continue;
        RETURN_IF_ERROR(AuditPair(index, slot, &keys));
        ++pair_count_;
      }
      return Status::Ok();
    });
  }

  Status AuditPair(uint64_t index, uint64_t slot, std::set<std::string_view>* keys) {
    RecordView record;
    const RecordRef ref = SlotRecord(slot);
    ASSIGN_OR_RETURN(const uint64_t hash, store_.ReadPair(slot, &record));
    const uint64_t bytes = RecordBytes(record.key.size(), record.value.size());
    if (*record.key.end() != '\0' || *record.value.end() != '\0') {
      return store_.Corrupt(fmt::format("a key or a value is not ended by a NUL ({:#x})", slot));
    }
    RETURN_IF_ERROR(ref.is_object ? Reach(ref.offset, bytes) : ReachPosition(ref.offset, bytes));
    if (BucketIndex(hash, store_.bucket_count()) != index) {
      return store_.Corrupt(fmt::format("a pair is in the wrong bucket, {}", index));
    }
    if (!keys->insert(record.key).second) {
      return store_.Corrupt(fmt::format("a key is stored twice in bucket {}", index));
    }
    return Status::Ok();
  }

  const Map& map_;
  Store& store_;
  std::vector<Object> objects_;             // by offset
  std::unordered_set<uint64_t> positions_;  // reached so far
  AuditReport report_;
  uint64_t pair_count_ = 0;
};

Result<AuditReport> Map::Audit() {
  if (store_->pool().borrowed()) {
    return Status::Unsupported(
        "cmap in a pool of the program's own: what the program allocated cannot be told from what "
        "was lost");
  }
  FreeAllUnlinkedIfUnread();
  return Auditor(*this).Run();
}

}  // namespace fencepost::cmap
