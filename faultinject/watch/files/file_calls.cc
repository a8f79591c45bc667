// SPDX-License-Identifier: BSD-3-Clause
// What each system call asks of the files that it is given.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "faultinject/watch/call_filter.h"
#include "faultinject/watch/files/call_table.h"
#include "faultinject/watch/files/file_watch_state.h"

namespace fencepost {
namespace {

struct TrappedFileCall {
  int64_t number = 0;
  std::array<uint64_t, 6> arguments{};

  int64_t Pass() const {
    return KernelCall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                      arguments[5]);
  }
  int descriptor(size_t argument) const { return static_cast<int>(arguments[argument]); }
};

int64_t Refuse(const TrappedFileCall& call, const char* what) {
  file_watch->OnUnwatchable(what);
  return call.Pass();
}

// --- by path ------------------------------------------------------------------------------------

WalkedPath WalkOf(const TrappedFileCall& call, const PathCall& where) {
  const int directory =
      where.directory < 0 ? AT_FDCWD : call.descriptor(static_cast<size_t>(where.directory));
  return WalkPath(directory,
                  reinterpret_cast<const char*>(call.arguments[static_cast<size_t>(where.path)]));
}

bool ServePaths(const TrappedFileCall& call) {
  if (const PathCall* const remove = FindRemoveCall(call.number)) {
    const WalkedPath walked = WalkOf(call, *remove);
    if (walked.file && walked.is_directory) file_watch->OnListing(*walked.file);
    return true;
  }
  const PathCall* const where = FindPathCall(call.number);
  if (where == nullptr) return false;
  const WalkedPath walked = WalkOf(call, *where);
  if (where->tells && walked.file) file_watch->OnStat(*walked.file);
  const auto* const path =
      reinterpret_cast<const char*>(call.arguments[static_cast<size_t>(where->path)]);
  if (where->tells && where->directory >= 0 && (path == nullptr || path[0] == '\0')) {
    // AT_EMPTY_PATH: of the descriptor itself.
    if (const auto file = file_watch->FindDescriptor(call.descriptor(0))) {
      file_watch->OnStat(*file);
    }
  }
  if (const PathCall* const second = FindSecondPath(call.number)) {
    const WalkedPath replaced = WalkOf(call, *second);
    if (replaced.file && replaced.is_directory) file_watch->OnListing(*replaced.file);
  }
  return true;
}

// --- by descriptor ------------------------------------------------------------------------------

void OpenVector(uint64_t vector, uint64_t count) {
  const auto* const first = reinterpret_cast<const iovec*>(vector);
  for (uint64_t i = 0; first != nullptr && i < count; ++i) {
    const auto base = reinterpret_cast<uint64_t>(first[i].iov_base);
    if (InFileArena(base)) file_watch->Open(base, base + first[i].iov_len);
  }
}

uint64_t BytesOf(uint64_t vector, uint64_t count) {
  const auto* const first = reinterpret_cast<const iovec*>(vector);
  uint64_t bytes = 0;
  for (uint64_t i = 0; first != nullptr && i < count; ++i) bytes += first[i].iov_len;
  return bytes;
}

// At the descriptor's position, which no other such call changes meanwhile.
int64_t ReadAtPosition(const TrappedFileCall& call, uint32_t file, size_t source, uint64_t bytes) {
  const SpinLock lock(&file_watch->position_lock);
  if (!lock.held()) file_watch->OnUnwatchable("ends a thread in the middle of a call");
  const int64_t at = KernelCall(SYS_lseek, call.arguments[source], 0, SEEK_CUR);
  if (at < 0) return call.Pass();
  const auto begin = static_cast<uint64_t>(at);
  file_watch->OnBytes(file, begin, begin + bytes);
  return call.Pass();
}

int64_t ServeRead(const TrappedFileCall& call) {
  const auto file = file_watch->FindDescriptor(call.descriptor(0));
  const bool vector = call.number != SYS_read && call.number != SYS_pread64;
  if (vector) OpenVector(call.arguments[1], call.arguments[2]);
  if (!file) return call.Pass();
  const uint64_t bytes = vector ? BytesOf(call.arguments[1], call.arguments[2]) : call.arguments[2];
  const bool positioned = call.number == SYS_pread64 || call.number == SYS_preadv ||
                          (call.number == SYS_preadv2 && ~call.arguments[3] != 0);
  if (!positioned) return ReadAtPosition(call, *file, 0, bytes);
  file_watch->OnBytes(*file, call.arguments[3], call.arguments[3] + bytes);
  return call.Pass();
}

// From descriptor `source` to somewhere; `offset` is an argument that points to where, or null.
int64_t ServeCopy(const TrappedFileCall& call, size_t source, size_t offset, size_t count) {
  const auto file = file_watch->FindDescriptor(call.descriptor(source));
  if (!file) return call.Pass();
  if (call.arguments[offset] == 0) {
    return ReadAtPosition(call, *file, source, call.arguments[count]);
  }
  const uint64_t begin = *reinterpret_cast<const uint64_t*>(call.arguments[offset]);
  file_watch->OnBytes(*file, begin, begin + call.arguments[count]);
  return call.Pass();
}

int64_t ServeSeek(const TrappedFileCall& call) {
  const auto file = file_watch->FindDescriptor(call.descriptor(0));
  const SpinLock lock(&file_watch->position_lock);
  if (!file) return call.Pass();
  switch (call.arguments[2]) {
    case SEEK_SET:
      break;
    case SEEK_CUR: {
      // Behind what was appended is the end.
      const int64_t flags = KernelCall(SYS_fcntl, call.arguments[0], F_GETFL);
      if (flags < 0 || (flags & O_APPEND) != 0) file_watch->OnStat(*file);
      break;
    }
    case SEEK_DATA:
    case SEEK_HOLE:
      file_watch->OnBytes(*file, 0, UINT64_MAX);
      [[fallthrough]];
    default:
      file_watch->OnStat(*file);
  }
  return call.Pass();
}

int64_t ServeControl(const TrappedFileCall& call) {
  const auto command = static_cast<uint32_t>(call.arguments[1]);
  if (command == FICLONE || command == FICLONERANGE || command == FIDEDUPERANGE) {
    return Refuse(call, "clones files");
  }
  switch (command) {
    case TCGETS:
    case FIONBIO:
    case FIOASYNC:
    case FIOCLEX:
    case FIONCLEX:
    case FS_IOC_GETVERSION:
    case FS_IOC_GETFLAGS:
    case FS_IOC_SETFLAGS:
      return call.Pass();
    default:
      break;
  }
  if (!file_watch->FindDescriptor(call.descriptor(0))) return call.Pass();
  return Refuse(call, "asks the file system by ioctl");
}

void NoteStat(const TrappedFileCall& call) {
  if (const auto file = file_watch->FindDescriptor(call.descriptor(0))) file_watch->OnStat(*file);
}

// --- by address ---------------------------------------------------------------------------------

// A pointer into a mapping of a watched file: the kernel must find the pages open.
void OpenForCall(const TrappedFileCall& call) {
  switch (call.number) {
    case SYS_msync:
    case SYS_munmap:
    case SYS_madvise:
      return;
    case SYS_read:
    case SYS_pread64:
    case SYS_write:
    case SYS_pwrite64:
    case SYS_sendto:
      return file_watch->Open(call.arguments[1], call.arguments[1] + call.arguments[2]);
    default:
      for (size_t i = 0; i < ArgumentsOf(call.number); ++i) {
        const uint64_t argument = call.arguments[i];
        if (InFileArena(argument)) file_watch->OpenWholeMappings(argument, argument + 1);
      }
  }
}

int64_t ServeMappings(const TrappedFileCall& call) {
  const uint64_t begin = call.arguments[0];
  const uint64_t end = begin + call.arguments[1];
  switch (call.number) {
    case SYS_munmap: {
      // All of it, or what is left can no longer be told by its mapping.
      const uint64_t whole_end = (end + kPageBytes - 1) / kPageBytes * kPageBytes;
      file_watch->Forget(begin, whole_end);
      file_watch->OpenWholeMappings(begin, whole_end);
      return call.Pass();
    }
    case SYS_mprotect:
      file_watch->OnUnwatchable("changes the protection of a file that it has mapped");
      return call.Pass();
    default:  // mremap
      file_watch->OnUnwatchable("moves a file that it has mapped");
      return call.Pass();
  }
}

// --- what the watch itself needs ----------------------------------------------------------------

constexpr uint64_t kOurSignals = uint64_t{1} << (SIGSYS - 1) | uint64_t{1} << (SIGSEGV - 1);

// The kernel takes the mask from the handler's context.
int64_t ChangeMask(const TrappedFileCall& call, ucontext_t* context) {
  uint64_t mask = 0, change = 0;
  std::memcpy(&mask, &context->uc_sigmask, sizeof(mask));
  if (call.arguments[1] != 0) {
    std::memcpy(&change, reinterpret_cast<const void*>(call.arguments[1]), sizeof(change));
  }
  if (call.arguments[2] != 0) {
    std::memcpy(reinterpret_cast<void*>(call.arguments[2]), &mask, sizeof(mask));
  }
  if (call.arguments[1] == 0) return 0;
  switch (static_cast<int>(call.arguments[0])) {
    case SIG_BLOCK:
      mask |= change;
      break;
    case SIG_UNBLOCK:
      mask &= ~change;
      break;
    case SIG_SETMASK:
      mask = change;
      break;
    default:
      return -EINVAL;
  }
  mask &= ~kOurSignals;
  std::memcpy(&context->uc_sigmask, &mask, sizeof(mask));
  return 0;
}

// Other signals' handlers must not block ours.
int64_t ChangeAction(const TrappedFileCall& call) {
  const auto number = static_cast<int>(call.arguments[0]);
  if (call.arguments[1] == 0) return call.Pass();
  if (number == SIGSYS || number == SIGSEGV) {
    file_watch->OnUnwatchable("handles SIGSEGV or SIGSYS itself");
    return 0;
  }
  struct {
    uint64_t handler, flags, restorer, mask;
  } action;  // the kernel's own struct sigaction
  std::memcpy(&action, reinterpret_cast<const void*>(call.arguments[1]), sizeof(action));
  action.mask &= ~kOurSignals;
  TrappedFileCall changed = call;
  changed.arguments[1] = reinterpret_cast<uint64_t>(&action);
  return changed.Pass();
}

int64_t Serve(const TrappedFileCall& call) {
  bool in_arena = false;
  for (const uint64_t argument : call.arguments) in_arena |= InFileArena(argument);
  const bool on_mapping =
      call.number == SYS_munmap || call.number == SYS_mprotect || call.number == SYS_mremap;
  if (on_mapping) return InFileArena(call.arguments[0]) ? ServeMappings(call) : call.Pass();
  if (in_arena) OpenForCall(call);
  if (ServePaths(call)) return call.Pass();
  switch (call.number) {
    case SYS_read:
    case SYS_pread64:
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
      return ServeRead(call);
    case SYS_fstat:
      NoteStat(call);
      return call.Pass();
    case SYS_fallocate:
      if ((call.arguments[1] & ~uint64_t{FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE}) != 0) {
        NoteStat(call);
      }
      return call.Pass();
    case SYS_lseek:
      return ServeSeek(call);
    case SYS_getdents:
    case SYS_getdents64:
      if (const auto file = file_watch->FindDescriptor(call.descriptor(0))) {
        file_watch->OnListing(*file);
      }
      return call.Pass();
    case SYS_mmap:
      if (const auto file = file_watch->FindDescriptor(call.descriptor(4))) {
        return file_watch->Map(*file, call.arguments);
      }
      return call.Pass();
    case SYS_sendfile:
      return ServeCopy(call, 1, 2, 3);
    case SYS_splice:
    case SYS_copy_file_range:
      return ServeCopy(call, 0, 1, 4);
    case SYS_ioctl:
      return ServeControl(call);
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_vmsplice:
      OpenVector(call.arguments[1], call.arguments[2]);
      return call.Pass();
    case SYS_sendmsg:
    case SYS_recvmsg:
    case SYS_sendmmsg:
    case SYS_recvmmsg:
      file_watch->OpenAllMappings();
      return call.Pass();
    case SYS_execve:
    case SYS_execveat:
      file_watch->OnUnwatchable("starts another program");
      return -EPERM;
    case SYS_io_uring_setup:
    case SYS_io_setup:
      return -ENOSYS;  // programs do without
    case SYS_io_uring_enter:
    case SYS_io_submit:
      return Refuse(call, "reads by a ring that it had before");
    case SYS_process_vm_readv:
    case SYS_process_vm_writev:
      return Refuse(call, "reads the memory of processes");
    case SYS_open_by_handle_at:
    case SYS_name_to_handle_at:
      return Refuse(call, "opens files by handle");
    case SYS_inotify_add_watch:
    case SYS_fanotify_mark:
      return Refuse(call, "watches files itself");
    case SYS_remap_file_pages:
      return Refuse(call, "remaps the pages of a file");
    case SYS_chroot:
    case SYS_uselib:
      return Refuse(call, "changes what its paths mean");
    default:
      if (call.number < kFirstUnknownCall) return call.Pass();
      return Refuse(call, "makes a system call that is not known here");
  }
}

}  // namespace

void HandleFileCall(int /*number*/, siginfo_t* info, void* raw) {
  const int error = errno;
  auto* const context = static_cast<ucontext_t*>(raw);
  auto& registers = context->uc_mcontext.gregs;
  TrappedFileCall call{.number = info->si_syscall};
  constexpr int kArguments[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    call.arguments[i] = static_cast<uint64_t>(registers[kArguments[i]]);
  }
  int64_t result = 0;
  if (info->si_arch != AUDIT_ARCH_X86_64) {
    if (file_watch->on()) file_watch->OnUnwatchable("makes system calls as on another processor");
    result = -ENOSYS;
  } else if (call.number == SYS_rt_sigprocmask) {
    result = ChangeMask(call, context);
  } else if (call.number == SYS_rt_sigaction) {
    result = ChangeAction(call);
  } else {
    result = file_watch->on() ? Serve(call) : call.Pass();
  }
  registers[REG_RAX] = result;
  errno = error;
}

}  // namespace fencepost
