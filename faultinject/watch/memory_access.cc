// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/memory_access.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <utility>

namespace fencepost {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr greg_t kDirectionFlag = 0x400;

constexpr std::pair<ZydisRegister, int> kRegisters[] = {
    {ZYDIS_REGISTER_RAX, REG_RAX}, {ZYDIS_REGISTER_RCX, REG_RCX}, {ZYDIS_REGISTER_RDX, REG_RDX},
    {ZYDIS_REGISTER_RBX, REG_RBX}, {ZYDIS_REGISTER_RSP, REG_RSP}, {ZYDIS_REGISTER_RBP, REG_RBP},
    {ZYDIS_REGISTER_RSI, REG_RSI}, {ZYDIS_REGISTER_RDI, REG_RDI}, {ZYDIS_REGISTER_R8, REG_R8},
    {ZYDIS_REGISTER_R9, REG_R9},   {ZYDIS_REGISTER_R10, REG_R10}, {ZYDIS_REGISTER_R11, REG_R11},
    {ZYDIS_REGISTER_R12, REG_R12}, {ZYDIS_REGISTER_R13, REG_R13}, {ZYDIS_REGISTER_R14, REG_R14},
    {ZYDIS_REGISTER_R15, REG_R15}, {ZYDIS_REGISTER_RIP, REG_RIP}};

ZydisRegisterContext RegistersOf(const ucontext_t& context) {
  ZydisRegisterContext registers{};
  for (const auto& [name, index] : kRegisters) {
    registers.values[name] = static_cast<ZyanU64>(context.uc_mcontext.gregs[index]);
  }
  return registers;
}

bool IsWide(ZydisRegister name) {
  return name == ZYDIS_REGISTER_NONE ||
         std::any_of(std::begin(kRegisters), std::end(kRegisters),
                     [name](const auto& known) { return known.first == name; });
}

// Brings a line back, or announces that it will be needed: nothing is read.
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

// Where the memory operand is not all that counts: a bit string is addressed by a register too.
bool ReachesBeyondItsOperand(const ZydisDecodedInstruction& instruction,
                             const ZydisDecodedOperand* operands) {
  switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
      return operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
    default:
      return false;
  }
}

// The decoder gives a push the address that the stack pointer has before it.
bool Pushes(const ZydisDecodedOperand& operand) {
  return operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
         operand.mem.base == ZYDIS_REGISTER_RSP &&
         (operand.actions & ZYDIS_OPERAND_ACTION_WRITE) != 0;
}

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

struct StringRow {
  ZydisMnemonic mnemonic;
  bool copies;
  uint64_t element_bytes;
};
constexpr StringRow kStrings[] = {
    {ZYDIS_MNEMONIC_MOVSB, true, 1},  {ZYDIS_MNEMONIC_MOVSW, true, 2},
    {ZYDIS_MNEMONIC_MOVSD, true, 4},  {ZYDIS_MNEMONIC_MOVSQ, true, 8},
    {ZYDIS_MNEMONIC_STOSB, false, 1}, {ZYDIS_MNEMONIC_STOSW, false, 2},
    {ZYDIS_MNEMONIC_STOSD, false, 4}, {ZYDIS_MNEMONIC_STOSQ, false, 8}};

RepeatedString StringOf(const ZydisDecodedInstruction& instruction, const ucontext_t& context) {
  const auto& registers = context.uc_mcontext.gregs;
  if ((instruction.attributes & ZYDIS_ATTRIB_HAS_REP) == 0 || instruction.address_width != 64 ||
      (registers[REG_EFL] & kDirectionFlag) != 0) {
    return {};
  }
  for (const StringRow& row : kStrings) {
    if (row.mnemonic != instruction.mnemonic) continue;
    return {row.copies, row.element_bytes, static_cast<uint64_t>(registers[REG_RCX])};
  }
  return {};
}

}  // namespace

InstructionAccesses::InstructionAccesses(const ucontext_t& context) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  const auto at = static_cast<uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  const void* const code = reinterpret_cast<const void*>(at);
  // The page after may not be mapped, and is looked at only if the instruction goes on there.
  const uint64_t in_page = kPageBytes - at % kPageBytes;
  const uint64_t most = ZYDIS_MAX_INSTRUCTION_LENGTH;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, std::min(in_page, most), &instruction,
                                           operands)) &&
      (in_page >= most ||
       !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, most, &instruction, operands)))) {
    return;
  }
  instruction_bytes_ = instruction.length;
  if (OnlyMovesLines(instruction.mnemonic)) {
    known_ = true;
    return;
  }
  if (ReachesBeyondItsOperand(instruction, operands)) return;
  const ZydisRegisterContext registers = RegistersOf(context);
  const bool under_mask = WritesUnderMask(instruction);
  for (size_t i = 0; i < instruction.operand_count; ++i) {
    const ZydisDecodedOperand& operand = operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    if (operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN) continue;  // LEA
    uint64_t address = 0;
    if (operand.mem.type != ZYDIS_MEMOP_TYPE_MEM || !IsWide(operand.mem.base) ||
        !IsWide(operand.mem.index) || operand.size % 8 != 0 || count_ == kMostAccesses ||
        !ZYAN_SUCCESS(
            ZydisCalcAbsoluteAddressEx(&instruction, &operand, at, &registers, &address))) {
      return;
    }
    if (Pushes(operand)) address -= operand.size / 8u;
    const bool surely_writes = (operand.actions & ZYDIS_OPERAND_ACTION_WRITE) != 0 && !under_mask;
    accesses_[count_++] = {
        .address = address,
        .bytes = operand.size / 8u,
        // A write that may not happen keeps what was there: as good as read.
        .reads = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0 || !surely_writes,
        .writes = surely_writes};
  }
  repeated_ = StringOf(instruction, context);
  known_ = true;
}

}  // namespace fencepost
