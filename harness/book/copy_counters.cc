// SPDX-License-Identifier: BSD-3-Clause
// Compiled with -fno-builtin, or the compiler would make calls of memcpy out of memcpy's own loop.
#include "harness/book/copy_counters.h"

#include <atomic>
#include <cerrno>
#include <cstddef>

extern "C" {
// The C library's own, under the names that it keeps for who interposes the others.
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace fencepost {
namespace {

std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0}, allocated_bytes{0}, copies{0}, copied_bytes{0};

void Allocated(size_t bytes) {
  if (!counting.load(std::memory_order_relaxed)) return;
  allocations.fetch_add(1, std::memory_order_relaxed);
  allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void Copied(size_t bytes) {
  if (!counting.load(std::memory_order_relaxed)) return;
  copies.fetch_add(1, std::memory_order_relaxed);
  copied_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void CopyUp(void* to, const void* from, size_t bytes) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

void CopyDown(void* to, const void* from, size_t bytes) {
  auto* last_to = static_cast<char*>(to) + bytes - 1;
  const auto* last_from = static_cast<const char*>(from) + bytes - 1;
  asm volatile("std\n\trep movsb\n\tcld"
               : "+D"(last_to), "+S"(last_from), "+c"(bytes)
               :
               : "memory");
}

void Move(void* to, const void* from, size_t bytes) {
  const auto distance = reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from);
  if (bytes == 0 || distance == 0) return;
  if (distance < bytes) {
    CopyDown(to, from, bytes);
  } else {
    CopyUp(to, from, bytes);
  }
}

}  // namespace

CopyCounters ReadCopyCounters() {
  return {allocations.load(), allocated_bytes.load(), copies.load(), copied_bytes.load()};
}

void CountCopies(bool on) { counting.store(on); }

}  // namespace fencepost

extern "C" {

void* malloc(size_t bytes) {
  fencepost::Allocated(bytes);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  fencepost::Allocated(count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  fencepost::Allocated(bytes);
  return __libc_realloc(old, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
  fencepost::Allocated(bytes);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** out, size_t alignment, size_t bytes) {
  void* found = memalign(alignment, bytes);
  if (found == nullptr) return ENOMEM;
  *out = found;
  return 0;
}

void* memcpy(void* to, const void* from, size_t bytes) {
  fencepost::Copied(bytes);
  fencepost::CopyUp(to, from, bytes);
  return to;
}
void* memmove(void* to, const void* from, size_t bytes) {
  fencepost::Copied(bytes);
  fencepost::Move(to, from, bytes);
  return to;
}
void* mempcpy(void* to, const void* from, size_t bytes) {
  return static_cast<char*>(memcpy(to, from, bytes)) + bytes;
}
// What fortified libraries call. The destination's size was known to their compiler.
void* __memcpy_chk(void* to, const void* from, size_t bytes, size_t room) {
  if (bytes > room) __builtin_trap();
  return memcpy(to, from, bytes);
}
void* __memmove_chk(void* to, const void* from, size_t bytes, size_t room) {
  if (bytes > room) __builtin_trap();
  return memmove(to, from, bytes);
}
}
