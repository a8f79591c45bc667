// SPDX-License-Identifier: BSD-3-Clause
#include "engines/media/memory_system.h"

#include <algorithm>

#include "engines/status.h"

namespace fencepost::media {
namespace {

constexpr uint64_t kInterleavedLines = 4096 / kLineBytes;
// What a module without a buffer takes before a writer has to wait: the queue of its controller.
constexpr double kQueuedBlocks = 64;
constexpr double kLongAgoNs = -1e300;

size_t Waiting(const std::vector<double>& until_ns, size_t self, double now_ns) {
  size_t waiting = 1;
  for (size_t i = 0; i < until_ns.size(); ++i) {
    if (i != self && until_ns[i] > now_ns) ++waiting;
  }
  return waiting;
}

}  // namespace

MemorySystem::MemorySystem(const MemoryModel& model, size_t threads)
    : model_(model), modules_(model.modules), threads_(threads) {
  for (size_t i = 0; i < modules_.size(); ++i) {
    Module& module = modules_[i];
    if (model.buffer_blocks > 0) {
      module.buffer.emplace(model.buffer_blocks, model.block_lines(), Victim::kOlderHalf, i + 1);
    }
    module.reads_until_ns.resize(threads, kLongAgoNs);
    module.writes_until_ns.resize(threads, kLongAgoNs);
  }
}

MemorySystem::Module& MemorySystem::ModuleOf(uint64_t line, uint64_t* module_line) {
  const uint64_t stripe = line / kInterleavedLines;
  *module_line = stripe / modules_.size() * kInterleavedLines + line % kInterleavedLines;
  return modules_[stripe % modules_.size()];
}

double MemorySystem::Read(size_t thread_number, uint64_t global_line) {
  uint64_t line;
  Module& module = ModuleOf(global_line, &line);
  Thread& thread = threads_[thread_number];
  const double now = thread.now_ns;
  const uint64_t block = global_line / model_.block_lines();
  ++totals_.lines_read;
  module.write_free_ns = std::max(module.write_free_ns, now) + model_.read_delays_writes_ns;
  const bool lines_are_blocks = model_.block_lines() == 1;
  double near_ready_ns = -1;
  for (const ReadBlock& recent : thread.recent) {
    const bool is_near = recent.block == block || (lines_are_blocks && recent.block + 1 == block);
    if (is_near && recent.block != UINT64_MAX)
      near_ready_ns = std::max(near_ready_ns, recent.ready_ns);
  }
  if (module.buffer && near_ready_ns < 0 && module.buffer->Holds(line / model_.block_lines()))
    near_ready_ns = now;
  double ready_ns;
  if (near_ready_ns >= 0 && !lines_are_blocks) {
    ready_ns = std::max(near_ready_ns, now + model_.read_near_ns);
  } else {
    const double factor =
        model_.read_contention.At(Waiting(module.reads_until_ns, thread_number, now));
    const double start_ns = std::max(now, module.read_free_ns);
    module.read_free_ns = start_ns + model_.read_block_ns * factor;
    ready_ns = start_ns + (near_ready_ns >= 0 ? model_.read_near_ns : model_.read_random_ns);
    ++totals_.blocks_read;
    thread.recent[thread.next_recent] = {block, ready_ns};
    thread.next_recent = (thread.next_recent + 1) % kRecentReads;
  }
  module.reads_until_ns[thread_number] = std::max(module.reads_until_ns[thread_number], ready_ns);
  return ready_ns;
}

void MemorySystem::Write(size_t thread_number, uint64_t global_line, double latency_ns) {
  uint64_t line;
  Module& module = ModuleOf(global_line, &line);
  Thread& thread = threads_[thread_number];
  ++totals_.lines_written;
  const unsigned blocks = module.buffer ? module.buffer->Write(line) : 1;
  totals_.blocks_written += blocks;
  if (blocks > 0) {
    // A thread that had to wait a block's time ago will have to again.
    const double since_ns = thread.now_ns - model_.write_block_ns;
    const double factor =
        model_.write_contention.At(Waiting(module.writes_until_ns, thread_number, since_ns));
    module.write_free_ns =
        std::max(module.write_free_ns, thread.now_ns) + blocks * model_.write_block_ns * factor;
  }
  // What waits to be written takes at most the buffer.
  const double room_blocks =
      model_.buffer_blocks > 0 ? static_cast<double>(model_.buffer_blocks) : kQueuedBlocks;
  const double accepted_ns = module.write_free_ns - room_blocks * model_.write_block_ns;
  if (accepted_ns > thread.now_ns) {
    module.writes_until_ns[thread_number] = accepted_ns;
    thread.now_ns = accepted_ns;
  }
  thread.durable_ns = std::max(thread.durable_ns, thread.now_ns + latency_ns);
}

void MemorySystem::WaitForReads(Thread& thread, size_t left) {
  while (thread.reads.size() > left) {
    thread.now_ns = std::max(thread.now_ns, thread.reads.front());
    thread.reads.pop();
  }
}

void MemorySystem::Finish(size_t thread) { WaitForReads(threads_[thread], 0); }

void MemorySystem::Do(size_t thread_number, const MemoryEvent& event) {
  Thread& thread = threads_[thread_number];
  switch (event.kind) {
    case MemoryEvent::Kind::kRead:
      WaitForReads(thread, kReadsInFlight - 1);
      thread.reads.push(Read(thread_number, event.line));
      thread.now_ns += model_.read_line_ns;
      return;
    case MemoryEvent::Kind::kReadAndWait:
      thread.now_ns = std::max(thread.now_ns, Read(thread_number, event.line));
      return;
    case MemoryEvent::Kind::kNtStore:
      Write(thread_number, event.line, model_.ntstore_ns);
      thread.now_ns += model_.ntstore_line_ns;
      return;
    case MemoryEvent::Kind::kStoreAndClwb:
      // The store buffer hides the read's latency, not that the module is busy with it.
      Read(thread_number, event.line);
      Write(thread_number, event.line, model_.clwb_ns);
      thread.now_ns += model_.clwb_line_ns;
      return;
    case MemoryEvent::Kind::kClwb:
      Write(thread_number, event.line, model_.clwb_ns);
      thread.now_ns += model_.ntstore_line_ns;
      return;
    case MemoryEvent::Kind::kFence:
      ++totals_.fences;
      thread.now_ns = std::max(thread.now_ns, thread.durable_ns);
      return;
    case MemoryEvent::Kind::kCompute:
      thread.now_ns += event.ns;
      return;
  }
}

}  // namespace fencepost::media
