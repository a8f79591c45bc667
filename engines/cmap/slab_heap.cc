// SPDX-License-Identifier: BSD-3-Clause
#include "engines/cmap/slab_heap.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engines/cmap/thread_number.h"
#include "engines/pmem/publication.h"

namespace fencepost::cmap {
namespace {

constexpr unsigned kWordBits = 64;
constexpr size_t kBitmapWords = (kMaxPositions + kWordBits - 1) / kWordBits;

// Division of an offset in a slab by the size of a position: exact, since the first is below 2^15
// and the second below 2^13.
constexpr unsigned kReciprocalBits = 32;
constexpr uint64_t Reciprocal(uint64_t size) {
  return ((uint64_t{1} << kReciprocalBits) + size - 1) / size;
}
static_assert(kSlabBytes < (1u << 15) && kMaxSlabRecordBytes < (1u << 13));

// Pools below this grow by the smallest extents.
constexpr uint64_t kLargePoolBytes = uint64_t{64} << 20;

}  // namespace

// The bits of positions of 64 bytes and more are on the first two lines.
struct alignas(kLineBytes) SlabHeap::Slab {
  uint64_t offset = 0;
  uint64_t* class_word = nullptr;  // on media
  std::atomic<SlabState> state{SlabState::kFree};
  uint8_t size_class = 0;
  uint16_t capacity = 0;
  uint32_t position_bytes = 0;
  uint32_t reciprocal = 0;
  uint32_t scan_from = 0;  // word of the bitmap; the owner's
  std::atomic<uint32_t> used{0};
  std::array<std::atomic<uint64_t>, kBitmapWords> taken{};  // bits beyond capacity are set

  static bool IsHigher(const Slab* a, const Slab* b) { return a->offset > b->offset; }

  static constexpr uint32_t kNoPosition = UINT32_MAX;
  uint32_t PositionOf(uint64_t at) const {
    const uint64_t delta = at - offset;
    const auto position = static_cast<uint32_t>(delta * reciprocal >> kReciprocalBits);
    return position < capacity && uint64_t{position} * position_bytes == delta ? position
                                                                               : kNoPosition;
  }
  // At least an eighth is free: worth going back to.
  bool HasRoom() const { return used.load() <= capacity - std::max<uint32_t>(1, capacity / 8u); }
};

struct SlabHeap::Extent {
  explicit Extent(uint64_t slabs_of_it)
      : slab_count(slabs_of_it), slabs(std::make_unique<Slab[]>(slabs_of_it)) {}

  // Null if the offset is in none of its slabs. A lookup of another extent's offset may come here
  // while this one is released and serves again elsewhere: it finds none in either place.
  Slab* SlabAt(uint64_t at) const {
    const uint64_t first = first_slab_offset.load(std::memory_order_relaxed);
    const uint64_t index = (at - first) / kSlabBytes;
    return at >= first && index < slab_count ? &slabs[index] : nullptr;
  }

