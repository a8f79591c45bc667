// SPDX-License-Identifier: BSD-3-Clause
// A seccomp filter in the making: an instruction at a time.
//
// Threads: none. Source: seccomp(2).
#ifndef FENCEPOST_FAULTINJECT_WATCH_CALL_FILTER_PROGRAM_H_
#define FENCEPOST_FAULTINJECT_WATCH_CALL_FILTER_PROGRAM_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engines/status.h"

namespace fencepost {

class CallFilterProgram {
 public:
  static constexpr size_t LowOf(size_t argument) {
    return offsetof(seccomp_data, args) + argument * sizeof(uint64_t);
  }
  static constexpr size_t HighOf(size_t argument) { return LowOf(argument) + sizeof(uint32_t); }

  void Load(size_t offset) {
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  }
  // Goes on to the next instruction if the comparison holds, else skips `skipped` of them.
  void Unless(uint16_t comparison, uint32_t value, uint8_t skipped) {
    Add(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), value, 0, skipped));
  }
  // Skips `skipped` instructions if the comparison holds.
  void If(uint16_t comparison, uint32_t value, uint8_t skipped) {
    Add(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), value, skipped, 0));
  }
  void Mask(uint32_t mask) { Add(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask)); }
  void Allow() { Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)); }
  void Trap() { Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)); }

  // Allows fencepost_unfiltered_call, whatever comes behind.
  void AllowUnfilteredCalls();
  // Traps call `number` if `argument`, its low half, is `value` under `mask`. Loads.
  void TrapIf(uint32_t number, size_t argument, uint32_t mask, uint32_t value);
  // Traps a call one of whose arguments is in [begin, end). REQUIRES: multiples of 2^32. Loads.
  void TrapPointersInto(uint64_t begin, uint64_t end);

  // For the rest of this process's life, and of its children's. kUnsupported where the kernel
  // refuses.
  Status Install();

 private:
  void Add(const sock_filter& instruction) { code_.push_back(instruction); }
  std::vector<sock_filter> code_;
};

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_CALL_FILTER_PROGRAM_H_
