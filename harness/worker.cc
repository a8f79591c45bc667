// SPDX-License-Identifier: BSD-3-Clause
// The worker's loop. What an operation does is in worker_operations.cc.
#include "harness/worker.h"

#include <algorithm>

#include "harness/clock.h"
#include "harness/pinning.h"

namespace fencepost {
namespace {

// Keys that are built together, ahead of the operations that use them.
constexpr size_t kBlockKeys = 64;

// A run that is bounded by time does not know how many operations it needs: write them in pieces.
constexpr size_t kTimedTraceWords = size_t{1} << 20;

// The keys of a run's loaded records. A load inserts each key once, so it builds them as it goes.
KeyTable MakeKeyTable(const PhaseRequest& request, const KeyFormat& keys, uint64_t* ticks) {
  if (request.phase == Phase::kLoad || request.spec->replay_file) return {};
  const uint64_t begin = Clock::Ticks();
  const WorkloadSpec& spec = *request.spec;
  KeyTable table(keys, spec.insert_start, spec.insert_count, spec.key_table_bytes);
  *ticks = Clock::Ticks() - begin;
  return table;
}

// The kinds that a phase can record.
std::vector<OpKind> KindsOf(const WorkloadSpec& spec, Phase phase) {
  if (phase == Phase::kLoad) return {OpKind::kInsert};
  std::vector<OpKind> kinds;
  for (size_t k = 0; k < kOpKindCount; ++k) {
    if (spec.proportions[k] > 0) kinds.push_back(static_cast<OpKind>(k));
  }
  // It is counted under its two halves too, as in YCSB.
  if (spec.proportion(OpKind::kReadModifyWrite) > 0) {
    kinds.insert(kinds.end(), {OpKind::kRead, OpKind::kUpdate});
  }
  return kinds;
}

bool Writes(const WorkloadSpec& spec) {
  return spec.proportion(OpKind::kRead) + spec.proportion(OpKind::kMiss) +
             spec.proportion(OpKind::kScan) <
         1.0;
}

double MeanGapTicks(const PhaseContext& context) {
  if (!context.open_loop) return 0;
  const double gap_ns = 1e9 * context.thread_count / context.spec.target_ops_per_s;
  return gap_ns * static_cast<double>(Clock::NsToTicks(1'000'000'000)) / 1e9;
}

}  // namespace

PhaseContext::PhaseContext(const PhaseRequest& phase_request, unsigned threads)
    : request(phase_request),
      spec(*phase_request.spec),
      engine(*phase_request.engine),
      versions(*phase_request.versions),
      keys(spec.hashed_keys, spec.zero_padding),
      key_table(MakeKeyTable(request, keys, &key_table_ticks)),
      values(spec),
      replay_file(spec.replay_file.get()),
      thread_count(threads),
      open_loop(phase_request.phase == Phase::kRun && spec.target_ops_per_s > 0),
      rendezvous(threads) {
  if (Result<std::vector<int>> allowed = AllowedCpus(); allowed.ok() && request.pin_threads) {
    cpus = std::move(allowed).value();
  }
  interval_ticks = Clock::NsToTicks(static_cast<uint64_t>(request.interval_s * 1e9));
  max_run_ticks = Clock::NsToTicks(static_cast<uint64_t>(request.max_run_s * 1e9));
  if (request.turns != nullptr) {
    turn_ticks = Clock::NsToTicks(static_cast<uint64_t>(request.turns->turn_s() * 1e9));
  }
}

void PhaseContext::RequestAttention() {
  for (const auto& worker : workers) worker->RequestAttention();
}

void PhaseContext::RequestPause(std::atomic<bool>* reason) {
  reason->store(true);
  pause.store(true);
  RequestAttention();
}

void PhaseContext::RecordFailure(const Status& status) {
  const std::lock_guard lock(first_failure_mutex);
  if (first_failure.ok()) first_failure = status;
  // A full medium fails every write that follows: the first one ends the phase.
  if (++failures > request.max_failures || status.code() == StatusCode::kFull) {
    stop.store(true);
    RequestAttention();
  }
}

Worker::Worker(PhaseContext& context, unsigned index, std::unique_ptr<TraceSource> source)
    : context_(context),
      index_(index),
      verifying_(context.spec.verify != VerifyLevel::kOff),
      verify_level_(context.spec.verify),
      judged_(context.request.row->capabilities.stores_data),
      source_(std::move(source)),
      recorder_(std::make_unique<Recorder>(context.open_loop)),
      pacer_(context.spec.arrivals, MeanGapTicks(context), context.spec.seed + index),
      value_buffer_(context.values.max_value_bytes()) {
  targets_.resize(kBlockKeys + MaxOpWords(context.spec));
  uses_versions_ = verifying_ || context.request.phase == Phase::kLoad || Writes(context.spec);
  PrepareRecorder(recorder_.get());
}

// Memory for the kinds that this phase can produce, so that no measured operation allocates.
void Worker::PrepareRecorder(Recorder* recorder) const {
  for (const OpKind kind : KindsOf(context_.spec, context_.request.phase)) recorder->Prepare(kind);
}

void Worker::Run() {
  if (const auto& cpus = context_.cpus; !cpus.empty()) (void)PinThisThread(cpus, index_);
  WarmUp();
  context_.rendezvous.Arrive([this] {
    if (context_.request.turns != nullptr) context_.request.turns->Await();
    (void)ResetPeakRss();
    if (Result<EngineStats> stats = context_.engine.Stats(); stats.ok()) {
      context_.stats_at_start = *stats;
    }
    if (Result<ProcessUsage> usage = ReadProcessUsage(); usage.ok()) {
      context_.usage_at_start = *usage;
    }
    if (context_.request.on_measuring) context_.request.on_measuring();
    context_.measuring.store(true);
    context_.start_ticks = Clock::Ticks();
  });
  now_ = context_.start_ticks;
  pacer_.Start(now_);
  excluded_ticks_ = prepare_ticks_ = user_bytes_written_ = user_bytes_read_ = 0;
  // Faults that the warm-up has shown stay; what was merely checked does not.
  verification_.reads_checked = verification_.unknown = 0;
  verification_.verify_ns_sum = verification_.verify_samples = 0;
  interval_end_ticks_ = now_ + context_.interval_ticks;
  if (context_.max_run_ticks != 0) deadline_ticks_ = now_ + context_.max_run_ticks;
  if (context_.turn_ticks != 0) turn_end_ticks_ = now_ + context_.turn_ticks;
  SetAttention();
  while (RunBlock()) {
  }
  end_ticks_ = now_;
  HandOver(now_);
  context_.rendezvous.Leave();
}

void Worker::WarmUp() {
  in_warmup_ = true;
  now_ = Clock::Ticks();
  GenerateTrace();
  const Warmup& warmup = context_.spec.warmup;
  const bool wanted = context_.request.phase == Phase::kRun;
  if (wanted && (warmup.operations > 0 || warmup.seconds > 0)) {
    now_ = Clock::Ticks();
    if (warmup.operations > 0) {
      warmup_operations_ = ThreadWarmupOperations(context_.spec, index_, context_.thread_count);
    }
    warmup_end_ticks_ = warmup.seconds > 0
                            ? now_ + Clock::NsToTicks(static_cast<uint64_t>(warmup.seconds * 1e9))
                            : UINT64_MAX;
    pacer_.Start(now_);
    SetAttention();
    while (RunBlock()) {
    }
    recorder_->Reset();
    operations_.store(0, std::memory_order_relaxed);
  }
  in_warmup_ = false;
}

bool Worker::EnsureTrace() {
  if (position_ < trace_.size()) return true;
  if (source_empty_) return false;
  const bool live = context_.spec.trace == TraceMode::kLive;
  if (live || in_warmup_ || context_.thread_count == 1) {
    const uint64_t begin = Clock::Ticks();
    GenerateTrace();
    // Live operations are drawn while the clock runs, as YCSB draws them.
    if (!live) {
      now_ = Clock::Ticks();
      Exclude(now_ - begin);
    }
  } else {
    context_.RequestPause(&context_.trace_wanted);
    Pause();
  }
  return position_ < trace_.size();
}

void Worker::GenerateTrace() {
  const uint64_t begin = Clock::Ticks();
  trace_.erase(trace_.begin(), trace_.begin() + static_cast<std::ptrdiff_t>(position_));
  position_ = 0;
  const size_t longest = MaxOpWords(context_.spec);
  size_t max_words = context_.spec.trace_bytes / sizeof(uint64_t) / context_.thread_count;
  if (context_.max_run_ticks != 0) max_words = std::min(max_words, kTimedTraceWords);
  if (context_.spec.trace == TraceMode::kLive) max_words = kBlockKeys;
  max_words = std::max(max_words, kBlockKeys + longest);
  const size_t before = trace_.size();
  if (!source_empty_ && max_words - std::min(max_words, before) >= longest) {
    source_->Fill(max_words, &trace_);
    source_empty_ = trace_.size() == before;
  }
  generated_words_ += trace_.size() - before;
  generate_ticks_ += Clock::Ticks() - begin;
}

size_t Worker::PrepareBlock() {
  size_t word = position_, count = 0;
  while (word < trace_.size() && count < kBlockKeys) {
    const Op op{trace_[word++]};
    if (op.kind() == OpKind::kBatch) [[unlikely]] {
      for (uint64_t left = op.number(); left > 0; --left) {
        SetTarget(count++, Op{trace_[word++]}.number());
      }
      continue;
    }
    SetTarget(count++, op.number());
    word += OpWords(op) - 1;  // a length
  }
  if (!missing_numbers_.empty()) BuildMissingKeys();
  return word - position_;
}

inline void Worker::SetTarget(size_t index, uint64_t number) {
  if (uses_versions_) context_.versions.Prefetch(number);
  Target& target = targets_[index];
  target.number = number;
  if (const KeyTable::Entry* entry = context_.key_table.Find(number)) [[likely]] {
    target.key = entry->key();
    target.key_hash = entry->key_hash;
    return;
  }
  if (const ReplayFile* file = context_.replay_file) {
    target.key = file->key(number);
    target.key_hash = file->key_hash(number);
    __builtin_prefetch(target.key.data());
    return;
  }
  missing_numbers_.push_back(number);
  missing_targets_.push_back(index);
}

void Worker::BuildMissingKeys() {
  key_block_.Build(context_.keys, missing_numbers_);
  for (size_t i = 0; i < missing_targets_.size(); ++i) {
    Target& target = targets_[missing_targets_[i]];
    target.key = key_block_[i];
    if (uses_versions_) target.key_hash = KeyHash(target.key);
  }
  missing_numbers_.clear();
  missing_targets_.clear();
}

bool Worker::RunBlock() {
  if (context_.pause.load() && !in_warmup_) Pause();
  if (!EnsureTrace()) return false;
  const uint64_t prepare_begin = now_;
  const size_t first = position_;
  const size_t end = first + PrepareBlock();
  now_ = Clock::Ticks();
  prepare_ticks_ += now_ - prepare_begin;

  const std::span<const uint64_t> trace = trace_;
  size_t target = 0;
  bool go_on = true;
  // A pause rewrites the trace, so it waits for the end of the block, which comes early then.
  while (go_on && position_ < end && !pause_wanted_ && !(in_warmup_ && WarmedUp())) {
    if (context_.open_loop && !AwaitIntendedStart()) [[unlikely]] {
      go_on = false;
      break;
    }
    if (const size_t ahead = position_ + kBlockKeys; ahead < trace.size()) [[likely]] {
      context_.key_table.Prefetch(Op{trace[ahead]}.number());
      if (context_.replay_file) context_.replay_file->Prefetch(Op{trace[ahead]}.number());
    }
    position_ += RunOperation(position_, &target);
    operations_.store(operations_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (now_ >= attention_ticks_.load(std::memory_order_relaxed)) [[unlikely]]
      go_on = Attend(now_);
  }
  if (context_.spec.trace != TraceMode::kLive) {
    hash_.Update(std::span(trace_).subspan(first, position_ - first));
  }
  return go_on && !(in_warmup_ && WarmedUp());
}

// Whether a warm-up that is counted in operations is over.
bool Worker::WarmedUp() const {
  return operations_.load(std::memory_order_relaxed) >= warmup_operations_;
}

bool Worker::Attend(uint64_t now) {
  if (context_.stop.load()) return false;
  if (now >= (in_warmup_ ? warmup_end_ticks_ : deadline_ticks_)) return false;
  if (!in_warmup_ && now >= interval_end_ticks_) HandOver(now);
  if (now >= turn_end_ticks_) context_.RequestPause(&context_.turn_over);
  pause_wanted_ = context_.pause.load() && !in_warmup_;
  SetAttention();
  now_ = Clock::Ticks();
  return true;
}

void Worker::SetAttention() {
  const uint64_t next = in_warmup_
                            ? warmup_end_ticks_
                            : std::min({interval_end_ticks_, deadline_ticks_, turn_end_ticks_});
  attention_ticks_.store(next);
  // A request that came before the store above would be lost: look again.
  if (context_.stop.load() || context_.pause.load()) attention_ticks_.store(0);
}

void Worker::Pause() {
  const uint64_t begin = Clock::Ticks();
  context_.rendezvous.Arrive([this] {
    context_.pause.store(false);
    context_.pause_generates = context_.trace_wanted.exchange(false);
  });
  if (context_.pause_generates) GenerateTrace();
  context_.rendezvous.Arrive([this] {
    if (context_.turn_over.exchange(false)) context_.request.turns->Await();
  });
  now_ = Clock::Ticks();
  pause_wanted_ = false;
  if (context_.turn_ticks != 0) turn_end_ticks_ = begin + context_.turn_ticks;
  Exclude(now_ - begin);
}

// What the driver does for itself is no part of the run.
void Worker::Exclude(uint64_t ticks) {
  excluded_ticks_ += ticks;
  pacer_.Shift(ticks);
  for (uint64_t* const due : {&interval_end_ticks_, &deadline_ticks_, &turn_end_ticks_}) {
    if (*due != UINT64_MAX) *due += ticks;
  }
  SetAttention();
}

void Worker::HandOver(uint64_t now) {
  std::unique_ptr<Recorder> next;
  {
    const std::lock_guard lock(completed_mutex_);
    if (!spare_.empty()) {
      next = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  if (!next) {
    next = std::make_unique<Recorder>(context_.open_loop);
    PrepareRecorder(next.get());
  }
  {
    const std::lock_guard lock(completed_mutex_);
    completed_.emplace_back(interval_, std::move(recorder_));
  }
  recorder_ = std::move(next);
  for (; interval_end_ticks_ <= now; interval_end_ticks_ += context_.interval_ticks) ++interval_;
}

std::deque<Worker::CompletedInterval> Worker::TakeCompleted() {
  const std::lock_guard lock(completed_mutex_);
  return std::exchange(completed_, {});
}

void Worker::Recycle(std::unique_ptr<Recorder> recorder) {
  const std::lock_guard lock(completed_mutex_);
  spare_.push_back(std::move(recorder));
}

}  // namespace fencepost
