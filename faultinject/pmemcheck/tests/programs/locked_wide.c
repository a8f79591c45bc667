/* SPDX-License-Identifier: BSD-3-Clause */
/* CMPXCHG8B and CMPXCHG16B: one store of both halves, that succeeds and that fails.
 *
 * The new value is 0x0807060504030201 (8B) and that followed by 0x1817161514131211 (16B). Events,
 * all atomic: STORE 0x0 8 (8B succeeds), 0x8 8 (8B fails: the old zeros), 0x10 16 (16B succeeds),
 * 0x20 16 (16B fails: the old zeros). Exit code 1 where the halves in memory are wrong afterwards.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

/* Returns whether the exchange took place. */
static int Cmpxchg8b(void* at, uint64_t expected) {
  unsigned char exchanged;
  uint32_t low = (uint32_t)expected, high = (uint32_t)(expected >> 32);
  __asm__ volatile("lock cmpxchg8b (%3)\n\tsete %0"
                   : "=q"(exchanged), "+a"(low), "+d"(high)
                   : "r"(at), "b"(0x04030201), "c"(0x08070605)
                   : "cc", "memory");
  return exchanged;
}

static int Cmpxchg16b(void* at, uint64_t expected) {
  unsigned char exchanged;
  uint64_t low = expected, high = 0;
  __asm__ volatile("lock cmpxchg16b (%3)\n\tsete %0"
                   : "=q"(exchanged), "+a"(low), "+d"(high)
                   : "r"(at), "b"(0x0807060504030201), "c"(0x1817161514131211)
                   : "cc", "memory");
  return exchanged;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  int exchanged = 0;
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  RequireFeature((ecx >> 13 & 1) != 0, "cmpxchg16b");
  TestBegin();
  exchanged |= Cmpxchg8b(m.base, 0);
  exchanged |= Cmpxchg8b(m.base + 8, 1) << 1;
  exchanged |= Cmpxchg16b(m.base + 0x10, 0) << 2;
  exchanged |= Cmpxchg16b(m.base + 0x20, 1) << 3;
  TestEnd();
  for (int i = 0; i < 8; i++) {
    if (m.base[i] != i + 1 || m.base[0x10 + i] != i + 1 || m.base[0x18 + i] != i + 0x11) {
      return kExitWrong;
    }
  }
  return exchanged == 5 ? 0 : kExitWrong;
}
