// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/call_filter.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

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

extern "C" const char fencepost_unfiltered_return[];

namespace fencepost {
namespace {

// Always trapped, whatever their arguments.
constexpr uint32_t kTrapped[] = {
    SYS_read,     SYS_pread64,         SYS_readv,      SYS_preadv,           SYS_preadv2,
    SYS_sendfile, SYS_copy_file_range, SYS_splice,     SYS_writev,           SYS_pwritev,
    SYS_pwritev2, SYS_sendmsg,         SYS_recvmsg,    SYS_mremap,           SYS_fork,
    SYS_vfork,    SYS_execve,          SYS_execveat,   SYS_process_vm_readv, SYS_io_uring_setup,
    SYS_io_setup, SYS_rt_sigprocmask,  SYS_sigaltstack};

class Program {
 public:
  void Load(size_t offset) {
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  }
  // Goes on to the next instruction if the comparison holds, else skips `skipped` of them.
  void Unless(uint16_t comparison, uint32_t value, uint8_t skipped) {
    Add(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), value, 0, skipped));
  }
  // Skips `skipped` instructions if the comparison holds.
  void If(uint16_t comparison, uint32_t value, uint8_t skipped) {
    Add(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), value, skipped, 0));
  }
  void Mask(uint32_t mask) { Add(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask)); }
  void Allow() { Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)); }
  void Trap() { Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)); }
  sock_fprog Whole() {
    return {.len = static_cast<unsigned short>(code_.size()), .filter = code_.data()};
  }

 private:
  void Add(const sock_filter& instruction) { code_.push_back(instruction); }
  std::vector<sock_filter> code_;
};

constexpr size_t LowOf(size_t argument) {
  return offsetof(seccomp_data, args) + argument * sizeof(uint64_t);
}
constexpr size_t HighOf(size_t argument) { return LowOf(argument) + sizeof(uint32_t); }

void AllowUnfilteredCalls(Program* program) {
  const auto at = reinterpret_cast<uint64_t>(fencepost_unfiltered_return);
  program->Load(offsetof(seccomp_data, instruction_pointer));
  program->Unless(BPF_JEQ, static_cast<uint32_t>(at), 3);
  program->Load(offsetof(seccomp_data, instruction_pointer) + sizeof(uint32_t));
  program->Unless(BPF_JEQ, static_cast<uint32_t>(at >> 32), 1);
  program->Allow();
}

// Traps call `number` if `argument`, its low half, has the bits of `mask` as in `value`, or not.
void TrapIf(Program* program, uint32_t number, size_t argument, uint32_t mask, uint32_t value) {
  program->Load(offsetof(seccomp_data, nr));
  program->Unless(BPF_JEQ, number, 4);
  program->Load(LowOf(argument));
  program->Mask(mask);
  program->Unless(BPF_JEQ, value, 1);
  program->Trap();
}

Program MakeFilter() {
  Program program;
  AllowUnfilteredCalls(&program);
  program.Load(offsetof(seccomp_data, nr));
  // A handler cannot return otherwise, and its registers hold anything.
  program.Unless(BPF_JEQ, SYS_rt_sigreturn, 1);
  program.Allow();
  for (const uint32_t number : kTrapped) {
    program.Unless(BPF_JEQ, number, 1);
    program.Trap();
  }
  // Threads share the address space and cannot begin in a handler: pthread_create tells of them.
  TrapIf(&program, SYS_clone, 0, CLONE_VM, 0);
  for (const int signal : {SIGSEGV, SIGTRAP, SIGSYS}) {
    TrapIf(&program, SYS_rt_sigaction, 0, ~uint32_t{0}, static_cast<uint32_t>(signal));
  }
  // A file is mapped: fd is not negative.
  TrapIf(&program, SYS_mmap, 4, uint32_t{1} << 31, 0);
  for (size_t argument = 0; argument < 6; ++argument) {
    program.Load(HighOf(argument));
    program.Unless(BPF_JGE, kArenaBegin >> 32, 2);
    program.If(BPF_JGE, kArenaEnd >> 32, 1);
    program.Trap();
  }
  program.Allow();
  return program;
}

}  // namespace

Status InstallCallFilter() {
  Program filter = MakeFilter();
  const sock_fprog program = filter.Whole();
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    return Status::Unsupported(fmt::format("seccomp: {}", std::strerror(errno)));
  }
  return Status::Ok();
}

}  // namespace fencepost
