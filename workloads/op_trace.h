// SPDX-License-Identifier: BSD-3-Clause
// Operation traces: every operation of a thread as 8 bytes, generated ahead of the clock.
//
// A word is 4 bits of kind and 60 bits of key number. Three kinds have more words:
//   kScan   key number, then one word that is the number of records;
//   kBatch  number() is n, then n words, each an Op (kUpdate, kInsert or kDelete) of another key.
//   kPut    key number, then an Op whose number() is the value's bytes and whose kind() is what the
//           put is recorded as: kUpdate or kInsert. Of trace files only, which have no other puts.
// kMiss has a number with kMissBit (keys.h), drawn beside a key that a read would have drawn; or,
// of a trace file, without it: that of a key that is not there then.
// A key that was deleted may be drawn again: an update puts it back, a read finds nothing.
//
// Which numbers:
//   load  thread t of T inserts insert_start + t, insert_start + t + T, ... below
//         insert_start + insert_count;
//   run   thread t's i-th insert is record_count + i*T + t. zipfian, latest and exponential draw
//         from the loaded records and the thread's own earlier inserts; uniform, hotspot and
//         sequential, as in YCSB, from the loaded records only. Sequential: thread t's draws are
//         t, t + T, ... modulo the loaded records.
//   run of a trace file  thread t executes, in their order, the operations of the keys whose number
//         is t modulo T: so each key's operations keep their order. It ends where the file does.
// The loaded records are insert_start up to insert_start + insert_count. Draws of keys that do not
// exist are redrawn. zipfian covers the inserts that `operation_count` lets expect, as in YCSB; so
// with an operation count of 0 it covers the loaded records only.
//
// Live mode (fencepost.trace=live) is YCSB's: one insert counter for all threads, and draws from
// what all threads have acknowledged, contiguously. It depends on timing.
//
// Invariants (kBuilt):
//   1. A thread's words depend on the spec, the phase, the thread and the number of threads only;
//      not on how many are asked for at a time.
//   2. Every number drawn was loaded, or inserted earlier in the same thread's words.
// Threads: a TraceSource belongs to one thread; LiveState is shared.
// Not covered: the clock; what a failed insert does to later draws of its key.
// Source: YCSB CoreWorkload.nextKeynum, AcknowledgedCounterGenerator.
#ifndef FENCEPOST_WORKLOADS_OP_TRACE_H_
#define FENCEPOST_WORKLOADS_OP_TRACE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <vector>

#include "workloads/trace_hash.h"
#include "workloads/workload.h"

namespace fencepost {

struct Op {
  static constexpr unsigned kNumberBits = 60;

  uint64_t word = 0;

  static constexpr Op Make(OpKind kind, uint64_t number) {
    return {static_cast<uint64_t>(kind) << kNumberBits | number};
  }
  constexpr OpKind kind() const { return static_cast<OpKind>(word >> kNumberBits); }
  constexpr uint64_t number() const { return word & ((uint64_t{1} << kNumberBits) - 1); }
};

// Words of the whole operation that starts with `op`.
constexpr size_t OpWords(Op op) {
  if (op.kind() == OpKind::kScan || op.kind() == OpKind::kPut) return 2;
  return op.kind() == OpKind::kBatch ? 1 + op.number() : 1;
}

// The counters that the threads of a live run share.
class LiveState {
 public:
  explicit LiveState(uint64_t record_count) : first_(record_count), next_(record_count) {}

  uint64_t TakeInsert() { return next_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t TakeSequential() { return sequential_.fetch_add(1, std::memory_order_relaxed); }

  // Any order, each number once.
  void Acknowledge(uint64_t number);
  // Inserts acknowledged without a gap, from the first.
  uint64_t acknowledged() const { return acknowledged_.load(std::memory_order_acquire); }

 private:
  const uint64_t first_;
  std::atomic<uint64_t> next_;
  std::atomic<uint64_t> sequential_{0};
  std::atomic<uint64_t> acknowledged_{0};
  std::mutex mutex_;
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> early_;  // under mutex_
};

// One thread's operations.
class TraceSource {
 public:
  virtual ~TraceSource() = default;

  // Appends whole operations for as long as `out` holds at most `max_words` after each, and until
  // the thread's operations are used up: then it appends nothing.
  // REQUIRES room for the longest operation: max_words - out->size() >= MaxOpWords(spec).
  virtual void Fill(size_t max_words, std::vector<uint64_t>* out) = 0;

  // Live mode: an insert was acknowledged.
  virtual void Acknowledge(uint64_t number) { static_cast<void>(number); }
};

// Words of the longest operation of the workload.
size_t MaxOpWords(const WorkloadSpec& spec);

// Operations of one thread in a phase: UINT64_MAX when only time ends it. In a run, those of a
// warm-up counted in operations come first, on top of operation_count; a warm-up by time takes its
// operations out of operation_count. Of a trace file both are counted along the file, whichever
// thread it is that executes them.
uint64_t ThreadOperations(const WorkloadSpec& spec, Phase phase, unsigned thread,
                          unsigned thread_count);
// The warm-up's part of that.
uint64_t ThreadWarmupOperations(const WorkloadSpec& spec, unsigned thread, unsigned thread_count);
// Operations of all threads in a phase, without the warm-up's; 0 when only time ends it.
uint64_t PlannedOperations(const WorkloadSpec& spec, Phase phase);

// REQUIRES CheckPhase(spec, phase) ok, thread < thread_count, and in a live run `live` made with
// spec.record_count, which outlives the source.
std::unique_ptr<TraceSource> MakeTraceSource(const WorkloadSpec& spec, Phase phase, unsigned thread,
                                             unsigned thread_count, LiveState* live = nullptr);

}  // namespace fencepost

#endif  // FENCEPOST_WORKLOADS_OP_TRACE_H_
