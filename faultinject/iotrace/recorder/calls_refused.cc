// SPDX-License-Identifier: BSD-3-Clause
// Calls whose effects the recorder cannot follow: refused to the program as a kernel without them
// would. A program that then does without (RocksDB, which asks for io_uring; cp, which asks for a
// clone) is recorded as ever; one that has no other way is refused with its run.
#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>

#include "faultinject/iotrace/recorder/calls.h"

namespace fencepost::iorecorder {

long HandleRing(Call&) { return -ENOSYS; }

long HandleSubmit(Call& call) {
  const auto count = static_cast<int64_t>(call.args[1]);
  const auto* blocks = reinterpret_cast<iocb* const*>(call.args[2]);
  LockHold hold;
  for (int64_t i = 0; i < count; ++i) {
    const iocb* block = nullptr;
    iocb asked;
    if (!CopyFromProgram(&block, blocks + i, sizeof block) ||
        !CopyFromProgram(&asked, block, sizeof asked)) {
      break;
    }
    struct stat status;
    const bool only_reads = asked.aio_lio_opcode == IOCB_CMD_PREAD ||
                            asked.aio_lio_opcode == IOCB_CMD_PREADV ||
                            asked.aio_lio_opcode == IOCB_CMD_POLL;
    if (only_reads || FindRecorded(static_cast<int>(asked.aio_fildes), &status) == kNoInode) {
      continue;
    }
    Refuse("a traced file was written to by io_submit", EntryOf(FindInode(status)).name);
    return -ENOSYS;
  }
  hold.Release();
  return PassThrough(call);
}

long HandleIoctl(Call& call) {
  struct stat status;
  LockHold hold;
  const InodeId id = FindRecorded(call.fd(0), &status);
  if (id == kNoInode) {
    hold.Release();
    return PassThrough(call);
  }
  // As on a file system whose files cannot share blocks, e.g. ext4: cp then copies.
  const uint32_t command = call.flags(1);
  const bool is_optional =
      command == FICLONE || command == FICLONERANGE || command == FIDEDUPERANGE;
  if (!is_optional) {
    Refuse("an ioctl that moves or allocates blocks of a traced file", EntryOf(id).name);
  }
  return -EOPNOTSUPP;
}

}  // namespace fencepost::iorecorder
