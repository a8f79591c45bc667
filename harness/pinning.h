// SPDX-License-Identifier: BSD-3-Clause
// Pinning threads to CPUs.
//
// A new thread inherits the affinity of the one that starts it, so ask for AllowedCpus() before
// anything is pinned and hand the list on.
//
// Threads: each function speaks of the calling thread.
// Not covered: NUMA and the pairing of hyperthreads; CPUs come in the kernel's numbering.
// Source: sched_setaffinity(2).
#ifndef FENCEPOST_HARNESS_PINNING_H_
#define FENCEPOST_HARNESS_PINNING_H_

#include <cstddef>
#include <vector>

#include "engines/status.h"

namespace fencepost {

// The CPUs that the calling thread may run on, ascending; never empty.
Result<std::vector<int>> AllowedCpus();

// Restricts the calling thread to one CPU, to `cpus[k]`. kInvalidArgument: there is no k-th one.
// kIoError: the kernel refuses, e.g. the CPU went offline.
Status PinThisThread(const std::vector<int>& cpus, size_t k);

// Lets the calling thread run on all of `cpus`: undoes PinThisThread().
Status AllowThisThread(const std::vector<int>& cpus);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_PINNING_H_
