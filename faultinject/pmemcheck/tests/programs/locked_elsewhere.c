/* SPDX-License-Identifier: BSD-3-Clause */
/* A locked instruction on ordinary memory is a fence for the mapping all the same.
 *
 * Events: STORE 0x0 8, FLUSH clwb 0x0, FENCE locked (lock incq of the stack), STORE 0x40 8, FLUSH
 * clwb 0x40, FENCE locked (xchg with the stack), STORE 0x80 8, FLUSH clwb 0x80, FENCE locked (a
 * compare and exchange of the stack that fails).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  uint64_t elsewhere = 0;
  uint64_t other = 1;
  RequireFlushes();
  TestBegin();
  Store8(m.base, 1);
  Clwb(m.base);
  __asm__ volatile("lock incq %0" : "+m"(elsewhere) : : "cc", "memory");
  Store8(m.base + 0x40, 2);
  Clwb(m.base + 0x40);
  __asm__ volatile("xchgq %1, %0" : "+m"(elsewhere), "+r"(other) : : "memory");
  Store8(m.base + 0x80, 3);
  Clwb(m.base + 0x80);
  __asm__ volatile("lock cmpxchgq %1, %0"
                   : "+m"(elsewhere)
                   : "r"(other), "a"(99ULL)
                   : "cc", "memory");
  TestEnd();
  return 0;
}
