// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "faultinject/iotrace/recorder/calls.h"

namespace fencepost::iorecorder {
namespace {

// prctl() of this fails with another error where the filter is not there.
constexpr uint32_t kAreYouThere = 0x464e4350;
constexpr uint32_t kIAm = EUCLEAN;

constexpr uint32_t kX32Bit = 0x40000000;
constexpr uint32_t kXfsZeroRange = 0x40305839;
constexpr uint32_t kXfsAllocate = 0x40305828;  // XFS_IOC_RESVSP64
constexpr uint32_t kXfsFree = 0x4030582b;      // XFS_IOC_UNRESVSP64
constexpr uint32_t kExt4MoveExtents = 0xc028660f;
constexpr uint32_t kTrappedIoctls[] = {FICLONE,         FICLONERANGE,      FIDEDUPERANGE,
                                       FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, kXfsZeroRange,
                                       kXfsAllocate,    kXfsFree,          kExt4MoveExtents};
constexpr uint32_t kIoctls = sizeof kTrappedIoctls / sizeof kTrappedIoctls[0];

constexpr int kInstructionsMax = 512;

class Program {
 public:
  void Add(int code, uint32_t k, int if_true = 0, int if_false = 0) {
    code_[count_++] = {static_cast<uint16_t>(code), static_cast<uint8_t>(if_true),
                       static_cast<uint8_t>(if_false), k};
  }
  void Load(size_t offset) { Add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  void LoadLow(int arg) { Load(offsetof(seccomp_data, args) + 8 * static_cast<size_t>(arg)); }
  void LoadHigh(int arg) { Load(offsetof(seccomp_data, args) + 8 * static_cast<size_t>(arg) + 4); }
  void Allow() { Add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW); }
  void AllowUnlessAnyBit(uint32_t bits) {
    Add(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0);
    Allow();
  }
  void AllowIf(uint32_t value) {
    Add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    Allow();
  }
  void AllowUnlessInWindow(int arg) {
    LoadHigh(arg);
    Add(BPF_JMP | BPF_JGE | BPF_K, kWindowBegin >> 32, 1, 0);
    Allow();
    Add(BPF_JMP | BPF_JGE | BPF_K, kWindowEnd >> 32, 0, 1);
    Allow();
  }

  int count() const { return count_; }
  sock_filter* code() { return code_; }

 private:
  sock_filter code_[kInstructionsMax];
  int count_ = 0;
};

void AddCondition(const CallRow& row, Program* program) {
  switch (row.trap) {
    case Trap::kAlways:
      return;
    case Trap::kAnyBit:
      program->LoadLow(row.arg);
      return program->AllowUnlessAnyBit(row.value);
    case Trap::kPointer:
      program->LoadLow(row.arg);
      program->Add(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
      program->LoadHigh(row.arg);
      return program->AllowIf(0);  // three instructions with the load
    case Trap::kSharedFile:
      program->LoadLow(3);
      program->AllowUnlessAnyBit(MAP_SHARED);  // MAP_SHARED_VALIDATE has its bit
      program->Add(BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 0, 1);
      return program->Allow();
    case Trap::kWindow:
      return program->AllowUnlessInWindow(row.arg);
    case Trap::kWindowWritable:
      program->LoadLow(2);
      program->AllowUnlessAnyBit(PROT_WRITE);
      return program->AllowUnlessInWindow(row.arg);
    case Trap::kBlocksSignals:
      program->LoadLow(0);
      return program->AllowIf(SIG_UNBLOCK);
    case Trap::kClones:
      program->LoadLow(row.arg);
      for (uint32_t left = kIoctls; left > 0; --left) {
        // A match jumps over what is left of the list and the Allow() behind it.
        program->Add(BPF_JMP | BPF_JEQ | BPF_K, kTrappedIoctls[kIoctls - left],
                     static_cast<int>(left), 0);
      }
      return program->Allow();
  }
}

// Traps what is not from the gate; one instruction of the gate makes the call, so the address
// behind it is in the gate's page.
void AddGateCheck(Program* program) {
  program->Load(offsetof(seccomp_data, instruction_pointer) + 4);
  program->Add(BPF_JMP | BPF_JEQ | BPF_K, kGateAddress >> 32, 0, 4);
  program->Load(offsetof(seccomp_data, instruction_pointer));
  program->Add(BPF_ALU | BPF_AND | BPF_K, 0xfffff000);
  program->Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(kGateAddress), 0, 1);
  program->Allow();
  program->Add(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
}

void Build(Program* program) {
  program->Load(offsetof(seccomp_data, arch));
  program->Add(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  program->Add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  program->Load(offsetof(seccomp_data, nr));
  program->Add(BPF_JMP | BPF_JSET | BPF_K, kX32Bit, 0, 1);
  program->Add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  program->Add(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 4);
  program->LoadLow(0);
  program->Add(BPF_JMP | BPF_JEQ | BPF_K, kAreYouThere, 0, 1);
  program->Add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | kIAm);
  program->Allow();
  for (const CallRow& row : CallRows()) {
    const int test = program->count();
    program->Add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(row.number));
    AddCondition(row, program);
    AddGateCheck(program);
    program->code()[test].jf = static_cast<uint8_t>(program->count() - test - 1);
  }
  program->Allow();
}

}  // namespace

bool HasFilter() { return Raw(SYS_prctl, kAreYouThere, 0, 0, 0, 0) == -static_cast<long>(kIAm); }

long InstallFilter() {
  static Program program;
  Build(&program);
  const sock_fprog form = {static_cast<unsigned short>(program.count()), program.code()};
  const long result = Raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return result != 0 ? result : Raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &form);
}

}  // namespace fencepost::iorecorder
