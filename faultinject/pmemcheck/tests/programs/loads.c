/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads of many kinds, whose counts the program asks the tool for and compares: it wants
 * --loads=yes with a cache of 1 MiB. Without Valgrind nothing is counted.
 *
 * It stores nothing but what it says: LOCK XADD at 0x400, MOVNTI at 0x500, REP MOVSB to 0x600.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

struct Counts {
  uint64_t loads, touched, missed, fetched;
};

static int wrong = 0;

static void Expect(const char* what, uint64_t loads, uint64_t touched, uint64_t missed,
                   uint64_t fetched) {
  struct Counts c = {0, 0, 0, 0};
  const unsigned is_counted = VALGRIND_PMC_TAKE_LOADS(&c, NULL, 0, 2);
  if (is_counted != (RUNNING_ON_VALGRIND ? 1 : 0)) {
    printf("%s: counted is %u\n", what, is_counted);
    wrong = 1;
  }
  if (!is_counted) return;
  if (c.loads == loads && c.touched == touched && c.missed == missed && c.fetched == fetched) {
    return;
  }
  printf("%s: %lu loads, %lu touched, %lu missed, %lu fetched; not %lu %lu %lu %lu\n", what,
         c.loads, c.touched, c.missed, c.fetched, loads, touched, missed, fetched);
  wrong = 1;
}

/* VEX takes out a load whose value nobody uses. */
static volatile uint64_t used;

static void Load8(const unsigned char* at) {
  uint64_t value;
  __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(at) : "memory");
  used = value;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  unsigned char elsewhere[128] = {0};
  uint64_t one = 1;
  uint32_t value = 0;
  TestBegin();
  Expect("what came before", 0, 0, 0, 0);

  Load8(elsewhere);
  Expect("other memory", 0, 0, 0, 0);
  Load8(m.base);
  Load8(m.base + 8);
  Expect("two of one line", 2, 1, 1, 0);
  Load8(m.base);
  Expect("a line that the cache holds", 1, 1, 0, 0);
  Load8(m.base + 0x7c);
  Expect("across two lines", 1, 2, 2, 0);
  __asm__ volatile("movups (%0), %%xmm1\n\tmovups %%xmm1, (%1)"
                   :
                   : "r"(m.base + 0x100), "r"(elsewhere)
                   : "xmm1", "memory");
  Expect("16 bytes", 1, 1, 1, 0);
  __asm__ volatile("movzbl (%1), %0" : "=r"(value) : "r"(m.base + 0x140) : "memory");
  used = value;
  Expect("1 byte", 1, 1, 1, 0);
  __asm__ volatile("addl (%1), %0" : "+r"(value) : "r"(m.base + 0x180) : "cc", "memory");
  used = value;
  Expect("an operand", 1, 1, 1, 0);
  __asm__ volatile("prefetcht0 (%0)" : : "r"(m.base + 0x1c0) : "memory");
  Expect("a prefetch", 0, 0, 0, 0);

  __asm__ volatile("lock xaddq %0, (%1)" : "+r"(one) : "r"(m.base + 0x400) : "cc", "memory");
  {
    struct Counts c = {0, 0, 0, 0};
    /* VEX loads what it will compare, and the compare-and-exchange loads too. */
    if (VALGRIND_PMC_TAKE_LOADS(&c, NULL, 0, 2) &&
        (c.touched != 1 || c.missed != 1 || c.fetched != 0)) {
      printf("locked: %lu touched, %lu missed, %lu fetched\n", c.touched, c.missed, c.fetched);
      wrong = 1;
    }
  }
  Load8(m.base + 0x500);
  __asm__ volatile("movnti %0, (%1)" : : "r"(one), "r"(m.base + 0x500) : "memory");
  Load8(m.base + 0x500);
  Expect("a store around the cache", 2, 1, 2, 0);
  {
    void* from = elsewhere;
    void* to = m.base + 0x600;
    size_t bytes = sizeof(elsewhere);
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(bytes) : : "memory");
  }
  Expect("stores to lines that the cache does not hold", 0, 0, 0, 2);
  Load8(m.base + 0x600);
  Expect("what was stored", 1, 1, 0, 0);
  {
    /* One operation, taken twice; the cache is made cold in between. */
    struct Counts c = {0, 0, 0, 0};
    uint64_t lines[2] = {0, 0};
    const uint64_t first = (uint64_t)(uintptr_t)m.base / kLineBytes;
    Load8(m.base + 0x600);
    (void)VALGRIND_PMC_TAKE_LOADS(&c, lines, 2, 1);
    Load8(m.base + 0x680);
    Load8(m.base + 0x600);
    if (VALGRIND_PMC_TAKE_LOADS(&c, lines, 2, 2) &&
        (c.touched != 1 || c.missed != 2 || lines[0] != first + 26 || lines[1] != first + 24)) {
      printf("taken twice: %lu touched, %lu missed, lines %ld %ld\n", c.touched, c.missed,
             (long)(lines[0] - first), (long)(lines[1] - first));
      wrong = 1;
    }
  }
  TestEnd();
  return wrong ? kExitWrong : 0;
}
