// SPDX-License-Identifier: BSD-3-Clause
#include "harness/book/call_tracer.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include "faultinject/watch/memory_access.h"

namespace fencepost {
namespace {

// getpgid of a process that cannot be: an error, and a mark for who looks.
constexpr uint64_t kMark = 0x7ffffb00;
constexpr uint64_t kStepBit = 0x80;
constexpr uint64_t kPhases = 0x80;
constexpr uint64_t kBlockBytes = 4096;

struct KnownCall {
  long number;
  const char* name;
  int direction;
};

constexpr KnownCall kCalls[] = {
    {SYS_read, "read", -1},
    {SYS_pread64, "pread64", -1},
    {SYS_readv, "readv", -1},
    {SYS_preadv, "preadv", -1},
    {SYS_write, "write", 1},
    {SYS_pwrite64, "pwrite64", 1},
    {SYS_writev, "writev", 1},
    {SYS_pwritev, "pwritev", 1},
    {SYS_fsync, "fsync", 0},
    {SYS_fdatasync, "fdatasync", 0},
    {SYS_msync, "msync", 0},
    {SYS_sync_file_range, "sync_file_range", 0},
    {SYS_futex, "futex", 0},
    {SYS_fcntl, "fcntl", 0},
    {SYS_mmap, "mmap", 0},
    {SYS_munmap, "munmap", 0},
    {SYS_mprotect, "mprotect", 0},
    {SYS_madvise, "madvise", 0},
    {SYS_brk, "brk", 0},
    {SYS_openat, "openat", 0},
    {SYS_close, "close", 0},
    {SYS_fstat, "fstat", 0},
    {SYS_newfstatat, "newfstatat", 0},
    {SYS_lseek, "lseek", 0},
    {SYS_fallocate, "fallocate", 0},
    {SYS_ftruncate, "ftruncate", 0},
    {SYS_fadvise64, "fadvise64", 0},
    {SYS_rename, "rename", 0},
    {SYS_unlink, "unlink", 0},
    {SYS_getpid, "getpid", 0},
    {SYS_gettid, "gettid", 0},
    {SYS_sched_yield, "sched_yield", 0},
    {SYS_clock_nanosleep, "clock_nanosleep", 0},
    {SYS_getrusage, "getrusage", 0},
};

const KnownCall* Known(uint64_t number) {
  for (const KnownCall& call : kCalls) {
    if (static_cast<uint64_t>(call.number) == number) return &call;
  }
  return nullptr;
}

struct Range {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Where files whose path holds `part` are mapped in `pid`; with "", all that is executable.
std::vector<Range> Mappings(pid_t pid, const std::string& part, bool executable) {
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  std::vector<Range> found;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range, rights;
    words >> range >> rights;
    if (executable ? rights[2] != 'x' : line.find(part) == std::string::npos) continue;
    const size_t dash = range.find('-');
    found.push_back({std::stoull(range.substr(0, dash), nullptr, 16),
                     std::stoull(range.substr(dash + 1), nullptr, 16)});
  }
  return found;
}

bool Holds(const std::vector<Range>& ranges, uint64_t address) {
  for (const Range& range : ranges) {
    if (address >= range.begin && address < range.end) return true;
  }
  return false;
}

ucontext_t ContextOf(const user_regs_struct& registers) {
  ucontext_t context{};
  auto& to = context.uc_mcontext.gregs;
  const auto set = [&to](int index, unsigned long long value) {
    to[index] = static_cast<greg_t>(value);
  };
  set(REG_RAX, registers.rax), set(REG_RBX, registers.rbx), set(REG_RCX, registers.rcx);
  set(REG_RDX, registers.rdx), set(REG_RSI, registers.rsi), set(REG_RDI, registers.rdi);
  set(REG_RBP, registers.rbp), set(REG_RSP, registers.rsp), set(REG_RIP, registers.rip);
  set(REG_R8, registers.r8), set(REG_R9, registers.r9), set(REG_R10, registers.r10);
  set(REG_R11, registers.r11), set(REG_R12, registers.r12), set(REG_R13, registers.r13);
  set(REG_R14, registers.r14), set(REG_R15, registers.r15), set(REG_EFL, registers.eflags);
  return context;
}

class Tracer {
 public:
  Tracer(pid_t child, std::string watched) : child_(child), watched_(std::move(watched)) {}

