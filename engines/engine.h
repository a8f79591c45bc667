// SPDX-License-Identifier: BSD-3-Clause
// The engine contract: one embedded key-value store, opened on one path.
//
// Threads: every method but Close may be called from any number of threads at once.
// Keys and values are byte strings, zero bytes included; which lengths an engine takes is data in
// its row of the engine table, and a length outside it is kInvalidArgument.
// An engine imports nothing of ours but this folder.
#ifndef FENCEPOST_ENGINES_ENGINE_H_
#define FENCEPOST_ENGINES_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engines/function_ref.h"
#include "engines/medium.h"
#include "engines/status.h"

namespace fencepost {

// Sees a value where it lives; the view is valid during the call only. May not call the engine.
using ValueVisitor = FunctionRef<void(std::string_view value)>;

// Sees one pair; returns whether to go on. The views are valid during the call only. May not call
// the engine.
using PairVisitor = FunctionRef<bool(std::string_view key, std::string_view value)>;

// One change of a batch.
struct Write {
  enum class Kind : unsigned char { kPut, kDelete };
  Kind kind = Kind::kPut;
  std::string_view key;
  std::string_view value;  // empty for kDelete
};

// What operations of one kind wrote back to persistent memory, by the engine's own names.
struct WriteBackCost {
  std::string_view operation;  // "insert", "growth", ...
  uint64_t count = 0;
  uint64_t flushed_lines = 0;
  uint64_t fences = 0;
  uint64_t flushed_bytes = 0;  // as asked for, not rounded to lines
};

// What an engine knows of itself. Counters start at zero when the engine is opened.
struct EngineStats {
  uint64_t count = 0;          // pairs stored (an estimate only where the engine's row says so)
  uint64_t storage_bytes = 0;  // bytes that the engine's files occupy on the medium
  uint64_t cache_bytes = 0;    // DRAM that it uses for caching right now
  uint64_t flushed_lines = 0;  // 64-byte lines written back by CLWB or the like, or stored around
                               // the cache (non-temporal)
  uint64_t fences = 0;         // SFENCE or the like, issued to order those
  uint64_t syncs = 0;          // fsync, fdatasync, msync
  uint64_t debt_bytes = 0;     // work put off (compaction, write-back) that Settle would do
  std::vector<WriteBackCost> costs =
      {};  // always the same kinds in the same order; empty: not known
};

// Space that is allocated, and what of it can be reached from the map. Equal: nothing leaked.
struct AuditReport {
  uint64_t allocated_bytes = 0;
  uint64_t reachable_bytes = 0;
  uint64_t allocated_objects = 0;
  uint64_t reachable_objects = 0;
  uint64_t occupied_bytes = 0;  // taken from the medium, what is free inside included; 0: not known
};

// Optional interfaces; an engine has one if its row says so.

// Replaces a value only if it is the one that the caller knows.
class ComparesAndPuts {
 public:
  virtual ~ComparesAndPuts() = default;
  // Whether the value was `expected` and is now `value`; atomic, durable as a Put. kNotFound if
  // there is none.
  virtual Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                                     std::string_view value) = 0;
};

// Makes the space that lies scattered between pairs usable again, beside other operations.
class Defragments {
 public:
  virtual ~Defragments() = default;
  // The number of pairs moved. No pair changes, and a crash in between loses none.
  virtual Result<uint64_t> Defragment() = 0;
};

class Engine {
 public:
  Engine() = default;
  virtual ~Engine() = default;  // closes; an error of closing is lost, so call Close first
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Inserts or replaces. kFull leaves the old value as it was.
  virtual Status Put(std::string_view key, std::string_view value) = 0;

  // Calls `visit` once with a view of the value where it lives: in persistent memory for cmap, in
  // the engine's buffer or page for the others. No copy. kNotFound, without a visit, if absent.
  virtual Status Get(std::string_view key, ValueVisitor visit) = 0;

  // Ok or kNotFound.
  Status Exists(std::string_view key) {
    return Get(key, [](std::string_view) {});
  }

  // kNotFound if absent.
  virtual Status Delete(std::string_view key) = 0;

  // Visits at most `limit` pairs with key >= `start` in byte order. kUnsupported where the row
  // does not say `ordered`.
  virtual Status Scan(std::string_view start, size_t limit, PairVisitor visit) = 0;

  // Visits every pair once, in no particular order. Pairs changed meanwhile may be seen or not.
  virtual Status ForEach(PairVisitor visit) = 0;

  // Applies all changes in order; a delete of an absent key is no error. All or nothing, to other
  // threads and to a crash, where the row says `atomic_batch`; elsewhere kUnsupported.
  virtual Status Apply(std::span<const Write> batch) = 0;

  // Makes everything acknowledged before the call survive a power loss, whatever the durability
  // it was opened with. Trivial for an engine of class power-fail.
  virtual Status Sync() = 0;

  // Finishes background work that is owed (compaction, write-back), so that a run can be charged
  // with it.
  virtual Status Settle() { return Status::Ok(); }

  virtual Result<EngineStats> Stats() = 0;

  // Walks all allocations and all that can be reached. At rest only. kUnsupported where the
  // library underneath gives no such view.
  virtual Result<AuditReport> Audit() = 0;

  // Null where the row does not say `compare_and_put`, `defragment`.
  virtual ComparesAndPuts* compares_and_puts() { return nullptr; }
  virtual Defragments* defragments() { return nullptr; }

  // Where the data is, as opened: what a result is labelled with.
  virtual Medium medium() const = 0;

  // Flushes and releases everything; nothing else may be called afterwards. No other call may be
  // under way. A second Close is Ok.
  virtual Status Close() = 0;
};

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_ENGINE_H_
