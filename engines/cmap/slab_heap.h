// SPDX-License-Identifier: BSD-3-Clause
// SlabHeap: hands out the positions of slabs, for records and overflow buckets.
//
// Which positions are taken is known in DRAM only: handing one out or taking one back writes
// nothing, flushes nothing and logs nothing. After opening, everything that is referred to is
// marked. So nothing can leak: a position that a crash left unreferenced is free again.
//
// Invariants:
//   1. A position is handed out only when nothing durable refers to it: the caller frees it after
//      the store that took the last reference away is durable.
//   2. A slab's class on media is durable before anything durable refers to a position of it.
//   3. Extents leave the pool only when all their slabs are empty.
// Threads: any, once FinishMarking has returned; Mark from any as well.
// Source: slabs of one size class, Bonwick, USENIX Summer 1994; volatile occupancy found again
//   from what is reachable: Bhandari et al., Makalu, OOPSLA 2016.
#ifndef FENCEPOST_ENGINES_CMAP_SLAB_HEAP_H_
#define FENCEPOST_ENGINES_CMAP_SLAB_HEAP_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "engines/cmap/directory.h"
#include "engines/cmap/slab_layout.h"
#include "engines/cmap/stripe_lock.h"
#include "engines/pmem/pool.h"
#include "engines/status.h"

namespace fencepost::cmap {

class SlabHeap {
 private:
  struct Slab;

 public:
  SlabHeap(pmem::Pool& pool, Directory extents);
  ~SlabHeap();

  // Opening: reads the extents; then each position in use is marked; then the rest is free.
  // kCorrupt if an extent cannot be what it says.
  Status ReadExtents();
  enum class Marked { kOk, kNotInASlab, kImpossible };  // impossible: no position, or marked twice
  // Where a position would be; what marking it will look at is on its way from memory.
  static constexpr uint64_t kNowhere = UINT64_MAX;
  struct Place {
    Slab* slab = nullptr;  // null: in none
    uint64_t offset = kNowhere;
  };
  Place Find(uint64_t offset) const;
  Marked MarkRecord(Place place) { return Mark(place, false); }
  Marked MarkBucket(Place place) { return Mark(place, true); }
  void FinishMarking();

  // The offset of a position of that class or a larger one, or 0 if the pool is full.
  uint64_t Allocate(size_t size_class);
  // `size_class`: of what was in it, which may be smaller than the position. The thread's arena
  // keeps it for the next Allocate of that class, which finds its lines in the cache.
  void Free(uint64_t offset, size_t size_class);
  // What the arenas keep becomes free.
  void ReleaseKept();
  bool Owns(uint64_t offset) const { return SlabAt(offset) != nullptr; }

  // The bytes of the taken position at `offset`; 0 if there is none. At rest; what an arena keeps
  // counts as taken.
  uint64_t TakenBytes(uint64_t offset) const;
  struct Usage {
    uint64_t extent_objects = 0;  // in DRAM, those of released extents too
    uint64_t positions = 0;       // taken
    uint64_t position_bytes = 0;
    uint64_t slabs = 0;  // with a taken position
    uint64_t extents = 0;
    uint64_t extent_bytes = 0;
  };
  Usage ReadUsage() const;  // at rest; what an arena keeps counts as taken

  // Gives extents without a taken position back to libpmemobj; true if there was one.
  Result<bool> ReleaseEmptyExtents();

  // Takes the slabs that are less than half full out of use until Free empties them, and returns
  // their taken positions: what a defragmentation moves. Buckets are left alone.
  std::vector<uint64_t> RetireSparseSlabs();
  // Those that were not emptied take part again.
  void ReturnRetiredSlabs();

 private:
  enum class SlabState : uint8_t { kFree, kCurrent, kFull, kPartial, kRetired };
  struct Extent;
  struct Arena;
  static constexpr unsigned kWindowBits = 18;  // an extent is no smaller than a window
  static constexpr size_t kArenas = 8;

  Result<Extent*> AddToWindows(uint64_t offset, uint64_t directory_index);
  Slab* SlabAt(uint64_t offset) const;
  // One of that many slabs that was released, or a new one; owned by extents_.
  Extent& TakeExtent(uint64_t slab_count);
  static Marked Mark(Place place, bool bucket);
  void SetClass(Slab& slab, size_t size_class);
  uint64_t TakePosition(Slab& slab);
  uint64_t TakeFromLarger(Arena& arena, size_t size_class);

  uint64_t AllocateFromArena(size_t size_class);
  void FreePosition(uint64_t offset);

  // With mutex_ held.
  Slab* NextSlab(size_t size_class);
  Slab* PopPartial(size_t size_class);
  Slab* PopFree();
  void PushFree(Slab& slab);
  Slab* FindAnyRoom(size_t size_class);
  void Relist(Slab& slab);
  bool AddExtent();
  bool TryAddExtent(uint64_t chunks);

  pmem::Pool& pool_;
  Directory directory_;
  const uint64_t window_count_;
  // For each window of the pool the extent that begins in it, and the one that reaches into it.
  std::unique_ptr<std::atomic<Extent*>[]> starting_;
  std::unique_ptr<std::atomic<Extent*>[]> reaching_;
  std::unique_ptr<Arena[]> arenas_;

  // Off while slabs are retired: what is freed in them must not be handed out again.
  std::atomic<bool> arenas_keep_{true};

  mutable std::mutex mutex_;
  // Released ones too: a lookup may look at them. They serve for new extents of as many slabs.
  std::vector<std::unique_ptr<Extent>> extents_;
  std::vector<uint64_t> unused_entries_;  // of the directory, below next_entry_
  uint64_t next_entry_ = 0;
  // A heap, the lowest of the pool on top: what is in use stays together, so that extents become
  // empty.
  std::vector<Slab*> free_slabs_;
  // May hold slabs that have become something else since: see PopPartial.
  std::array<std::vector<Slab*>, kClassCount> partial_slabs_;
};

}  // namespace fencepost::cmap

#endif  // FENCEPOST_ENGINES_CMAP_SLAB_HEAP_H_
