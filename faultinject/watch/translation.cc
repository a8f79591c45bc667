// SPDX-License-Identifier: BSD-3-Clause
#include "faultinject/watch/translation.h"

#include <emmintrin.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "faultinject/watch/instruction.h"
#include "faultinject/watch/page.h"

namespace fencepost {
namespace {

using Kind = Translation::Kind;

constexpr uint8_t kThreadPrefix = 0x64, kNoPrefix = 0x3e;  // FS; DS, which means nothing

// The number of the whole register that holds `name`, or -1 if it is no general one.
int NumberOf(ZydisRegister name) {
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name);
  if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) return -1;
  return whole - ZYDIS_REGISTER_RAX;
}

bool IsVector(ZydisRegister name) {
  switch (ZydisRegisterGetClass(name)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM:
    case ZYDIS_REGCLASS_MASK:
      return true;
    default:
      return name == ZYDIS_REGISTER_MXCSR;
  }
}

// Registers that are neither general nor vectors, e.g. of segments or of the old coprocessor.
bool IsForeign(ZydisRegister name) {
  switch (ZydisRegisterGetClass(name)) {
    case ZYDIS_REGCLASS_FLAGS:
    case ZYDIS_REGCLASS_IP:
      return false;
    default:
      return NumberOf(name) < 0 && !IsVector(name);
  }
}

bool IsPlain(ZydisInstructionCategory category) {
  switch (category) {
    case ZYDIS_CATEGORY_AVX:
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_BITBYTE:
    case ZYDIS_CATEGORY_BMI1:
    case ZYDIS_CATEGORY_BMI2:
    case ZYDIS_CATEGORY_CLFLUSHOPT:
    case ZYDIS_CATEGORY_CLWB:
    case ZYDIS_CATEGORY_CMOV:
    case ZYDIS_CATEGORY_CONVERT:
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_LOGICAL:
    case ZYDIS_CATEGORY_LZCNT:
    case ZYDIS_CATEGORY_ROTATE:
    case ZYDIS_CATEGORY_SEMAPHORE:
    case ZYDIS_CATEGORY_SETCC:
    case ZYDIS_CATEGORY_SHIFT:
      return true;
    default:
      return false;
  }
}

bool IsPlainOther(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_POPCNT:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
      return true;
    default:
      return false;
  }
}

bool IsSkipped(const ZydisDecodedInstruction& decoded) {
  switch (decoded.meta.category) {
    case ZYDIS_CATEGORY_NOP:
    case ZYDIS_CATEGORY_WIDENOP:
    case ZYDIS_CATEGORY_PREFETCH:
    case ZYDIS_CATEGORY_PREFETCHWT1:
      return true;
    default:
      return decoded.mnemonic == ZYDIS_MNEMONIC_ENDBR64 || decoded.mnemonic == ZYDIS_MNEMONIC_PAUSE;
  }
}

// Vectors whose operand in memory is one run of bytes.
bool IsPlainVector(ZydisInstructionCategory category) {
  switch (category) {
    case ZYDIS_CATEGORY_AMX_TILE:
    case ZYDIS_CATEGORY_AVX2GATHER:
    case ZYDIS_CATEGORY_GATHER:
    case ZYDIS_CATEGORY_SCATTER:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
      return false;
    default:
      return true;
  }
}

// The one operand in memory that an instruction may have here.
struct MemoryOperand {
  const ZydisDecodedOperand* operand = nullptr;  // null: none
  bool fits = true;                              // else it is one that cannot be moved
};

MemoryOperand FindMemory(const Instruction& instruction) {
  MemoryOperand found;
  for (size_t i = 0; i < instruction.decoded.operand_count; ++i) {
    const ZydisDecodedOperand& operand = instruction.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    // The stack, of pushes and their like, is known to those who ask.
    if (operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
        (operand.mem.base == ZYDIS_REGISTER_RSP || operand.mem.base == ZYDIS_REGISTER_RBP)) {
      continue;
    }
    found.fits &=
        found.operand == nullptr && operand.size % 8 == 0 &&
        operand.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM &&
        (operand.mem.type == ZYDIS_MEMOP_TYPE_MEM || operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN) &&
        operand.mem.segment != ZYDIS_REGISTER_GS;
    found.operand = &operand;
  }
  return found;
}

