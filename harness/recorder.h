// SPDX-License-Identifier: BSD-3-Clause
// Recorder: what one thread measures, by kind of operation. Thread-local while it is written; the
// driver merges it afterwards, or interval by interval.
#ifndef FENCEPOST_HARNESS_RECORDER_H_
#define FENCEPOST_HARNESS_RECORDER_H_

#include <array>
#include <cstdint>
#include <memory>

#include "harness/histogram.h"
#include "workloads/workload.h"

namespace fencepost {

struct KindCounts {
  uint64_t ok = 0;
  uint64_t not_found = 0;  // absent although nothing explains the absence
  uint64_t failed = 0;     // the engine returned an error
  uint64_t retried = 0;    // inserts that were tried again

  void Add(const KindCounts& other) {
    ok += other.ok;
    not_found += other.not_found;
    failed += other.failed;
    retried += other.retried;
  }
};

// One kind's measurements. Latencies are in nanoseconds; as in YCSB, operations that failed or
// found nothing are in a histogram of their own, `failed`.
struct KindRecord {
  KindCounts counts;
  Histogram service;                    // from the actual start
  std::unique_ptr<Histogram> response;  // from the intended start; open loop only
  std::unique_ptr<Histogram> failed;

  void Add(const KindRecord& other);
};

class Recorder {
 public:
  explicit Recorder(bool open_loop) : open_loop_(open_loop) {}

  // Allocates what `kind` needs, so that no measured operation does.
  void Prepare(OpKind kind);
  KindRecord& operator[](OpKind kind) { return *records_[static_cast<size_t>(kind)]; }
  const KindRecord* Find(OpKind kind) const { return records_[static_cast<size_t>(kind)].get(); }

  void Add(const Recorder& other);
  void Reset();

 private:
  bool open_loop_;
  std::array<std::unique_ptr<KindRecord>, kOpKindCount> records_;
};

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_RECORDER_H_
