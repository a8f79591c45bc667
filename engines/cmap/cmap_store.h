// SPDX-License-Identifier: BSD-3-Clause
// Store: the persistent side of cmap. Opens a pool, checks it, and turns bucket numbers and offsets
// into addresses; nothing that it hands out points outside of the pool, whatever the pool says.
//
// Invariants:
//   1. Segments 0 .. ceil(bucket_count / 256) - 1 exist, in the directory and in its copy in DRAM.
//   2. A segment, once in the directory, stays.
// Threads: any; AddSegment and SetBucketCount one at a time (the caller's growth lock).
#ifndef FENCEPOST_ENGINES_CMAP_CMAP_STORE_H_
#define FENCEPOST_ENGINES_CMAP_CMAP_STORE_H_

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>

#include "engines/cmap/cmap_layout.h"
#include "engines/cmap/directory.h"
#include "engines/cmap/intent_log.h"
#include "engines/cmap/slab_heap.h"
#include "engines/function_ref.h"
#include "engines/pmem/pool.h"
#include "engines/pmem/publication.h"
#include "engines/status.h"

namespace fencepost::cmap {

struct RecordView {
  std::string_view key;
  std::string_view value;
};

class Store {
 public:
  // kInvalidArgument if a file of that name exists; kFull as Pool::Create.
  static Status Create(const std::filesystem::path& path, uint64_t pool_bytes,
                       uint64_t initial_buckets, uint64_t hash_seed);

  // Finishes the change that a crash interrupted. kCorrupt if the pool is of another layout or
  // version, or its root, a directory, an extent or the intent log is damaged. The caller marks
  // what is in use in heap(), and finishes that, before it changes anything.
  static Result<std::unique_ptr<Store>> Open(const std::filesystem::path& path);

  // The same in a pool that is borrowed: the root is an object beside others, and `link` refers to
  // it. A crash leaves the whole map, or none and a null link. REQUIRES: the link is null.
  static Status CreateLinked(pmem::Pool& pool, pmemoid* link, uint64_t hash_seed);
  // kCorrupt also if the link refers out of this pool's heap. That the object is still allocated is
  // not asked: one that was freed, and not used again since, opens.
  static Result<std::unique_ptr<Store>> OpenLinked(std::unique_ptr<pmem::Pool> pool,
                                                   const pmemoid& link);

  pmem::Pool& pool() { return *pool_; }
  const Root& root() const { return *root_; }
  SlabHeap& heap() const { return *heap_; }
  IntentLog& intent_log() const { return *intent_log_; }

  uint64_t Hash(std::string_view key) const;

  uint64_t bucket_count() const { return bucket_count_.load(std::memory_order_acquire); }
  uint64_t* bucket_count_word() { return &root_->bucket_count; }
  // Once the change of the word is certain.
  void SetBucketCount(uint64_t count) { bucket_count_.store(count, std::memory_order_release); }

  // REQUIRES: the segment of `index` exists.
  Bucket* BucketAt(uint64_t index) const {
    return segments_[index / kBucketsPerSegment] + index % kBucketsPerSegment;
  }
  // The bucket that `link`, a bucket's overflow which is not 0, refers to; null if none can be
  // there.
  Bucket* OverflowIn(uint64_t link) const {
    const uint64_t offset = Unchecked(link);
    if (!IsSound(link) || offset % kLineBytes != 0 || !pool_->Contains(offset, sizeof(Bucket))) {
      return nullptr;
    }
    return pool_->At<Bucket>(offset);
  }
  // False if no record can be there.
  bool ReadRecord(RecordRef ref, RecordView* record) const;
  // Reads what a slot refers to; the hash of its key. kCorrupt if that is no record, or not one of
  // the slot's fingerprint.
  Result<uint64_t> ReadPair(uint64_t slot, RecordView* record) const;

  // Makes the segment exist; kFull, with nothing changed, if there is no space for it.
  Status AddSegment(uint64_t segment);

  // Visits the offset and the bytes of every object of the pool but records. kCorrupt if one is
  // outside of the pool.
  Status ForEachOwnObject(FunctionRef<Status(uint64_t offset, uint64_t bytes)> visit) const;

  Status Corrupt(std::string_view what) const;
  Status Full(std::string_view what) const;

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  explicit Store(pmem::Pool* pool) : pool_(pool) {}
  static Result<std::unique_ptr<Store>> OpenAt(std::unique_ptr<pmem::Pool> pool,
                                               uint64_t root_offset);
  Status Attach(uint64_t root_offset);  // once the root is written
  Status CheckRoot() const;
  Status AddIntentLog();
  Status AttachIntentLog();
  Status MirrorSegments();
  Result<Bucket*> SegmentAt(uint64_t offset) const;

  std::unique_ptr<pmem::Pool> owned_pool_;  // null while the pool is being created
  pmem::Pool* const pool_;
  Root* root_ = nullptr;
  pmem::UnitClass segment_unit_;  // for tables of directories and the intent log as well
  std::unique_ptr<Directory> segment_directory_;
  std::unique_ptr<Directory> extent_directory_;
  std::unique_ptr<SlabHeap> heap_;
  std::unique_ptr<IntentLog> intent_log_;
  std::unique_ptr<Bucket*[], Free> segments_;  // room for all that fit into the pool
  uint64_t segment_capacity_ = 0;
  std::atomic<uint64_t> bucket_count_{0};
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_CMAP_STORE_H_
