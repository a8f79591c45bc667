/* SPDX-License-Identifier: BSD-3-Clause */
/* Masked AVX stores: the lanes that are off are not written, and no lane on is no store at all.
 *
 * Lanes that are on never touch one another, so that a store a lane and a store a run of lanes are
 * the same. Lane i holds 0x10 + i in each byte. Events: STORE 0x0 4, 0x8 4 (vmaskmovps xmm, lanes 0
 * and 2); 0x24 4, 0x3c 4 (vmaskmovps ymm, lanes 1 and 7); 0x48 8 (vmaskmovpd xmm, lane 1); 0x64 4
 * (vpmaskmovd xmm, lane 1); 0x80 4, 0x88 4, 0x90 4, 0x98 4 (vpmaskmovd ymm, even lanes); 0xb0 8
 * (vpmaskmovq ymm, lane 2). Nothing of the three with no lane on at 0xc0, 0xe0 and (unmapped
 * memory: no fault either) address 0.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

#define MASKED_STORE(INSTRUCTION, REGISTER, TO, MASK)                                            \
  __asm__ volatile("vmovdqu (%1), %%ymm0\n\tvmovdqu (%2), %%ymm1\n\t" INSTRUCTION " %%" REGISTER \
                   "0, %%" REGISTER "1, (%0)\n\tvzeroupper"                                      \
                   :                                                                             \
                   : "r"(TO), "r"(values), "r"(MASK)                                             \
                   : "xmm0", "xmm1", "memory")

static uint32_t values[8];

/* The mask of 32-bit lanes whose bits are set; a 64-bit lane is governed by its upper half. */
static uint32_t* Mask(unsigned bits) {
  static uint32_t mask[8];
  for (unsigned i = 0; i < 8; i++) mask[i] = (bits >> i & 1) != 0 ? 0x80000000U : 0x7fffffffU;
  return mask;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char* at = m.base;
  RequireFeature(__builtin_cpu_supports("avx2"), "avx2");
  for (uint32_t i = 0; i < 8; i++) values[i] = 0x01010101U * (0x10 + i);
  TestBegin();
  MASKED_STORE("vmaskmovps", "xmm", at, Mask(0x05));
  MASKED_STORE("vmaskmovps", "ymm", at + 0x20, Mask(0x82));
  MASKED_STORE("vmaskmovpd", "xmm", at + 0x40, Mask(0x08));
  MASKED_STORE("vpmaskmovd", "xmm", at + 0x60, Mask(0x02));
  MASKED_STORE("vpmaskmovd", "ymm", at + 0x80, Mask(0x55));
  MASKED_STORE("vpmaskmovq", "ymm", at + 0xa0, Mask(0x20));
  MASKED_STORE("vmaskmovps", "ymm", at + 0xc0, Mask(0));
  MASKED_STORE("vpmaskmovd", "ymm", at + 0xe0, Mask(0));
  MASKED_STORE("vpmaskmovd", "ymm", (void*)0, Mask(0));
  TestEnd();
  return 0;
}
