// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/delay_injector.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "engines/media/tick_clock.h"
#include "engines/status.h"

namespace fencepost::pmem {
namespace {

using media::kLineBytes;
using media::NowTicks;

std::atomic<uint64_t> injectors_made{0};

// Nothing here takes as long: the thread was taken off its CPU.
constexpr double kInterruptionNs = 5000;

// What this thread is to the injector of that number.
struct Known {
  uint64_t number = 0;
  void* thread = nullptr;
};
constinit thread_local Known known;

uint64_t FirstLine(const void* address) {
  return reinterpret_cast<uintptr_t>(address) / kLineBytes;
}
uint64_t LastLine(const void* address, size_t bytes) {
  return (reinterpret_cast<uintptr_t>(address) + bytes - 1) / kLineBytes;
}

const media::MemoryModel& Dram() {
  const media::MemoryModel* dram = media::FindMemoryModel("dram");
  CHECK(dram != nullptr);
  return *dram;
}

}  // namespace

InjectionReport InjectionReport::operator-(const InjectionReport& before) const {
  InjectionReport share = *this;
  share.operations -= before.operations;
  share.lines_read -= before.lines_read;
  share.lines_missed -= before.lines_missed;
  share.blocks_written -= before.blocks_written;
  share.fences -= before.fences;
  share.asked_ns -= before.asked_ns;
  share.charging_ns -= before.charging_ns;
  share.spun_ns -= before.spun_ns;
  share.interrupted -= before.interrupted;
  share.interrupted_ns -= before.interrupted_ns;
  return share;
}

DelayInjector::DelayInjector(const media::MemoryModel& model)
    : model_(model),
      number_(++injectors_made),
      block_shift_(static_cast<unsigned>(std::countr_zero(model.block_lines()))),
      first_read_ns_(model.read_random_ns - Dram().read_random_ns),
      further_read_ns_(model.read_near_mean_ns() - Dram().read_near_mean_ns()),
      fence_ns_(model.clwb_ns - Dram().clwb_ns),
      ticks_a_ns_(media::MeasureTicksPerNs()) {
  CHECK(access_observer == nullptr);
  SetAccessObserver(this);
  costs_ = MeasureCosts();
}

DelayInjector::~DelayInjector() { SetAccessObserver(nullptr); }

// The quickest of several rounds: the others were interrupted, or found the caches cold.
DelayInjector::ChargingCosts DelayInjector::MeasureCosts() {
  constexpr int kRounds = 15;
  constexpr uint64_t kCalls = 500;
  const auto nanoseconds_a_call = [&](const auto& call) {
    double least = std::numeric_limits<double>::infinity();
    for (int round = 0; round < kRounds; ++round) {
      const uint64_t begin = NowTicks();
      for (uint64_t i = 0; i < kCalls; ++i) call(i);
      least = std::min(least, static_cast<double>(NowTicks() - begin) / ticks_a_ns_ / kCalls);
    }
    return least;
  };
  const auto line = [](uint64_t number) {
    return reinterpret_cast<const void*>(number * kLineBytes);
  };
  // Lines far from each other for the calls.
  constexpr uint64_t kApart = 29, kLines = 16;
  ChargingCosts costs;
  const auto reads = [&](uint64_t lines) {
    return nanoseconds_a_call([&](uint64_t i) { ToldRead(line(i * kApart), lines * kLineBytes); });
  };
  const auto flushes = [&](uint64_t lines) {
    return nanoseconds_a_call(
        [&](uint64_t i) { ToldFlush(line(i * kApart), lines * kLineBytes, false); });
  };
  costs.read_ns = reads(1);
  costs.line_ns = (reads(kLines) - costs.read_ns) / (kLines - 1);
  costs.flush_ns = flushes(1);
  costs.flush_line_ns = (flushes(kLines) - costs.flush_ns) / (kLines - 1);
  Thread& thread = Self();
  costs.fence_ns = nanoseconds_a_call([&](uint64_t) {
    thread.flushed = true;
    ToldFence();
  });
  const auto ends = [&](double bandwidth_ns) {
    return nanoseconds_a_call([&](uint64_t) {
      thread.debt_ns = thread.charging_ns = thread.bandwidth_ns = 0;
      Ask(thread, bandwidth_ns);
      const ObservedOperation operation(OperationKind::kGet);
    });
  };
  costs.end_ns = ends(0);
  constexpr double kNothingToWaitFor = 1e-3;
  costs.take_ns = ends(kNothingToWaitFor) - costs.end_ns;
  // As if none of it had been.
  busy_until_ticks_ = 0;
  threads_.clear();
  known = {};
  return costs;
}

DelayInjector::Thread& DelayInjector::Self() {
  if (known.number != number_) [[unlikely]] {
    const std::lock_guard lock(mutex_);
    threads_.push_back(std::make_unique<Thread>());
    known = {number_, threads_.back().get()};
  }
  return *static_cast<Thread*>(known.thread);
}

void DelayInjector::Ask(Thread& thread, double ns) {
  if (ns == 0) return;
  if (thread.bandwidth_ns == 0) thread.bandwidth_since = NowTicks();
  thread.bandwidth_ns += ns;
}

// The bucket holds what the modules' buffers do; beyond that the thread is made to wait.
uint64_t DelayInjector::Take(const Thread& thread, uint64_t now_ticks) {
  const auto modules = static_cast<double>(model_.modules);
  const auto ticks = static_cast<uint64_t>(thread.bandwidth_ns / modules * ticks_a_ns_);
  const double room_ns = static_cast<double>(model_.buffer_blocks) * model_.write_block_ns;
  uint64_t busy = busy_until_ticks_.load(std::memory_order_relaxed);
  uint64_t after;
  do {
    after = std::max(busy, thread.bandwidth_since) + ticks;
  } while (!busy_until_ticks_.compare_exchange_weak(busy, after, std::memory_order_relaxed));
  const auto room = static_cast<uint64_t>(room_ns * ticks_a_ns_);
  return after > now_ticks + room ? after - room : 0;
}

void DelayInjector::OnRead(const void* address, size_t bytes) {
  if (bytes == 0) return;
  Thread& thread = Self();
  const uint64_t first = FirstLine(address), last = LastLine(address, bytes);
  uint64_t misses = 0, blocks = 0, block = UINT64_MAX;
  for (uint64_t line = first; line <= last; ++line) {
    uint32_t& tag = thread.tags[line % kTags];
    if (tag == static_cast<uint32_t>(line)) continue;
    tag = static_cast<uint32_t>(line);
    ++misses;
    if (line >> block_shift_ != block) ++blocks;
    block = line >> block_shift_;
  }
  thread.report.lines_read += last - first + 1;
  thread.charging_ns += costs_.read_ns + static_cast<double>(last - first) * costs_.line_ns;
  if (misses == 0) return;
  thread.report.lines_missed += misses;
  thread.debt_ns += first_read_ns_ + static_cast<double>(misses - 1) * further_read_ns_;
  Ask(thread, static_cast<double>(blocks) * model_.read_block_ns);
}

void DelayInjector::OnFlush(const void* address, size_t bytes, bool around_cache) {
  if (bytes == 0) return;
  Thread& thread = Self();
  const uint64_t first = FirstLine(address), last = LastLine(address, bytes);
  // What was just written is in the cache still, unless it went around it. Up to where the tags
  // begin again, so that they are neighbours: a loop that the compiler makes wide.
  for (uint64_t line = first; line <= last;) {
    const uint64_t count = std::min(last - line + 1, kTags - line % kTags);
    uint32_t* const tags = &thread.tags[line % kTags];
    const auto low = static_cast<uint32_t>(line);
    for (uint32_t i = 0; i < count; ++i) tags[i] = around_cache ? UINT32_MAX : low + i;
    line += count;
  }
  const uint64_t first_block = first >> block_shift_, last_block = last >> block_shift_;
  const uint64_t blocks =
      last_block - first_block + (first_block == thread.last_block_written ? 0 : 1);
  thread.last_block_written = last_block;
  thread.flushed = true;
  thread.charging_ns += costs_.flush_ns + static_cast<double>(last - first) * costs_.flush_line_ns;
  thread.report.blocks_written += blocks;
  Ask(thread, static_cast<double>(blocks) * model_.write_block_ns);
}

void DelayInjector::OnFence() {
  Thread& thread = Self();
  ++thread.report.fences;
  thread.charging_ns += costs_.fence_ns;
  if (!thread.flushed) return;
  thread.flushed = false;
  thread.debt_ns += fence_ns_;
}

void DelayInjector::OnOperationEnd(OperationKind) {
  Thread& thread = Self();
  InjectionReport& report = thread.report;
  const uint64_t begin = NowTicks();
  // Once an operation: an atomic change in each call would make the processor wait for all that
  // the operation has under way.
  const bool takes = thread.bandwidth_ns > 0;
  const double end_ns = costs_.end_ns + (takes ? costs_.take_ns : 0);
  const uint64_t wait_until = takes ? Take(thread, begin) : 0;
  const double waiting_ns =
      wait_until > begin
          ? thread.charging_ns + static_cast<double>(wait_until - begin) / ticks_a_ns_
          : 0;
  const double asked_ns = std::max(thread.debt_ns, waiting_ns);
  const double left_ns = std::max(0.0, asked_ns - thread.charging_ns);
  const uint64_t until = begin + static_cast<uint64_t>(left_ns * ticks_a_ns_);
  uint64_t end = begin;
  while (end < until) {
    __builtin_ia32_pause();
    end = NowTicks();
  }
  ++report.operations;
  // What this end takes is within that time, where there is something to wait for.
  const double waited_ns = static_cast<double>(end - begin) / ticks_a_ns_;
  const double over_ns = waited_ns - left_ns;
  if (over_ns > kInterruptionNs) {
    ++report.interrupted;
    report.interrupted_ns += over_ns;
  } else {
    report.asked_ns += asked_ns;
    report.charging_ns += thread.charging_ns + end_ns;
    report.spun_ns += std::max(0.0, waited_ns - end_ns);
  }
  thread.debt_ns = 0;
  thread.bandwidth_ns = 0;
  thread.charging_ns = 0;
}

InjectionReport DelayInjector::Report() const {
  const std::lock_guard lock(mutex_);
  InjectionReport sum;
  for (const std::unique_ptr<Thread>& thread : threads_) {
    const InjectionReport& report = thread->report;
    sum.operations += report.operations;
    sum.lines_read += report.lines_read;
    sum.lines_missed += report.lines_missed;
    sum.blocks_written += report.blocks_written;
    sum.fences += report.fences;
    sum.asked_ns += report.asked_ns;
    sum.charging_ns += report.charging_ns;
    sum.spun_ns += report.spun_ns;
    sum.interrupted += report.interrupted;
    sum.interrupted_ns += report.interrupted_ns;
  }
  return sum;
}

}  // namespace fencepost::pmem
