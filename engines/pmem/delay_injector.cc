// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/delay_injector.h"

#include <x86intrin.h>

#include <algorithm>
#include <chrono>

#include "engines/status.h"

namespace fencepost::pmem {
namespace {

using media::kLineBytes;

std::atomic<uint64_t> injectors_made{0};

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
  share.spun_ns -= before.spun_ns;
  return share;
}

DelayInjector::DelayInjector(const media::MemoryModel& model)
    : model_(model), dram_(Dram()), number_(++injectors_made) {
  CHECK(access_observer == nullptr);
  MeasureClock();
  MeasureItself();
  SetAccessObserver(this);
}

DelayInjector::~DelayInjector() { SetAccessObserver(nullptr); }

void DelayInjector::MeasureClock() {
  using Clock = std::chrono::steady_clock;
  constexpr auto kLong = std::chrono::milliseconds(10);
  const auto begin = Clock::now();
  const uint64_t begin_ticks = __rdtsc();
  auto end = begin;
  while (end - begin < kLong) end = Clock::now();
  const uint64_t ticks = __rdtsc() - begin_ticks;
  ticks_a_ns_ =
      static_cast<double>(ticks) / std::chrono::duration<double, std::nano>(end - begin).count();
}

// Half of the lines miss, which takes longer: about what operations do.
void DelayInjector::MeasureItself() {
  constexpr uint64_t kReads = 20'000;
  constexpr size_t kBytes = 4 * kLineBytes;
  const auto read = [this](uint64_t i) {
    OnRead(reinterpret_cast<const void*>(i / 2 * 977 * kLineBytes), kBytes);
  };
  for (uint64_t i = 0; i < kReads; ++i) read(i);
  const uint64_t begin = __rdtsc();
  for (uint64_t i = 0; i < kReads; ++i) read(i);
  hook_line_ns_ =
      static_cast<double>(__rdtsc() - begin) / ticks_a_ns_ / static_cast<double>(kReads * 4);
  threads_.clear();
  known = {};
  busy_until_ticks_ = 0;
}

DelayInjector::Thread& DelayInjector::Self() {
  if (known.number != number_) [[unlikely]] {
    const std::lock_guard lock(mutex_);
    threads_.push_back(std::make_unique<Thread>());
    known = {number_, threads_.back().get()};
  }
  return *static_cast<Thread*>(known.thread);
}

// The bucket holds what the modules' buffers do; beyond that the thread is made to wait.
void DelayInjector::Take(Thread& thread, double ns) {
  const auto modules = static_cast<double>(model_.modules);
  const auto ticks = static_cast<uint64_t>(ns / modules * ticks_a_ns_);
  const double room_ns = static_cast<double>(model_.buffer_blocks) * model_.write_block_ns;
  const uint64_t now = __rdtsc();
  uint64_t busy = busy_until_ticks_.load(std::memory_order_relaxed);
  uint64_t after;
  do {
    after = std::max(busy, now) + ticks;
  } while (!busy_until_ticks_.compare_exchange_weak(busy, after, std::memory_order_relaxed));
  const auto room = static_cast<uint64_t>(room_ns * ticks_a_ns_);
  if (after > now + room) thread.wait_until_ticks = std::max(thread.wait_until_ticks, after - room);
}

void DelayInjector::OnRead(const void* address, size_t bytes) {
  if (bytes == 0) return;
  Thread& thread = Self();
  const uint64_t last = LastLine(address, bytes);
  bool first = true;
  uint64_t block = UINT64_MAX;
  for (uint64_t line = FirstLine(address); line <= last; ++line) {
    ++thread.lines_told;
    ++thread.report.lines_read;
    uint64_t& tag = thread.tags[line % kTags];
    if (tag == line) continue;
    tag = line;
    ++thread.report.lines_missed;
    thread.debt_ns += first ? model_.read_random_ns - dram_.read_random_ns
                            : model_.read_near_mean_ns() - dram_.read_near_mean_ns();
    first = false;
    if (line / model_.block_lines() != block) {
      block = line / model_.block_lines();
      Take(thread, model_.read_block_ns);
    }
  }
}

void DelayInjector::OnFlush(const void* address, size_t bytes, bool) {
  if (bytes == 0) return;
  Thread& thread = Self();
  const uint64_t last = LastLine(address, bytes);
  for (uint64_t line = FirstLine(address); line <= last; ++line) {
    ++thread.lines_told;
    // What was just written is in the cache still.
    thread.tags[line % kTags] = line;
    const uint64_t block = line / model_.block_lines();
    if (block == thread.last_block_written) continue;
    thread.last_block_written = block;
    ++thread.report.blocks_written;
    Take(thread, model_.write_block_ns);
  }
  thread.flushed = true;
}

void DelayInjector::OnFence() {
  Thread& thread = Self();
  ++thread.report.fences;
  if (!thread.flushed) return;
  thread.flushed = false;
  thread.debt_ns += model_.clwb_ns - dram_.clwb_ns;
}

void DelayInjector::OnOperationEnd(OperationKind) {
  Thread& thread = Self();
  const uint64_t begin = __rdtsc();
  const double charging_ns = static_cast<double>(thread.lines_told) * hook_line_ns_;
  const double debt_ns = std::max(0.0, thread.debt_ns - charging_ns);
  const uint64_t until =
      std::max(begin + static_cast<uint64_t>(debt_ns * ticks_a_ns_), thread.wait_until_ticks);
  uint64_t end = begin;
  while (end < until) {
    __builtin_ia32_pause();
    end = __rdtsc();
  }
  ++thread.report.operations;
  thread.report.asked_ns += static_cast<double>(until - begin) / ticks_a_ns_;
  thread.report.spun_ns += static_cast<double>(end - begin) / ticks_a_ns_;
  thread.debt_ns = 0;
  thread.wait_until_ticks = 0;
  thread.lines_told = 0;
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
    sum.spun_ns += report.spun_ns;
  }
  sum.hook_line_ns = hook_line_ns_;
  return sum;
}

}  // namespace fencepost::pmem
