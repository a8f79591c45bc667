// SPDX-License-Identifier: BSD-3-Clause
// A disk without room for what is stored into holes of mapped files: SIGBUS (IoFault::kSigbus).
//
// Every page of a writable shared mapping is protected until it is stored to for the first time. A
// page that has no block yet (SEEK_DATA) would be given one then: the k-th such store is answered
// by SIGBUS, all others are made.
//
// Threads: any. Nothing is done, and nothing is protected, unless that is the fault of the run.
// Not covered: system calls that write into such a page (EFAULT); where the file system gives
//   blocks to holes that are read (tmpfs), a page that was read before counts as one that is there;
//   a handler of SIGBUS that returns is not told again: there is room then.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_HOLES_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_HOLES_H_

#include <cstdint>

namespace fencepost::iorecorder {

bool HolesAreWatched();
// What has been mapped or made writable just now. REQUIRES: the lock is held.
void WatchHoles(uint64_t address, uint64_t bytes);
// At the beginning of a program.
void InstallHoleHandler();

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_HOLES_H_
