// SPDX-License-Identifier: BSD-3-Clause
// A disk without room for what is stored into holes of mapped files: SIGBUS (IoFault::kSigbus).
//
// Every page of a writable shared mapping is protected until it is stored to for the first time. A
// page that has no block yet (SEEK_DATA, and no fallocate since the run began) would be given one
// then: the k-th such store is answered by SIGBUS, all others are made.
//
// Threads: any. Nothing is done, and nothing is protected, unless that is the fault of the run.
// Not covered: system calls that write into such a page (EFAULT); where the file system gives
//   blocks to holes that are read (tmpfs), a page that was read before counts as one that is there;
//   a handler of SIGBUS that returns is not told again: there is room then.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_HOLES_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_HOLES_H_

#include <cstdint>

#include "faultinject/iotrace/io_event.h"

namespace fencepost::iorecorder {

bool HolesAreWatched();
// What has been mapped or made writable just now. REQUIRES: the lock is held.
void WatchHoles(uint64_t address, uint64_t bytes);
// A file has been given blocks, has lost them, or was cut off. REQUIRES: the lock is held.
void NoteAllocation(InodeId id, uint64_t begin, uint64_t bytes);
void NotePunch(InodeId id, uint64_t begin, uint64_t bytes);
// At the beginning of a program.
void InstallHoleHandler();

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_HOLES_H_
