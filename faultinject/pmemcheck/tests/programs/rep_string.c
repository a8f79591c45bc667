/* SPDX-License-Identifier: BSD-3-Clause */
/* String instructions: a repeated one is one store, however many times it goes round.
 *
 * Events: STORE rep 0x0 100 (rep stosb of 0x5a), 0x81 50 (rep movsb), 0x100 80 (rep movsq), 0x180
 * 64 (rep stosq), 0x220 24 (rep stosl), 0x260 10 (rep movsw), 0x2a0 40 (rep stosb downwards from
 * 0x2c7), 0x300 8 (stosq, not repeated); nothing for rep stosb of no bytes at 0x340.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

#define REP_STOS(SUFFIX, TO, VALUE, COUNT)    \
  do {                                        \
    void* to = (TO);                          \
    size_t count = (COUNT);                   \
    __asm__ volatile("rep stos" SUFFIX        \
                     : "+D"(to), "+c"(count)  \
                     : "a"((uint64_t)(VALUE)) \
                     : "memory");             \
  } while (0)

#define REP_MOVS(SUFFIX, TO, FROM, COUNT)                                                 \
  do {                                                                                    \
    void* to = (TO);                                                                      \
    const void* from = (FROM);                                                            \
    size_t count = (COUNT);                                                               \
    __asm__ volatile("rep movs" SUFFIX : "+D"(to), "+S"(from), "+c"(count) : : "memory"); \
  } while (0)

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char bytes[80];
  for (int i = 0; i < 80; i++) bytes[i] = (unsigned char)(i + 1);
  TestBegin();
  REP_STOS("b", m.base, 0x5a, 100);
  REP_MOVS("b", m.base + 0x81, bytes, 50);
  REP_MOVS("q", m.base + 0x100, bytes, 10);
  REP_STOS("q", m.base + 0x180, 0x0807060504030201, 8);
  REP_STOS("l", m.base + 0x220, 0x14131211, 6);
  REP_MOVS("w", m.base + 0x260, bytes, 5);
  __asm__ volatile("std" : : : "cc");
  REP_STOS("b", m.base + 0x2c7, 0x6b, 40);
  __asm__ volatile("cld" : : : "cc");
  {
    void* to = m.base + 0x300;
    __asm__ volatile("stosq" : "+D"(to) : "a"(0x2827262524232221) : "memory");
  }
  REP_STOS("b", m.base + 0x340, 0x7c, 0);
  TestEnd();
  return 0;
}
