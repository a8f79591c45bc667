// SPDX-License-Identifier: BSD-3-Clause
// Px86 persistency model: what a crash can leave in each 64-byte line.
//
// The model is told the events of a trace in order, as ranges of files, and keeps for every line
// the stores whose survival is undecided. What is guaranteed durable is folded into the image
// beneath.
//
// A crash chooses for each line independently:
//   cached stores         a prefix of whole stores, no shorter than what is durable, and with
//   8-byte
//                         tearing any subset of the next store's aligned 8-byte units;
//   non-temporal stores   any subset of their 8-byte units.
// Chosen stores and units apply in trace order.
//
// Invariants:
//   1. What is durable never becomes undecided again, and is in every state of its line.
//   2. A line without pending stores has one state: the image's bytes.
//   3. Of a line's cached stores the durable ones come first; the first pending store is undecided.
//   4. A line is in a thread's list exactly while the line has an account of that thread: a fence
//      visits only lines in which its thread flushed something or has non-temporal stores.
// Threads: none; one model per trace.
// Not covered: store buffers and late visibility of non-temporal stores. The trace's order is one
//   sequentially consistent interleaving. Sizes of files are durable at once.
//   A store that nothing drains is kept for good (some 110 bytes).
// Source: Intel SDM vol. 1 ch. 11-13, vol. 3 ch. 11; Raad et al., POPL 2020 and POPL 2022.
#ifndef FENCEPOST_FAULTINJECT_MODEL_PX86_H_
#define FENCEPOST_FAULTINJECT_MODEL_PX86_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

namespace fencepost {

inline constexpr uint64_t kLineBytes = 64;
using LineBytes = std::array<uint8_t, kLineBytes>;

enum class Tearing : unsigned char {
  kEightBytes,  // the architectural guarantee: an aligned 8 bytes never tear
  kLine,        // a store within a line never tears
};

struct Px86Options {
  Tearing tearing = Tearing::kEightBytes;
  // Caches are flushed by the platform: a crash keeps every visible cached store.
  bool eadr = false;
};

struct LineId {
  uint32_t file = 0;    // the trace's number of the file
  uint64_t number = 0;  // offset in the file / 64
  auto operator<=>(const LineId&) const = default;
};

// What is durable of the files, where the model reads lines and folds them in. A line of lines() is
// not read again until it is dropped: nobody else writes to it meanwhile.
class DurableImage {
 public:
  virtual ~DurableImage() = default;
  // Bytes beyond the end of the file read as 0.
  virtual void ReadLine(LineId line, LineBytes* bytes) const = 0;
  virtual void WriteLine(LineId line, const LineBytes& bytes) = 0;
};

// The part of one store that lies in one line, undecided or kept behind one that is.
struct PendingStore {
  uint64_t event = 0;  // number in the trace
  uint32_t thread = 0;
  uint32_t stack = 0;
  uint8_t begin = 0;  // first byte in the line
  uint8_t bytes = 0;
  bool non_temporal = false;
  bool atomic = false;  // never tears within the line; so are all with Tearing::kLine
  // Durable already, but a store before it in the line is undecided.
  bool durable = false;
  // The first flush that covered it and is not yet drained, by which thread; 0 if none has.
  uint64_t flush_event = 0;
  uint32_t flush_thread = 0;
  uint64_t order = 0;  // the model's own count of stores: unique, and rising within a line
  std::array<uint8_t, kLineBytes> contents{};  // `bytes` of them
};

// One content that a crash may leave in a line.
struct LineState {
  LineBytes bytes{};
  // Bit i: store i of pending() has survived, wholly / in part (some of its 8-byte units). Only the
  // first 64 stores of a line are named.
  uint64_t survived = 0;
  uint64_t torn = 0;

  auto operator<=>(const LineState&) const = default;
};

class Px86Line {
 public:
  std::span<const PendingStore> pending() const { return pending_; }
  bool undecided() const { return !pending_.empty(); }  // invariant 3
  // Non-temporal and cached stores meet in the line: its states are an over-approximation.
  bool mixed() const;

  // How many choices the model has (not distinct contents); may be beyond 2^64, even infinite.
  double RawStates() const;
  double Log10RawStates() const;  // always finite
  // Every distinct content once, named by the first choice that gives it: the durable one first,
  // the newest last (if it equals the durable one, it is that). Nothing if that takes more than
  // `max_choices` choices.
  std::optional<std::vector<LineState>> States(size_t max_choices) const;
  LineState Oldest() const;                     // only what is durable
  LineState Newest() const;                     // every store
  LineState BeforeEvent(uint64_t event) const;  // durable, and the stores before that event
  // Durable, and the fewest stores before that event that let all since then survive: every cached
  // store if one is of then or later, since they survive as a prefix; non-temporal ones since then.
  LineState SinceEvent(uint64_t event) const;
  LineState Sample(std::mt19937_64& random) const;  // one choice, each choice equally likely

  // What is durable beneath the pending stores, and the same stores above something else.
  const LineBytes& durable() const { return durable_; }
  Px86Line Above(const LineBytes& durable) const {
    Px86Line line = *this;
    line.durable_ = durable;
    return line;
  }

 private:
  friend class Px86;

