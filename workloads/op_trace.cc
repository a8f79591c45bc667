// SPDX-License-Identifier: BSD-3-Clause
#include "workloads/op_trace.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "workloads/key_chooser.h"
#include "workloads/keys.h"
#include "workloads/replay_file.h"

namespace fencepost {
namespace {

using internal::ExponentialChooser;
using internal::ItemChooser;
using internal::LatestChooser;
using internal::LiveSequentialChooser;
using internal::LoadedChooser;
using internal::Population;

// Random streams of a thread, each for one purpose, so that none disturbs another.
enum Stream : uint64_t { kKindStream, kKeyStream, kScanStream, kBatchStream };

// Chooses among a few kinds by weight.
class KindChooser {
 public:
  KindChooser(std::span<const double> weights, std::span<const OpKind> kinds, Rng rng) : rng_(rng) {
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (!(weights[i] > 0)) continue;
      sum += weights[i];
      kinds_[count_] = kinds[i];
      // The last bound is never compared; the others are below 1.
      bounds_[count_++] = sum < 1 ? static_cast<uint64_t>(std::ldexp(sum, 64)) : UINT64_MAX;
    }
    CHECK(count_ > 0);
  }

  OpKind Next() {
    if (count_ == 1) return kinds_[0];
    const uint64_t draw = rng_.Next();
    // Without branches: which kind comes next cannot be predicted.
    size_t index = 0;
    for (size_t i = 0; i + 1 < count_; ++i) index += draw >= bounds_[i] ? 1 : 0;
    return kinds_[index];
  }

 private:
  Rng rng_;
  size_t count_ = 0;
  std::array<OpKind, kOpKindCount> kinds_{};
  std::array<uint64_t, kOpKindCount> bounds_{};
};

constexpr std::array<OpKind, kOpKindCount> kAllKinds = {
    OpKind::kRead,      OpKind::kUpdate,          OpKind::kInsert,
    OpKind::kScan,      OpKind::kReadModifyWrite, OpKind::kDelete,
    OpKind::kMiss,      OpKind::kBatch,           OpKind::kCompareAndPut,
    OpKind::kDefragment};
constexpr std::array<OpKind, 3> kBatchKinds = {OpKind::kUpdate, OpKind::kInsert, OpKind::kDelete};

// Number of records of scans.
class ScanLength {
 public:
  ScanLength(const WorkloadSpec& spec, Rng rng)
      : min_(spec.min_scan_length),
        distribution_(spec.scan_length_distribution),
        exact_(spec.zipfian == ZipfianMode::kExact),
        uniform_(spec.max_scan_length - min_ + 1),
        zipfian_(spec.max_scan_length - min_ + 1),
        exact_zipfian_(spec.max_scan_length - min_ + 1),
        rng_(rng) {}

  uint64_t Next() {
    if (distribution_ == LengthDistribution::kUniform) return min_ + uniform_.Next(rng_);
    return min_ + (exact_ ? exact_zipfian_.Next(rng_) : zipfian_.Next(rng_));
  }

 private:
  uint64_t min_;
  LengthDistribution distribution_;
  bool exact_;
  Uniform uniform_;
  Zipfian zipfian_;
  ExactZipfian exact_zipfian_;
  Rng rng_;
};

void AppendPut(uint64_t number, OpKind kind, uint64_t value_bytes, std::vector<uint64_t>* out) {
  out->push_back(Op::Make(OpKind::kPut, number).word);
  out->push_back(Op::Make(kind, value_bytes).word);
}

// The keys that a trace file wants to have loaded, numbered from 0.
class ReplayFileLoadSource final : public TraceSource {
 public:
  ReplayFileLoadSource(const ReplayFile& file, unsigned thread, unsigned thread_count)
      : file_(file), next_(thread), step_(thread_count) {}

  void Fill(size_t max_words, std::vector<uint64_t>* out) override {
    for (; next_ < file_.loaded_count() && out->size() + 2 <= max_words; next_ += step_) {
      AppendPut(next_, OpKind::kInsert, file_.load_bytes(next_), out);
    }
  }

