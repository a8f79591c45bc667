// SPDX-License-Identifier: BSD-3-Clause
// A seccomp filter that traps the system calls which could read a crash image unseen, or take the
// process out of a watch's sight; and the way around it.
//
// Trapped: calls that read a file or map one; that are given an address in the arena of images;
// that start processes or programs, move mappings, or change how SIGSEGV, SIGTRAP and SIGSYS are
// handled. Threads: any. Source: seccomp(2).
#ifndef FENCEPOST_FAULTINJECT_WATCH_CALL_FILTER_H_
#define FENCEPOST_FAULTINJECT_WATCH_CALL_FILTER_H_

#include <cstdint>

#include "engines/status.h"

namespace fencepost {

// For the rest of this process's life, and of its children's. kUnsupported where the kernel
// refuses.
Status InstallCallFilter();

// A system call that the filter lets pass; returns what the kernel returns (-errno).
extern "C" int64_t fencepost_unfiltered_call(int64_t number, uint64_t a, uint64_t b, uint64_t c,
                                             uint64_t d, uint64_t e, uint64_t f);

inline int64_t KernelCall(int64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
                          uint64_t d = 0, uint64_t e = 0, uint64_t f = 0) {
  return fencepost_unfiltered_call(number, a, b, c, d, e, f);
}

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_CALL_FILTER_H_