  // What a fence of the thread drains in this line: the cached stores with an order below
  // `flushed_below`, and the non-temporal ones of the thread.
  struct Account {
    uint32_t thread = 0;
    uint64_t flushed_below = 0;
  };
  // Which pending stores an event makes durable.
  struct Drained {
    enum class NonTemporal : unsigned char { kNone, kOfThread, kAll };
    uint64_t cached_below = 0;  // those with a lower order
    NonTemporal non_temporal = NonTemporal::kNone;
    uint32_t thread = 0;
    bool Covers(const PendingStore& store) const;
  };
  static constexpr Drained kDrainedByClflush = {UINT64_MAX, Drained::NonTemporal::kNone, 0};
  static constexpr Drained kDrainedBySync = {UINT64_MAX, Drained::NonTemporal::kAll, 0};
  static Drained DrainedByFence(const Account& account) {
    return {account.flushed_below, Drained::NonTemporal::kOfThread, account.thread};
  }

  // Both return whether the thread had no account yet and has one now.
  bool OpenAccount(uint32_t thread, uint64_t flushed_below);
  bool MarkFlushed(uint64_t event, uint32_t thread, uint64_t flushed_below);
  std::vector<Account>::iterator FindAccount(uint32_t thread);
  void MakeDurable(const Drained& drained);
  // Applies the durable stores at the head of pending() to durable_; whether there were any.
  bool FoldHead();
  void DropOverwritten();
  void CutAt(uint8_t begin);  // the bytes from there on are zero and decided
  // Whether some content is no longer possible when that is drained.
  bool Shrinks(const Drained& drained) const;
  bool FenceShrinks(uint32_t thread) const;
  bool SurelyLosesOldest(const Px86Line& drained) const;
  bool HasOneState() const;

  double CachedChoices() const;
  size_t NonTemporalPieces() const;
  template <typename UnitsOf>
  LineState Survivors(const UnitsOf& units_of) const;
  template <typename Visit>
  void ForEachCachedChoice(uint64_t non_temporal, const Visit& visit) const;

  LineBytes durable_{};
  std::vector<PendingStore> pending_;  // in trace order
  std::vector<Account> accounts_;
};

class Px86 {
 public:
  // REQUIRES: `image` outlives the model.
  Px86(const Px86Options& options, DurableImage* image);

  // -- events, in trace order; `event` is the number of the event in the trace.
  struct By {
    uint64_t event = 0;
    uint32_t thread = 0;
    uint32_t stack = 0;
  };
  enum class StoreKind : unsigned char { kCached, kNonTemporal, kAtomic };
  // Split into lines here; what lies beyond offset 2^64 is cut. With eADR a cached store is durable
  // at once. A locked instruction is a Fence() and then a store of kAtomic: the caller calls both.
  void Store(const By& by, uint32_t file, uint64_t offset, std::span<const uint8_t> bytes,
             StoreKind kind);
  enum class FlushKind : unsigned char { kWeak, kClflush };  // weak: CLWB, CLFLUSHOPT
  // All lines that [offset, offset + length) touches, here and below.
  void Flush(const By& by, uint32_t file, uint64_t offset, uint64_t length, FlushKind kind);
  void Fence(const By& by);
  // msync, fsync: everything in the range is durable.
  void Sync(uint32_t file, uint64_t offset, uint64_t length);
  // The file's bytes from `size` on are gone, or are zero from now on: nothing is undecided there.
  // The caller cuts the image: only bytes of lines() are changed here.
  void Truncate(uint32_t file, uint64_t size);

  // -- whether an event would shrink the reachable states: a crash point comes before it. Contents
  // count, not choices: draining a store of what was there already shrinks nothing. In a line of
  // more than kMaxComparedChoices choices the answer may be true where nothing shrinks.
  static constexpr size_t kMaxComparedChoices = 4096;
  bool FenceShrinks(uint32_t thread) const;
  bool ClflushShrinks(uint32_t file, uint64_t offset, uint64_t length) const;
  bool SyncShrinks(uint32_t file, uint64_t offset, uint64_t length) const;

  // Lines in which a crash has a choice, in order. (All choices may have the same content.)
  const std::map<LineId, Px86Line>& lines() const { return lines_; }
  // Product over the lines, as a power of ten: 10^x raw states.
  double Log10RawStates() const;

 private:
  using Lines = std::map<LineId, Px86Line>;

  void StorePart(const By& by, LineId id, uint8_t begin, std::span<const uint8_t> bytes,
                 StoreKind kind);
  // For each of lines_ that the range touches; `act` may erase the line that it is given.
  template <typename Act>
  void ForEachLine(uint32_t file, uint64_t offset, uint64_t length, const Act& act);
  bool AnyShrinks(uint32_t file, uint64_t offset, uint64_t length,
                  const Px86Line::Drained& drained) const;
  // Folds what has become durable into the image, and drops a line without a choice.
  void Settle(Lines::iterator line);
  void Drop(Lines::iterator line);

  Px86Options options_;
  DurableImage* image_;
  uint64_t next_order_ = 1;
  Lines lines_;
  std::unordered_map<uint32_t, std::set<LineId>> accounts_;  // by thread: lines with its account
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_MODEL_PX86_H_