 private:
  const ReplayFile& file_;
  uint64_t next_;
  uint64_t step_;
};

class ReplayFileSource final : public TraceSource {
 public:
  ReplayFileSource(const ReplayFile& file, bool repeats, unsigned thread, unsigned thread_count)
      : file_(file), repeats_(repeats), thread_(thread), thread_count_(thread_count) {}

  void Fill(size_t max_words, std::vector<uint64_t>* out) override {
    while (out->size() + 2 <= max_words) {
      if (next_ == file_.operation_count()) {
        // Again only if there was anything for this thread.
        if (!std::exchange(any_, false) || !repeats_) return;
        next_ = 0;
      }
      const ReplayFile::Operation op = file_.operation(next_++);
      if (op.number % thread_count_ != thread_) continue;
      any_ = true;
      if (op.kind == OpKind::kInsert || op.kind == OpKind::kUpdate) {
        AppendPut(op.number, op.kind, op.value_bytes, out);
      } else {
        out->push_back(Op::Make(op.kind, op.number).word);
      }
    }
  }

 private:
  const ReplayFile& file_;
  const bool repeats_;
  const uint64_t thread_;
  const uint64_t thread_count_;
  uint64_t next_ = 0;
  bool any_ = false;
};

class LoadSource final : public TraceSource {
 public:
  LoadSource(const WorkloadSpec& spec, unsigned thread, unsigned thread_count)
      : next_(spec.insert_start + thread),
        step_(thread_count),
        remaining_(ThreadOperations(spec, Phase::kLoad, thread, thread_count)) {}

  void Fill(size_t max_words, std::vector<uint64_t>* out) override {
    CHECK(max_words > out->size());
    const uint64_t count = std::min<uint64_t>(remaining_, max_words - out->size());
    remaining_ -= count;
    out->reserve(out->size() + count);
    for (uint64_t i = 0; i < count; ++i, next_ += step_) {
      out->push_back(Op::Make(OpKind::kInsert, next_).word);
    }
  }

 private:
  uint64_t next_;
  uint64_t step_;
  uint64_t remaining_;
};

template <typename KeyChooser>
class RunSource final : public TraceSource {
 public:
  RunSource(const WorkloadSpec& spec, unsigned thread, unsigned thread_count, LiveState* live,
            Rng kind_rng, Rng scan_rng, Rng batch_rng, KeyChooser keys)
      : population_(spec, thread, thread_count, live),
        live_(live),
        remaining_(ThreadOperations(spec, Phase::kRun, thread, thread_count)),
        batch_size_(spec.batch_size),
        max_op_words_(MaxOpWords(spec)),
        kinds_(spec.proportions, kAllKinds, kind_rng),
        batch_kinds_(BatchProportions(spec), kBatchKinds, batch_rng),
        scan_length_(spec, scan_rng),
        keys_(std::move(keys)) {}

  void Fill(size_t max_words, std::vector<uint64_t>* out) override {
    const size_t begin = out->size();
    CHECK(max_words >= begin + max_op_words_);
    out->resize(std::min<uint64_t>(max_words, begin + WordsLeft(max_words)));
    uint64_t* next = out->data() + begin;
    const uint64_t* end = out->data() + out->size();
    while (remaining_ > 0 && next != end) {
      const OpKind kind = std::exchange(has_pending_, false) ? pending_ : kinds_.Next();
      if (kind == OpKind::kInsert) {
        *next++ = Op::Make(kind, population_.TakeInsert()).word;
      } else if (kind != OpKind::kScan && kind != OpKind::kBatch) [[likely]] {
        const uint64_t miss = kind == OpKind::kMiss ? kMissBit : 0;
        *next++ = Op::Make(kind, keys_.Next(population_) | miss).word;
      } else {
        const size_t words = kind == OpKind::kScan ? 2 : 1 + batch_size_;
        if (static_cast<size_t>(end - next) < words) {
          // It comes first next time: the choice has been made, whatever the block size.
          pending_ = kind;
          has_pending_ = true;
          break;
        }
        next = kind == OpKind::kScan ? WriteScan(next) : WriteBatch(next);
      }
      --remaining_;
    }
    out->resize(static_cast<size_t>(next - out->data()));
  }

