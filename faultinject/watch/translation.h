// SPDX-License-Identifier: BSD-3-Clause
// Translation: one instruction of the program, in a form that can be executed on registers that are
// kept in memory, with its memory operand at another address.
//
// What an instruction computes is left to the processor: its own bytes are executed, with the
// operand in memory replaced by one at [a register that it does not use]. Around them, the
// registers and flags that it uses come from a Machine and go back to it. Only what steers the
// program counter or the stack pointer is carried out in C++ (Emulator).
//
// Threads: none. Async-signal-safe.
// Source: the decoder is Zydis; encodings from Intel's SDM, volume 2, chapter 2.
#ifndef FENCEPOST_FAULTINJECT_WATCH_TRANSLATION_H_
#define FENCEPOST_FAULTINJECT_WATCH_TRANSLATION_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace fencepost {

// The program's registers, numbered as instructions number them: RAX, RCX, RDX, RBX, RSP, ...
struct Machine {
  static constexpr int kResult = 0, kCount = 1, kStackPointer = 4, kFramePointer = 5, kSource = 6,
                       kDestination = 7;

  std::array<uint64_t, 16> registers{};
  uint64_t flags = 0;
  uint64_t operand = 0;  // where the memory operand of the instruction that is executed is
};

struct Translation {
  enum class Kind : unsigned char {
    kNative,  // not translated: the processor must execute it where it stands
    kSkip,    // does nothing that anybody could see
    kRun,
    kAddress,  // LEA
    kPush,
    kPop,
    kCall,
    kReturn,
    kJump,
    kBranch,  // a jump under a condition
    kLeave,
    kString,  // MOVS or STOS with REP
  };
  // base + index * scale + displacement, and the thread's base if it is one of its variables.
  struct Address {
    int8_t base = -1, index = -1;  // registers; -1: none
    uint8_t scale = 1;
    bool of_thread = false;
    int64_t displacement = 0;
  };

  uint64_t at = 0;                     // where the instruction stands; 0: no translation
  std::array<uint8_t, 16> original{};  // its bytes, for they may change
  uint8_t bytes = 0;                   // how many
  Kind kind = Kind::kNative;
  bool in_memory = false;       // has an operand at `address`
  bool uses_vectors = false;    // or masks, or MXCSR
  bool reads = false;           // kString: it is a copy; else: its operand in memory, perhaps
  bool writes = false;          // the whole of it, surely
  bool may_write = false;       // some of it, perhaps
  uint8_t condition = 0;        // kBranch: as in the instruction
  int8_t register_number = -1;  // kPush, kPop, kCall, kJump, kAddress; -1: none
  uint16_t operand_bytes = 0;   // of the operand in memory; kAddress: of its result; kString: of
                                // an element
  Address address = {};
  // kPush: what is pushed; kCall, kJump, kBranch: the target, if it is no operand; kReturn: what is
  // taken from the stack besides.
  uint64_t immediate = 0;

  // Whether the instruction that stands there is the one that was translated.
  bool IsStillAt(uint64_t place) const;
};

// The most code that a translation takes.
inline constexpr size_t kTranslatedBytes = 192;

// Translates the instruction at `at` to `code`, which is within 2 GiB of `machine`. kNative if it
// is one that is not known, or needs the processor's own state.
Translation Translate(uint64_t at, uint8_t* code, const Machine* machine);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_TRANSLATION_H_
