// SPDX-License-Identifier: BSD-3-Clause
#include "harness/version_table.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

namespace fencepost {
namespace {

constexpr uint32_t kVersionMask = VersionTable::kVersionMask;
constexpr uint32_t kSaturated = 255;

struct Word {
  uint32_t issued;
  uint32_t floor;
  uint32_t group;
  uint32_t in_flight;
};

Word Unpack(uint64_t word) {
  return {static_cast<uint32_t>(word >> 40), static_cast<uint32_t>(word >> 16) & kVersionMask,
          static_cast<uint32_t>(word >> 8) & 255, static_cast<uint32_t>(word) & 255};
}

uint64_t Pack(const Word& w) {
  return (uint64_t{w.issued & kVersionMask} << 40) | (uint64_t{w.floor & kVersionMask} << 16) |
         (uint64_t{w.group} << 8) | w.in_flight;
}

// A floor that nobody knows: the key was written before this run, or by it and failed.
constexpr uint32_t kUnknownFloor = 0;

// A put after a put moves by 2, a delete by 1 and a put after a delete by 3, so that one put can be
// told from a delete and a put.
constexpr uint32_t kPutStep = 2;

uint32_t NextVersion(uint32_t issued, uint32_t parity) {
  const bool present = (issued & 1) == 0;
  const uint32_t step = parity == 0 ? (present ? kPutStep : 3) : (present ? 1 : 2);
  const uint32_t next = (issued + step) & kVersionMask;
  return next > 1 ? next : next + 2;  // 0 is no version, 1 is "never written"
}

}  // namespace

Result<std::unique_ptr<VersionTable>> VersionTable::Create(uint64_t capacity, bool fresh,
                                                           uint32_t nonce, bool concurrent) {
  constexpr uint64_t kMaxKeys = uint64_t{1} << 42;
  void* memory = MAP_FAILED;
  if (capacity <= kMaxKeys) {
    // Reserved, not committed: a page is paid for when a key in it is first used.
    memory = mmap(nullptr, std::max<uint64_t>(capacity, 1) * sizeof(uint64_t),
                  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (memory == MAP_FAILED) {
    return Status::InvalidArgument(
        fmt::format("recordcount: no address space for the versions of {} keys", capacity));
  }
  return std::unique_ptr<VersionTable>(new VersionTable(static_cast<std::atomic<uint64_t>*>(memory),
                                                        capacity, fresh, nonce, concurrent));
}

VersionTable::VersionTable(std::atomic<uint64_t>* words, uint64_t capacity, bool fresh,
                           uint32_t nonce, bool concurrent)
    : words_(words),
      capacity_(capacity),
      fresh_(fresh),
      first_version_(fresh ? 2 : (2 * (nonce + 1)) & kVersionMask),
      concurrent_(concurrent) {}

VersionTable::~VersionTable() {
  munmap(words_, std::max<uint64_t>(capacity_, 1) * sizeof(uint64_t));
}

uint64_t VersionTable::Known(uint64_t word) const {
  if (word != 0 || !fresh_) return word;
  return Pack({.issued = 1, .floor = 1, .group = 0, .in_flight = 0});
}

bool VersionTable::Exchange(std::atomic<uint64_t>& word, uint64_t* expected, uint64_t desired) {
  if (!concurrent_) {
    word.store(desired, std::memory_order_relaxed);
    return true;
  }
  return word.compare_exchange_weak(*expected, desired, std::memory_order_acq_rel);
}

uint32_t VersionTable::Begin(uint64_t number, uint32_t parity) {
  std::atomic<uint64_t>& word = words_[number];
  uint64_t old = word.load(std::memory_order_acquire);
  for (;;) {
    Word w = Unpack(Known(old));
    if (w.issued == 0) w.issued = first_version_ - 1;  // unknown history: the floor stays unknown
    const uint32_t next = NextVersion(w.issued, parity);
    // How far `issued` has come since the first write of the group: 0 for that first write.
    const bool first_of_group = w.in_flight == 0;
    w.group = first_of_group ? 0 : std::min(kSaturated, w.group + Distance(w.issued, next));
    w.in_flight = std::min(kSaturated, w.in_flight + 1);
    w.issued = next;
    if (Exchange(word, &old, Pack(w))) return next;
  }
}

void VersionTable::EndWrite(uint64_t number, bool happened) {
  std::atomic<uint64_t>& word = words_[number];
  uint64_t old = word.load(std::memory_order_acquire);
  for (;;) {
    Word w = Unpack(old);
    if (!happened) w.group = kSaturated;
    // A saturated count of writes in flight can no longer reach 0: the floor stays, soundly.
    if (w.in_flight != kSaturated) --w.in_flight;
    if (w.in_flight == 0) {
      if (w.group != kSaturated) w.floor = w.issued - w.group;
      w.group = 0;
    }
    if (Exchange(word, &old, Pack(w))) return;
  }
}

Verdict VersionTable::JudgeFound(uint64_t number, uint64_t snapshot, uint32_t version) {
  std::atomic<uint64_t>& word = words_[number];
  uint64_t now = word.load(std::memory_order_acquire);
  const uint32_t floor = Unpack(Known(snapshot)).floor;
  if (floor == kUnknownFloor) {
    if (now == 0) {
      const uint32_t baseline = version & kVersionMask;
      Exchange(word, &now,
               Pack({.issued = baseline, .floor = baseline, .group = 0, .in_flight = 0}));
    }
    return Verdict::kUnknown;
  }
  const uint32_t span = Distance(floor, Unpack(Known(now)).issued);
  const uint32_t distance = Distance(floor, version & kVersionMask);
  if ((version & 1) == 0 && distance <= span) return Verdict::kFine;
  return distance >= (1u << 23) ? Verdict::kStale : Verdict::kPhantom;
}

Verdict VersionTable::JudgeAbsent(uint64_t number, uint64_t snapshot) const {
  const uint32_t floor = Unpack(Known(snapshot)).floor;
  if (floor == kUnknownFloor) return Verdict::kUnknown;
  if ((floor & 1) != 0) return Verdict::kFine;
  const uint32_t span =
      Distance(floor, Unpack(Known(words_[number].load(std::memory_order_acquire))).issued);
  // From a value, nothing (span 0) or one put (span 2) leaves no room for a delete. A wider span
  // may hold one: lenient where several writes overlap the read, never a false alarm.
  return span == 0 || span == kPutStep ? Verdict::kLost : Verdict::kFine;
}

Verdict VersionTable::JudgeNothingToDelete(uint64_t number, uint64_t snapshot,
                                           uint32_t version) const {
  const Word before = Unpack(Known(snapshot));
  if (before.floor == kUnknownFloor) return Verdict::kUnknown;
  if ((before.floor & 1) != 0) return Verdict::kFine;
  const Word now = Unpack(words_[number].load(std::memory_order_acquire));
  // A value was there, and no write but this delete has begun since before it was acknowledged.
  const bool alone = before.in_flight == 0 && before.issued == before.floor &&
                     now.issued == version && version == NextVersion(before.issued, 1);
  return alone ? Verdict::kLost : Verdict::kFine;
}

bool VersionTable::Candidates(uint64_t number, uint64_t snapshot, uint32_t* oldest,
                              uint32_t* newest) const {
  const uint32_t floor = Unpack(Known(snapshot)).floor;
  if (floor == kUnknownFloor) return false;
  *oldest = floor;
  *newest = Unpack(Known(words_[number].load(std::memory_order_acquire))).issued;
  return true;
}

bool VersionTable::Deleted(uint64_t number) const {
  const Word w = Unpack(words_[number].load(std::memory_order_acquire));
  return (w.floor & 1) != 0 && w.floor == w.issued;
}

}  // namespace fencepost
