// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/instruction.h"

#include <algorithm>

#include "faultinject/watch/page.h"

namespace fencepost {
namespace {

// Some of the bytes may stay as they are.
bool WritesUnderMask(const ZydisDecodedInstruction& instruction) {
  switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
      return true;
    default:
      return instruction.avx.mask.mode != ZYDIS_MASK_MODE_INVALID &&
             instruction.avx.mask.mode != ZYDIS_MASK_MODE_DISABLED;
  }
}

}  // namespace

bool DecodeAt(uint64_t address, Instruction* instruction) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  const void* const code = reinterpret_cast<const void*>(address);
  const uint64_t in_page = kPageBytes - address % kPageBytes;
  const uint64_t most = ZYDIS_MAX_INSTRUCTION_LENGTH;
  const auto decode = [&](uint64_t bytes) {
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, bytes, &instruction->decoded,
                                               instruction->operands));
  };
  return decode(std::min(in_page, most)) || (in_page < most && decode(most));
}

bool OnlyMovesLines(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_CLWB:
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CLFLUSHOPT:
    case ZYDIS_MNEMONIC_CLDEMOTE:
      return true;
    default:
      return false;
  }
}

bool ReachesBeyondItsOperand(const Instruction& instruction) {
  switch (instruction.decoded.mnemonic) {
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
      return instruction.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
    default:
      return false;
  }
}

EffectOnMemory EffectOn(const Instruction& instruction, const ZydisDecodedOperand& operand) {
  const bool surely_writes =
      (operand.actions & ZYDIS_OPERAND_ACTION_WRITE) != 0 && !WritesUnderMask(instruction.decoded);
  // A write that may not happen keeps what was there: as good as read.
  return {.reads = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0 || !surely_writes,
          .writes = surely_writes};
}

StringInstruction RepeatedStringOf(const ZydisDecodedInstruction& decoded) {
  constexpr struct {
    ZydisMnemonic mnemonic;
    StringInstruction string;
  } kStrings[] = {{ZYDIS_MNEMONIC_MOVSB, {true, 1}},  {ZYDIS_MNEMONIC_MOVSW, {true, 2}},
                  {ZYDIS_MNEMONIC_MOVSD, {true, 4}},  {ZYDIS_MNEMONIC_MOVSQ, {true, 8}},
                  {ZYDIS_MNEMONIC_STOSB, {false, 1}}, {ZYDIS_MNEMONIC_STOSW, {false, 2}},
                  {ZYDIS_MNEMONIC_STOSD, {false, 4}}, {ZYDIS_MNEMONIC_STOSQ, {false, 8}}};
  if ((decoded.attributes & ZYDIS_ATTRIB_HAS_REP) == 0 || decoded.address_width != 64) return {};
  for (const auto& row : kStrings) {
    if (row.mnemonic == decoded.mnemonic) return row.string;
  }
  return {};
}

}  // namespace fencepost