Translation::Address AddressOf(const Instruction& instruction, const ZydisDecodedOperand& operand,
                               uint64_t at) {
  Translation::Address address{.scale = operand.mem.scale == 0 ? uint8_t{1} : operand.mem.scale,
                               .of_thread = operand.mem.segment == ZYDIS_REGISTER_FS,
                               .displacement = operand.mem.disp.value};
  if (operand.mem.base == ZYDIS_REGISTER_RIP) {
    address.displacement += static_cast<int64_t>(at + instruction.decoded.length);
  } else {
    address.base = static_cast<int8_t>(NumberOf(operand.mem.base));
  }
  address.index = static_cast<int8_t>(NumberOf(operand.mem.index));
  return address;
}

// --- code ---------------------------------------------------------------------------------------

class Code {
 public:
  Code(uint8_t* begin, const Machine* machine) : at_(begin), machine_(machine) {}

  void Byte(unsigned value) { *at_++ = static_cast<uint8_t>(value); }
  void Bytes(const uint8_t* from, size_t count) {
    std::memcpy(at_, from, count);
    at_ += count;
  }
  // MOV to a register from the machine's memory, and back.
  void Load(int number, const uint64_t* from) { Move(0x8b, number, from); }
  void Store(int number, const uint64_t* to) { Move(0x89, number, to); }
  void LoadFlags() {
    Byte(0xff);  // PUSH [rip + ...]
    Byte(0x35);
    Relative(&machine_->flags);
    Byte(0x9d);  // POPFQ
  }
  void StoreFlags() {
    Byte(0x9c);  // PUSHFQ
    Byte(0x8f);  // POP [rip + ...]
    Byte(0x05);
    Relative(&machine_->flags);
  }
  void Return() { Byte(0xc3); }

 private:
  void Move(unsigned opcode, int number, const uint64_t* memory) {
    const auto name = static_cast<unsigned>(number);
    Byte(0x48 | (name >> 3) << 2);
    Byte(opcode);
    Byte(0x05 | (name & 7) << 3);
    Relative(memory);
  }
  // From the end of the instruction, which ends with it.
  void Relative(const uint64_t* target) {
    const auto distance = static_cast<int32_t>(reinterpret_cast<const uint8_t*>(target) - at_ -
                                               static_cast<ptrdiff_t>(sizeof(int32_t)));
    std::memcpy(at_, &distance, sizeof(distance));
    at_ += sizeof(distance);
  }

  uint8_t* at_;
  const Machine* const machine_;
};

// What is put in place of parts of the instruction.
struct Replacements {
  int operand = -1;        // the register that holds where the operand in memory is
  int stack_pointer = -1;  // the one that holds the stack pointer
};

