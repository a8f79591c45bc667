// SPDX-License-Identifier: BSD-3-Clause
// The library's beginning in a program, its SIGSYS handler, and what it exports.
//
// It is linked with DF_1_INITFIRST, so that its constructor comes before those of all other
// libraries: after exec the filter is there before the handler, and the first call that is trapped
// in between would be the program's death.
// Not covered: 32-bit and x32 system calls, which end the process; a SIGSYS of the program's own; a
//   program that is linked statically or gets an environment without the library
//   (Control::executions tells, and the run is refused).
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "faultinject/iotrace/recorder/calls.h"
#include "faultinject/iotrace/recorder/filter.h"
#include "faultinject/iotrace/recorder/holes.h"
#include "faultinject/iotrace/recorder/mappings.h"

namespace fencepost::iorecorder {
namespace {

bool is_recording = false;

constexpr long kNumbers = 512;
// By the number of a system call: its place in CallRows() and 1.
uint8_t rows_by_number[kNumbers];

void OnTrap(int, siginfo_t* info, void* context) {
  constexpr int kFromFilter = 1;  // SYS_SECCOMP, which not every libc names
  if (info->si_code != kFromFilter) return;
  auto* const frame = static_cast<ucontext_t*>(context);
  greg_t* const registers = frame->uc_mcontext.gregs;
  Call call = {
      info->si_syscall,
      {static_cast<uint64_t>(registers[REG_RDI]), static_cast<uint64_t>(registers[REG_RSI]),
       static_cast<uint64_t>(registers[REG_RDX]), static_cast<uint64_t>(registers[REG_R10]),
       static_cast<uint64_t>(registers[REG_R8]), static_cast<uint64_t>(registers[REG_R9])},
      reinterpret_cast<uint64_t*>(&frame->uc_sigmask)};
  const uint8_t row = call.number >= 0 && call.number < kNumbers ? rows_by_number[call.number] : 0;
  registers[REG_RAX] = row == 0 ? PassThrough(call) : CallRows()[row - 1].handle(call);
}

// Back from a signal handler, as libc would do it.
extern "C" void FencepostIoReturn();
asm(".text\n.hidden FencepostIoReturn\nFencepostIoReturn:\n  mov $15, %eax\n  syscall\n");

void InstallHandler() {
  HandleSignal(SIGSYS, OnTrap);
  Raw(SYS_rt_sigprocmask, SIG_UNBLOCK, &kSigsysBit, nullptr, sizeof kSigsysBit);
}

const char* FindVariable(char** environment, const char* name) {
  for (; *environment != nullptr; ++environment) {
    const char* at = *environment;
    const char* wanted = name;
    while (*wanted != 0 && *at == *wanted) {
      ++at;
      ++wanted;
    }
    if (*wanted == 0 && *at == '=') return at + 1;
  }
  return nullptr;
}

void MapShared(const char* folder, const char* name, uint64_t address) {
  char path[2 * kPathBytes];
  char* at = AppendText(path, path + sizeof path, folder);
  AppendText(AppendText(at, path + sizeof path, "/"), path + sizeof path, name);
  const OwnDescriptor file(Raw(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
  struct stat status;
  if (!file.ok() || Raw(SYS_fstat, file.get(), &status) != 0) Die("cannot be opened: ", path);
  const long mapped = Raw(SYS_mmap, address, status.st_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, file.get(), 0);
  if (mapped != static_cast<long>(address)) Die("cannot be mapped: ", path);
  Raw(SYS_madvise, address, status.st_size, MADV_DONTDUMP);
}

void Begin(const char* folder) {
  MapShared(folder, "control", kControlAddress);
  MapShared(folder, "trace", kLogAddress);
  MapShared(folder, "shadow", kShadowAddress);
  MapShared(folder, "hashes", kHashesAddress);
  if (Shared().magic != kControlMagic) Die("not a folder of this version: ", folder);
  const std::span<const CallRow> rows = CallRows();
  for (size_t i = 0; i < rows.size(); ++i) {
    rows_by_number[rows[i].number] = static_cast<uint8_t>(i + 1);
  }
  InstallHandler();
  InstallHoleHandler();
  if (!HasFilter() && InstallFilter() != 0) Die("seccomp filters are not to be had here", "");
  ReleaseLockOfDeadProgram();
  const auto process = static_cast<uint32_t>(Raw(SYS_getpid));
  // Of one that had its number before.
  if (Shared().exiting_process == process) Shared().exiting_process = 0;
  const LockHold hold;
  ++Shared().programs;
  ForgetExecution(process);
  ForgetMappingsOf(process);
  is_recording = true;
}

__attribute__((constructor)) void Start(int, char**, char** environment) {
  const char* const folder = FindVariable(environment, kFolderVariable);
  if (folder == nullptr) return;
  if (!MapGate()) Die("the address of its system calls is taken", "");
  Begin(folder);
}

void MarkOperation(IoEvent::Kind kind, uint64_t id) {
  if (!is_recording) return;
  uint64_t mask = 0;
  Raw(SYS_rt_sigprocmask, SIG_SETMASK, &kAllSignals, &mask, sizeof mask);
  {
    const LockHold hold;
    SampleMapped(Reading::kWhatIsNew);
    Append({.kind = kind, .id = id});
  }
  Raw(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, sizeof mask);
}

}  // namespace

void HandleSignal(int number, SignalHandler handler) {
  struct {
    SignalHandler handler;
    uint64_t flags;
    void (*restorer)();
    uint64_t mask;
  } action = {handler, SA_SIGINFO | SA_NODEFER | 0x04000000 /* SA_RESTORER */, FencepostIoReturn,
              kAllSignals};
  Raw(SYS_rt_sigaction, number, &action, nullptr, sizeof action.mask);
}

}  // namespace fencepost::iorecorder

extern "C" {

__attribute__((visibility("default"))) void fencepost_io_operation_begin(uint64_t id) {
  fencepost::iorecorder::MarkOperation(fencepost::IoEvent::Kind::kOperationBegin, id);
}

__attribute__((visibility("default"))) void fencepost_io_operation_end(uint64_t id) {
  fencepost::iorecorder::MarkOperation(fencepost::IoEvent::Kind::kOperationEnd, id);
}

}  // extern "C"
