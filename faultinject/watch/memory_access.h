// SPDX-License-Identifier: BSD-3-Clause
// MemoryAccess: which bytes an x86-64 instruction reads and writes, given the registers.
//
// Where that cannot be said (gathers, instructions that the decoder does not know), it is not
// guessed: Known() is false.
// Threads: any. Async-signal-safe.
// Source: the decoder is Zydis.
#ifndef FENCEPOST_FAULTINJECT_WATCH_MEMORY_ACCESS_H_
#define FENCEPOST_FAULTINJECT_WATCH_MEMORY_ACCESS_H_

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fencepost {

struct MemoryAccess {
  uint64_t address = 0;
  uint64_t bytes = 0;
  bool reads = false;   // perhaps
  bool writes = false;  // surely, all of it
};

// MOVS or STOS with a REP prefix, forwards: what would fault once an element can be done at once.
struct RepeatedString {
  bool copies = false;         // MOVS; else STOS
  uint64_t element_bytes = 0;  // 1, 2, 4 or 8
  uint64_t count = 0;
};

class InstructionAccesses {
 public:
  // Of the instruction at which `context` stands. REQUIRES: its code can be read.
  explicit InstructionAccesses(const ucontext_t& context);

  bool known() const { return known_; }
  // REQUIRES: known.
  std::span<const MemoryAccess> accesses() const { return {accesses_.data(), count_}; }
  size_t instruction_bytes() const { return instruction_bytes_; }
  bool is_repeated_string() const { return repeated_.element_bytes != 0; }
  const RepeatedString& repeated_string() const { return repeated_; }

 private:
  static constexpr size_t kMostAccesses = 8;

  std::array<MemoryAccess, kMostAccesses> accesses_;
  size_t count_ = 0;
  size_t instruction_bytes_ = 0;
  RepeatedString repeated_;
  bool known_ = false;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_MEMORY_ACCESS_H_
