// SPDX-License-Identifier: BSD-3-Clause
#include "harness/session.h"

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <utility>

#include "harness/cpu_facts.h"
#include "harness/device_writes.h"
#include "harness/injected_spin.h"
#include "harness/placement.h"
#include "workloads/replay_file.h"

namespace fencepost {
namespace {

constexpr double kFloorSeconds = 0.1;
constexpr double kShortRunSeconds = 0.1;

double SecondsOf(FunctionRef<void()> action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Makes versions of this run differ from those that an earlier run left in the store. Not part of
// the operation trace, so not of the seed either.
uint32_t VersionNonce() { return std::random_device()() & 0x3fffffu; }

// Key numbers that a session may use: those loaded and those that its operations may insert.
uint64_t VersionCapacity(const WorkloadSpec& spec) {
  constexpr uint64_t kTimedInserts = uint64_t{1} << 32;
  if (spec.replay_file) return spec.replay_file->key_count();
  if (spec.proportion(OpKind::kInsert) + spec.proportion(OpKind::kBatch) == 0) {
    return spec.record_count;
  }
  const uint64_t writes_per_op = spec.proportion(OpKind::kBatch) > 0 ? spec.batch_size : 1;
  const uint64_t operations = spec.operation_count + spec.warmup.operations;
  const bool timed = spec.operation_count == 0 || spec.warmup.seconds > 0;
  // Threads number their inserts in turn, so the last number may be a thread's share ahead.
  return spec.record_count +
         (timed ? kTimedInserts : operations * writes_per_op * spec.threads + spec.threads);
}

class Session {
 public:
  explicit Session(const SessionRequest& request)
      : request_(request), spec_(*request.spec), options_(request.options) {}

  Result<SessionResult> Run();

 private:
  Status Open(Durability durability);
  Status Close();
  Status RunOne(Phase phase);
  Status EndPhase(PhaseReport* report);
  Result<double> MeasureFloor(Phase phase);
  Status LimitsExceeded(const PhaseReport& report) const;

  const SessionRequest& request_;
  const WorkloadSpec& spec_;
  EngineOptions options_;                   // but for the durability of a load
  std::optional<ModelledMedium> modelled_;  // outlives the engine
  std::unique_ptr<Engine> engine_;
  Durability durability_ = Durability::kNone;
  std::optional<double> open_s_;                   // of the opening that no phase has followed yet
  std::optional<uint64_t> device_written_before_;  // when the measured part began
  bool loaded_relaxed_ = false;
  std::unique_ptr<VersionTable> versions_;
  SessionResult result_;
};

Status Session::Open(Durability durability) {
  EngineOptions options = options_;
  options.durability = durability_ = durability;
  Result<std::unique_ptr<Engine>> opened = Status::Internal("not opened");
  open_s_ = SecondsOf([&] { opened = OpenEngine(*request_.row, options); });
  ASSIGN_OR_RETURN(engine_, std::move(opened));
  engine_ = WithInjectedSpin(std::move(engine_), request_.spin_ns);
  return Status::Ok();
}

Status Session::Close() {
  Status status = engine_->Close();
  engine_.reset();
  return status;
}

Result<SessionResult> Session::Run() {
  const EngineRow& row = *request_.row;
  if (const std::string reason = SkipReason(row, spec_); request_.run && !reason.empty()) {
    return Status::Unsupported(reason);
  }
  const EngineOptions& options = request_.options;
  std::error_code error;
  const bool fresh = !row.capabilities.stores_data || !std::filesystem::exists(options.path, error);
  const bool load = request_.load && NeedsLoad(spec_);
  if (load) RETURN_IF_ERROR(CheckPhase(spec_, Phase::kLoad));
  if (request_.run) RETURN_IF_ERROR(CheckPhase(spec_, Phase::kRun));
  if (fresh && !load && NeedsLoad(spec_) && row.capabilities.stores_data) {
    return Status::InvalidArgument(
        fmt::format("there is nothing at {}: was it loaded?", options.path.string()));
  }
  if (row.capabilities.stores_data) {
    RETURN_IF_ERROR(CheckFreeSpace(options.path, EstimateStorageBytes(options.size_hint)));
  }
  ASSIGN_OR_RETURN(versions_, VersionTable::Create(VersionCapacity(spec_), fresh, VersionNonce(),
                                                   spec_.threads > 1));

  const Durability load_durability =
      request_.relaxed_load ? row.durabilities.back() : options.durability;
  if (!options.modelled_medium.empty()) modelled_.emplace(&options_);
  loaded_relaxed_ = (load || request_.loaded_before) && load_durability != options.durability;
  RETURN_IF_ERROR(Open(load ? load_durability : options.durability));
  if (load) result_.status = RunOne(Phase::kLoad);
  const bool cut_short = !result_.phases.empty() && result_.phases.back().result.partial;
  if (request_.run && result_.status.ok() && !cut_short) {
    if (request_.reopen || durability_ != options.durability) {
      result_.status = Close();
      if (result_.status.ok()) result_.status = Open(options.durability);
    }
    if (result_.status.ok()) result_.status = RunOne(Phase::kRun);
  }
  if (engine_ && request_.leave_open) {
    result_.engine = std::move(engine_);
  } else if (engine_) {
    Status closed = Close();
    if (result_.status.ok()) result_.status = std::move(closed);
  }
  if (result_.phases.empty()) return std::move(result_.status);
  return std::move(result_);
}

Result<double> Session::MeasureFloor(Phase phase) {
  ASSIGN_OR_RETURN(const EngineRow* blackhole, FindEngine("blackhole"));
  EngineOptions options;
  options.durability = blackhole->durabilities.front();
  options.size_hint = request_.options.size_hint;
  ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, OpenEngine(*blackhole, options));
  WorkloadSpec spec = spec_;
  spec.target_ops_per_s = 0;
  spec.warmup = {};
  spec.operation_count = 0;  // by time only: a few operations would measure their own start
  spec.replay_repeats = true;
  ASSIGN_OR_RETURN(const auto versions,
                   VersionTable::Create(VersionCapacity(spec), true, 0, spec.threads > 1));
  PhaseRequest floor;
  floor.phase = phase;
  floor.engine = engine.get();
  floor.row = blackhole;
  floor.spec = &spec;
  floor.versions = versions.get();
  floor.max_run_s = kFloorSeconds;
  floor.pin_threads = request_.pin_threads;
  ASSIGN_OR_RETURN(const PhaseResult result, RunPhase(floor));
  if (result.operations == 0) return 0.0;
  return result.run_s * 1e9 * spec.threads / static_cast<double>(result.operations);
}

Status Session::RunOne(Phase phase) {
  PhaseReport report;
  report.phase = phase;
  report.durability = durability_;
  report.relaxed_load = loaded_relaxed_;
  report.medium = engine_->medium();
  report.open_s = std::exchange(open_s_, std::nullopt);
  report.injected_spin_ns = request_.spin_ns;
  if (request_.measure_floor && request_.row->capabilities.stores_data && phase == Phase::kRun) {
    ASSIGN_OR_RETURN(report.floor_ns_per_op, MeasureFloor(phase));
  }
  PhaseRequest phase_request;
  phase_request.phase = phase;
  phase_request.engine = engine_.get();
  phase_request.row = request_.row;
  phase_request.spec = &spec_;
  phase_request.versions = versions_.get();
  if (phase == Phase::kRun) phase_request.max_run_s = spec_.max_execution_time_s;
  if (request_.hooks) request_.hooks(phase, &phase_request);
  const bool on_device = report.medium == Medium::kPageCache || report.medium == Medium::kBlock;
  CHECK(phase_request.on_measuring == nullptr);  // no hook's
  phase_request.on_measuring = [&] {
    if (on_device) device_written_before_ = DeviceBytesWritten(request_.options.path);
    if (modelled_) modelled_->Measure();
  };
  ASSIGN_OR_RETURN(report.result, RunPhase(phase_request));
  // What the phase owes at its end is timed apart, and so is charged for apart.
  if (modelled_) report.injection = modelled_->Measured();
  const Status ended = EndPhase(&report);
  Status status = LimitsExceeded(report);
  if (status.ok()) status = ended;
  result_.phases.push_back(std::move(report));
  return status;
}

// What a phase owes is done and charged: one Sync, then background work.
Status Session::EndPhase(PhaseReport* report) {
  Status synced, settled;
  report->sync_s = SecondsOf([&] { synced = engine_->Sync(); });
  if (const auto before = std::exchange(device_written_before_, std::nullopt)) {
    if (const auto now = DeviceBytesWritten(request_.options.path)) {
      report->device_write_bytes = *now - *before;
    }
  }
  if (Result<EngineStats> stats = engine_->Stats(); stats.ok())
    report->debt_bytes = stats->debt_bytes;
  if (report->phase == Phase::kRun) {
    report->settle_s = SecondsOf([&] { settled = engine_->Settle(); });
  }
  if (Result<EngineStats> stats = engine_->Stats(); stats.ok()) {
    report->stats = *stats;
    // The phase's own share of what the engine has counted since it was opened.
    const EngineStats& before = report->result.stats_at_start;
    report->stats.flushed_lines -= before.flushed_lines;
    report->stats.fences -= before.fences;
    report->stats.syncs -= before.syncs;
    for (size_t i = 0; i < before.costs.size(); ++i) {
      WriteBackCost& cost = report->stats.costs[i];
      cost.count -= before.costs[i].count;
      cost.flushed_lines -= before.costs[i].flushed_lines;
      cost.fences -= before.costs[i].fences;
      cost.flushed_bytes -= before.costs[i].flushed_bytes;
    }
  } else {
    report->warnings.push_back(fmt::format("no statistics: {}", stats.message()));
  }
  if (request_.row->capabilities.persistent_memory) {
    report->pmem = pmem::ObservePmem(request_.options.path);
  }
  if (ReadCpuFacts().emulated) {
    report->warnings.push_back("this processor is emulated: times are no measurement");
  }
  if (report->injected_spin_ns > 0) {
    report->warnings.push_back(
        fmt::format("injected: every call of the engine spins {} ns longer (fencepost.spin_ns)",
                    report->injected_spin_ns));
  }
  if (report->relaxed_load && request_.loaded_before) {
    report->warnings.push_back(
        "the relaxed load ended with a Sync: it may have left less to recover than one at "
        "the run's durability");
  }
  const PhaseResult& result = report->result;
  if (result.operations == 0) {
    report->warnings.push_back("no operation was executed");
  } else if (result.run_s < kShortRunSeconds) {
    report->warnings.push_back(
        fmt::format("the run took {:.0f} ms: too short to be a measurement", result.run_s * 1e3));
  }
  const uint64_t planned = PlannedOperations(spec_, report->phase);
  if (report->phase == Phase::kRun && spec_.replay_file && planned < spec_.operation_count) {
    report->warnings.push_back(
        fmt::format("operationcount={}: the trace file has {}", spec_.operation_count, planned));
  }
  if (report->phase == Phase::kRun && request_.row->capabilities.stores_data &&
      result.verification.reads_checked > 0 &&
      result.verification.unknown * 2 > result.verification.reads_checked) {
    report->warnings.push_back(
        "most reads were of keys whose history is not known: nothing is claimed of them "
        "(load and run in one call to know it)");
  }
  return synced.ok() ? std::move(settled) : std::move(synced);
}

Status Session::LimitsExceeded(const PhaseReport& report) const {
  const PhaseResult& result = report.result;
  if (result.failure_limit_reached) {
    return Status(result.first_failure.code(), std::string(result.first_failure.message()));
  }
  uint64_t not_found = 0, reads = 0;
  for (size_t k = 0; k < kOpKindCount; ++k) {
    if (const KindRecord* record = result.kinds.Find(static_cast<OpKind>(k))) {
      not_found += record->counts.not_found;
      reads += record->counts.ok + record->counts.not_found;
    }
  }
  if (result.interrupted ||
      static_cast<double>(not_found) <= request_.max_not_found * static_cast<double>(reads)) {
    return Status::Ok();
  }
  return Status::InvalidArgument(fmt::format(
      "{} of {} operations found nothing where a value should be (limit {:.1f} %): was {} loaded?",
      not_found, reads, request_.max_not_found * 100, request_.options.path.string()));
}

}  // namespace

std::string SkipReason(const EngineRow& row, const WorkloadSpec& spec) {
  if (spec.proportion(OpKind::kScan) > 0 && !row.capabilities.ordered) {
    return fmt::format("SKIPPED: {} scans, and {} keeps no order", spec.name, row.name);
  }
  if (spec.proportion(OpKind::kBatch) > 0 && !row.capabilities.atomic_batch) {
    return fmt::format("SKIPPED: {} has batches, and {} has no atomic ones", spec.name, row.name);
  }
  if (spec.proportion(OpKind::kCompareAndPut) > 0 && !row.capabilities.compare_and_put) {
    return fmt::format("SKIPPED: {} compares and puts, and {} cannot", spec.name, row.name);
  }
  if (spec.proportion(OpKind::kDefragment) > 0 && !row.capabilities.defragment) {
    return fmt::format("SKIPPED: {} defragments, and {} cannot", spec.name, row.name);
  }
  if (const ReplayFile* file = spec.replay_file.get()) {
    if (file->max_key_bytes() > row.capabilities.max_key_bytes) {
      return fmt::format("SKIPPED: {} has a key of {} bytes, and {} takes {}", spec.name,
                         file->max_key_bytes(), row.name, row.capabilities.max_key_bytes);
    }
    if (file->max_value_bytes() > row.capabilities.max_value_bytes) {
      return fmt::format("SKIPPED: {} has a value of {} bytes, and {} takes {}", spec.name,
                         file->max_value_bytes(), row.name, row.capabilities.max_value_bytes);
    }
  }
  return "";
}

Result<SessionResult> RunSession(const SessionRequest& request) { return Session(request).Run(); }

}  // namespace fencepost
