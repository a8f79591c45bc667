// SPDX-License-Identifier: BSD-3-Clause
// How a program tells the I/O recorder where an operation of its own begins and ends. Does nothing
// in a process that is not recorded.
//
// Threads: any.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_OPERATION_MARKS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_OPERATION_MARKS_H_

#include <dlfcn.h>

#include <cstdint>

namespace fencepost {
namespace internal {

using OperationMark = void (*)(uint64_t id);

inline OperationMark FindOperationMark(const char* name) {
  return reinterpret_cast<OperationMark>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace internal

inline void MarkIoOperationBegin(uint64_t id) {
  static const internal::OperationMark mark =
      internal::FindOperationMark("fencepost_io_operation_begin");
  if (mark != nullptr) mark(id);
}

inline void MarkIoOperationEnd(uint64_t id) {
  static const internal::OperationMark mark =
      internal::FindOperationMark("fencepost_io_operation_end");
  if (mark != nullptr) mark(id);
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_OPERATION_MARKS_H_
