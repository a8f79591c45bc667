// SPDX-License-Identifier: BSD-3-Clause
// XXH3 compiled for AVX2. This file alone is compiled so: it must include nothing with inline
// functions that another file might share, or they would run on processors without AVX2.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "workloads/xxh3.h"

static_assert(XXH_VECTOR == XXH_AVX2);

namespace fencepost::internal {

uint64_t Xxh3Avx2(const void* data, size_t bytes) { return XXH3_64bits(data, bytes); }

}  // namespace fencepost::internal
