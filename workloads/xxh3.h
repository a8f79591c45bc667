// SPDX-License-Identifier: BSD-3-Clause
// XXH3 of long inputs, with the widest vectors that this processor has. Same result either way.
//
// Threads: pure functions.
// Source: xxHash.
#ifndef FENCEPOST_WORKLOADS_XXH3_H_
#define FENCEPOST_WORKLOADS_XXH3_H_

#include <cstddef>
#include <cstdint>

namespace fencepost::internal {

uint64_t Xxh3Baseline(const void* data, size_t bytes);
// REQUIRES a processor with AVX2.
uint64_t Xxh3Avx2(const void* data, size_t bytes);

using Xxh3Function = uint64_t (*)(const void*, size_t);

inline Xxh3Function BestXxh3() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") ? Xxh3Avx2 : Xxh3Baseline;
}

}  // namespace fencepost::internal

#endif  // FENCEPOST_WORKLOADS_XXH3_H_
