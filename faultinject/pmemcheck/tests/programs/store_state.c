/* SPDX-License-Identifier: BSD-3-Clause */
/* FXSAVE, FNSAVE, FNSTENV and XSAVE into the mapping: Valgrind runs them in helpers, not in its
 * code.
 *
 * How the instruction's store is cut is the tool's affair; what counts is that the trace's stores,
 * replayed over zeros, give the file. The areas: FXSAVE 0x0, FNSTENV 0x400, FNSAVE 0x600, XSAVE
 * (x87, SSE and where there is AVX that too) 0x800. Then STORE 0x2000 8 as the end.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  TestBegin();
  __asm__ volatile("fld1\n\tfldpi\n\tpcmpeqd %%xmm3, %%xmm3\n\tfxsave (%0)"
                   :
                   : "r"(m.base)
                   : "xmm3", "memory");
  __asm__ volatile("fnstenv 0x400(%0)" : : "r"(m.base) : "memory");
  if ((ecx >> 27 & 1) != 0) { /* OSXSAVE: the system lets programs use XSAVE */
    __asm__ volatile("xsave 0x800(%0)" : : "r"(m.base), "a"(7), "d"(0) : "memory");
  }
  __asm__ volatile("fnsave 0x600(%0)" : : "r"(m.base) : "memory");
  Store8(m.base + 0x2000, 0x0807060504030201);
  TestEnd();
  return 0;
}
