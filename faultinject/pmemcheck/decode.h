/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The x86-64 instructions that matter to persistence and that VEX does not tell apart, or does not
   know: flushes with the address of their operand, fences, non-temporal stores.

   Free of Valgrind and libc headers, so that ctest runs it natively.
   Source: Intel SDM vol. 2, chapter 2 (prefixes, ModRM, SIB, VEX) and the instructions' pages. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_DECODE_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_DECODE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pmc_instruction {
  PMC_OTHER,
  PMC_INSN_CLFLUSH,
  PMC_INSN_CLFLUSHOPT,
  PMC_INSN_CLWB,
  PMC_INSN_SFENCE,
  PMC_INSN_MFENCE,
  PMC_INSN_LFENCE,
  PMC_INSN_CPUID,
  PMC_INSN_NT_STORE,
  PMC_INSN_NT_MASKED,  /* MASKMOVDQU: of which bytes, only its mask knows */
  PMC_INSN_REP_STRING, /* REP MOVS or REP STOS */
  PMC_INSN_AVX512,     /* EVEX: Valgrind cannot run it */
  PMC_INSN_MOVDIR      /* MOVDIRI, MOVDIR64B: nor these */
};

#define PMC_NO_REGISTER 16

/* base + index * scale + displacement, or next instruction + displacement, plus a segment's base.
 */
struct pmc_operand {
  uint8_t base, index; /* 0 rax ... 15 r15, or PMC_NO_REGISTER */
  uint8_t scale;       /* 1, 2, 4, 8 */
  uint8_t segment;     /* 0 none, 4 fs, 5 gs */
  uint8_t rip_relative;
  uint8_t address32; /* the sum is cut to 32 bits */
  int64_t displacement;
};

struct pmc_decoded {
  enum pmc_instruction instruction;
  unsigned length;            /* flushes only */
  struct pmc_operand operand; /* flushes only */
};

/* Looks at no more than `available` bytes (an instruction has at most 15). */
struct pmc_decoded pmc_decode(const uint8_t* code, unsigned available);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_DECODE_H_ */
