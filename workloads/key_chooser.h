// SPDX-License-Identifier: BSD-3-Clause
// Which key an operation asks for: a distribution on top of the records that exist. Internal to
// op_trace.cc; the rules are in op_trace.h.
//
// Each chooser has Next(population): the number of a key that exists. They draw in blocks, of raw
// numbers that do not depend on the population, which changes between two draws.
//
// Invariant: a chooser uses its random stream in the order of its draws, so that the numbers do
//   not depend on block sizes.
// Threads: none.
#ifndef FENCEPOST_WORKLOADS_KEY_CHOOSER_H_
#define FENCEPOST_WORKLOADS_KEY_CHOOSER_H_

#include <array>
#include <cstdint>
#include <utility>

#include "workloads/distributions.h"
#include "workloads/op_trace.h"

namespace fencepost::internal {

// The records that exist for one thread: those loaded, then the inserts that it may draw.
class Population {
 public:
  Population(const WorkloadSpec& spec, unsigned thread, unsigned thread_count, LiveState* live)
      : loaded_(spec.insert_count),
        insert_start_(spec.insert_start),
        record_count_(spec.record_count),
        thread_(thread),
        thread_count_(thread_count),
        live_(live) {}

  uint64_t loaded() const { return loaded_; }
  uint64_t size() const { return loaded_ + (live_ ? live_->acknowledged() : own_inserts_); }

  // The number of the index-th record. REQUIRES index < size().
  uint64_t Number(uint64_t index) const {
    if (index < loaded_) return insert_start_ + index;
    const uint64_t insert = index - loaded_;
    return record_count_ + (live_ ? insert : insert * thread_count_ + thread_);
  }

  // Item i stands for record i if that was loaded, else for the (i - loaded)-th insert of all
  // threads. False when this thread may not draw it (yet).
  bool FindItem(uint64_t item, uint64_t* number) const {
    if (item < loaded_) [[likely]] {
      *number = insert_start_ + item;
      return true;
    }
    const uint64_t insert = item - loaded_;
    *number = record_count_ + insert;
    if (live_) return insert < live_->acknowledged();
    return insert % thread_count_ == thread_ && insert / thread_count_ < own_inserts_;
  }

  uint64_t TakeInsert() {
    if (live_) return live_->TakeInsert();
    return record_count_ + own_inserts_++ * thread_count_ + thread_;
  }

  uint64_t TakeSequential() { return live_->TakeSequential() % loaded_; }

  // The loaded record after this one, from the last to the first.
  uint64_t NextLoaded(uint64_t number) const {
    const uint64_t next = number + 1;
    return next - insert_start_ < loaded_ ? next : insert_start_;
  }

 private:
  uint64_t loaded_;
  uint64_t insert_start_;
  uint64_t record_count_;
  uint64_t thread_;
  uint64_t thread_count_;
  uint64_t own_inserts_ = 0;
  LiveState* live_;
};

// Draws of a distribution, a block ahead.
template <typename Distribution>
class Buffered {
 public:
  Buffered(Distribution distribution, Rng rng)
      : distribution_(std::move(distribution)), rng_(rng) {}

  uint64_t Next() {
    if (used_ == block_.size()) [[unlikely]] {
      distribution_.Fill(rng_, block_);
      used_ = 0;
    }
    return block_[used_++];
  }

 private:
  Distribution distribution_;
  Rng rng_;
  std::array<uint64_t, 256> block_;
  size_t used_ = block_.size();
};

// From the loaded records only: Uniform, Hotspot, Sequential.
template <typename Distribution>
class LoadedChooser {
 public:
  LoadedChooser(Distribution distribution, Rng rng) : draws_(std::move(distribution), rng) {}
  uint64_t Next(Population& population) { return population.Number(draws_.Next()); }

 private:
  Buffered<Distribution> draws_;
};

// YCSB's shared counter.
struct LiveSequentialChooser {
  uint64_t Next(Population& population) { return population.Number(population.TakeSequential()); }
};

// From a fixed range of items, of which those that do not exist are redrawn: zipfian.
template <typename Distribution>
class ItemChooser {
 public:
  ItemChooser(Distribution distribution, Rng rng) : draws_(std::move(distribution), rng) {}
  uint64_t Next(Population& population) {
    uint64_t number = 0;
    while (!population.FindItem(draws_.Next(), &number)) {
    }
    return number;
  }

 private:
  Buffered<Distribution> draws_;
};

// Relative to the newest record. Not in blocks: each insert changes the distribution.
template <typename Ranks>
class LatestChooser {
 public:
  LatestChooser(uint64_t loaded, Rng rng) : latest_(loaded - 1), rng_(rng) {}
  uint64_t Next(Population& population) {
    latest_.SetMax(population.size() - 1);
    return population.Number(latest_.Next(rng_));
  }

 private:
  Latest<Ranks> latest_;
  Rng rng_;
};

// An exponential distance from the newest record.
class ExponentialChooser {
 public:
  ExponentialChooser(Exponential distribution, Rng rng) : draws_(distribution, rng) {}
  uint64_t Next(Population& population) {
    const uint64_t max = population.size() - 1;
    uint64_t distance = draws_.Next();
    while (distance > max) distance = draws_.Next();
    return population.Number(max - distance);
  }

 private:
  Buffered<Exponential> draws_;
};

}  // namespace fencepost::internal

#endif  // FENCEPOST_WORKLOADS_KEY_CHOOSER_H_