// The instruction's bytes with the replacements; nothing if it has no place for them.
std::optional<size_t> Rewrite(const uint8_t* original, const Instruction& instruction,
                              const Replacements& replacements, uint8_t* rewritten) {
  const ZydisDecodedInstruction& decoded = instruction.decoded;
  const auto& raw = decoded.raw;
  std::memcpy(rewritten, original, decoded.length);
  if (replacements.operand < 0 && replacements.stack_pointer < 0) return decoded.length;
  if ((decoded.attributes & ZYDIS_ATTRIB_HAS_MODRM) == 0) return std::nullopt;
  size_t at = raw.modrm.offset;
  unsigned mod = raw.modrm.mod, reg = raw.modrm.reg, rm = raw.modrm.rm;
  if (replacements.stack_pointer >= 0) {
    if (decoded.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return std::nullopt;
    for (size_t i = 0; i < decoded.operand_count; ++i) {
      const ZydisDecodedOperand& operand = instruction.operands[i];
      if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER ||
          NumberOf(operand.reg.value) != Machine::kStackPointer) {
        continue;
      }
      if (operand.reg.value != ZYDIS_REGISTER_RSP) return std::nullopt;
      const auto number = static_cast<unsigned>(replacements.stack_pointer);
      if (operand.encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) {
        reg = number;
      } else if (operand.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) {
        rm = number;
      } else {
        return std::nullopt;
      }
    }
  }
  size_t rest = at + 1;
  if (replacements.operand >= 0) {
    mod = 0;
    rm = static_cast<unsigned>(replacements.operand);
    if (raw.sib.offset != 0) ++rest;
    rest += raw.disp.size / 8;
    switch (decoded.encoding) {
      case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
        if ((decoded.attributes & ZYDIS_ATTRIB_HAS_REX) != 0) {
          rewritten[raw.rex.offset] = static_cast<uint8_t>(rewritten[raw.rex.offset] & ~0x03u);
        }
        break;
      case ZYDIS_INSTRUCTION_ENCODING_VEX:
        // The short form has no bits for base and index. All are inverted.
        if (raw.vex.size == 3) rewritten[raw.vex.offset + 1] |= 0x60;
        break;
      case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        rewritten[raw.evex.offset + 1] |= 0x60;
        break;
      default:
        return std::nullopt;
    }
    for (size_t i = 0; i < raw.prefix_count; ++i) {
      if (rewritten[i] == kThreadPrefix) rewritten[i] = kNoPrefix;
    }
  }
  rewritten[at++] = static_cast<uint8_t>(mod << 6 | reg << 3 | rm);
  const size_t tail = decoded.length - rest;
  std::memmove(rewritten + at, original + rest, tail);
  return at + tail;
}

// Whether the rewritten instruction is the same but for its operand.
bool IsSameButFor(const Instruction& original, const uint8_t* rewritten, size_t bytes,
                  const Replacements& replacements) {
  Instruction now;
  if (!DecodeAt(reinterpret_cast<uint64_t>(rewritten), &now)) return false;
  bool same = now.decoded.length == bytes && now.decoded.mnemonic == original.decoded.mnemonic &&
              now.decoded.operand_count == original.decoded.operand_count &&
              now.decoded.operand_width == original.decoded.operand_width;
  for (size_t i = 0; same && i < now.decoded.operand_count; ++i) {
    const ZydisDecodedOperand& a = original.operands[i];
    const ZydisDecodedOperand& b = now.operands[i];
    same = a.type == b.type && a.size == b.size && a.actions == b.actions;
    if (a.type == ZYDIS_OPERAND_TYPE_MEMORY && replacements.operand >= 0) {
      same &= NumberOf(b.mem.base) == replacements.operand && b.mem.index == ZYDIS_REGISTER_NONE &&
              b.mem.disp.value == 0;
    } else if (a.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      const bool is_stack_pointer = a.reg.value == ZYDIS_REGISTER_RSP;
      same &= is_stack_pointer ? NumberOf(b.reg.value) == replacements.stack_pointer
                               : a.reg.value == b.reg.value;
    } else if (a.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
      same &= a.imm.value.u == b.imm.value.u;
    }
  }
  return same;
}

// Which general registers an instruction uses, and which it changes: bits by number.
struct Usage {
  uint32_t used = 0, changed = 0;
  bool foreign = false, vectors = false;
};

Usage UsageOf(const Instruction& instruction) {
  Usage usage;
  for (size_t i = 0; i < instruction.decoded.operand_count; ++i) {
    const ZydisDecodedOperand& operand = instruction.operands[i];
    if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    usage.foreign |= IsForeign(operand.reg.value);
    usage.vectors |= IsVector(operand.reg.value);
    const int number = NumberOf(operand.reg.value);
    if (number < 0) continue;
    usage.used |= 1u << number;
    if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) usage.changed |= 1u << number;
  }
  return usage;
}

// Of the registers that need no prefix, one that is not among `used`, which it joins; or -1.
int TakeRegister(uint32_t* used) {
  for (const int number : {0, 1, 2, 3, 6, 7}) {
    if ((*used >> number & 1) != 0) continue;
    *used |= 1u << number;
    return number;
  }
  return -1;
}

