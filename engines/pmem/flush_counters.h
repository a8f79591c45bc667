// SPDX-License-Identifier: BSD-3-Clause
// Counts what this process writes back to persistent memory through libpmem.
//
// The entry points of libpmem are interposed: a program that links this file defines pmem_persist
// and its kin itself, counts, and forwards to the library. libpmemobj calls libpmem through its
// dynamic symbols, so its flushes are counted as well. A call that libpmem makes to itself is part
// of the call that caused it and is not counted again.
//
// What is counted is what was asked for: on a CPU that has neither CLWB nor CLFLUSHOPT, libpmem
// flushes with CLFLUSH and its drain issues no instruction, yet counts as a fence here.
// Threads: any; each counts for itself without a lock, ReadFlushCounters sums.
// Not covered: flush instructions issued without libpmem; a libpmem linked statically.
#ifndef FENCEPOST_ENGINES_PMEM_FLUSH_COUNTERS_H_
#define FENCEPOST_ENGINES_PMEM_FLUSH_COUNTERS_H_

#include <cstddef>
#include <cstdint>

namespace fencepost::pmem {

struct FlushCounters {
  uint64_t flushed_lines = 0;  // 64-byte lines written back, or stored around the cache
  uint64_t fences = 0;         // drains asked for
  uint64_t msyncs = 0;         // msync calls
  uint64_t flushed_bytes = 0;  // lengths as asked for, not rounded to lines

  FlushCounters& operator+=(const FlushCounters& other) {
    flushed_lines += other.flushed_lines;
    fences += other.fences;
    msyncs += other.msyncs;
    flushed_bytes += other.flushed_bytes;
    return *this;
  }
  FlushCounters operator-(const FlushCounters& other) const {
    return {flushed_lines - other.flushed_lines, fences - other.fences, msyncs - other.msyncs,
            flushed_bytes - other.flushed_bytes};
  }
};

// The sum over all threads, living and dead, since the process began.
FlushCounters ReadFlushCounters();

// What a thread causes can be charged to an account, a number that the caller gives a meaning to;
// account 0 is for what is charged to no other.
inline constexpr size_t kFlushAccounts = 8;

struct FlushAccount {
  uint64_t charges = 0;  // Charge objects
  FlushCounters counters;
};
FlushAccount ReadFlushAccount(size_t account);

// While it lives, the thread's flushes are charged to `account`.
class Charge {
 public:
  explicit Charge(size_t account);
  ~Charge();
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

  // It was for this one all along: for a caller that learns late what it is doing.
  void MoveTo(size_t account);

 private:
  const size_t before_;  // the account that was in force
  size_t account_;
  FlushCounters at_start_;  // the thread's, of account_
};

}  // namespace fencepost::pmem

#endif  // FENCEPOST_ENGINES_PMEM_FLUSH_COUNTERS_H_
