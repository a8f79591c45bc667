// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/files/call_table.h"

#include <linux/audit.h>
#include <sys/syscall.h>

#include <span>

#include "faultinject/watch/call_filter_program.h"
#include "faultinject/watch/files/file_watch_state.h"

namespace fencepost {
namespace {

constexpr uint32_t kFchmodat2 = 452;

constexpr PathCall kPathCalls[] = {
    {SYS_open, 0, -1, false},         {SYS_creat, 0, -1, false},
    {SYS_openat, 1, 0, false},        {SYS_openat2, 1, 0, false},
    {SYS_stat, 0, -1, true},          {SYS_lstat, 0, -1, true},
    {SYS_newfstatat, 1, 0, true},     {SYS_statx, 1, 0, true},
    {SYS_access, 0, -1, false},       {SYS_faccessat, 1, 0, false},
    {SYS_faccessat2, 1, 0, false},    {SYS_readlink, 0, -1, false},
    {SYS_readlinkat, 1, 0, false},    {SYS_mkdir, 0, -1, false},
    {SYS_mkdirat, 1, 0, false},       {SYS_mknod, 0, -1, false},
    {SYS_mknodat, 1, 0, false},       {SYS_unlink, 0, -1, false},
    {SYS_rename, 0, -1, false},       {SYS_link, 0, -1, false},
    {SYS_renameat, 1, 0, false},      {SYS_linkat, 1, 0, false},
    {SYS_renameat2, 1, 0, false},     {SYS_symlink, 1, -1, false},
    {SYS_symlinkat, 2, 1, false},     {SYS_truncate, 0, -1, false},
    {SYS_chdir, 0, -1, false},        {SYS_chmod, 0, -1, false},
    {SYS_fchmodat, 1, 0, false},      {SYS_chown, 0, -1, false},
    {SYS_lchown, 0, -1, false},       {SYS_fchownat, 1, 0, false},
    {SYS_utime, 0, -1, false},        {SYS_utimes, 0, -1, false},
    {SYS_futimesat, 1, 0, false},     {SYS_utimensat, 1, 0, false},
    {SYS_statfs, 0, -1, false},       {SYS_getxattr, 0, -1, false},
    {SYS_lgetxattr, 0, -1, false},    {SYS_setxattr, 0, -1, false},
    {SYS_lsetxattr, 0, -1, false},    {SYS_listxattr, 0, -1, false},
    {SYS_llistxattr, 0, -1, false},   {SYS_removexattr, 0, -1, false},
    {SYS_lremovexattr, 0, -1, false}, {kFchmodat2, 1, 0, false}};
// Where a directory must be empty.
constexpr PathCall kRemoveCalls[] = {{SYS_rmdir, 0, -1, false}, {SYS_unlinkat, 1, 0, false}};
// Their second path: what is replaced there.
constexpr PathCall kSecondPaths[] = {{SYS_rename, 1, -1, false},
                                     {SYS_link, 1, -1, false},
                                     {SYS_renameat, 3, 2, false},
                                     {SYS_linkat, 3, 2, false},
                                     {SYS_renameat2, 3, 2, false}};

constexpr uint32_t kOtherCalls[] = {SYS_read,
                                    SYS_pread64,
                                    SYS_readv,
                                    SYS_preadv,
                                    SYS_preadv2,
                                    SYS_fstat,
                                    SYS_lseek,
                                    SYS_getdents,
                                    SYS_getdents64,
                                    SYS_sendfile,
                                    SYS_splice,
                                    SYS_copy_file_range,
                                    SYS_fallocate,
                                    SYS_ioctl,
                                    SYS_writev,
                                    SYS_pwritev,
                                    SYS_pwritev2,
                                    SYS_sendmsg,
                                    SYS_recvmsg,
                                    SYS_sendmmsg,
                                    SYS_recvmmsg,
                                    SYS_vmsplice,
                                    SYS_mremap,
                                    SYS_remap_file_pages,
                                    SYS_execve,
                                    SYS_execveat,
                                    SYS_io_uring_setup,
                                    SYS_io_uring_enter,
                                    SYS_io_setup,
                                    SYS_io_submit,
                                    SYS_process_vm_readv,
                                    SYS_process_vm_writev,
                                    SYS_open_by_handle_at,
                                    SYS_name_to_handle_at,
                                    SYS_inotify_add_watch,
                                    SYS_fanotify_mark,
                                    SYS_rt_sigprocmask,
                                    SYS_rt_sigaction,
                                    SYS_chroot,
                                    SYS_uselib};

const PathCall* FindIn(std::span<const PathCall> calls, int64_t number) {
  for (const PathCall& call : calls) {
    if (call.number == static_cast<uint64_t>(number)) return &call;
  }
  return nullptr;
}

}  // namespace

const PathCall* FindPathCall(int64_t number) { return FindIn(kPathCalls, number); }
const PathCall* FindRemoveCall(int64_t number) { return FindIn(kRemoveCalls, number); }
const PathCall* FindSecondPath(int64_t number) { return FindIn(kSecondPaths, number); }

size_t ArgumentsOf(int64_t number) {
  switch (number) {
    case SYS_getpid:
    case SYS_gettid:
    case SYS_sched_yield:
      return 0;
    case SYS_brk:
    case SYS_close:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_fdatasync:
    case SYS_fsync:
    case SYS_unlink:
    case SYS_rmdir:
      return 1;
    case SYS_access:
    case SYS_clock_gettime:
    case SYS_flock:
    case SYS_fstat:
    case SYS_ftruncate:
    case SYS_getrusage:
    case SYS_lstat:
    case SYS_mkdir:
    case SYS_munmap:
    case SYS_nanosleep:
    case SYS_pipe2:
    case SYS_rename:
    case SYS_stat:
      return 2;
    case SYS_fcntl:
    case SYS_getdents64:
    case SYS_getrandom:
    case SYS_ioctl:
    case SYS_lseek:
    case SYS_madvise:
    case SYS_mprotect:
    case SYS_msync:
    case SYS_open:
    case SYS_read:
    case SYS_readv:
    case SYS_tgkill:
    case SYS_unlinkat:
    case SYS_write:
    case SYS_writev:
      return 3;
    case SYS_fadvise64:
    case SYS_fallocate:
    case SYS_newfstatat:
    case SYS_openat:
    case SYS_pread64:
    case SYS_prlimit64:
    case SYS_pwrite64:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_sync_file_range:
    case SYS_wait4:
      return 4;
    default:
      return 6;
  }
}

Status InstallFileCallFilter() {
  CallFilterProgram program;
  program.AllowUnfilteredCalls();
  program.Load(offsetof(seccomp_data, arch));
  program.If(BPF_JEQ, AUDIT_ARCH_X86_64, 1);
  program.Trap();
  program.Load(offsetof(seccomp_data, nr));
  program.Unless(BPF_JGE, kFirstUnknownCall, 1);
  program.Trap();
  // A handler cannot return otherwise, and its registers hold anything.
  program.Unless(BPF_JEQ, SYS_rt_sigreturn, 1);
  program.Allow();
  const auto trap = [&](uint32_t number) {
    program.Unless(BPF_JEQ, number, 1);
    program.Trap();
  };
  for (const uint32_t number : kOtherCalls) trap(number);
  for (const PathCall& call : kPathCalls) trap(call.number);
  for (const PathCall& call : kRemoveCalls) trap(call.number);
  // A file is mapped: fd is not negative.
  program.TrapIf(SYS_mmap, 4, uint32_t{1} << 31, 0);
  program.TrapPointersInto(kFileArenaBegin, kFileArenaEnd);
  program.Allow();
  return program.Install();
}

}  // namespace fencepost
