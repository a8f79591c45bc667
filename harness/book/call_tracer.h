// SPDX-License-Identifier: BSD-3-Clause
// CallTracer: counts the system calls of a forked client, by name, between its own marks; and,
// where a mark asks for it, the 64-byte lines of a mapped file that the client's instructions
// touch.
//
// The client is a function that runs in a child of this process (forked, not executed, so that code
// lies at the same addresses here and there). It says where a phase begins and ends with
// MarkPhase(), a system call that does nothing else. All its threads are traced.
//
// Invariants:
//   1. A call belongs to the phase that was in force when it was entered; a mark is not counted.
//   2. In a phase of steps the marking thread runs one instruction at a time; the others stand as
//      they are scheduled, and only their calls are counted.
// Threads: none here; the tracer must be the thread that forked. The client may have any.
// Not covered: what the kernel does without a call (page faults: see getrusage; io_uring's queues);
//   instructions that the decoder does not know (counted as such: unknown_instructions).
// Source: ptrace(2); PTRACE_GET_SYSCALL_INFO.
#ifndef FENCEPOST_HARNESS_BOOK_CALL_TRACER_H_
#define FENCEPOST_HARNESS_BOOK_CALL_TRACER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engines/status.h"

namespace fencepost {

struct CallCount {
  uint64_t calls = 0;
  uint64_t failed = 0;
  uint64_t bytes = 0;   // what read and write calls moved
  uint64_t blocks = 0;  // of 4 KiB that write calls touched; without an offset, the fewest
  int direction = 0;    // -1: from the kernel, 1: to the kernel, 0: neither
};

struct TracedPhase {
  std::map<std::string, CallCount> calls;  // by the name of the call
  // Of a phase of steps:
  uint64_t instructions = 0;
  uint64_t unknown_instructions = 0;
  uint64_t lines_read = 0;     // distinct 64-byte lines of the watched file, each episode anew
  uint64_t lines_written = 0;  // the same
};

// For the client: from here on calls belong to `phase` (0: to none), until the next mark. `step`:
// one instruction at a time. Without a tracer it does nothing.
void MarkPhase(unsigned phase, bool step = false);

// Runs `client` in a child and gives what it did by phase. `watched`: a part of the path of the
// file whose lines are counted; "": none. kUnsupported where ptrace is not permitted; kInternal if
// the client does not end with 0.
Result<std::map<unsigned, TracedPhase>> TraceCalls(const std::function<int()>& client,
                                                   const std::string& watched);

// "pread64", or "call_500" for one that has no name here.
std::string CallName(uint64_t number);
// Whether it hands bytes to the kernel (+1), takes them from it (-1), or neither (0).
int CallDirection(uint64_t number);
bool IsSyncCall(const std::string& name);

}  // namespace fencepost

#endif  // FENCEPOST_HARNESS_BOOK_CALL_TRACER_H_
