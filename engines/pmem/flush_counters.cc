// SPDX-License-Identifier: BSD-3-Clause
#include "engines/pmem/flush_counters.h"

#include <dlfcn.h>
#include <libpmem.h>

#include <array>
#include <atomic>
#include <mutex>

#include "engines/pmem/access.h"
#include "engines/status.h"

namespace fencepost::pmem {
namespace {

constexpr uintptr_t kCacheLineBytes = 64;

// Only a counter's own thread writes to it, so a relaxed load and store suffices: no locked
// instruction on the measured path.
void Bump(std::atomic<uint64_t>& counter, uint64_t by) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

// One thread's counters. Blocks are never freed; a dead thread's block is taken over,
// with its counts, by the next new thread.
struct ThreadBlock {
  struct Account {
    std::atomic<uint64_t> charges{0};
    std::atomic<uint64_t> flushed_lines{0};
    std::atomic<uint64_t> fences{0};
    std::atomic<uint64_t> msyncs{0};
    std::atomic<uint64_t> flushed_bytes{0};

    FlushCounters Read() const {
      return {flushed_lines.load(std::memory_order_relaxed), fences.load(std::memory_order_relaxed),
              msyncs.load(std::memory_order_relaxed),
              flushed_bytes.load(std::memory_order_relaxed)};
    }
    void Add(const FlushCounters& counters) {
      Bump(flushed_lines, counters.flushed_lines);
      Bump(fences, counters.fences);
      Bump(msyncs, counters.msyncs);
      Bump(flushed_bytes, counters.flushed_bytes);
    }
  };
  std::array<Account, kFlushAccounts> accounts;
  size_t charged = 0;  // the account in force
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
      block->charged = 0;
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

// What libpmem does where nothing in the environment says otherwise (pmem_memmove(3),
// PMEM_MOVNT_THRESHOLD).
bool GoesAroundCache(size_t bytes, unsigned flags) {
  constexpr size_t kDefaultThresholdBytes = 256;
  if ((flags & (PMEM_F_MEM_NONTEMPORAL | PMEM_F_MEM_WC)) != 0) return true;
  if ((flags & (PMEM_F_MEM_TEMPORAL | PMEM_F_MEM_WB)) != 0) return false;
  return bytes >= kDefaultThresholdBytes;
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

  Call& Lines(const void* address, size_t bytes, bool around_cache = false) {
    if (!outermost_ || bytes == 0) return *this;
    ToldFlush(address, bytes, around_cache);
    const auto begin = reinterpret_cast<uintptr_t>(address);
    Bump(account().flushed_lines,
         (begin + bytes - 1) / kCacheLineBytes - begin / kCacheLineBytes + 1);
    Bump(account().flushed_bytes, bytes);
    return *this;
  }
  Call& Fence() {
    if (!outermost_) return *this;
    Bump(account().fences, 1);
    ToldFence();
    return *this;
  }
  Call& Msync() {
    if (outermost_) Bump(account().msyncs, 1);
    return *this;
  }
  // pmem_memcpy and its kin with flags.
  Call& Flags(const void* address, size_t bytes, unsigned flags) {
    if ((flags & PMEM_F_MEM_NOFLUSH) != 0) return *this;
    Lines(address, bytes, GoesAroundCache(bytes, flags));
    return (flags & PMEM_F_MEM_NODRAIN) != 0 ? *this : Fence();
  }

 private:
  ThreadBlock::Account& account() { return block_.accounts[block_.charged]; }

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

FlushAccount ReadFlushAccount(size_t account) {
  CHECK(account < kFlushAccounts);
  FlushAccount sum;
  for (const ThreadBlock* block = all_blocks.load(std::memory_order_acquire); block != nullptr;
       block = block->next) {
    const ThreadBlock::Account& from = block->accounts[account];
    sum.charges += from.charges.load(std::memory_order_relaxed);
    sum.counters +=
        {from.flushed_lines.load(std::memory_order_relaxed),
         from.fences.load(std::memory_order_relaxed), from.msyncs.load(std::memory_order_relaxed),
         from.flushed_bytes.load(std::memory_order_relaxed)};
  }
  return sum;
}

FlushCounters ReadFlushCounters() {
  FlushCounters sum;
  for (size_t i = 0; i < kFlushAccounts; ++i) sum += ReadFlushAccount(i).counters;
  return sum;
}

Charge::Charge(size_t account)
    : before_(Block().charged), account_(account), at_start_(Block().accounts[account].Read()) {
  CHECK(account < kFlushAccounts);
  ThreadBlock& block = Block();
  block.charged = account;
  Bump(block.accounts[account].charges, 1);
}

Charge::~Charge() { Block().charged = before_; }

void Charge::MoveTo(size_t account) {
  CHECK(account < kFlushAccounts && account != account_);
  ThreadBlock& block = Block();
  ThreadBlock::Account& from = block.accounts[account_];
  ThreadBlock::Account& to = block.accounts[account];
  const FlushCounters moved = from.Read() - at_start_;
  at_start_ = to.Read();
  to.Add(moved);
  // Unsigned: what is taken away is added as its complement.
  from.Add(FlushCounters{} - moved);
  Bump(from.charges, ~uint64_t{0});
  Bump(to.charges, 1);
  account_ = account;
  block.charged = account;
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
