// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/iotrace/recorder/raw_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

namespace fencepost::iorecorder {
namespace {

// Called as RawWords() is: its arguments, moved to where the kernel wants them.
constexpr unsigned char kGateCode[] = {
    0x48, 0x89, 0xf8,              // mov %rdi, %rax
    0x48, 0x89, 0xf7,              // mov %rsi, %rdi
    0x48, 0x89, 0xd6,              // mov %rdx, %rsi
    0x48, 0x89, 0xca,              // mov %rcx, %rdx
    0x4d, 0x89, 0xc2,              // mov %r8, %r10
    0x4d, 0x89, 0xc8,              // mov %r9, %r8
    0x4c, 0x8b, 0x4c, 0x24, 0x08,  // mov 8(%rsp), %r9
    0x0f, 0x05,                    // syscall
    0xc3,                          // ret
};

constexpr uint64_t kGateBytes = 4096;

// Before there is a gate. None of these calls is one that the filter traps.
long DirectCall(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace

bool MapGate() {
  const long page =
      DirectCall(SYS_mmap, static_cast<long>(kGateAddress), kGateBytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page != static_cast<long>(kGateAddress)) return false;
  auto* code = reinterpret_cast<unsigned char*>(page);
  for (size_t i = 0; i < sizeof kGateCode; ++i) code[i] = kGateCode[i];
  return DirectCall(SYS_mprotect, page, kGateBytes, PROT_READ | PROT_EXEC, 0, 0, 0) == 0;
}

bool CopyFromProgram(void* to, const void* from, size_t bytes) {
  const iovec local = {to, bytes};
  const iovec remote = {const_cast<void*>(from), bytes};
  const long copied = Raw(SYS_process_vm_readv, Raw(SYS_getpid), &local, 1L, &remote, 1L, 0L);
  if (copied == -EPERM || copied == -ENOSYS) {  // a container may forbid it
    __builtin_memcpy(to, from, bytes);
    return true;
  }
  return copied == static_cast<long>(bytes);
}

bool CopyTextFromProgram(char* to, const char* from, size_t bytes) {
  constexpr size_t kPageBytes = 4096;
  for (size_t done = 0; done < bytes;) {
    const auto address = reinterpret_cast<uintptr_t>(from + done);
    size_t part = kPageBytes - address % kPageBytes;
    if (part > bytes - done) part = bytes - done;
    // Most names are short: not a whole page for each.
    if (part > kNameBytes) part = kNameBytes;
    if (!CopyFromProgram(to + done, from + done, part)) return false;
    for (size_t i = done; i < done + part; ++i) {
      if (to[i] == 0) return true;
    }
    done += part;
  }
  return false;
}

size_t TextBytes(const char* text) {
  size_t bytes = 0;
  while (text[bytes] != 0) ++bytes;
  return bytes;
}

bool SameText(const char* a, const char* b) {
  for (; *a == *b; ++a, ++b) {
    if (*a == 0) return true;
  }
  return false;
}

char* AppendText(char* at, const char* end, const char* text) {
  while (*text != 0 && at + 1 < end) *at++ = *text++;
  *at = 0;
  return at;
}

char* AppendNumber(char* at, const char* end, uint64_t number) {
  char digits[24];
  char* first = digits + sizeof digits - 1;
  *first = 0;
  do {
    *--first = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  return AppendText(at, end, first);
}

long ReopenForReading(int fd) {
  char path[40];
  char* at = AppendText(path, path + sizeof path, "/proc/self/fd/");
  AppendNumber(at, path + sizeof path, static_cast<uint64_t>(fd));
  const long quiet = Raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOATIME, 0);
  // Only a file's owner may ask for O_NOATIME.
  return quiet != -EPERM ? quiet : Raw(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
}

void Die(const char* text, const char* detail) {
  char line[512];
  char* at = AppendText(line, line + sizeof line - 1, "fencepost: I/O recorder: ");
  at = AppendText(at, line + sizeof line - 1, text);
  at = AppendText(at, line + sizeof line - 1, detail);
  *at++ = '\n';
  Raw(SYS_write, 2, line, at - line);
  for (;;) Raw(SYS_exit_group, 126);
}

}  // namespace fencepost::iorecorder
