// SPDX-License-Identifier: BSD-3-Clause
// Faults of a disk that the I/O recorder can play to a program: what one of its calls is answered.
//
// The k-th call of a kind that concerns a traced file is answered by the fault; all others, later
// ones too, are made as if nothing had been. A sync that fails has made nothing durable, and what
// it was to cover stays readable and is written back no more: as Linux does it since 4.13.
//
// Threads: none. A header without any library under it: the recorder uses it too.
// Source: Rebello et al. Can applications recover from fsync failures? USENIX ATC 2020.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_IO_FAULT_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_IO_FAULT_H_

#include <cstdint>

namespace fencepost {

struct IoFault {
  enum class Kind : uint32_t {
    kNone,
    kWriteEio,     // a write fails with EIO; nothing was written
    kWriteEnospc,  // a write or a fallocate fails with ENOSPC; nothing was written
    kShortWrite,   // a write of several bytes writes half of them, and says so
    kSyncEio,      // fsync, fdatasync or msync fails with EIO once
    kSigbus,       // a store into a hole of a file that is mapped finds no room: SIGBUS
  };
  Kind kind = Kind::kNone;
  uint64_t at = 1;  // the k-th call, or store, from 1
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_IO_FAULT_H_
