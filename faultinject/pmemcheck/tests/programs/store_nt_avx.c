/* SPDX-License-Identifier: BSD-3-Clause */
/* Non-temporal stores of AVX registers.
 *
 * Events: STORE nt 0x0 32 (vmovntdq), 0x20 32 (vmovntps), 0x40 32 (vmovntpd), 0x60 16 (vmovntdq of
 * an xmm register); FENCE sfence.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char bytes[32];
  RequireFeature(__builtin_cpu_supports("avx"), "avx");
  for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)(i + 1);
  TestBegin();
  Vmovntdq(m.base, bytes);
  __asm__ volatile(
      "vmovups (%1), %%ymm0\n\t"
      "vmovntps %%ymm0, 0x20(%0)\n\t"
      "vmovntpd %%ymm0, 0x40(%0)\n\t"
      "vmovntdq %%xmm0, 0x60(%0)\n\t"
      "vzeroupper\n\t"
      "sfence"
      :
      : "r"(m.base), "r"(bytes)
      : "xmm0", "memory");
  TestEnd();
  return 0;
}
