// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/call_filter.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "faultinject/watch/call_filter_program.h"
#include "faultinject/watch/image_mappings.h"

// The filter knows the call by the address behind its instruction.
asm(R"(
  .text
  .globl fencepost_unfiltered_call
  .type fencepost_unfiltered_call, @function
fencepost_unfiltered_call:
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  movq %rcx, %rdx
  movq %r8, %r10
  movq %r9, %r8
  movq 8(%rsp), %r9
  syscall
  .globl fencepost_unfiltered_return
fencepost_unfiltered_return:
  ret
  .size fencepost_unfiltered_call, .-fencepost_unfiltered_call
)");

namespace fencepost {
namespace {

// Always trapped, whatever their arguments.
constexpr uint32_t kTrapped[] = {
    SYS_read,     SYS_pread64,         SYS_readv,      SYS_preadv,           SYS_preadv2,
    SYS_sendfile, SYS_copy_file_range, SYS_splice,     SYS_writev,           SYS_pwritev,
    SYS_pwritev2, SYS_sendmsg,         SYS_recvmsg,    SYS_mremap,           SYS_fork,
    SYS_vfork,    SYS_execve,          SYS_execveat,   SYS_process_vm_readv, SYS_io_uring_setup,
    SYS_io_setup, SYS_rt_sigprocmask,  SYS_sigaltstack};

CallFilterProgram MakeFilter() {
  CallFilterProgram program;
  program.AllowUnfilteredCalls();
  program.Load(offsetof(seccomp_data, nr));
  // A handler cannot return otherwise, and its registers hold anything.
  program.Unless(BPF_JEQ, SYS_rt_sigreturn, 1);
  program.Allow();
  for (const uint32_t number : kTrapped) {
    program.Unless(BPF_JEQ, number, 1);
    program.Trap();
  }
  // Threads share the address space and cannot begin in a handler: pthread_create tells of them.
  program.TrapIf(SYS_clone, 0, CLONE_VM, 0);
  for (const int signal : {SIGSEGV, SIGTRAP, SIGSYS}) {
    program.TrapIf(SYS_rt_sigaction, 0, ~uint32_t{0}, static_cast<uint32_t>(signal));
  }
  // A file is mapped: fd is not negative.
  program.TrapIf(SYS_mmap, 4, uint32_t{1} << 31, 0);
  program.TrapPointersInto(kArenaBegin, kArenaEnd);
  program.Allow();
  return program;
}

}  // namespace

Status InstallCallFilter() { return MakeFilter().Install(); }

}  // namespace fencepost
