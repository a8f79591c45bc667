// SPDX-License-Identifier: BSD-3-Clause
// Counts allocations and copies of the whole process: a program that links this file defines
// malloc, memcpy and their kin itself, counts where it is asked to, and does as the C library does.
//
// Copies of shared libraries are counted too (they call through their dynamic symbols); those that
// a compiler has put in line, mostly of fixed sizes up to a few dozen bytes, and those of the C
// library inside itself are not. Allocations: malloc and all that calls it, operator new included.
// Threads: any; the counters are of all threads together.
// Not covered: memory that is mapped; allocators of a library's own.
#ifndef FENCEPOST_HARNESS_BOOK_COPY_COUNTERS_H_
#define FENCEPOST_HARNESS_BOOK_COPY_COUNTERS_H_

#include <cstdint>

namespace fencepost {

struct CopyCounters {
  uint64_t allocations = 0;
  uint64_t allocated_bytes = 0;
  uint64_t copies = 0;
  uint64_t copied_bytes = 0;
};

// Since the process began, while counting was on.
CopyCounters ReadCopyCounters();
void CountCopies(bool on);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_COPY_COUNTERS_H_
