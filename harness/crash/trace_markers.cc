// SPDX-License-Identifier: BSD-3-Clause
#include "harness/crash/trace_markers.h"

#include <dlfcn.h>

namespace fencepost {
namespace {

// Of the I/O recorder, where it was loaded before this program.
using IoMark = void (*)(uint64_t id);
IoMark FindIoMark(const char* name) { return reinterpret_cast<IoMark>(dlsym(RTLD_DEFAULT, name)); }

void MarkIoBegin(uint64_t id) {
  static const IoMark mark = FindIoMark("fencepost_io_operation_begin");
  if (mark != nullptr) mark(id);
}
void MarkIoEnd(uint64_t id) {
  static const IoMark mark = FindIoMark("fencepost_io_operation_end");
  if (mark != nullptr) mark(id);
}

}  // namespace
}  // namespace fencepost

#if __has_include(<valgrind/pmemcheck.h>) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/pmemcheck.h>

namespace fencepost {

bool CanMarkOperations() { return true; }
void MarkOperationBegin(uint64_t id) {
  VALGRIND_PMC_OPERATION_BEGIN(id);
  MarkIoBegin(id);
}
void MarkOperationEnd(uint64_t id) {
  VALGRIND_PMC_OPERATION_END(id);
  MarkIoEnd(id);
}

}  // namespace fencepost

#else

namespace fencepost {

bool CanMarkOperations() { return false; }
void MarkOperationBegin(uint64_t id) { MarkIoBegin(id); }
void MarkOperationEnd(uint64_t id) { MarkIoEnd(id); }

}  // namespace fencepost

#endif
