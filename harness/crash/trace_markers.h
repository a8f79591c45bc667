// SPDX-License-Identifier: BSD-3-Clause
// Marks in the trace where an operation begins and where it is acknowledged. Without a tracer they
// do nothing.
#ifndef FENCEPOST_HARNESS_CRASH_TRACE_MARKERS_H_
#define FENCEPOST_HARNESS_CRASH_TRACE_MARKERS_H_

#include <cstdint>

namespace fencepost {

// Whether this build can mark at all: Valgrind's headers were there when it was made.
bool CanMarkOperations();

void MarkOperationBegin(uint64_t id);
void MarkOperationEnd(uint64_t id);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_CRASH_TRACE_MARKERS_H_
