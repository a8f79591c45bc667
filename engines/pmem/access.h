// SPDX-License-Identifier: BSD-3-Clause
// Tells one observer what this process reads, flushes and fences in persistent memory: for the
// media models, which charge for it (delay_injector.h) or count it (access_counter.h).
//
// Flushes and fences are told by what interposes libpmem (flush_counters.cc), whoever asked for
// them; reads and the ends of operations by the engine, which says what it reads, since a load
// leaves no trace. Without an observer each is one load and one branch that is never taken
// (access_bench.cc: what it costs).
//
// Invariants:
//   1. An engine tells of a run of bytes when an operation first touches it, not of each load.
// Threads: the hooks, any; the observer is set while no operation is under way.
// Not covered: reads by libpmemobj; reads of engines that do not use Read.
#ifndef FENCEPOST_ENGINES_PMEM_ACCESS_H_
#define FENCEPOST_ENGINES_PMEM_ACCESS_H_

#include <cstddef>
#include <string_view>

namespace fencepost::pmem {

enum class OperationKind : unsigned char { kGet, kPut, kDelete, kCompareAndPut, kBatch };
inline constexpr size_t kOperationKinds = 5;
// "get", "put", ...
std::string_view OperationKindName(OperationKind kind);

class AccessObserver {
 public:
  virtual ~AccessObserver() = default;
  virtual void OnRead(const void* address, size_t bytes) = 0;
  // `around_cache`: by stores that go around the cache, where it is true.
  virtual void OnFlush(const void* address, size_t bytes, bool around_cache) = 0;
  virtual void OnFence() = 0;
  // Of the thread that calls; after it the operation returns.
  virtual void OnOperationEnd(OperationKind kind) = 0;
};

extern constinit AccessObserver* access_observer;

// REQUIRES: no operation is under way. Null: none.
void SetAccessObserver(AccessObserver* observer);

inline void ToldRead(const void* address, size_t bytes) {
  if (access_observer != nullptr) [[unlikely]]
    access_observer->OnRead(address, bytes);
}
inline void ToldFlush(const void* address, size_t bytes, bool around_cache) {
  if (access_observer != nullptr) [[unlikely]]
    access_observer->OnFlush(address, bytes, around_cache);
}
inline void ToldFence() {
  if (access_observer != nullptr) [[unlikely]]
    access_observer->OnFence();
}

// An operation of an engine, from its beginning to its return.
class ObservedOperation {
 public:
  explicit ObservedOperation(OperationKind kind) : kind_(kind) {}
  ~ObservedOperation() {
    if (access_observer != nullptr) [[unlikely]]
      access_observer->OnOperationEnd(kind_);
  }
  ObservedOperation(const ObservedOperation&) = delete;
  ObservedOperation& operator=(const ObservedOperation&) = delete;

 private:
  const OperationKind kind_;
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_ACCESS_H_
