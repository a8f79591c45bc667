// SPDX-License-Identifier: BSD-3-Clause
// What becomes of the system calls that the filter traps, in a process that is watched.
//
// A call that reads an image, or is given a pointer into one, counts as a read of what it reads, or
// of all that is watched where that is not known, and is then carried out. One that would take the
// process out of sight is noted as the reason why the watch says nothing.
// Threads: the watched one.
#ifndef FENCEPOST_FAULTINJECT_WATCH_WATCHED_CALLS_H_
#define FENCEPOST_FAULTINJECT_WATCH_WATCHED_CALLS_H_

#include <signal.h>

namespace fencepost {

// The handler of SIGSYS.
void HandleTrappedCall(int number, siginfo_t* info, void* context);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_WATCHED_CALLS_H_