  Result<std::map<unsigned, TracedPhase>> Run();

 private:
  void Stopped(pid_t thread, int status);
  void AtCall(pid_t thread);
  void Entered(pid_t thread, const __ptrace_syscall_info& info);
  void Left(pid_t thread, const __ptrace_syscall_info& info);
  void AtStep(pid_t thread);
  void Touch(uint64_t address, uint64_t bytes, bool reads, bool writes);
  void EndEpisode();
  void Continue(pid_t thread, int signal) {
    ptrace(thread == stepping_ ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, thread, nullptr,
           reinterpret_cast<void*>(static_cast<intptr_t>(signal)));
  }

  const pid_t child_;
  const std::string watched_;
  std::map<unsigned, TracedPhase> phases_;
  unsigned phase_ = 0;
  pid_t stepping_ = 0;
  std::vector<Range> watched_ranges_;
  std::vector<Range> code_here_;
  std::set<uint64_t> lines_read_, lines_written_;  // of this episode of steps
  struct PendingCall {
    unsigned phase = 0;
    uint64_t number = 0;
    uint64_t offset = 0;  // of a write that says where
  };
  std::map<pid_t, PendingCall> pending_;
};

void Tracer::EndEpisode() {
  phases_[phase_].lines_read += lines_read_.size();
  phases_[phase_].lines_written += lines_written_.size();
  lines_read_.clear();
  lines_written_.clear();
}

void Tracer::Entered(pid_t thread, const __ptrace_syscall_info& info) {
  const uint64_t number = info.entry.nr;
  if (number == SYS_getpgid && (info.entry.args[0] & ~uint64_t{0xff}) == kMark) {
    EndEpisode();
    phase_ = static_cast<unsigned>(info.entry.args[0] & (kPhases - 1));
    stepping_ = 0;
    if ((info.entry.args[0] & kStepBit) != 0) {
      stepping_ = thread;
      watched_ranges_ = watched_.empty() ? std::vector<Range>() : Mappings(thread, watched_, false);
      code_here_ = Mappings(getpid(), "", true);
    }
    pending_[thread] = {0, number, 0};
    return;
  }
  const bool says_where = number == SYS_pwrite64 || number == SYS_pwritev;
  pending_[thread] = {phase_, number, says_where ? info.entry.args[3] : 0};
  CallCount& count = phases_[phase_].calls[CallName(number)];
  ++count.calls;
  count.direction = CallDirection(number);
}

void Tracer::Left(pid_t thread, const __ptrace_syscall_info& info) {
  const auto found = pending_.find(thread);
  if (found == pending_.end()) return;
  const auto [phase, number, offset] = found->second;
  pending_.erase(found);
  CallCount& count = phases_[phase].calls[CallName(number)];
  if (info.exit.is_error != 0) {
    ++count.failed;
  } else if (CallDirection(number) != 0) {
    const auto bytes = static_cast<uint64_t>(info.exit.rval);
    count.bytes += bytes;
    if (bytes > 0 && CallDirection(number) > 0) {
      count.blocks += (offset + bytes - 1) / kBlockBytes - offset / kBlockBytes + 1;
    }
  }
}

void Tracer::AtCall(pid_t thread) {
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, reinterpret_cast<void*>(sizeof(info)), &info) <= 0) {
    return;
  }
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) Entered(thread, info);
  if (info.op == PTRACE_SYSCALL_INFO_EXIT) Left(thread, info);
}

void Tracer::Touch(uint64_t address, uint64_t bytes, bool reads, bool writes) {
  for (uint64_t line = address / 64; line <= (address + bytes - 1) / 64 && bytes > 0; ++line) {
    if (!Holds(watched_ranges_, line * 64)) continue;
    if (reads) lines_read_.insert(line);
    if (writes) lines_written_.insert(line);
  }
}

