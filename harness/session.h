// SPDX-License-Identifier: BSD-3-Clause
// A session: one engine opened on one path, loaded and run, and what each phase left to report.
#ifndef FENCEPOST_HARNESS_SESSION_H_
#define FENCEPOST_HARNESS_SESSION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engines/engine_table.h"
#include "engines/pmem/pmem_facts.h"
#include "harness/modelled_medium.h"
#include "harness/phase.h"
#include "workloads/workload.h"

namespace fencepost {

struct SessionRequest {
  const EngineRow* row = nullptr;
  EngineOptions options;
  const WorkloadSpec* spec = nullptr;
  bool load = false;
  bool run = false;
  // Load at the engine's weakest durability, then one Sync; the run is at options.durability.
  bool relaxed_load = false;
  // Another process has loaded the store, in the way that `relaxed_load` says.
  bool loaded_before = false;
  // Close the store after the load, and open it again for the run.
  bool reopen = false;
  // Hand the open engine out in the result, instead of closing it.
  bool leave_open = false;
  bool measure_floor = true;
  uint64_t spin_ns = 0;     // a slowdown on purpose (injected_spin.h)
  bool pin_threads = true;  // of the floor; a phase's own are set by `hooks`
  // The largest share of operations that may find nothing where a value should be.
  double max_not_found = 0.01;
  // What PhaseRequest has by the same names; `hooks` is called before each phase to set them.
  std::function<void(Phase, PhaseRequest*)> hooks;
};

// One phase, measured.
struct PhaseReport {
  Phase phase = Phase::kRun;
  PhaseResult result;
  Durability durability = Durability::kNone;
  bool relaxed_load = false;  // loaded at a weaker durability than the run's, then synced
  Medium medium = Medium::kNone;
  std::optional<Injection> injection;  // none: nothing is modelled, `medium` is what it was
  // What tables and plots call it: "tmpfs", or "optane-modelled".
  std::string MediumLabel() const {
    return injection ? injection->model + "-modelled" : std::string(MediumName(medium));
  }
  std::optional<pmem::PmemFacts> pmem;  // of the engine's pool, where it has one
  EngineStats stats;                    // after settling
  std::optional<double> open_s;         // opening the store for this phase; none: it was open
  double sync_s = 0;                    // the Sync at the end of the phase
  // Written to the device under the store, by everybody, from the start of the measured part to the
  // end of that Sync; none: there is no such device.
  std::optional<uint64_t> device_write_bytes;
  double settle_s = 0;                    // background work that the phase left behind
  uint64_t debt_bytes = 0;                // that work, before settling
  std::optional<double> floor_ns_per_op;  // the same phase on blackhole
  uint64_t injected_spin_ns = 0;          // of every call of the engine, on purpose
  std::vector<std::string> warnings;
};

struct SessionResult {
  std::vector<PhaseReport> phases;
  Status status;                   // why the session ended early; ok if it did not
  std::unique_ptr<Engine> engine;  // still open, if leave_open was asked for
};

// Why this workload's run makes no sense on this engine, e.g. that it scans and the engine keeps no
// order. Empty if it does.
std::string SkipReason(const EngineRow& row, const WorkloadSpec& spec);

// Opens, runs the phases, closes. The Status is not ok if nothing could be measured; a failure
// after the first phase is in SessionResult::status, beside what was measured before it.
Result<SessionResult> RunSession(const SessionRequest& request);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_SESSION_H_
