/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores of SSE registers, whole and in part.
 *
 * xmm0 holds the bytes 0x01 .. 0x10. Events: STORE 0x0 16 (movaps), 0x11 16 (movups), 0x30 16
 * (movdqa), 0x50 16 (movdqu); parts: 0x80 4 (movss), 0x88 8 (movsd), 0x90 8 (movlps), 0x98 8
 * (movhps: the high half), 0xa0 8 (movlpd), 0xa8 8 (movhpd), 0xb0 4 (movd), 0xb8 8 (movq), 0xc0 1
 * (pextrb of byte 3), 0xc2 2 (pextrw of word 2), 0xc4 4 (extractps of lane 1).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static const unsigned char kBytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  RequireFeature(__builtin_cpu_supports("sse4.1"), "sse4.1");
  TestBegin();
  __asm__ volatile(
      "movdqu (%1), %%xmm0\n\t"
      "movaps %%xmm0, (%0)\n\t"
      "movups %%xmm0, 0x11(%0)\n\t"
      "movdqa %%xmm0, 0x30(%0)\n\t"
      "movdqu %%xmm0, 0x50(%0)\n\t"
      "movss %%xmm0, 0x80(%0)\n\t"
      "movsd %%xmm0, 0x88(%0)\n\t"
      "movlps %%xmm0, 0x90(%0)\n\t"
      "movhps %%xmm0, 0x98(%0)\n\t"
      "movlpd %%xmm0, 0xa0(%0)\n\t"
      "movhpd %%xmm0, 0xa8(%0)\n\t"
      "movd %%xmm0, 0xb0(%0)\n\t"
      "movq %%xmm0, 0xb8(%0)\n\t"
      "pextrb $3, %%xmm0, 0xc0(%0)\n\t"
      "pextrw $2, %%xmm0, 0xc2(%0)\n\t"
      "extractps $1, %%xmm0, 0xc4(%0)"
      :
      : "r"(m.base), "r"(kBytes)
      : "xmm0", "memory");
  TestEnd();
  return 0;
}
