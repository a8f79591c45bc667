// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/memory_access.h"

#include <algorithm>
#include <utility>

#include "faultinject/watch/instruction.h"

namespace fencepost {
namespace {

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

// The decoder gives a push the address that the stack pointer has before it.
bool Pushes(const ZydisDecodedOperand& operand) {
  return operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
         operand.mem.base == ZYDIS_REGISTER_RSP &&
         (operand.actions & ZYDIS_OPERAND_ACTION_WRITE) != 0;
}

RepeatedString StringOf(const ZydisDecodedInstruction& instruction, const ucontext_t& context) {
  const auto& registers = context.uc_mcontext.gregs;
  const StringInstruction string = RepeatedStringOf(instruction);
  if (string.element_bytes == 0 || (registers[REG_EFL] & kDirectionFlag) != 0) return {};
  return {string.copies, string.element_bytes, static_cast<uint64_t>(registers[REG_RCX])};
}

}  // namespace

InstructionAccesses::InstructionAccesses(const ucontext_t& context) {
  const auto at = static_cast<uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  Instruction instruction;
  if (!DecodeAt(at, &instruction)) return;
  const ZydisDecodedInstruction& decoded = instruction.decoded;
  instruction_bytes_ = decoded.length;
  if (OnlyMovesLines(decoded.mnemonic)) {
    known_ = true;
    return;
  }
  if (ReachesBeyondItsOperand(instruction)) return;
  const ZydisRegisterContext registers = RegistersOf(context);
  for (size_t i = 0; i < decoded.operand_count; ++i) {
    const ZydisDecodedOperand& operand = instruction.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    if (operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN) continue;  // LEA
    uint64_t address = 0;
    if (operand.mem.type != ZYDIS_MEMOP_TYPE_MEM || !IsWide(operand.mem.base) ||
        !IsWide(operand.mem.index) || operand.size % 8 != 0 || count_ == kMostAccesses ||
        !ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&decoded, &operand, at, &registers, &address))) {
      return;
    }
    if (Pushes(operand)) address -= operand.size / 8u;
    const EffectOnMemory effect = EffectOn(instruction, operand);
    accesses_[count_++] = {.address = address,
                           .bytes = operand.size / 8u,
                           .reads = effect.reads,
                           .writes = effect.writes};
  }
  repeated_ = StringOf(decoded, context);
  known_ = true;
}

}  // namespace fencepost
