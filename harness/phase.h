// SPDX-License-Identifier: BSD-3-Clause
// What a phase (load or run) of a workload on one engine is given, and what it leaves.
#ifndef FENCEPOST_HARNESS_PHASE_H_
#define FENCEPOST_HARNESS_PHASE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engines/engine_table.h"
#include "harness/process_usage.h"
#include "harness/recorder.h"
#include "harness/turns.h"
#include "harness/version_table.h"
#include "workloads/op_trace.h"
#include "workloads/workload.h"

namespace fencepost {

// Faults that reads have shown. Each is counted; the first few are described.
struct VerificationCounts {
  uint64_t reads_checked = 0;
  uint64_t unknown = 0;         // reads of keys whose history the run did not know: nothing claimed
  uint64_t lost = 0;            // absent, though acknowledged
  uint64_t stale = 0;           // older than an acknowledged version
  uint64_t torn = 0;            // the checksum does not fit the bytes
  uint64_t foreign = 0;         // another key's value
  uint64_t phantom = 0;         // never written
  uint64_t length = 0;          // the length does not fit the stamp
  uint64_t verify_ns_sum = 0;   // of the sampled verifications
  uint64_t verify_samples = 0;  // one read in 64

  uint64_t faults() const { return lost + stale + torn + foreign + phantom + length; }
  void Add(const VerificationCounts& other);
};

// One interval of one kind, all threads together.
struct IntervalRow {
  uint64_t interval = 0;  // index from the start of the measured part
  OpKind kind = OpKind::kRead;
  uint64_t operations = 0;
  double mean_ns = 0;
  uint64_t p50_ns = 0;
  uint64_t p99_ns = 0;
  uint64_t max_ns = 0;
};

// How far a phase has come, for progress and status lines.
struct PhaseProgress {
  double elapsed_s = 0;
  uint64_t operations = 0;               // in the measured part, all threads
  uint64_t planned_operations = 0;       // 0: bounded by time only
  double planned_s = 0;                  // 0: bounded by operations only
  double current_ops_per_s = 0;          // since the last call
  const Recorder* since_last = nullptr;  // what was recorded since the last call

  // Until the earlier of the two bounds is reached at the rate so far; nothing if there is none.
  std::optional<double> SecondsLeft() const;
  double Fraction() const;  // 0..1, the further of the two bounds
};

struct PhaseRequest {
  Phase phase = Phase::kRun;
  Engine* engine = nullptr;
  const EngineRow* row = nullptr;
  const WorkloadSpec* spec = nullptr;
  VersionTable* versions = nullptr;
  bool pin_threads = true;
  double interval_s = 0.25;
  uint64_t max_failures = 0;    // more failed operations than this end the phase
  double max_run_s = 0;         // 0: as the workload says
  double progress_every_s = 0;  // 0: never
  std::function<void(const PhaseProgress&)> on_progress;
  // Called with each completed interval's recorder and its start, in order, for the latency log.
  std::function<void(double start_s, double length_s, const Recorder&)> on_interval;
  // Called once, when the warm-up is over and no operation is under way.
  std::function<void()> on_measuring;
  // The measured part runs in turns with another program's; time between turns does not count.
  TurnTaker* turns = nullptr;
  // Not ok: the phase is not to be started, for this reason.
  Status cancelled;
};

struct PhaseResult {
  Recorder kinds{false};
  std::vector<IntervalRow> intervals;
  double interval_s = 0;
  VerificationCounts verification;
  std::vector<std::string> fault_examples;  // the first few faults, one line each
  uint64_t operations = 0;
  double run_s = 0;  // without pauses (generation, turns); key preparation counts
  double wall_s = 0;
  double generate_ns_per_op = 0;       // the trace and the key table, written ahead of the clock
  double prepare_ns_per_op = 0;        // finding keys in blocks: inside run_s, outside latencies
  std::optional<uint64_t> trace_hash;  // none in live mode
  uint64_t user_bytes_written = 0;
  uint64_t user_bytes_read = 0;
  bool partial = false;  // ended by Ctrl-C or by an error
  bool interrupted = false;
  Status first_failure;  // ok if no operation failed
  bool failure_limit_reached = false;
  ProcessUsage usage;          // of the measured part
  EngineStats stats_at_start;  // of the engine, when the measured part began

  double throughput_ops_per_s() const {
    return run_s > 0 ? static_cast<double>(operations) / run_s : 0;
  }
};

// Runs a phase to its end. Errors of the engine are in the result; the Status is not ok where the
// phase could not be started.
Result<PhaseResult> RunPhase(const PhaseRequest& request);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_PHASE_H_
