// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/trace_markers.h"

#include "faultinject/iotrace/operation_marks.h"

#if __has_include(<valgrind/pmemcheck.h>) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/pmemcheck.h>

namespace fencepost {

bool CanMarkOperations() { return true; }
void MarkOperationBegin(uint64_t id) {
  VALGRIND_PMC_OPERATION_BEGIN(id);
  MarkIoOperationBegin(id);
}
void MarkOperationEnd(uint64_t id) {
  VALGRIND_PMC_OPERATION_END(id);
  MarkIoOperationEnd(id);
}

}  // namespace fencepost

#else

namespace fencepost {

bool CanMarkOperations() { return false; }
void MarkOperationBegin(uint64_t id) { MarkIoOperationBegin(id); }
void MarkOperationEnd(uint64_t id) { MarkIoOperationEnd(id); }

}  // namespace fencepost

#endif