  void Acknowledge(uint64_t number) override {
    if (live_) live_->Acknowledge(number);
  }

 private:
  // Upper bound of the words that are still to come.
  uint64_t WordsLeft(size_t max_words) const {
    return remaining_ < max_words ? remaining_ * max_op_words_ : max_words;
  }

  uint64_t* WriteScan(uint64_t* next) {
    *next++ = Op::Make(OpKind::kScan, keys_.Next(population_)).word;
    *next++ = scan_length_.Next();
    return next;
  }

  uint64_t* WriteBatch(uint64_t* next) {
    *next++ = Op::Make(OpKind::kBatch, batch_size_).word;
    const uint64_t* writes = next;
    for (uint64_t i = 0; i < batch_size_; ++i) {
      const OpKind kind = batch_kinds_.Next();
      const uint64_t number =
          kind == OpKind::kInsert ? population_.TakeInsert() : OtherKey({writes, next});
      *next++ = Op::Make(kind, number).word;
    }
    return next;
  }

  // A key that `writes` do not have: drawn, or, when the draws are too few keys, the next loaded.
  uint64_t OtherKey(std::span<const uint64_t> writes) {
    constexpr int kMaxDraws = 64;
    const auto has = [&](uint64_t number) {
      return std::any_of(writes.begin(), writes.end(),
                         [&](uint64_t word) { return Op{word}.number() == number; });
    };
    uint64_t number = keys_.Next(population_);
    for (int i = 1; has(number) && i < kMaxDraws; ++i) number = keys_.Next(population_);
    while (has(number)) number = population_.NextLoaded(number);
    return number;
  }

  Population population_;
  LiveState* live_;
  uint64_t remaining_;
  uint64_t batch_size_;
  size_t max_op_words_;
  KindChooser kinds_;
  KindChooser batch_kinds_;
  ScanLength scan_length_;
  KeyChooser keys_;
  OpKind pending_ = OpKind::kRead;
  bool has_pending_ = false;
};

// Items that zipfian draws from: the loaded records and twice the inserts to be expected.
uint64_t ZipfianItems(const WorkloadSpec& spec) {
  const double per_batch = BatchProportions(spec)[1] * static_cast<double>(spec.batch_size);
  const double proportion =
      spec.proportion(OpKind::kInsert) + spec.proportion(OpKind::kBatch) * per_batch;
  const double expected = static_cast<double>(spec.operation_count) * proportion * 2.0;
  return spec.insert_count + static_cast<uint64_t>(expected);
}

class RunSourceMaker {
 public:
  RunSourceMaker(const WorkloadSpec& spec, unsigned thread, unsigned thread_count, LiveState* live)
      : spec_(spec), thread_(thread), thread_count_(thread_count), live_(live) {}

  std::unique_ptr<TraceSource> Make() const {
    const bool exact = spec_.zipfian == ZipfianMode::kExact;
    // A workload that only inserts may have no records; its chooser is never asked.
    const uint64_t loaded = std::max<uint64_t>(spec_.insert_count, 1);
    const uint64_t items = std::max<uint64_t>(ZipfianItems(spec_), 1);
    const Rng rng = StreamRng(kKeyStream);
    switch (spec_.request_distribution) {
      case RequestDistribution::kUniform:
        return With(LoadedChooser(Uniform(loaded), rng));
      case RequestDistribution::kHotspot:
        return With(LoadedChooser(
            Hotspot(loaded, spec_.hotspot_data_fraction, spec_.hotspot_operation_fraction), rng));
      case RequestDistribution::kSequential:
        if (live_) return With(LiveSequentialChooser{});
        return With(LoadedChooser(Sequential(loaded, thread_, thread_count_), rng));
      case RequestDistribution::kZipfian:
        if (exact) return With(ItemChooser(ScatteredZipfian(items), rng));
        // YCSB's upper bound is inclusive.
        return With(ItemChooser(ScrambledZipfian(items + 1), rng));
      case RequestDistribution::kLatest:
        if (exact) return With(LatestChooser<ExactZipfian>(loaded, rng));
        return With(LatestChooser<Zipfian>(loaded, rng));
      case RequestDistribution::kExponential: {
        const double range = static_cast<double>(loaded) * spec_.exponential_fraction;
        return With(ExponentialChooser(
            Exponential::FromPercentile(spec_.exponential_percentile, range), rng));
      }
    }
    CHECK(false);
  }

