// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/flush_counters.h"

#include <dlfcn.h>
#include <libpmem.h>

#include <atomic>
#include <mutex>

#include "engines/status.h"

namespace fencepost::pmem {
namespace {

constexpr uintptr_t kCacheLineBytes = 64;

// One thread's counters. Only its thread writes, so a relaxed load and store suffices: no locked
// instruction on the measured path. Blocks are never freed; a dead thread's block is taken over,
// with its counts, by the next new thread.
struct ThreadBlock {
  std::atomic<uint64_t> flushed_lines{0};
  std::atomic<uint64_t> fences{0};
  std::atomic<uint64_t> msyncs{0};
  std::atomic<uint64_t> flushed_bytes{0};
  bool inside_libpmem = false;
  std::atomic<bool> in_use{true};
  ThreadBlock* next = nullptr;
};

std::atomic<ThreadBlock*> all_blocks{nullptr};

constinit thread_local ThreadBlock* thread_block = nullptr;

// Gives the thread's block back when the thread ends.
struct BlockReturner {
  ~BlockReturner() {
    if (thread_block != nullptr) thread_block->in_use.store(false, std::memory_order_release);
    thread_block = nullptr;
  }
};

ThreadBlock* AcquireBlock() {
  thread_local BlockReturner returner;
  (void)&returner;  // odr-used, hence constructed, hence destroyed at the thread's end
  for (ThreadBlock* block = all_blocks.load(std::memory_order_acquire); block != nullptr;
       block = block->next) {
    bool expected = false;
    if (block->in_use.compare_exchange_strong(expected, true, std::memory_order_acquire)) {
      block->inside_libpmem = false;
      return block;
    }
  }
  auto* block = new ThreadBlock;
  block->next = all_blocks.load(std::memory_order_relaxed);
  while (!all_blocks.compare_exchange_weak(block->next, block, std::memory_order_release,
                                           std::memory_order_relaxed)) {
  }
  return block;
}

ThreadBlock& Block() {
  if (thread_block == nullptr) [[unlikely]]
    thread_block = AcquireBlock();
  return *thread_block;
}

void Bump(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// In force while a call is inside libpmem, so that only the outermost call counts.
class Call {
 public:
  Call() : block_(Block()), outermost_(!block_.inside_libpmem) { block_.inside_libpmem = true; }
  ~Call() {
    if (outermost_) block_.inside_libpmem = false;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Call& Lines(const void* address, size_t bytes) {
    if (!outermost_ || bytes == 0) return *this;
    const auto begin = reinterpret_cast<uintptr_t>(address);
    Bump(block_.flushed_lines, (begin + bytes - 1) / kCacheLineBytes - begin / kCacheLineBytes + 1);
    Bump(block_.flushed_bytes, bytes);
    return *this;
  }
  Call& Fence() {
    if (outermost_) Bump(block_.fences, 1);
    return *this;
  }
  Call& Msync() {
    if (outermost_) Bump(block_.msyncs, 1);
    return *this;
  }
  // pmem_memcpy and its kin with flags.
  Call& Flags(const void* address, size_t bytes, unsigned flags) {
    if ((flags & PMEM_F_MEM_NOFLUSH) != 0) return *this;
    Lines(address, bytes);
    return (flags & PMEM_F_MEM_NODRAIN) != 0 ? *this : Fence();
  }

 private:
  ThreadBlock& block_;
  const bool outermost_;
};

// The library's own function of that name: the next after this program's.
template <typename Function>
Function* Next(const char* name) {
  void* symbol = dlsym(RTLD_NEXT, name);
  if (symbol == nullptr) [[unlikely]]
    internal::CheckFailed(__FILE__, __LINE__, "dlsym(RTLD_NEXT)", name);
  return reinterpret_cast<Function*>(symbol);
}

}  // namespace

FlushCounters ReadFlushCounters() {
  FlushCounters sum;
  for (const ThreadBlock* block = all_blocks.load(std::memory_order_acquire); block != nullptr;
       block = block->next) {
    sum.flushed_lines += block->flushed_lines.load(std::memory_order_relaxed);
    sum.fences += block->fences.load(std::memory_order_relaxed);
    sum.msyncs += block->msyncs.load(std::memory_order_relaxed);
    sum.flushed_bytes += block->flushed_bytes.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace fencepost::pmem

using fencepost::pmem::Call;
using fencepost::pmem::Next;

// The interposed functions. The linker exports them from the program by itself, because a library
// that it links (libpmemobj) refers to them.
extern "C" {

#define FENCEPOST_NEXT(name) static const auto next = Next<decltype(name)>(#name)

void pmem_flush(const void* addr, size_t len) {
  FENCEPOST_NEXT(pmem_flush);
  Call call;
  call.Lines(addr, len);
  next(addr, len);
}

void pmem_drain(void) {
  FENCEPOST_NEXT(pmem_drain);
  Call call;
  call.Fence();
  next();
}

void pmem_persist(const void* addr, size_t len) {
  FENCEPOST_NEXT(pmem_persist);
  Call call;
  call.Lines(addr, len).Fence();
  next(addr, len);
}

int pmem_msync(const void* addr, size_t len) {
  FENCEPOST_NEXT(pmem_msync);
  Call call;
  call.Msync();
  return next(addr, len);
}

void pmem_deep_flush(const void* addr, size_t len) {
  FENCEPOST_NEXT(pmem_deep_flush);
  Call call;
  call.Lines(addr, len);
  next(addr, len);
}

int pmem_deep_drain(const void* addr, size_t len) {
  FENCEPOST_NEXT(pmem_deep_drain);
  Call call;
  call.Fence();
  return next(addr, len);
}

int pmem_deep_persist(const void* addr, size_t len) {
  FENCEPOST_NEXT(pmem_deep_persist);
  Call call;
  call.Lines(addr, len).Fence();
  return next(addr, len);
}

void* pmem_memmove(void* dest, const void* src, size_t len, unsigned flags) {
  FENCEPOST_NEXT(pmem_memmove);
  Call call;
  call.Flags(dest, len, flags);
  return next(dest, src, len, flags);
}

void* pmem_memcpy(void* dest, const void* src, size_t len, unsigned flags) {
  FENCEPOST_NEXT(pmem_memcpy);
  Call call;
  call.Flags(dest, len, flags);
  return next(dest, src, len, flags);
}

void* pmem_memset(void* dest, int c, size_t len, unsigned flags) {
  FENCEPOST_NEXT(pmem_memset);
  Call call;
  call.Flags(dest, len, flags);
  return next(dest, c, len, flags);
}

void* pmem_memmove_persist(void* dest, const void* src, size_t len) {
  FENCEPOST_NEXT(pmem_memmove_persist);
  Call call;
  call.Flags(dest, len, 0);
  return next(dest, src, len);
}

void* pmem_memcpy_persist(void* dest, const void* src, size_t len) {
  FENCEPOST_NEXT(pmem_memcpy_persist);
  Call call;
  call.Flags(dest, len, 0);
  return next(dest, src, len);
}

void* pmem_memset_persist(void* dest, int c, size_t len) {
  FENCEPOST_NEXT(pmem_memset_persist);
  Call call;
  call.Flags(dest, len, 0);
  return next(dest, c, len);
}

void* pmem_memmove_nodrain(void* dest, const void* src, size_t len) {
  FENCEPOST_NEXT(pmem_memmove_nodrain);
  Call call;
  call.Flags(dest, len, PMEM_F_MEM_NODRAIN);
  return next(dest, src, len);
}

void* pmem_memcpy_nodrain(void* dest, const void* src, size_t len) {
  FENCEPOST_NEXT(pmem_memcpy_nodrain);
  Call call;
  call.Flags(dest, len, PMEM_F_MEM_NODRAIN);
  return next(dest, src, len);
}

void* pmem_memset_nodrain(void* dest, int c, size_t len) {
  FENCEPOST_NEXT(pmem_memset_nodrain);
  Call call;
  call.Flags(dest, len, PMEM_F_MEM_NODRAIN);
  return next(dest, c, len);
}

#undef FENCEPOST_NEXT

}  // extern "C"
