// SPDX-License-Identifier: BSD-3-Clause
// RunPhase: starts the workers of a phase, watches them, and puts their measurements together.
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <thread>

#include "harness/clock.h"
#include "harness/interrupt.h"
#include "harness/phase.h"
#include "harness/worker.h"

namespace fencepost {
namespace {

constexpr auto kWatchPeriod = std::chrono::milliseconds(10);

// Merges the intervals of all workers as they complete and hands them on in order.
class IntervalMerger {
 public:
  IntervalMerger(const PhaseContext& context, PhaseResult* result)
      : context_(context), result_(result), since_last_(context.open_loop) {}

  void Collect() {
    for (const auto& worker : context_.workers) {
      for (auto& [interval, recorder] : worker->TakeCompleted()) {
        auto [slot, inserted] = open_.try_emplace(interval, context_.open_loop);
        slot->second.Add(*recorder);
        since_last_.Add(*recorder);
        newest_ = std::max(newest_, interval);
        recorder->Reset();
        worker->Recycle(std::move(recorder));
      }
    }
    // An interval is complete once all threads have had time to pass its end; a thread that is
    // stuck in one operation for longer adds to a later row.
    while (!open_.empty() && open_.begin()->first + kPatience < newest_) Emit();
  }

  void Finish() {
    Collect();
    while (!open_.empty()) Emit();
  }

  const Recorder& since_last() const { return since_last_; }
  void ForgetSinceLast() { since_last_.Reset(); }

 private:
  static constexpr uint64_t kPatience = 4;

  void Emit() {
    const uint64_t interval = open_.begin()->first;
    const Recorder& recorder = open_.begin()->second;
    const double length_s = context_.request.interval_s;
    for (size_t k = 0; k < kOpKindCount; ++k) {
      const KindRecord* record = recorder.Find(static_cast<OpKind>(k));
      if (record == nullptr || record->service.empty()) continue;
      const Histogram& service = record->service;
      result_->intervals.push_back({.interval = interval,
                                    .kind = static_cast<OpKind>(k),
                                    .operations = service.count(),
                                    .mean_ns = service.mean_ns(),
                                    .p50_ns = service.Percentile(50),
                                    .p99_ns = service.Percentile(99),
                                    .max_ns = service.max_ns()});
    }
    if (context_.request.on_interval) {
      context_.request.on_interval(static_cast<double>(interval) * length_s, length_s, recorder);
    }
    result_->kinds.Add(recorder);
    open_.erase(open_.begin());
  }

  const PhaseContext& context_;
  PhaseResult* result_;
  std::map<uint64_t, Recorder> open_;
  uint64_t newest_ = 0;
  Recorder since_last_;
};

// Calls on_progress at its period with what came since the last call.
class ProgressTeller {
 public:
  ProgressTeller(const PhaseContext& context, IntervalMerger* merger)
      : context_(context), merger_(merger) {
    planned_ = PlannedOperations(context.spec, context.request.phase);
  }

  void Tell(bool last) {
    const PhaseRequest& request = context_.request;
    if (!request.on_progress || request.progress_every_s <= 0 || !context_.measuring.load()) return;
    const double elapsed_s =
        static_cast<double>(Clock::NsBetween(context_.start_ticks, Clock::Ticks())) * 1e-9;
    if (!last && elapsed_s - told_s_ < request.progress_every_s) return;
    uint64_t operations = 0;
    for (const auto& worker : context_.workers) operations += worker->operations();
    const double since_s = std::max(elapsed_s - told_s_, 1e-9);
    request.on_progress(
        {.elapsed_s = elapsed_s,
         .operations = operations,
         .planned_operations = planned_,
         .planned_s = request.max_run_s,
         .current_ops_per_s = static_cast<double>(operations - told_operations_) / since_s,
         .since_last = &merger_->since_last()});
    merger_->ForgetSinceLast();
    told_s_ = elapsed_s;
    told_operations_ = operations;
  }

