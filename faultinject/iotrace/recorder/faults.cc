// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/faults.h"

#include <errno.h>

namespace fencepost::iorecorder {
namespace {

bool IsSync(long number) {
  return number == SYS_fsync || number == SYS_fdatasync || number == SYS_msync;
}

bool IsWrite(long number) {
  switch (number) {
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendfile:
    case SYS_copy_file_range:
    case SYS_splice:
      return true;
    default:
      return false;
  }
}

// Whether the call could be cut short: a buffer of several bytes, or several buffers.
bool IsLong(const Call& call) {
  const bool has_count = call.number == SYS_write || call.number == SYS_pwrite64 ||
                         call.number == SYS_writev || call.number == SYS_pwritev ||
                         call.number == SYS_pwritev2;
  return has_count && call.args[2] > 1;
}

bool Concerns(IoFault::Kind fault, const Call& call) {
  switch (fault) {
    case IoFault::Kind::kNone:
    case IoFault::Kind::kSigbus:  // holes.h
      return false;
    case IoFault::Kind::kWriteEio:
      return IsWrite(call.number);
    case IoFault::Kind::kWriteEnospc:
      return IsWrite(call.number) || call.number == SYS_fallocate;
    case IoFault::Kind::kShortWrite:
      return IsLong(call);
    case IoFault::Kind::kSyncEio:
      return IsSync(call.number);
  }
  return false;
}

}  // namespace

bool IsFault(Call* call, long* result) {
  Control& shared = Shared();
  if (!Concerns(shared.fault.kind, *call)) return false;
  // Syncs come without the lock.
  const uint64_t number = __atomic_add_fetch(&shared.fault_calls, 1, __ATOMIC_RELAXED);
  if (number != shared.fault.at) return false;
  if (shared.fault.kind == IoFault::Kind::kShortWrite) {
    call->args[2] /= 2;
    return false;
  }
  *result = shared.fault.kind == IoFault::Kind::kWriteEnospc ? -ENOSPC : -EIO;
  return true;
}

}  // namespace fencepost::iorecorder
