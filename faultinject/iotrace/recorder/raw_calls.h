// SPDX-License-Identifier: BSD-3-Clause
// System calls of the recorder itself: through the gate, a page of code at a fixed address, which
// the seccomp filter lets everything pass that comes from. No libc: the library's constructor runs
// before libc's, and its handler may interrupt any function of libc.
//
// Results are the kernel's: a negative errno where it failed.
// Threads: any. Async-signal-safe.
#ifndef FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_RAW_CALLS_H_
#define FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_RAW_CALLS_H_

#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "faultinject/iotrace/recorder/control.h"

namespace fencepost::iorecorder {

template <typename T>
long AsWord(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else if constexpr (std::is_null_pointer_v<T>) {
    return 0;
  } else {
    return static_cast<long>(value);
  }
}

inline long RawWords(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                     long f = 0) {
  using Gate = long (*)(long, long, long, long, long, long, long);
  return reinterpret_cast<Gate>(kGateAddress)(number, a, b, c, d, e, f);
}

template <typename... Args>
long Raw(long number, Args... args) {
  return RawWords(number, AsWord(args)...);
}

// Maps the gate. False if its place is taken.
bool MapGate();

// Copies from the traced program's memory. False where there is none.
bool CopyFromProgram(void* to, const void* from, size_t bytes);
// With its 0; false where there is none, or none within `bytes`.
bool CopyTextFromProgram(char* to, const char* from, size_t bytes);

size_t TextBytes(const char* text);
bool SameText(const char* a, const char* b);
// Cuts what is too long. Returns where the 0 is.
char* AppendText(char* at, const char* end, const char* text);
char* AppendNumber(char* at, const char* end, uint64_t number);

// Owns a descriptor that the traced program is not to see.
class OwnDescriptor {
 public:
  explicit OwnDescriptor(long fd) : fd_(static_cast<int>(fd)) {}
  OwnDescriptor(const OwnDescriptor&) = delete;
  OwnDescriptor& operator=(const OwnDescriptor&) = delete;
  ~OwnDescriptor() { Close(); }
  void Close() {
    if (fd_ >= 0) Raw(SYS_close, fd_);
    fd_ = -1;
  }
  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }  // a negative errno where it is not ok

 private:
  int fd_;
};

// The same file, open for reading, with a position of its own.
long ReopenForReading(int fd);

// Ends the process after a line on the standard error.
[[noreturn]] void Die(const char* text, const char* detail);

}  // namespace fencepost::iorecorder

#endif  // FENCEPOST_FAULTINJECT_IOTRACE_RECORDER_RAW_CALLS_H_
