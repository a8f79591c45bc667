// SPDX-License-Identifier: BSD-3-Clause
// What ThreadSanitizer has to be told, since the libraries underneath are not instrumented. Nothing
// in other builds.
#ifndef FENCEPOST_ENGINES_THREAD_SANITIZER_H_
#define FENCEPOST_ENGINES_THREAD_SANITIZER_H_

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace fencepost {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kUnderThreadSanitizer = true;
#else
inline constexpr bool kUnderThreadSanitizer = false;
#endif

// A thread is done with this memory, which an allocator may give to another one...
inline void HandBackMemory([[maybe_unused]] void* from, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_THREAD__)
  constexpr uintptr_t kUnit = 64;
  const auto begin = reinterpret_cast<uintptr_t>(from) / kUnit * kUnit;
  const auto end = reinterpret_cast<uintptr_t>(from) + bytes;
  for (uintptr_t at = begin; at < end; at += kUnit) __tsan_release(reinterpret_cast<void*>(at));
#endif
}

// ... which takes it over here.
inline void TakeOverMemory([[maybe_unused]] void* from, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_THREAD__)
  constexpr uintptr_t kUnit = 64;
  const auto begin = reinterpret_cast<uintptr_t>(from) / kUnit * kUnit;
  const auto end = reinterpret_cast<uintptr_t>(from) + bytes;
  for (uintptr_t at = begin; at < end; at += kUnit) __tsan_acquire(reinterpret_cast<void*>(at));
#endif
}

}  // namespace fencepost

#endif  // FENCEPOST_ENGINES_THREAD_SANITIZER_H_
