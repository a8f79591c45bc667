// SPDX-License-Identifier: BSD-3-Clause
// What the watch needs to know of an instruction beyond what its decoder (Zydis) says.
//
// Threads: any. Async-signal-safe.
#ifndef FENCEPOST_FAULTINJECT_WATCH_INSTRUCTION_H_
#define FENCEPOST_FAULTINJECT_WATCH_INSTRUCTION_H_

#include <Zydis/Zydis.h>

#include <cstdint>

namespace fencepost {

struct Instruction {
  ZydisDecodedInstruction decoded;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

// The instruction at this address; false if it is none. Bytes of the page after are looked at only
// if the instruction goes on there.
bool DecodeAt(uint64_t address, Instruction* instruction);

// Brings a line back, or announces that it will be needed: nothing is read.
bool OnlyMovesLines(ZydisMnemonic mnemonic);
// Where the memory operand is not all that counts: a bit string is addressed by a register too.
bool ReachesBeyondItsOperand(const Instruction& instruction);

struct EffectOnMemory {
  bool reads = false;   // perhaps
  bool writes = false;  // surely, all of it
};
// REQUIRES: an operand in memory.
EffectOnMemory EffectOn(const Instruction& instruction, const ZydisDecodedOperand& operand);

inline constexpr uint64_t kDirectionFlag = 0x400;

// MOVS or STOS with a REP prefix; `element_bytes` is 0 if it is neither.
struct StringInstruction {
  bool copies = false;  // MOVS
  uint64_t element_bytes = 0;
};
StringInstruction RepeatedStringOf(const ZydisDecodedInstruction& decoded);

}  // namespace fencepost

#endif  // FENCEPOST_FAULTINJECT_WATCH_INSTRUCTION_H_
