// SPDX-License-Identifier: BSD-3-Clause
// VersionTable: what the driver knows of each key, so that a read tells lost, stale and phantom
// values apart while other threads write.
//
// Each write of a key gets the next version; the value carries it in its stamp. Even versions are
// values, odd ones are absences (a delete), so one range of versions describes both. A key's state
// is one 64-bit word:
//
//   issued    24 bits  the newest version that a write has been given
//   floor     24 bits  the oldest version that a read starting now may return
//   group      8 bits  how far `issued` has moved since writes began to overlap (saturating)
//   in_flight  8 bits  writes that have begun and not ended
//
// Invariants:
//   1. A floor of 0 is unknown (in a store that was not fresh, every word is 0 at first): nothing
//   is
//      claimed of the key until a read or a write that succeeded has set it.
//   2. `floor` moves only when no write of the key is in flight, and only to the first version of
//      the group of overlapping writes that has ended: any of the group may have come last.
//   3. A write that failed may or may not have happened, so its group never moves `floor`.
// Versions are compared modulo 2^24: at most 2^23 writes of one key may be between floor and
// issued. Threads: any number; one compare-and-swap for each begin and end (plain stores for one
// thread). Memory: 8 bytes a key, reserved for the whole range and touched where keys are.
#ifndef FENCEPOST_HARNESS_VERSION_TABLE_H_
#define FENCEPOST_HARNESS_VERSION_TABLE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "engines/status.h"

namespace fencepost {

// What a read of one key turned out to be.
enum class Verdict : unsigned char {
  kFine,
  kUnknown,  // the key's history is unknown; the read has become its baseline
  kLost,     // absent, though a value was acknowledged
  kStale,    // an older version than one that was acknowledged, or a deleted value
  kPhantom,  // a version that was never written
};

class VersionTable {
 public:
  // For key numbers below `capacity`. `fresh`: the store was empty, so every key is known to be
  // absent. `nonce` makes the first versions of a run on old data differ from those already
  // stored. kInvalidArgument if the address space does not hold it.
  static Result<std::unique_ptr<VersionTable>> Create(uint64_t capacity, bool fresh, uint32_t nonce,
                                                      bool concurrent);
  ~VersionTable();
  VersionTable(const VersionTable&) = delete;
  VersionTable& operator=(const VersionTable&) = delete;

  uint64_t capacity() const { return capacity_; }
  // Inlined always: GCC 12 takes a function that only prefetches for one that does nothing.
  [[gnu::always_inline]] void Prefetch(uint64_t number) const {
    __builtin_prefetch(&words_[number], 1);
  }

  // The versions of writes: an even one for a put, an odd one for a delete.
  uint32_t BeginPut(uint64_t number) { return Begin(number, /*parity=*/0); }
  uint32_t BeginDelete(uint64_t number) { return Begin(number, /*parity=*/1); }
  // `happened`: false if the write failed and may not have taken effect.
  void EndWrite(uint64_t number, bool happened);

  // A read: take a snapshot before it, judge what it found after it.
  uint64_t BeginRead(uint64_t number) const {
    return words_[number].load(std::memory_order_acquire);
  }
  Verdict JudgeFound(uint64_t number, uint64_t snapshot, uint32_t version);
  Verdict JudgeAbsent(uint64_t number, uint64_t snapshot) const;
  // The same for a delete, given `version` after `snapshot`, that found nothing to delete. To be
  // called before its EndWrite.
  Verdict JudgeNothingToDelete(uint64_t number, uint64_t snapshot, uint32_t version) const;

  // Whether a snapshot is of a key that nothing has written or read in this run.
  static bool Untouched(uint64_t snapshot) { return snapshot == 0; }

  // The oldest and the newest version that a read since `snapshot` may have returned; false if
  // that is unknown. For values too short for a whole stamp.
  bool Candidates(uint64_t number, uint64_t snapshot, uint32_t* oldest, uint32_t* newest) const;

  // Versions are numbers modulo 2^24.
  static constexpr uint32_t kVersionMask = (1u << 24) - 1;
  static uint32_t Distance(uint32_t from, uint32_t to) { return (to - from) & kVersionMask; }
  static uint32_t Advance(uint32_t version, uint32_t by) { return (version + by) & kVersionMask; }

  // Whether this run has deleted the key, and nothing has written it since.
  bool Deleted(uint64_t number) const;

 private:
  VersionTable(std::atomic<uint64_t>* words, uint64_t capacity, bool fresh, uint32_t nonce,
               bool concurrent);
  uint32_t Begin(uint64_t number, uint32_t parity);
  // The word of a key that is 0 in a fresh store: absent, version 1.
  uint64_t Known(uint64_t word) const;
  bool Exchange(std::atomic<uint64_t>& word, uint64_t* expected, uint64_t desired);

  std::atomic<uint64_t>* words_;
  const uint64_t capacity_;
  const bool fresh_;
  const uint32_t first_version_;  // even
  const bool concurrent_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VERSION_TABLE_H_
