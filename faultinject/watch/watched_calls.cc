// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/watched_calls.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "faultinject/watch/watch_state.h"

namespace fencepost {
namespace {

struct TrappedCall {
  int64_t number = 0;
  std::array<uint64_t, 6> arguments{};

  int64_t Pass() const {
    return KernelCall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                      arguments[5]);
  }
  int ImageOf(size_t argument) const {
    return ImageOfDescriptor(static_cast<int>(arguments[argument]));
  }
};

bool AnyInArena(uint64_t vectors, uint64_t count) {
  const auto* const first = reinterpret_cast<const iovec*>(vectors);
  return std::any_of(first, first + count, [](const iovec& part) {
    return InArena(reinterpret_cast<uint64_t>(part.iov_base));
  });
}

int64_t ReadFile(const TrappedCall& call) {
  const int image = call.ImageOf(0);
  const bool positioned = call.number == SYS_pread64;
  if (InArena(call.arguments[1])) {
    watch->TakeAllAsRead();
  } else if (image >= 0) {
    const auto at = positioned ? static_cast<int64_t>(call.arguments[3])
                               : KernelCall(SYS_lseek, call.arguments[0], 0, SEEK_CUR);
    if (at >= 0) {
      const auto begin = static_cast<uint64_t>(at);
      watch->OnFileRead(static_cast<size_t>(image), {begin, begin + call.arguments[2]});
    }
  }
  return call.Pass();
}

int64_t Forbid(const TrappedCall& call, const char* what) {
  watch->OnUnwatchable(what);
  return call.Pass();
}

// How many arguments a call has; what its other registers hold means nothing. All six, unless it is
// one that recoveries make often.
size_t ArgumentsOf(int64_t number) {
  switch (number) {
    case SYS_getpid:
    case SYS_gettid:
    case SYS_sched_yield:
      return 0;
    case SYS_brk:
    case SYS_close:
    case SYS_exit_group:
    case SYS_fdatasync:
    case SYS_fsync:
    case SYS_unlink:
      return 1;
    case SYS_access:
    case SYS_clock_gettime:
    case SYS_flock:
    case SYS_fstat:
    case SYS_ftruncate:
    case SYS_lstat:
    case SYS_munmap:
    case SYS_nanosleep:
    case SYS_pipe2:
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
    case SYS_tgkill:
    case SYS_write:
      return 3;
    case SYS_fallocate:
    case SYS_newfstatat:
    case SYS_openat:
    case SYS_prlimit64:
    case SYS_pwrite64:
    case SYS_wait4:
      return 4;
    default:
      return 6;
  }
}

// A call with a pointer into an image.
int64_t UseOfImage(const TrappedCall& call) {
  const auto* const first = call.arguments.begin();
  if (std::none_of(first, first + ArgumentsOf(call.number), InArena)) return call.Pass();
  switch (call.number) {
    case SYS_msync:
      return call.Pass();
    case SYS_write:
    case SYS_pwrite64:
    case SYS_sendto:
      return watch->WithOpen({call.arguments[1], call.arguments[1] + call.arguments[2]},
                             [&] { return call.Pass(); });
    case SYS_madvise:
      if (call.arguments[2] != MADV_REMOVE) return call.Pass();
      return Forbid(call, "cuts holes into an image");
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_mremap:
      return Forbid(call, "changes the mapping of an image by a raw system call");
    default:
      watch->TakeAllAsRead();
      return call.Pass();
  }
}

int64_t Serve(const TrappedCall& call) {
  switch (call.number) {
    case SYS_read:
    case SYS_pread64:
      return ReadFile(call);
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
      if (call.ImageOf(0) >= 0 || AnyInArena(call.arguments[1], call.arguments[2])) {
        watch->TakeAllAsRead();
      }
      return call.Pass();
    case SYS_sendmsg:
    case SYS_recvmsg:
      watch->TakeAllAsRead();
      return call.Pass();
    case SYS_sendfile:
    case SYS_copy_file_range:
    case SYS_splice:
      for (const size_t argument : {0, 1, 2}) {
        if (call.ImageOf(argument) >= 0) watch->TakeAllAsRead();
      }
      return call.Pass();
    case SYS_mmap:
      if (call.ImageOf(4) < 0) return call.Pass();
      return Forbid(call, "maps an image by a raw system call");
    case SYS_clone:
    case SYS_fork:
      return Forbid(call, "starts a process");
    case SYS_vfork:
    case SYS_execve:
    case SYS_execveat:
      watch->OnUnwatchable("starts another program");
      return -EPERM;
    case SYS_rt_sigaction:
      if (call.arguments[1] == 0) return call.Pass();
      watch->OnUnwatchable("handles SIGSEGV, SIGTRAP or SIGSYS itself");
      return 0;
    case SYS_sigaltstack:
      watch->OnUnwatchable("has a signal stack of its own");
      return 0;
    case SYS_process_vm_readv:
    case SYS_io_uring_setup:
    case SYS_io_setup:
      return Forbid(call, "reads in a way that cannot be watched");
    case SYS_mremap:
      if (!InArena(call.arguments[0])) return call.Pass();
      break;
    default:
      break;
  }
  return UseOfImage(call);
}

// What the watch needs cannot be blocked. The kernel takes the mask from the handler's context.
int64_t ChangeSignalMask(const TrappedCall& call, ucontext_t* context) {
  uint64_t mask = 0, change = 0;
  std::memcpy(&mask, &context->uc_sigmask, sizeof(mask));
  if (call.arguments[2] != 0) {
    std::memcpy(reinterpret_cast<void*>(call.arguments[2]), &mask, sizeof(mask));
  }
  if (call.arguments[1] == 0) return 0;
  std::memcpy(&change, reinterpret_cast<const void*>(call.arguments[1]), sizeof(change));
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
  for (const int signal : {SIGSEGV, SIGTRAP, SIGSYS}) mask &= ~(uint64_t{1} << (signal - 1));
  std::memcpy(&context->uc_sigmask, &mask, sizeof(mask));
  return 0;
}

}  // namespace

void HandleTrappedCall(int /*number*/, siginfo_t* info, void* raw) {
  const int error = errno;
  auto* const context = static_cast<ucontext_t*>(raw);
  auto& registers = context->uc_mcontext.gregs;
  TrappedCall call{.number = info->si_syscall};
  constexpr int kArguments[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    call.arguments[i] = static_cast<uint64_t>(registers[kArguments[i]]);
  }
  int64_t result = 0;
  if (call.number == SYS_rt_sigprocmask) {
    result = ChangeSignalMask(call, context);
  } else {
    result = watch->on() ? Serve(call) : call.Pass();
  }
  registers[REG_RAX] = result;
  errno = error;
}

}  // namespace fencepost