 private:
  Rng StreamRng(Stream stream) const {
    return Rng(spec_.seed, {static_cast<uint64_t>(Phase::kRun), thread_, thread_count_, stream});
  }

  template <typename KeyChooser>
  std::unique_ptr<TraceSource> With(KeyChooser keys) const {
    return std::make_unique<RunSource<KeyChooser>>(spec_, thread_, thread_count_, live_,
                                                   StreamRng(kKindStream), StreamRng(kScanStream),
                                                   StreamRng(kBatchStream), std::move(keys));
  }

  const WorkloadSpec& spec_;
  unsigned thread_;
  unsigned thread_count_;
  LiveState* live_;
};

// The first threads take what does not divide evenly.
uint64_t Share(uint64_t total, unsigned thread, unsigned thread_count) {
  return total / thread_count + (thread < total % thread_count ? 1 : 0);
}

// The thread's of the file's first operations.
uint64_t ShareOf(const ReplayFile& file, uint64_t operations, unsigned thread,
                 unsigned thread_count) {
  uint64_t count = 0;
  for (uint64_t i = 0; i < std::min(operations, file.operation_count()); ++i) {
    if (file.operation(i).number % thread_count == thread) ++count;
  }
  return count;
}

}  // namespace

void LiveState::Acknowledge(uint64_t number) {
  const std::scoped_lock lock(mutex_);
  early_.push(number);
  uint64_t limit = acknowledged_.load(std::memory_order_relaxed);
  while (!early_.empty() && early_.top() == first_ + limit) {
    early_.pop();
    ++limit;
  }
  acknowledged_.store(limit, std::memory_order_release);
}

size_t MaxOpWords(const WorkloadSpec& spec) {
  if (spec.proportion(OpKind::kBatch) > 0) return 1 + std::max<size_t>(spec.batch_size, 1);
  return spec.proportion(OpKind::kScan) > 0 || spec.replay_file ? 2 : 1;
}

uint64_t ThreadWarmupOperations(const WorkloadSpec& spec, unsigned thread, unsigned thread_count) {
  if (spec.replay_file) {
    return ShareOf(*spec.replay_file, spec.warmup.operations, thread, thread_count);
  }
  return Share(spec.warmup.operations, thread, thread_count);
}

uint64_t ThreadOperations(const WorkloadSpec& spec, Phase phase, unsigned thread,
                          unsigned thread_count) {
  if (phase == Phase::kLoad) return Share(spec.insert_count, thread, thread_count);
  if (spec.replay_file) return ShareOf(*spec.replay_file, UINT64_MAX, thread, thread_count);
  if (spec.operation_count == 0) return UINT64_MAX;
  return Share(spec.operation_count, thread, thread_count) +
         ThreadWarmupOperations(spec, thread, thread_count);
}

uint64_t PlannedOperations(const WorkloadSpec& spec, Phase phase) {
  if (phase == Phase::kLoad) return spec.insert_count;
  if (!spec.replay_file) return spec.operation_count;
  const uint64_t operations = spec.replay_file->operation_count();
  return operations - std::min(operations, spec.warmup.operations);
}

std::unique_ptr<TraceSource> MakeTraceSource(const WorkloadSpec& spec, Phase phase, unsigned thread,
                                             unsigned thread_count, LiveState* live) {
  CHECK(thread < thread_count);
  if (const ReplayFile* file = spec.replay_file.get()) {
    if (phase == Phase::kLoad) {
      return std::make_unique<ReplayFileLoadSource>(*file, thread, thread_count);
    }
    return std::make_unique<ReplayFileSource>(*file, spec.replay_repeats, thread, thread_count);
  }
  if (phase == Phase::kLoad) return std::make_unique<LoadSource>(spec, thread, thread_count);
  CHECK((spec.trace == TraceMode::kLive) == (live != nullptr));
  return RunSourceMaker(spec, thread, thread_count, live).Make();
}

}  // namespace fencepost