bool UsesFlags(const ZydisDecodedInstruction& decoded) {
  const ZydisAccessedFlags* const flags = decoded.cpu_flags;
  return flags != nullptr &&
         (flags->tested | flags->modified | flags->set_0 | flags->set_1 | flags->undefined) != 0;
}

// False if there is no code for it.
bool TranslateRun(uint64_t at, const Instruction& instruction, uint8_t* code,
                  const Machine* machine, Translation* translation) {
  const ZydisDecodedInstruction& decoded = instruction.decoded;
  Usage usage = UsageOf(instruction);
  const bool is_plain = IsPlain(decoded.meta.category) || IsPlainOther(decoded.mnemonic);
  const bool is_avx = decoded.meta.category == ZYDIS_CATEGORY_AVX;  // VZEROUPPER names no vector
  translation->uses_vectors = usage.vectors || is_avx;
  if (usage.foreign || (!is_plain && !(usage.vectors && IsPlainVector(decoded.meta.category)))) {
    return false;
  }
  uint32_t taken = usage.used;
  Replacements replacements;
  if (translation->in_memory) replacements.operand = TakeRegister(&taken);
  constexpr uint32_t kStackBit = 1u << Machine::kStackPointer;
  if ((usage.used & kStackBit) != 0) replacements.stack_pointer = TakeRegister(&taken);
  uint8_t rewritten[ZYDIS_MAX_INSTRUCTION_LENGTH + 1] = {};
  const std::optional<size_t> bytes =
      Rewrite(reinterpret_cast<const uint8_t*>(at), instruction, replacements, rewritten);
  if (!bytes || !IsSameButFor(instruction, rewritten, *bytes, replacements)) return false;

  Code out(code, machine);
  const auto for_each = [&](uint32_t set, auto&& visit) {
    for (int number = 0; number < 16; ++number) {
      if ((set >> number & 1) == 0) continue;
      const bool is_stack = number == Machine::kStackPointer;
      visit(is_stack ? replacements.stack_pointer : number,
            &machine->registers[static_cast<size_t>(number)]);
    }
  };
  const bool flags = UsesFlags(decoded);
  if (flags) out.LoadFlags();
  // All that it changes, too: a part of a register leaves the rest as it is.
  for_each(usage.used, [&](int number, const uint64_t* memory) { out.Load(number, memory); });
  if (replacements.operand >= 0) out.Load(replacements.operand, &machine->operand);
  out.Bytes(rewritten, *bytes);
  if (flags) out.StoreFlags();
  for_each(usage.changed, [&](int number, const uint64_t* memory) { out.Store(number, memory); });
  out.Return();
  translation->kind = Kind::kRun;
  return true;
}

// What steers the program counter or the stack: false if it is none of these, or of a rare form.
bool TranslateFlow(uint64_t at, const Instruction& instruction, Translation* translation) {
  const ZydisDecodedInstruction& decoded = instruction.decoded;
  const ZydisDecodedOperand& first = instruction.operands[0];
  const bool has_operand = decoded.operand_count_visible == 1;
  const auto take_operand = [&] {
    if (!has_operand) return false;
    switch (first.type) {
      case ZYDIS_OPERAND_TYPE_REGISTER:
        translation->register_number = static_cast<int8_t>(NumberOf(first.reg.value));
        return translation->register_number >= 0 && first.size == 64;
      case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        translation->immediate = first.imm.value.u;
        if (first.imm.is_relative) translation->immediate += at + decoded.length;
        return true;
      case ZYDIS_OPERAND_TYPE_MEMORY:
        return translation->in_memory && translation->operand_bytes == sizeof(uint64_t);
      default:
        return false;
    }
  };
  const bool is_near = decoded.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT ||
                       decoded.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR;
  switch (decoded.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
      translation->kind = Kind::kPush;
      return decoded.operand_width == 64 && take_operand();
    case ZYDIS_MNEMONIC_POP:
      translation->kind = Kind::kPop;
      return decoded.operand_width == 64 && take_operand() && translation->register_number >= 0;
    case ZYDIS_MNEMONIC_CALL:
      translation->kind = Kind::kCall;
      return is_near && take_operand();
    case ZYDIS_MNEMONIC_JMP:
      translation->kind = Kind::kJump;
      return is_near && take_operand();
    case ZYDIS_MNEMONIC_RET:
      translation->kind = Kind::kReturn;
      return is_near && (!has_operand || take_operand());
    case ZYDIS_MNEMONIC_LEAVE:
      translation->kind = Kind::kLeave;
      return decoded.operand_width == 64;
    default:
      break;
  }
  const bool is_by_flags = decoded.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT
                               ? decoded.opcode >= 0x70 && decoded.opcode <= 0x7f
                               : decoded.opcode_map == ZYDIS_OPCODE_MAP_0F &&
                                     decoded.opcode >= 0x80 && decoded.opcode <= 0x8f;
  if (decoded.meta.category != ZYDIS_CATEGORY_COND_BR || !is_by_flags) return false;
  translation->kind = Kind::kBranch;
  translation->condition = decoded.opcode & 0xf;
  return take_operand();
}

}  // namespace

