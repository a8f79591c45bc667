/* SPDX-License-Identifier: BSD-3-Clause */
/* MASKMOVDQU and MASKMOVQ: non-temporal, and only of the bytes that the mask names.
 *
 * Events: STORE nt 0x0 16 (every byte), 0x20 8 (maskmovdqu, the low 8 bytes; a tool that sees a
 * load, a blend and a store may show 16 bytes, of which the upper 8 are the old ones), 0x40 8
 * (maskmovq, every byte); nothing, or 16 old bytes, for the empty mask at 0x60. FENCE sfence.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static const unsigned char kBytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char all[16];
  unsigned char low[16] = {0};
  const unsigned char none[16] = {0};
  memset(all, 0x80, sizeof all);
  memset(low, 0x80, 8);
  TestBegin();
  Maskmovdqu(m.base, kBytes, all);
  Maskmovdqu(m.base + 0x20, kBytes, low);
  __asm__ volatile("movq (%1), %%mm0\n\tmovq (%2), %%mm1\n\tmaskmovq %%mm1, %%mm0\n\temms"
                   :
                   : "D"(m.base + 0x40), "r"(kBytes), "r"(all)
                   : "mm0", "mm1", "memory");
  Maskmovdqu(m.base + 0x60, kBytes, none);
  Sfence();
  TestEnd();
  return 0;
}
