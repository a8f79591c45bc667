// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/call_filter_program.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern "C" const char fencepost_unfiltered_return[];

namespace fencepost {

void CallFilterProgram::AllowUnfilteredCalls() {
  const auto at = reinterpret_cast<uint64_t>(fencepost_unfiltered_return);
  Load(offsetof(seccomp_data, instruction_pointer));
  Unless(BPF_JEQ, static_cast<uint32_t>(at), 3);
  Load(offsetof(seccomp_data, instruction_pointer) + sizeof(uint32_t));
  Unless(BPF_JEQ, static_cast<uint32_t>(at >> 32), 1);
  Allow();
}

void CallFilterProgram::TrapIf(uint32_t number, size_t argument, uint32_t mask, uint32_t value) {
  Load(offsetof(seccomp_data, nr));
  Unless(BPF_JEQ, number, 4);
  Load(LowOf(argument));
  Mask(mask);
  Unless(BPF_JEQ, value, 1);
  Trap();
}

void CallFilterProgram::TrapPointersInto(uint64_t begin, uint64_t end) {
  for (size_t argument = 0; argument < 6; ++argument) {
    Load(HighOf(argument));
    Unless(BPF_JGE, static_cast<uint32_t>(begin >> 32), 2);
    If(BPF_JGE, static_cast<uint32_t>(end >> 32), 1);
    Trap();
  }
}

Status CallFilterProgram::Install() {
  const sock_fprog program = {.len = static_cast<unsigned short>(code_.size()),
                              .filter = code_.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    return Status::Unsupported(fmt::format("seccomp: {}", std::strerror(errno)));
  }
  return Status::Ok();
}

}  // namespace fencepost