bool Translation::IsStillAt(uint64_t place) const {
  const auto* const code = reinterpret_cast<const uint8_t*>(place);
  if (place % kPageBytes > kPageBytes - sizeof(original)) {
    return std::memcmp(code, original.data(), bytes) == 0;
  }
  const __m128i there = _mm_loadu_si128(reinterpret_cast<const __m128i*>(code));
  const __m128i known = _mm_loadu_si128(reinterpret_cast<const __m128i*>(original.data()));
  const auto equal = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(there, known)));
  const unsigned all = (1u << bytes) - 1;
  return (equal & all) == all;
}

Translation Translate(uint64_t at, uint8_t* code, const Machine* machine) {
  Translation translation{.at = at};
  Instruction instruction;
  if (!DecodeAt(at, &instruction)) return translation;
  const ZydisDecodedInstruction& decoded = instruction.decoded;
  translation.bytes = decoded.length;
  std::memcpy(translation.original.data(), reinterpret_cast<const void*>(at), decoded.length);
  if (IsSkipped(decoded)) {
    translation.kind = Kind::kSkip;
    return translation;
  }
  if (const StringInstruction string = RepeatedStringOf(decoded); string.element_bytes != 0) {
    translation.kind = Kind::kString;
    translation.reads = string.copies;
    translation.operand_bytes = static_cast<uint16_t>(string.element_bytes);
    return translation;
  }
  const MemoryOperand memory = FindMemory(instruction);
  if (!memory.fits || decoded.address_width != 64 || ReachesBeyondItsOperand(instruction) ||
      (decoded.attributes & (ZYDIS_ATTRIB_IS_PRIVILEGED | ZYDIS_ATTRIB_HAS_REP |
                             ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0) {
    return translation;
  }
  if (memory.operand != nullptr) {
    translation.address = AddressOf(instruction, *memory.operand, at);
    if (decoded.mnemonic == ZYDIS_MNEMONIC_LEA) {
      const ZydisDecodedOperand& result = instruction.operands[0];
      if (result.size != 64 && result.size != 32) return translation;
      translation.kind = Kind::kAddress;
      translation.operand_bytes = result.size / 8;
      translation.register_number = static_cast<int8_t>(NumberOf(result.reg.value));
      return translation;
    }
    translation.in_memory = true;
    translation.operand_bytes = memory.operand->size / 8;
    if (!OnlyMovesLines(decoded.mnemonic)) {
      const EffectOnMemory effect = EffectOn(instruction, *memory.operand);
      translation.reads = effect.reads;
      translation.writes = effect.writes;
      translation.may_write = (memory.operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    }
  }
  if (TranslateFlow(at, instruction, &translation)) return translation;
  translation.kind = Kind::kNative;
  TranslateRun(at, instruction, code, machine, &translation);
  return translation;
}

}  // namespace fencepost
