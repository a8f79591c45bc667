/* SPDX-License-Identifier: BSD-3-Clause */
/* What is a fence, and what is not.
 *
 * Events: STORE 0x0 8, FENCE sfence, STORE 0x8 8, FENCE mfence, STORE 0x10 8, (lfence: nothing)
 * STORE 0x18 8, (cpuid: nothing) STORE 0x20 8, (rdtscp, where there is one: nothing) STORE 0x28 8,
 * (pause: nothing) STORE 0x30 8, FENCE sfence, FENCE sfence.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  int has_rdtscp;
  __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx);
  has_rdtscp = (edx >> 27 & 1) != 0;
  TestBegin();
  Store8(m.base, 1);
  Sfence();
  Store8(m.base + 8, 2);
  Mfence();
  Store8(m.base + 0x10, 3);
  Lfence();
  Store8(m.base + 0x18, 4);
  __get_cpuid(0, &eax, &ebx, &ecx, &edx);
  Store8(m.base + 0x20, 5);
  if (has_rdtscp) __asm__ volatile("rdtscp" : : : "rax", "rcx", "rdx");
  Store8(m.base + 0x28, 6);
  __asm__ volatile("pause");
  Store8(m.base + 0x30, 7);
  Sfence();
  Sfence();
  TestEnd();
  return 0;
}
