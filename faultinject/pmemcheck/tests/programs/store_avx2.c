/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores of AVX registers.
 *
 * ymm0 holds the bytes 0x01 .. 0x20. Events: STORE 0x0 32 (vmovaps), 0x21 32 (vmovups, over two
 * lines), 0x60 32 (vmovdqa), 0x81 32 (vmovdqu), 0xc0 16 (vextractf128 of the high half), 0xd0 16
 * (vextracti128), 0xe0 16 (vmovups of xmm0).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char bytes[32];
  RequireFeature(__builtin_cpu_supports("avx2"), "avx2");
  for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)(i + 1);
  TestBegin();
  __asm__ volatile(
      "vmovdqu (%1), %%ymm0\n\t"
      "vmovaps %%ymm0, (%0)\n\t"
      "vmovups %%ymm0, 0x21(%0)\n\t"
      "vmovdqa %%ymm0, 0x60(%0)\n\t"
      "vmovdqu %%ymm0, 0x81(%0)\n\t"
      "vextractf128 $1, %%ymm0, 0xc0(%0)\n\t"
      "vextracti128 $1, %%ymm0, 0xd0(%0)\n\t"
      "vmovups %%xmm0, 0xe0(%0)\n\t"
      "vzeroupper"
      :
      : "r"(m.base), "r"(bytes)
      : "xmm0", "memory");
  TestEnd();
  return 0;
}
