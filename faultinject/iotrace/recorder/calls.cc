// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/calls.h"

#include <fcntl.h>
#include <signal.h>

#include "faultinject/iotrace/recorder/faults.h"

namespace fencepost::iorecorder {
namespace {

constexpr uint32_t kTmpFileBit = O_TMPFILE & ~O_DIRECTORY;
constexpr uint32_t kOpensAndChanges = O_CREAT | O_TRUNC | kTmpFileBit;

constexpr CallRow kRows[] = {
    {SYS_write, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_pwrite64, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_writev, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_pwritev, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_pwritev2, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_sendfile, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_copy_file_range, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_splice, Trap::kAlways, 0, 0, HandleWrite},
    {SYS_truncate, Trap::kAlways, 0, 0, HandleTruncate},
    {SYS_ftruncate, Trap::kAlways, 0, 0, HandleTruncate},
    {SYS_fallocate, Trap::kAlways, 0, 0, HandleFallocate},
    {SYS_open, Trap::kAnyBit, 1, kOpensAndChanges, HandleOpen},
    {SYS_openat, Trap::kAnyBit, 2, kOpensAndChanges, HandleOpen},
    {SYS_openat2, Trap::kAlways, 0, 0, HandleOpen},
    {SYS_creat, Trap::kAlways, 0, 0, HandleOpen},
    {SYS_fsync, Trap::kAlways, 0, 0, HandleFileSync},
    {SYS_fdatasync, Trap::kAlways, 0, 0, HandleFileSync},
    {SYS_sync_file_range, Trap::kAlways, 0, 0, HandleFileSync},
    {SYS_sync, Trap::kAlways, 0, 0, HandleSyncAll},
    {SYS_syncfs, Trap::kAlways, 0, 0, HandleSyncAll},
    {SYS_msync, Trap::kAlways, 0, 0, HandleMsync},
    {SYS_unlink, Trap::kAlways, 0, 0, HandleRemove},
    {SYS_unlinkat, Trap::kAlways, 0, 0, HandleRemove},
    {SYS_rmdir, Trap::kAlways, 0, 0, HandleRemove},
    {SYS_mkdir, Trap::kAlways, 0, 0, HandleMake},
    {SYS_mkdirat, Trap::kAlways, 0, 0, HandleMake},
    {SYS_mknod, Trap::kAlways, 0, 0, HandleMake},
    {SYS_mknodat, Trap::kAlways, 0, 0, HandleMake},
    {SYS_symlink, Trap::kAlways, 0, 0, HandleMake},
    {SYS_symlinkat, Trap::kAlways, 0, 0, HandleMake},
    {SYS_link, Trap::kAlways, 0, 0, HandleLink},
    {SYS_linkat, Trap::kAlways, 0, 0, HandleLink},
    {SYS_rename, Trap::kAlways, 0, 0, HandleRename},
    {SYS_renameat, Trap::kAlways, 0, 0, HandleRename},
    {SYS_renameat2, Trap::kAlways, 0, 0, HandleRename},
    {SYS_mmap, Trap::kSharedFile, 0, 0, HandleMmap},
    {SYS_munmap, Trap::kWindow, 0, 0, HandleMunmap},
    {SYS_mremap, Trap::kWindow, 0, 0, HandleMremap},
    {SYS_mprotect, Trap::kWindowWritable, 0, 0, HandleMprotect},
    {SYS_pkey_mprotect, Trap::kWindowWritable, 0, 0, HandleMprotect},
    {SYS_execve, Trap::kAlways, 0, 0, HandleExecute},
    {SYS_execveat, Trap::kAlways, 0, 0, HandleExecute},
    {SYS_exit_group, Trap::kAlways, 0, 0, HandleExit},
    {SYS_rt_sigprocmask, Trap::kBlocksSignals, 0, 0, HandleSignalMask},
    {SYS_rt_sigaction, Trap::kPointer, 1, 0, HandleSignalAction},
    {SYS_rt_sigsuspend, Trap::kAlways, 0, 0, HandleWaitWithMask},
    {SYS_ppoll, Trap::kPointer, 3, 0, HandleWaitWithMask},
    {SYS_pselect6, Trap::kPointer, 5, 0, HandleWaitWithMask},
    {SYS_epoll_pwait, Trap::kPointer, 4, 0, HandleWaitWithMask},
    {SYS_epoll_pwait2, Trap::kPointer, 4, 0, HandleWaitWithMask},
    {SYS_io_uring_setup, Trap::kAlways, 0, 0, HandleRing},
    {SYS_io_submit, Trap::kAlways, 0, 0, HandleSubmit},
    {SYS_ioctl, Trap::kClones, 1, 0, HandleIoctl},
};

long MakeCall(const Call& call) {
  const uint64_t* a = call.args;
  return Raw(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // namespace

std::span<const CallRow> CallRows() { return kRows; }

long PassThrough(const Call& call) {
  // The handler returns to this mask anyway.
  Raw(SYS_rt_sigprocmask, SIG_SETMASK, call.program_mask, nullptr, sizeof *call.program_mask);
  return MakeCall(call);
}

long Perform(const Call& call) {
  Call made = call;
  long result = 0;
  if (IsFault(&made, &result)) return result;
  Shared().is_in_effect = 1;
  return MakeCall(made);
}

long PerformUnlocked(const Call& call) {
  Call made = call;
  long result = 0;
  return IsFault(&made, &result) ? result : MakeCall(made);
}

InodeId FindRecorded(int fd, struct stat* status) {
  if (!IsCandidate(fd, status)) return kNoInode;
  const InodeId id = FindInode(*status);
  return id == kNoInode || EntryOf(id).is_volatile ? kNoInode : id;
}

}  // namespace fencepost::iorecorder
