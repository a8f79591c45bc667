/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/decode.h"

struct prefixes {
  uint8_t rex;
  uint8_t operand16; /* 66 */
  uint8_t rep;       /* F2 or F3 */
  uint8_t address32; /* 67 */
  uint8_t segment;
};

/* Returns the offset of the first byte that is no prefix. */
static unsigned read_prefixes(const uint8_t* code, unsigned available, struct prefixes* out) {
  unsigned at = 0;
  *out = (struct prefixes){0};
  for (; at < available; ++at) {
    const uint8_t byte = code[at];
    if ((byte & 0xf0) == 0x40) {
      out->rex = byte; /* counts only just before the opcode */
      continue;
    }
    switch (byte) {
      case 0x66:
        out->operand16 = 1;
        break;
      case 0x67:
        out->address32 = 1;
        break;
      case 0xf2:
      case 0xf3:
        out->rep = byte;
        break;
      case 0x64:
        out->segment = 4;
        break;
      case 0x65:
        out->segment = 5;
        break;
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0xf0:
        break;
      default:
        return at;
    }
    out->rex = 0;
  }
  return at;
}

static int64_t read_displacement(const uint8_t* code, unsigned bytes) {
  if (bytes == 1) return (int8_t)code[0];
  return (int32_t)((uint32_t)code[0] | (uint32_t)code[1] << 8 | (uint32_t)code[2] << 16 |
                   (uint32_t)code[3] << 24);
}

/* The memory operand whose ModRM is at `code`. Returns its bytes, 0 if they are not all there. */
static unsigned read_operand(const uint8_t* code, unsigned available,
                             const struct prefixes* prefixes, struct pmc_operand* operand) {
  const unsigned mod = available > 0 ? code[0] >> 6 : 3;
  const unsigned rm = available > 0 ? code[0] & 7 : 0;
  unsigned length = 1, displacement_bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
  if (mod == 3) return 0;
  *operand = (struct pmc_operand){.base = (uint8_t)(rm | (prefixes->rex & 1) << 3),
                                  .index = PMC_NO_REGISTER,
                                  .scale = 1,
                                  .segment = prefixes->segment,
                                  .address32 = prefixes->address32};
  if (rm == 4) { /* SIB */
    if (available < 2) return 0;
    const uint8_t sib = code[1];
    const unsigned index = (sib >> 3 & 7) | (unsigned)(prefixes->rex & 2) << 2;
    length = 2;
    operand->scale = (uint8_t)(1 << (sib >> 6));
    if (index != 4) operand->index = (uint8_t)index;
    operand->base = (uint8_t)((sib & 7) | (prefixes->rex & 1) << 3);
    if ((sib & 7) == 5 && mod == 0) {
      operand->base = PMC_NO_REGISTER;
      displacement_bytes = 4;
    }
  } else if (rm == 5 && mod == 0) {
    operand->base = PMC_NO_REGISTER;
    operand->rip_relative = 1;
    displacement_bytes = 4;
  }
  if (available < length + displacement_bytes) return 0;
  if (displacement_bytes != 0) {
    operand->displacement = read_displacement(code + length, displacement_bytes);
  }
  return length + displacement_bytes;
}

static enum pmc_instruction group15(const struct prefixes* prefixes, unsigned mod, unsigned reg) {
  if (mod == 3) {
    if (prefixes->operand16 || prefixes->rep) return PMC_OTHER;
    return reg == 5   ? PMC_INSN_LFENCE
           : reg == 6 ? PMC_INSN_MFENCE
           : reg == 7 ? PMC_INSN_SFENCE
                      : PMC_OTHER;
  }
  if (prefixes->rep) return PMC_OTHER;
  if (reg == 7) return prefixes->operand16 ? PMC_INSN_CLFLUSHOPT : PMC_INSN_CLFLUSH;
  return reg == 6 && prefixes->operand16 ? PMC_INSN_CLWB : PMC_OTHER;
}

/* MOVNTPS/PD, MOVNTDQ, MASKMOVDQU of opcode map 0F; their forms with a register are none. */
static int is_non_temporal(uint8_t opcode, uint8_t modrm) {
  const int memory = modrm >> 6 != 3;
  return ((opcode == 0x2b || opcode == 0xe7) && memory) || (opcode == 0xf7 && !memory);
}

static enum pmc_instruction nt_store(uint8_t opcode, uint8_t modrm) {
  if (!is_non_temporal(opcode, modrm)) return PMC_OTHER;
  return opcode == 0xf7 ? PMC_INSN_NT_MASKED : PMC_INSN_NT_STORE;
}

static enum pmc_instruction decode_vex(const uint8_t* code, unsigned available) {
  const unsigned three = code[0] == 0xc4;
  if (available < 4 + three) return PMC_OTHER;
  if (three && (code[1] & 0x1f) != 1) return PMC_OTHER; /* map 0F only */
  return nt_store(code[2 + three], code[3 + three]);
}

struct pmc_decoded pmc_decode(const uint8_t* code, unsigned available) {
  struct pmc_decoded decoded = {.instruction = PMC_OTHER};
  struct prefixes prefixes;
  unsigned at = read_prefixes(code, available, &prefixes);
  if (at >= available) return decoded;
  if (code[at] == 0xc5 || code[at] == 0xc4) {
    decoded.instruction = decode_vex(code + at, available - at);
  } else if (code[at] == 0x62) {
    decoded.instruction = PMC_INSN_AVX512;
  } else if (prefixes.rep && ((code[at] & 0xfe) == 0xa4 || (code[at] & 0xfe) == 0xaa)) {
    decoded.instruction = PMC_INSN_REP_STRING;
  }
  if (code[at] != 0x0f || available < at + 2) return decoded;
  const uint8_t opcode = code[at + 1];
  at += 2;
  if (opcode == 0xa2) {
    decoded.instruction = PMC_INSN_CPUID;
  } else if (opcode == 0x38 && available > at && (code[at] == 0xf8 || code[at] == 0xf9)) {
    decoded.instruction = PMC_INSN_MOVDIR;
  } else if (opcode == 0xc3 && available > at && code[at] >> 6 != 3) {
    decoded.instruction = PMC_INSN_NT_STORE; /* MOVNTI */
  } else if (available > at && is_non_temporal(opcode, code[at])) {
    decoded.instruction = nt_store(opcode, code[at]);
  } else if (opcode == 0xae && available > at) {
    const enum pmc_instruction found = group15(&prefixes, code[at] >> 6, code[at] >> 3 & 7);
    const int flush =
        found == PMC_INSN_CLFLUSH || found == PMC_INSN_CLFLUSHOPT || found == PMC_INSN_CLWB;
    const unsigned operand_bytes =
        flush ? read_operand(code + at, available - at, &prefixes, &decoded.operand) : 0;
    if (flush && operand_bytes == 0) return decoded;
    decoded.instruction = found;
    decoded.length = at + operand_bytes;
  }
  return decoded;
}
