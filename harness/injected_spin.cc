// SPDX-License-Identifier: BSD-3-Clause
#include "harness/injected_spin.h"

#include <algorithm>
#include <utility>

#include "harness/clock.h"

namespace fencepost {
namespace {

void Spin(uint64_t ticks) {
  const uint64_t end = Clock::Ticks() + ticks;
  while (Clock::Ticks() < end) {
  }
}

// What has to be asked for so that a spin takes `ticks`: it overshoots by its own clock readings,
// which are a good part of a short one.
uint64_t TicksToAskFor(uint64_t ticks) {
  constexpr uint64_t kBatch = 200;
  constexpr int kBatches = 25;
  uint64_t shortest = UINT64_MAX;  // of several: one may be interrupted
  for (int i = 0; i < kBatches; ++i) {
    const uint64_t begin = Clock::Ticks();
    for (uint64_t k = 0; k < kBatch; ++k) Spin(0);
    shortest = std::min(shortest, (Clock::Ticks() - begin) / kBatch);
  }
  // The two readings of a spin of nothing. In a longer one the last overlaps with what was asked
  // for: one of them is too much.
  return ticks - std::min(ticks, shortest / 2);
}

class SpinningEngine final : public Engine, public ComparesAndPuts, public Defragments {
 public:
  SpinningEngine(std::unique_ptr<Engine> engine, uint64_t spin_ns)
      : engine_(std::move(engine)), spin_ticks_(TicksToAskFor(Clock::NsToTicks(spin_ns))) {}

  Status Put(std::string_view key, std::string_view value) override {
    return Slowed(engine_->Put(key, value));
  }
  Status Get(std::string_view key, ValueVisitor visit) override {
    return Slowed(engine_->Get(key, visit));
  }
  Status Delete(std::string_view key) override { return Slowed(engine_->Delete(key)); }
  Status Scan(std::string_view start, size_t limit, PairVisitor visit) override {
    return Slowed(engine_->Scan(start, limit, visit));
  }
  Status Apply(std::span<const Write> batch) override { return Slowed(engine_->Apply(batch)); }
  Result<bool> CompareAndPut(std::string_view key, std::string_view expected,
                             std::string_view value) override {
    return Slowed(engine_->compares_and_puts()->CompareAndPut(key, expected, value));
  }
  Result<uint64_t> Defragment() override { return Slowed(engine_->defragments()->Defragment()); }

  Status ForEach(PairVisitor visit) override { return engine_->ForEach(visit); }
  Status Sync() override { return engine_->Sync(); }
  Status Settle() override { return engine_->Settle(); }
  Result<EngineStats> Stats() override { return engine_->Stats(); }
  Result<AuditReport> Audit() override { return engine_->Audit(); }
  ComparesAndPuts* compares_and_puts() override {
    return engine_->compares_and_puts() == nullptr ? nullptr : this;
  }
  Defragments* defragments() override { return engine_->defragments() == nullptr ? nullptr : this; }
  Medium medium() const override { return engine_->medium(); }
  Status Close() override { return engine_->Close(); }

 private:
  template <typename Answer>
  Answer Slowed(Answer answer) const {
    Spin(spin_ticks_);
    return answer;
  }

  std::unique_ptr<Engine> engine_;
  const uint64_t spin_ticks_;
};

}  // namespace

std::unique_ptr<Engine> WithInjectedSpin(std::unique_ptr<Engine> engine, uint64_t spin_ns) {
  if (spin_ns == 0) return engine;
  return std::make_unique<SpinningEngine>(std::move(engine), spin_ns);
}

}  // namespace fencepost
