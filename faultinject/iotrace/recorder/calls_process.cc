// SPDX-License-Identifier: BSD-3-Clause
// Calls that begin and end programs, and those by which one could block SIGSYS or take its handler
// away, which would be its death at the next call that is trapped.
#include <errno.h>
#include <signal.h>

#include "faultinject/iotrace/recorder/calls.h"
#include "faultinject/iotrace/recorder/holes.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

// As the kernel has it, not libc.
struct KernelAction {
  uint64_t handler;
  uint64_t flags;
  uint64_t restorer;
  uint64_t mask;
};

// What the program believes to have set for SIGSYS.
KernelAction believed_action = {};

void NoteExecution(uint32_t process, const char* path) {
  for (Execution& execution : Shared().executions) {
    if (execution.process != 0 && execution.process != process) continue;
    execution.process = process;
    AppendText(execution.path, execution.path + sizeof execution.path, path);
    return;
  }
  Refuse("more programs began at once than the recorder has room for", path);
}

// A copy of the program's set without SIGSYS. The kernel's word on the address where it has none.
bool CopyMask(const Call& call, int arg, uint64_t* mask) {
  if (!CopyFromProgram(mask, call.text(arg), sizeof *mask)) return false;
  *mask &= ~kSigsysBit;
  return true;
}

struct MaskAndBytes {
  const uint64_t* mask;
  uint64_t bytes;
};

}  // namespace

void ForgetExecution(uint32_t process) {
  for (Execution& execution : Shared().executions) {
    if (execution.process == process) execution.process = 0;
  }
}

long HandleExecute(Call& call) {
  const auto process = static_cast<uint32_t>(Raw(SYS_getpid));
  {
    const LockHold hold;
    char* const path = Shared().path[0];
    const int path_arg = call.number == SYS_execve ? 0 : 1;
    if (!CopyTextFromProgram(path, call.text(path_arg), kPathBytes)) *path = 0;
    // Mappings end with the program.
    SampleMapped(Reading::kAll);
    NoteExecution(process, path);
  }
  const long result = PassThrough(call);
  Raw(SYS_rt_sigprocmask, SIG_SETMASK, &kAllSignals, nullptr, sizeof kAllSignals);
  const LockHold hold;
  ForgetExecution(process);
  return result;
}

long HandleExit(Call& call) {
  const auto process = static_cast<uint32_t>(Raw(SYS_getpid));
  {
    const LockHold hold;
    SampleMapped(Reading::kAll);
    ForgetMappingsOf(process);
    Shared().exiting_process = process;
  }
  return PassThrough(call);
}

long HandleSignalMask(Call& call) {
  // The handler's own mask becomes the program's; what the call makes of it is what it returns to.
  const long result = PassThrough(call);
  uint64_t mask = 0;
  Raw(SYS_rt_sigprocmask, SIG_SETMASK, nullptr, &mask, sizeof mask);
  *call.program_mask = mask & ~kSigsysBit;
  return result;
}

long HandleSignalAction(Call& call) {
  KernelAction action;
  if (!CopyFromProgram(&action, call.text(1), sizeof action)) return -EFAULT;
  if (call.args[0] == SIGSYS) {
    if (call.args[2] != 0) {
      __builtin_memcpy(reinterpret_cast<void*>(call.args[2]), &believed_action,
                       sizeof believed_action);
    }
    believed_action = action;
    return 0;
  }
  if (call.args[0] == SIGSEGV && HolesAreWatched()) {
    const LockHold hold;
    Refuse("SIGSEGV is handled by the program, and stores into holes are watched by it", "");
  }
  action.mask &= ~kSigsysBit;
  return Raw(SYS_rt_sigaction, call.args[0], &action, call.args[2], call.args[3]);
}

long HandleWaitWithMask(Call& call) {
  Call changed = call;
  uint64_t mask = 0;
  MaskAndBytes pair = {};
  int arg = 4;
  if (call.number == SYS_rt_sigsuspend) arg = 0;
  if (call.number == SYS_ppoll) arg = 3;
  if (call.number == SYS_pselect6) {
    if (!CopyFromProgram(&pair, call.text(5), sizeof pair) || pair.mask == nullptr ||
        !CopyFromProgram(&mask, pair.mask, sizeof mask)) {
      return PassThrough(call);
    }
    mask &= ~kSigsysBit;
    pair.mask = &mask;
    changed.args[5] = reinterpret_cast<uint64_t>(&pair);
    return PassThrough(changed);
  }
  if (!CopyMask(call, arg, &mask)) return PassThrough(call);
  changed.args[arg] = reinterpret_cast<uint64_t>(&mask);
  return PassThrough(changed);
}

}  // namespace fencepost::iorecorder
