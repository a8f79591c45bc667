// SPDX-License-Identifier: BSD-3-Clause
// RawPool: a small file of fixed size in persistent memory, mapped through libpmem, and the few
// ways to store to it.
//
// Invariants:
//   1. A file with the pool's name is a whole pool: it is initialised under the name
//      `<path>.creating`, and renamed when it is durable.
//   2. Words reach their line in program order (StoreWord is a barrier to the compiler on both
//      sides), so that what a prefix of a line can hold is what the source says.
// Threads: those of the canary that owns it.
// Not covered: two openers of one pool; media where msync is needed (kUnsupported).
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_POOL_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_POOL_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "engines/engine_options.h"
#include "engines/function_ref.h"
#include "engines/medium.h"
#include "engines/status.h"

namespace fencepost::canary {

inline constexpr uint64_t kLineBytes = 64;

// The first line of every pool.
struct alignas(kLineBytes) PoolHeader {
  uint64_t magic;  // of the structure
  uint64_t bytes;  // of the whole pool
};

class RawPool {
 public:
  // Opens the pool, or makes it: `initialise` is called on one that is all zero but for its header,
  // and need not flush. kCorrupt: no pool, another structure's, truncated.
  static Result<std::unique_ptr<RawPool>> Open(const EngineOptions& options, uint64_t magic,
                                               uint64_t bytes,
                                               FunctionRef<void(void* base)> initialise);
  ~RawPool();
  RawPool(const RawPool&) = delete;
  RawPool& operator=(const RawPool&) = delete;

  void* base() const { return base_; }
  Medium medium() const { return medium_; }

 private:
  RawPool(void* base, uint64_t bytes, Medium medium)
      : base_(base), bytes_(bytes), medium_(medium) {}
  void* const base_;
  const uint64_t bytes_;
  const Medium medium_;
};

// One aligned store of 8 bytes, which no crash tears.
inline void StoreWord(uint64_t* to, uint64_t value) {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::atomic_ref<uint64_t>(*to).store(value, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Through the cache, without a flush.
void CopyCached(void* to, const void* from, uint64_t bytes);
// Around the cache (non-temporal), without a fence. REQUIRES: whole lines.
void CopyAround(void* to, const void* from, uint64_t bytes);

void Flush(const void* address, uint64_t bytes);
void Drain();
void Persist(const void* address, uint64_t bytes);
inline void PersistWord(const uint64_t* word) { Persist(word, sizeof *word); }
inline void FlushWord(const uint64_t* word) { Flush(word, sizeof *word); }

Status CorruptPool(const std::filesystem::path& path, std::string_view what);

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_POOL_H_