 private:
  const PhaseContext& context_;
  IntervalMerger* merger_;
  uint64_t planned_ = 0;
  double told_s_ = 0;
  uint64_t told_operations_ = 0;
};

void AddUpWorkers(const PhaseContext& context, PhaseResult* result) {
  uint64_t last_end = context.start_ticks, longest_run = 0;
  uint64_t generate_ticks = context.key_table_ticks, generated = 0, prepare_ticks = 0;
  std::vector<uint64_t> hashes;
  for (const auto& worker : context.workers) {
    const uint64_t wall = worker->end_ticks() - context.start_ticks;
    longest_run = std::max(longest_run, wall - std::min(wall, worker->excluded_ticks()));
    last_end = std::max(last_end, worker->end_ticks());
    generate_ticks += worker->generate_ticks();
    generated += worker->generated_operations();
    prepare_ticks += worker->prepare_ticks();
    result->operations += worker->operations();
    result->user_bytes_written += worker->user_bytes_written();
    result->user_bytes_read += worker->user_bytes_read();
    result->verification.Add(worker->verification());
    result->fault_examples.insert(result->fault_examples.end(), worker->fault_examples().begin(),
                                  worker->fault_examples().end());
    hashes.push_back(worker->trace_hash());
  }
  const auto per = [](uint64_t ticks, uint64_t count) {
    return count == 0 ? 0.0
                      : static_cast<double>(Clock::TicksToNs(ticks)) / static_cast<double>(count);
  };
  result->run_s = static_cast<double>(Clock::TicksToNs(longest_run)) * 1e-9;
  result->wall_s = static_cast<double>(Clock::NsBetween(context.start_ticks, last_end)) * 1e-9;
  result->generate_ns_per_op = per(generate_ticks, generated);
  result->prepare_ns_per_op = per(prepare_ticks, result->operations);
  if (context.spec.trace != TraceMode::kLive) result->trace_hash = CombineTraceHashes(hashes);
}

}  // namespace

std::optional<double> PhaseProgress::SecondsLeft() const {
  std::optional<double> left_s;
  if (planned_operations > 0 && operations > 0 && elapsed_s > 0) {
    const uint64_t left = planned_operations - std::min(planned_operations, operations);
    left_s = static_cast<double>(left) * elapsed_s / static_cast<double>(operations);
  }
  if (planned_s > 0) {
    const double by_time_s = std::max(0.0, planned_s - elapsed_s);
    left_s = left_s ? std::min(*left_s, by_time_s) : by_time_s;
  }
  return left_s;
}

double PhaseProgress::Fraction() const {
  double fraction = 0;
  if (planned_operations > 0) {
    fraction = static_cast<double>(operations) / static_cast<double>(planned_operations);
  }
  if (planned_s > 0) fraction = std::max(fraction, elapsed_s / planned_s);
  return std::min(fraction, 1.0);
}

void VerificationCounts::Add(const VerificationCounts& other) {
  reads_checked += other.reads_checked;
  unknown += other.unknown;
  lost += other.lost;
  stale += other.stale;
  torn += other.torn;
  foreign += other.foreign;
  phantom += other.phantom;
  length += other.length;
  verify_ns_sum += other.verify_ns_sum;
  verify_samples += other.verify_samples;
}

Result<PhaseResult> RunPhase(const PhaseRequest& request) {
  RETURN_IF_ERROR(request.cancelled);
  const WorkloadSpec& spec = *request.spec;
  PhaseContext context(request, spec.threads);
  PhaseResult result;
  result.interval_s = request.interval_s;
  std::optional<LiveState> live;
  if (spec.trace == TraceMode::kLive) live.emplace(spec.record_count);
  for (unsigned t = 0; t < spec.threads; ++t) {
    context.workers.push_back(std::make_unique<Worker>(
        context, t,
        MakeTraceSource(spec, request.phase, t, spec.threads, live ? &*live : nullptr)));
  }

  std::atomic<unsigned> running{spec.threads};
  std::vector<std::thread> threads;
  for (const auto& worker : context.workers) {
    threads.emplace_back([&running, &worker] {
      worker->Run();
      running.fetch_sub(1);
    });
  }
  IntervalMerger merger(context, &result);
  ProgressTeller teller(context, &merger);
  while (running.load() > 0) {
    std::this_thread::sleep_for(kWatchPeriod);
    merger.Collect();
    teller.Tell(/*last=*/false);
    if (Interrupted() && !context.stop.exchange(true)) {
      result.interrupted = true;
      context.RequestAttention();
    }
  }
  for (std::thread& thread : threads) thread.join();
  if (request.turns != nullptr) request.turns->End();
  if (Result<ProcessUsage> usage = ReadProcessUsage(); usage.ok()) {
    result.usage = UsageBetween(context.usage_at_start, *usage);
  }
  merger.Finish();
  teller.Tell(/*last=*/true);
  AddUpWorkers(context, &result);
  result.stats_at_start = context.stats_at_start;
  result.first_failure = context.first_failure;
  result.failure_limit_reached = context.stop.load() && !result.interrupted;
  result.partial = context.stop.load();
  return result;
}

}  // namespace fencepost
