// SPDX-License-Identifier: BSD-3-Clause
// Whether this process runs under Valgrind.
//
// Threads: any.
// Not covered: a Valgrind that hides itself, when the build found no valgrind.h: then only the
//   preloaded library gives it away.
#ifndef FENCEPOST_HARNESS_VALGRIND_PROBE_H_
#define FENCEPOST_HARNESS_VALGRIND_PROBE_H_

namespace fencepost {

bool RunsUnderValgrind();

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_VALGRIND_PROBE_H_