// Before each instruction. A system call inside of a step is run as part of it: it is seen here by
// its opcode, since PTRACE_SINGLESTEP gives no stop for it.
void Tracer::AtStep(pid_t thread) {
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, thread, nullptr, &registers) != 0) return;
  TracedPhase& phase = phases_[phase_];
  ++phase.instructions;
  if (!Holds(code_here_, registers.rip)) {
    ++phase.unknown_instructions;
    return;
  }
  const auto* code = reinterpret_cast<const unsigned char*>(registers.rip);
  if (code[0] == 0x0f && code[1] == 0x05) {  // SYSCALL
    __ptrace_syscall_info info{};
    info.entry.nr = registers.rax;
    info.entry.args[0] = registers.rdi;
    Entered(thread, info);
    if (stepping_ == thread) pending_.erase(thread);  // how it ends is not seen
    return;
  }
  const InstructionAccesses accesses(ContextOf(registers));
  if (!accesses.known()) {
    ++phase.unknown_instructions;
    return;
  }
  const uint64_t count = accesses.is_repeated_string() ? accesses.repeated_string().count : 1;
  for (const MemoryAccess& access : accesses.accesses()) {
    Touch(access.address, access.bytes * count, access.reads, access.writes);
  }
}

void Tracer::Stopped(pid_t thread, int status) {
  const int signal = WSTOPSIG(status);
  int deliver = 0;
  if (signal == (SIGTRAP | 0x80)) {
    AtCall(thread);
  } else if (signal == SIGTRAP && (status >> 16) == 0) {
    if (thread == stepping_) AtStep(thread);
  } else if (signal != SIGTRAP && signal != SIGSTOP) {
    deliver = signal;
  }
  Continue(thread, deliver);
}

Result<std::map<unsigned, TracedPhase>> Tracer::Run() {
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) {
      if (errno == EINTR) continue;
      return Status::Internal(fmt::format("waitpid: {}", std::strerror(errno)));
    }
    if (WIFSTOPPED(status)) {
      Stopped(thread, status);
    } else if (thread == child_) {
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return Status::Internal(
            WIFEXITED(status)
                ? fmt::format("the traced client ended with {}", WEXITSTATUS(status))
                : fmt::format("the traced client was ended by signal {}", WTERMSIG(status)));
      }
      phases_.erase(0);
      return std::move(phases_);
    }
  }
}

}  // namespace

void MarkPhase(unsigned phase, bool step) {
  syscall(SYS_getpgid, kMark | (phase % kPhases) | (step ? kStepBit : 0));
}

Result<std::map<unsigned, TracedPhase>> TraceCalls(const std::function<int()>& client,
                                                   const std::string& watched) {
  const pid_t child = fork();
  if (child < 0) return Status::IoError(fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) {
    // The exit code says that tracing was refused, and not what the client did.
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(77);
    raise(SIGSTOP);
    _exit(client());
  }
  int status = 0;
  while (waitpid(child, &status, __WALL) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    return Status::Unsupported("ptrace is not permitted here: system calls cannot be counted");
  }
  constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
  if (!WIFSTOPPED(status) ||
      ptrace(PTRACE_SETOPTIONS, child, nullptr, reinterpret_cast<void*>(kOptions)) != 0 ||
      ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) != 0) {
    const int error = errno;
    kill(child, SIGKILL);
    waitpid(child, &status, __WALL);
    return Status::Unsupported(fmt::format("ptrace: {}", std::strerror(error)));
  }
  return Tracer(child, watched).Run();
}

std::string CallName(uint64_t number) {
  const KnownCall* call = Known(number);
  return call != nullptr ? call->name : fmt::format("call_{}", number);
}

int CallDirection(uint64_t number) {
  const KnownCall* call = Known(number);
  return call != nullptr ? call->direction : 0;
}

bool IsSyncCall(const std::string& name) {
  return name == "fsync" || name == "fdatasync" || name == "msync" || name == "sync_file_range";
}

}  // namespace fencepost
