// SPDX-License-Identifier: BSD-3-Clause
// What the canaries on libpmemobj share: opening a pool, transactions, entries, the audit.
//
// Objects are named by their offset in the pool; 0 is none.
// Threads: those of the canary that owns the pool; one transaction at a time.
#ifndef FENCEPOST_ENGINES_CANARIES_CANARY_OBJECT_POOL_H_
#define FENCEPOST_ENGINES_CANARIES_CANARY_OBJECT_POOL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engines/canaries/canary_engine.h"
#include "engines/engine_options.h"
#include "engines/pmem/pool.h"

namespace fencepost::canary {

// Opens the pool, or makes the smallest there is. `initialise` writes to a new root and need not
// flush.
Result<std::unique_ptr<pmem::Pool>> OpenObjectPool(
    const EngineOptions& options, const std::string& layout, uint64_t root_bytes,
    FunctionRef<void(pmem::Pool& pool, uint64_t root)> initialise);

// A pair, behind what links it: the key's bytes and then the value's follow.
struct PairLengths {
  uint32_t key_bytes;
  uint32_t value_bytes;

  std::string_view key() const { return {bytes(), key_bytes}; }
  std::string_view value() const { return {bytes() + key_bytes, value_bytes}; }
  bool IsSane() const {
    return key_bytes >= 1 && key_bytes <= kMaxKeyBytes && value_bytes <= kMaxValueBytes;
  }
  void Fill(std::string_view key, std::string_view value);

 private:
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
};

// Whether an object with `links_bytes` of links and a sane pair behind them can be at `offset`.
bool PairIsSane(const pmem::Pool& pool, uint64_t offset, uint64_t links_bytes);

// A libpmemobj transaction on the calling thread. Undone on destruction unless it was committed.
class Transaction {
 public:
  explicit Transaction(pmem::Pool& pool);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Logs the range as it is now, to be restored if the transaction does not commit, and to be
  // flushed if it does. False: the log does not fit into the pool.
  bool Add(const void* address, uint64_t bytes);
  // The same, without the flush.
  bool AddWithoutFlush(const void* address, uint64_t bytes);
  // 0 if there is no space. What is written to the object is flushed by the commit.
  uint64_t Allocate(uint64_t bytes, uint64_t type);
  bool Free(uint64_t offset);
  Status Commit();

 private:
  pmem::Pool& pool_;
};

// Compares what is allocated with the objects that were found from the root.
AuditReport AuditObjects(const pmem::Pool& pool, const std::vector<uint64_t>& reachable);

}  // namespace fencepost::canary

#endif  // FENCEPOST_ENGINES_CANARIES_CANARY_OBJECT_POOL_H_