  uint64_t offset = 0;
  std::atomic<uint64_t> first_slab_offset{0};
  const uint64_t slab_count;
  uint64_t directory_index = 0;
  bool released = false;
  const std::unique_ptr<Slab[]> slabs;
};

// For the threads of an arena and each class: the slab that they take positions from, and positions
// that they freed lately, which are still taken as far as their slabs know.
struct SlabHeap::Arena {
  static constexpr uint32_t kKeptMax = 16;
  struct OfClass {
    Slab* current = nullptr;
    uint32_t kept_count = 0;
    std::array<uint64_t, kKeptMax> kept{};
  };
  StripeLock lock;
  std::array<OfClass, kClassCount> classes{};
};

SlabHeap::SlabHeap(pmem::Pool& pool, Directory extents)
    : pool_(pool),
      directory_(extents),
      window_count_((pool.bytes() >> kWindowBits) + 2),
      starting_(std::make_unique<std::atomic<Extent*>[]>(window_count_)),
      reaching_(std::make_unique<std::atomic<Extent*>[]>(window_count_)),
      arenas_(std::make_unique<Arena[]>(kArenas)) {}

SlabHeap::~SlabHeap() = default;

Status SlabHeap::ReadExtents() {
  return directory_.ForEachEntry([&](uint64_t index, uint64_t offset) -> Status {
    while (next_entry_ < index) unused_entries_.push_back(next_entry_++);
    next_entry_ = index + 1;
    ASSIGN_OR_RETURN(Extent* const extent, AddToWindows(offset, index));
    for (uint64_t i = 0; i < extent->slab_count; ++i) {
      Slab& slab = extent->slabs[i];
      const uint64_t size_class = NumberOf(*slab.class_word);
      if (!IsSound(*slab.class_word) || size_class >= kClassCount) {
        return Status::Corrupt(fmt::format("a slab of an extent has no possible class ({:#x}): {}",
                                           *slab.class_word, pool_.path().string()));
      }
      if (size_class != 0) SetClass(slab, size_class);
    }
    return Status::Ok();
  });
}

Result<SlabHeap::Extent*> SlabHeap::AddToWindows(uint64_t offset, uint64_t directory_index) {
  const auto corrupt = [&](std::string_view what) {
    return Status::Corrupt(
        fmt::format("the extent at {} {}: {}", offset, what, pool_.path().string()));
  };
  if (offset % sizeof(uint64_t) != 0 || !pool_.Contains(offset, ExtentBytes(1))) {
    return corrupt("is outside of the pool");
  }
  auto* header = pool_.At<ExtentHeader>(offset);
  const uint64_t slab_count = NumberOf(header->slab_count);
  if (header->magic != kExtentMagic || !IsSound(header->slab_count) || slab_count == 0 ||
      slab_count > kMaxSlabsAnExtent || slab_count % kSlabsPerChunk != 0) {
    return corrupt("is none");
  }
  const uint64_t bytes = ExtentBytes(slab_count / kSlabsPerChunk);
  if (!pool_.Contains(offset, bytes)) return corrupt("is outside of the pool");
  const uint64_t first = offset >> kWindowBits;
  const uint64_t last = (offset + bytes - 1) >> kWindowBits;
  bool free = starting_[first] == nullptr;
  for (uint64_t i = first + 1; i <= last; ++i) free = free && reaching_[i] == nullptr;
  if (!free) return corrupt("overlaps another");
  Extent& extent = TakeExtent(slab_count);
  extent.offset = offset;
  extent.directory_index = directory_index;
  const uint64_t first_slab_offset =
      (offset + ExtentHeaderBytes(slab_count) + kLineBytes - 1) / kLineBytes * kLineBytes;
  extent.first_slab_offset.store(first_slab_offset, std::memory_order_relaxed);
  for (uint64_t i = 0; i < slab_count; ++i) {
    extent.slabs[i].offset = first_slab_offset + i * kSlabBytes;
    extent.slabs[i].class_word = &header->classes()[i];
  }
  starting_[first].store(&extent, std::memory_order_release);
  for (uint64_t i = first + 1; i <= last; ++i) {
    reaching_[i].store(&extent, std::memory_order_release);
  }
  return &extent;
}

// The slabs of a released extent were all free, as those of a new one are; what class they had is
// set anew before any of their positions is handed out.
SlabHeap::Extent& SlabHeap::TakeExtent(uint64_t slab_count) {
  for (const auto& extent : extents_) {
    if (!extent->released || extent->slab_count != slab_count) continue;
    extent->released = false;
    return *extent;
  }
  extents_.push_back(std::make_unique<Extent>(slab_count));
  return *extents_.back();
}

SlabHeap::Slab* SlabHeap::SlabAt(uint64_t offset) const {
  const uint64_t window = offset >> kWindowBits;
  if (window >= window_count_) return nullptr;
  for (const std::atomic<Extent*>* const in : {&starting_[window], &reaching_[window]}) {
    const Extent* const extent = in->load(std::memory_order_acquire);
    Slab* const slab = extent == nullptr ? nullptr : extent->SlabAt(offset);
    if (slab != nullptr) return slab;
  }
  return nullptr;
}

// REQUIRES: no position is taken.
void SlabHeap::SetClass(Slab& slab, size_t size_class) {
  const uint64_t size = kSizeClasses[size_class];
  slab.size_class = static_cast<uint8_t>(size_class);
  slab.position_bytes = static_cast<uint32_t>(size);
  slab.reciprocal = static_cast<uint32_t>(Reciprocal(size));
  slab.capacity = static_cast<uint16_t>(kSlabBytes / size);
  slab.scan_from = 0;
  for (size_t i = 0; i < kBitmapWords; ++i) {
    const size_t first = i * kWordBits;
    const size_t usable = slab.capacity <= first ? 0 : std::min<size_t>(slab.capacity - first, 64);
    slab.taken[i] = usable == kWordBits ? 0 : ~uint64_t{0} << usable;
  }
}

SlabHeap::Place SlabHeap::Find(uint64_t offset) const {
  Slab* const slab = SlabAt(offset);
  if (slab != nullptr) {
    __builtin_prefetch(slab, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(slab) + kLineBytes, 1);
  }
  return {slab, offset};
}

SlabHeap::Marked SlabHeap::Mark(Place place, bool bucket) {
  if (place.slab == nullptr) return Marked::kNotInASlab;
  Slab& slab = *place.slab;
  if (slab.size_class == 0 || (slab.size_class == kBucketClass) != bucket) {
    return Marked::kImpossible;
  }
  const uint32_t position = slab.PositionOf(place.offset);
  if (position == Slab::kNoPosition) return Marked::kImpossible;
  const uint64_t bit = uint64_t{1} << position % kWordBits;
  const uint64_t before = slab.taken[position / kWordBits].fetch_or(bit, std::memory_order_relaxed);
  return (before & bit) == 0 ? Marked::kOk : Marked::kImpossible;
}

void SlabHeap::FinishMarking() {
  const std::lock_guard lock(mutex_);
  for (const auto& extent : extents_) {
    for (uint64_t i = 0; i < extent->slab_count; ++i) {
      Slab& slab = extent->slabs[i];
      uint32_t set = 0;
      for (const auto& word : slab.taken) set += static_cast<uint32_t>(std::popcount(word.load()));
      const uint32_t beyond = kBitmapWords * kWordBits - slab.capacity;
      slab.used = slab.size_class == 0 ? 0 : set - beyond;
      if (slab.used == 0) {
        PushFree(slab);
      } else {
        slab.state = SlabState::kFull;
        Relist(slab);
      }
    }
  }
}

uint64_t SlabHeap::TakePosition(Slab& slab) {
  for (int pass = 0; pass < 2; ++pass) {
    for (uint32_t i = slab.scan_from; i < kBitmapWords; ++i) {
      const uint64_t word = slab.taken[i].load(std::memory_order_relaxed);
      if (~word == 0) continue;
      const auto bit = static_cast<unsigned>(std::countr_one(word));
      slab.taken[i].fetch_or(uint64_t{1} << bit, std::memory_order_acquire);
      slab.used.fetch_add(1);
      slab.scan_from = i;
      return slab.offset + (uint64_t{i} * kWordBits + bit) * slab.position_bytes;
    }
    slab.scan_from = 0;
    if (slab.used.load() >= slab.capacity) break;  // nothing was freed behind
  }
  return 0;
}

uint64_t SlabHeap::Allocate(size_t size_class) {
  if (const uint64_t offset = AllocateFromArena(size_class); offset != 0) return offset;
  // The pool is full, but for what the arenas keep.
  ReleaseKept();
  return AllocateFromArena(size_class);
}

uint64_t SlabHeap::AllocateFromArena(size_t size_class) {
  Arena& arena = arenas_[ThreadNumber() % kArenas];
  const std::lock_guard arena_lock(arena.lock);
  Arena::OfClass& mine = arena.classes[size_class];
  if (mine.kept_count != 0) return mine.kept[--mine.kept_count];
  for (;;) {
    if (mine.current != nullptr) {
      if (const uint64_t offset = TakePosition(*mine.current); offset != 0) return offset;
    }
    const std::lock_guard lock(mutex_);
    Slab* const next = NextSlab(size_class);
    if (mine.current != nullptr) {
      mine.current->state = SlabState::kFull;
      Relist(*mine.current);
    }
    mine.current = next;
    if (next == nullptr) return TakeFromLarger(arena, size_class);
  }
}

// The pool is full, down to the slabs that this arena has under way.
uint64_t SlabHeap::TakeFromLarger(Arena& arena, size_t size_class) {
  if (size_class == kBucketClass) return 0;
  for (size_t larger = size_class + 1; larger < kClassCount; ++larger) {
    Slab* const current = arena.classes[larger].current;
    if (current == nullptr) continue;
    if (const uint64_t offset = TakePosition(*current); offset != 0) return offset;
  }
  return 0;
}

SlabHeap::Slab* SlabHeap::NextSlab(size_t size_class) {
  if (Slab* slab = PopPartial(size_class)) return slab;
  Slab* slab = PopFree();
  if (slab == nullptr && AddExtent()) slab = PopFree();
  if (slab != nullptr) {
    SetClass(*slab, size_class);
    if (*slab->class_word != CheckedNumber(size_class)) {
      // Whoever publishes a position fences before; and giving the arena's lock back is a fence for
      // those that other threads take.
      *slab->class_word = CheckedNumber(size_class);
      pool_.Flush(slab->class_word, sizeof(*slab->class_word));
    }
    pool_.Populate(slab->offset, kSlabBytes);
    slab->state = SlabState::kCurrent;
    return slab;
  }
  // The pool is full: any position will do, and those that larger records have left over.
  if (Slab* found = FindAnyRoom(size_class)) return found;
  if (size_class == kBucketClass) return nullptr;
  for (size_t larger = size_class + 1; larger < kClassCount; ++larger) {
    if (Slab* found = PopPartial(larger)) return found;
  }
  return nullptr;
}

// An entry counts only while its slab is still on that list: one that has been emptied, handed out
// or given another class since is passed over.
SlabHeap::Slab* SlabHeap::PopPartial(size_t size_class) {
  std::vector<Slab*>& list = partial_slabs_[size_class];
  while (!list.empty()) {
    Slab* const slab = list.back();
    list.pop_back();
    if (slab->state != SlabState::kPartial || slab->size_class != size_class) continue;
    slab->state = SlabState::kCurrent;
    return slab;
  }
  return nullptr;
}

// A slab that is not on its list because hardly anything of it is free.
SlabHeap::Slab* SlabHeap::FindAnyRoom(size_t size_class) {
  for (const auto& extent : extents_) {
    for (uint64_t i = 0; !extent->released && i < extent->slab_count; ++i) {
      Slab& slab = extent->slabs[i];
      if (slab.state != SlabState::kFull || slab.size_class != size_class ||
          slab.used >= slab.capacity) {
        continue;
      }
      slab.state = SlabState::kCurrent;
      return &slab;
    }
  }
  return nullptr;
}

SlabHeap::Slab* SlabHeap::PopFree() {
  if (free_slabs_.empty()) return nullptr;
  std::pop_heap(free_slabs_.begin(), free_slabs_.end(), Slab::IsHigher);
  Slab* const slab = free_slabs_.back();
  free_slabs_.pop_back();
  return slab;
}

void SlabHeap::PushFree(Slab& slab) {
  free_slabs_.push_back(&slab);
  std::push_heap(free_slabs_.begin(), free_slabs_.end(), Slab::IsHigher);
}

// Puts a slab that nobody takes positions from where it belongs by what is left in it.
void SlabHeap::Relist(Slab& slab) {
  const SlabState state = slab.state;
  if (state == SlabState::kFree || state == SlabState::kCurrent) return;
  if (slab.used == 0) {
    slab.state = SlabState::kFree;
    PushFree(slab);
  } else if (state == SlabState::kFull && slab.HasRoom()) {
    slab.state = SlabState::kPartial;
    partial_slabs_[slab.size_class].push_back(&slab);
  }
}

void SlabHeap::Free(uint64_t offset, size_t size_class) {
  Arena& arena = arenas_[ThreadNumber() % kArenas];
  const std::lock_guard arena_lock(arena.lock);
  Arena::OfClass& mine = arena.classes[size_class];
  if (!arenas_keep_.load(std::memory_order_relaxed)) {
    FreePosition(offset);
    return;
  }
  if (mine.kept_count == Arena::kKeptMax) {
    // The older half, which is the colder. Their slabs were written by whoever freed in them last:
    // all are on their way before the first is waited for.
    constexpr uint32_t kHalf = Arena::kKeptMax / 2;
    for (uint32_t i = 0; i < kHalf; ++i) Find(mine.kept[i]);
    for (uint32_t i = 0; i < kHalf; ++i) FreePosition(mine.kept[i]);
    std::copy(mine.kept.begin() + kHalf, mine.kept.end(), mine.kept.begin());
    mine.kept_count -= kHalf;
  }
  mine.kept[mine.kept_count++] = offset;
}

void SlabHeap::ReleaseKept() {
  for (size_t i = 0; i < kArenas; ++i) {
    const std::lock_guard arena_lock(arenas_[i].lock);
    for (Arena::OfClass& of_class : arenas_[i].classes) {
      for (uint32_t j = 0; j < of_class.kept_count; ++j) FreePosition(of_class.kept[j]);
      of_class.kept_count = 0;
    }
  }
}

void SlabHeap::FreePosition(uint64_t offset) {
  Slab* const slab = SlabAt(offset);
  CHECK(slab != nullptr);
  const uint32_t position = slab->PositionOf(offset);
  CHECK(position != Slab::kNoPosition);
  const uint64_t bit = uint64_t{1} << position % kWordBits;
  const uint64_t before =
      slab->taken[position / kWordBits].fetch_and(~bit, std::memory_order_release);
  CHECK((before & bit) != 0);
  // Sequentially consistent, as is Allocate's change of state: one of the two sees the other.
  const bool empty = slab->used.fetch_sub(1) == 1;
  const SlabState state = slab->state.load();
  if (state == SlabState::kFree || state == SlabState::kCurrent) return;
  if (!empty && (state != SlabState::kFull || !slab->HasRoom())) return;
  const std::lock_guard lock(mutex_);
  Relist(*slab);
}

bool SlabHeap::AddExtent() {
  if (pool_.bytes() >= kLargePoolBytes && TryAddExtent(kMaxChunksAnExtent)) return true;
  return TryAddExtent(1);
}

bool SlabHeap::TryAddExtent(uint64_t chunks) {
  pmem::Publication publication(pool_);
  const uint64_t offset = publication.Reserve(ExtentBytes(chunks), kExtentType);
  if (offset == 0) return false;
  const uint64_t slab_count = chunks * kSlabsPerChunk;
  auto* header = pool_.At<ExtentHeader>(offset);
  header->magic = kExtentMagic;
  header->slab_count = CheckedNumber(slab_count);
  std::fill_n(header->classes(), slab_count, 0);
  pool_.Flush(header, ExtentHeaderBytes(slab_count));
  const uint64_t index = unused_entries_.empty() ? next_entry_ : unused_entries_.back();
  if (!directory_.Stage(publication, index, offset).ok()) return false;
  // The header is durable before the directory can refer to it.
  pool_.Drain();
  if (!publication.Publish().ok()) return false;
  if (unused_entries_.empty()) {
    ++next_entry_;
  } else {
    unused_entries_.pop_back();
  }
  const Result<Extent*> extent = AddToWindows(offset, index);
  CHECK_OK(extent);
  for (uint64_t i = 0; i < slab_count; ++i) PushFree((*extent)->slabs[i]);
  return true;
}

Result<bool> SlabHeap::ReleaseEmptyExtents() {
  ReleaseKept();
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (const auto& extent : extents_) {
    bool empty = !extent->released;
    for (uint64_t i = 0; empty && i < extent->slab_count; ++i) {
      empty = extent->slabs[i].state == SlabState::kFree;
    }
    if (!empty) continue;
    pmem::Publication publication(pool_);
    RETURN_IF_ERROR(directory_.Stage(publication, extent->directory_index, 0));
    publication.Free(extent->offset);
    RETURN_IF_ERROR(publication.Publish());
    extent->released = true;
    any = true;
    unused_entries_.push_back(extent->directory_index);
    std::erase_if(free_slabs_, [&](const Slab* slab) {
      return slab >= extent->slabs.get() && slab < extent->slabs.get() + extent->slab_count;
    });
    std::make_heap(free_slabs_.begin(), free_slabs_.end(), Slab::IsHigher);
    for (uint64_t i = 0; i < window_count_; ++i) {
      if (starting_[i] == extent.get()) starting_[i] = nullptr;
      if (reaching_[i] == extent.get()) reaching_[i] = nullptr;
    }
  }
  return any;
}

std::vector<uint64_t> SlabHeap::RetireSparseSlabs() {
  arenas_keep_ = false;
  ReleaseKept();
  const std::lock_guard lock(mutex_);
  std::vector<uint64_t> positions;
  for (const auto& extent : extents_) {
    for (uint64_t i = 0; !extent->released && i < extent->slab_count; ++i) {
      Slab& slab = extent->slabs[i];
      if (slab.state != SlabState::kPartial || slab.size_class == kBucketClass ||
          slab.used * 2 >= slab.capacity) {
        continue;
      }
      slab.state = SlabState::kRetired;
      for (uint32_t position = 0; position < slab.capacity; ++position) {
        const uint64_t word = slab.taken[position / kWordBits];
        if ((word >> position % kWordBits & 1) != 0) {
          positions.push_back(slab.offset + uint64_t{position} * slab.position_bytes);
        }
      }
    }
  }
  return positions;
}

void SlabHeap::ReturnRetiredSlabs() {
  arenas_keep_ = true;
  const std::lock_guard lock(mutex_);
  for (const auto& extent : extents_) {
    for (uint64_t i = 0; !extent->released && i < extent->slab_count; ++i) {
      if (extent->slabs[i].state != SlabState::kRetired) continue;
      extent->slabs[i].state = SlabState::kFull;
      Relist(extent->slabs[i]);
    }
  }
}

uint64_t SlabHeap::TakenBytes(uint64_t offset) const {
  const Slab* const slab = SlabAt(offset);
  if (slab == nullptr || slab->size_class == 0) return 0;
  const uint32_t position = slab->PositionOf(offset);
  if (position == Slab::kNoPosition) return 0;
  const bool taken = (slab->taken[position / kWordBits] >> position % kWordBits & 1) != 0;
  return taken ? slab->position_bytes : 0;
}

SlabHeap::Usage SlabHeap::ReadUsage() const {
  const std::lock_guard lock(mutex_);
  Usage usage;
  usage.extent_objects = extents_.size();
  for (const auto& extent : extents_) {
    if (extent->released) continue;
    ++usage.extents;
    usage.extent_bytes += ExtentBytes(extent->slab_count / kSlabsPerChunk);
    for (uint64_t i = 0; i < extent->slab_count; ++i) {
      const Slab& slab = extent->slabs[i];
      usage.positions += slab.used;
      usage.position_bytes += uint64_t{slab.used} * slab.position_bytes;
      usage.slabs += slab.used != 0 ? 1 : 0;
    }
  }
  return usage;
}

}  // namespace fencepost::cmap
