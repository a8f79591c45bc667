/* SPDX-License-Identifier: BSD-3-Clause */
/* What is a fence, and what is not.
 *
 * Events: STORE 0x0 8, FENCE sfence, STORE 0x8 8, FENCE mfence, STORE 0x10 8, (lfence: nothing)
 * STORE 0x18 8, (cpuid: nothing) STORE 0x20 8, (rdtscp, where there is one: nothing) STORE 0x28 8,
 * (pause: nothing) STORE 0x30 8, FENCE sfence, FENCE sfence.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

/* Valgrind's CPUID offers RDTSCP where the machine has none; its file of CPUs is the machine's. */
static int HasRdtscp(void) {
  char line[8192];
  int found = 0;
  FILE* const cpus = fopen("/proc/cpuinfo", "r");
  if (cpus == NULL) return 0;
  while (!found && fgets(line, sizeof(line), cpus) != NULL)
    found = strstr(line, " rdtscp ") != NULL;
  fclose(cpus);
  return found;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const int has_rdtscp = HasRdtscp();
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
