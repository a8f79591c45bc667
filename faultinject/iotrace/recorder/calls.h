// SPDX-License-Identifier: BSD-3-Clause
// The system calls that the recorder handles: one row each says when the filter traps it and what
// is done then.
//
// A handler finds out whether the call is on something traced. If not, PassThrough() makes it as if
// there were no recorder. If so it takes the lock, notes what the call will destroy, makes the call
// by Perform(), and appends what it changed: decide, perform, record.
//
// Invariants: handlers run in a SIGSYS handler with all signals blocked. They use no libc and
// little
//   stack; PassThrough() is never called under the lock.
// Not covered: a thread that is cancelled (pthread_cancel) inside a call that is passed through.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CALLS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CALLS_H_

#include <signal.h>

#include <cstdint>
#include <span>

#include "faultinject/iotrace/recorder/contents.h"

namespace fencepost::iorecorder {

struct Call {
  long number;
  uint64_t args[6];
  uint64_t* program_mask;  // of signals; what the thread gets back when the handler returns

  int fd(int arg) const { return static_cast<int>(args[arg]); }
  uint32_t flags(int arg) const { return static_cast<uint32_t>(args[arg]); }
  const char* text(int arg) const { return reinterpret_cast<const char*>(args[arg]); }
};

// Which calls of a number are trapped.
enum class Trap : unsigned char {
  kAlways,
  kAnyBit,          // those with one of the bits `value` in `arg`
  kPointer,         // `arg` is not 0
  kSharedFile,      // mmap of a file, MAP_SHARED or MAP_SHARED_VALIDATE
  kWindow,          // the address `arg` is in the window
  kWindowWritable,  // and bit PROT_WRITE in argument 2
  kBlocksSignals,   // rt_sigprocmask with a set, but SIG_UNBLOCK
  kClones,          // ioctl that shares or swaps blocks, or allocates them
};

struct CallRow {
  int number;
  Trap trap;
  uint8_t arg;
  uint32_t value;
  long (*handle)(Call& call);
};

std::span<const CallRow> CallRows();

inline constexpr uint64_t kSigsysBit = 1ULL << 30;  // signal 31 in a kernel's set
// What handlers run with.
inline constexpr uint64_t kAllSignals = ~kSigsysBit;

using SignalHandler = void (*)(int number, siginfo_t* info, void* context);
// Without libc; start.cc. With all signals blocked but SIGSYS.
void HandleSignal(int number, SignalHandler handler);

// As the program would have made it: its signals are delivered meanwhile.
long PassThrough(const Call& call);
// On something traced, under the lock: its events follow, unless the fault of the run is its
// answer.
long Perform(const Call& call);
// The same without the lock, for syncs: its end follows.
long PerformUnlocked(const Call& call);

// What is traced and recorded of a descriptor; kNoInode: nothing. REQUIRES: the lock is held.
InodeId FindRecorded(int fd, struct stat* status);

// Handlers, by the file that they are in.
// calls_write.cc
long HandleWrite(Call& call);
long HandleTruncate(Call& call);
long HandleFallocate(Call& call);
// calls_open.cc
long HandleOpen(Call& call);
// calls_names.cc
long HandleRemove(Call& call);
long HandleMake(Call& call);
long HandleLink(Call& call);
long HandleRename(Call& call);
// calls_sync.cc
long HandleFileSync(Call& call);
long HandleSyncAll(Call& call);
long HandleMsync(Call& call);
// calls_map.cc
long HandleMmap(Call& call);
long HandleMunmap(Call& call);
long HandleMremap(Call& call);
long HandleMprotect(Call& call);
// calls_process.cc
// The process has got a program that records, or none. REQUIRES: the lock is held.
void ForgetExecution(uint32_t process);
long HandleExecute(Call& call);
long HandleExit(Call& call);
long HandleSignalMask(Call& call);
long HandleSignalAction(Call& call);
long HandleWaitWithMask(Call& call);
// calls_refused.cc
long HandleRing(Call& call);
long HandleSubmit(Call& call);
long HandleIoctl(Call& call);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_CALLS_H_
