/* SPDX-License-Identifier: BSD-3-Clause */
/* What the requests about mappings return, on ordinary memory and on the file's.
 *
 * Events: STORE 0x0 8, FLUSH request 0x8 100, FENCE request, REMOVE 0x0 65536, STORE 0x8 8 (traced
 * all the same). The stores to registered memory that is of no file are not of the file. Exit code
 * 1 where a value is wrong (0 no, 1 wholly, 2 in part).
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static unsigned char memory[4 * kPageBytes] __attribute__((aligned(4096)));
static unsigned char variable;

static void ExpectIsPmem(const void* at, size_t bytes, long expected, const char* what) {
  ExpectUnderValgrind((long)VALGRIND_PMC_CHECK_IS_PMEM_MAPPING(at, bytes), expected, what);
}

static void Registered(void) {
  ExpectIsPmem(memory, sizeof memory, 0, "memory before it is registered");
  VALGRIND_PMC_REGISTER_PMEM_MAPPING(memory + 0x1000, 0x2000);
  ExpectIsPmem(memory + 0x1000, 0x2000, 1, "all that is registered");
  ExpectIsPmem(memory + 0x1001, 1, 1, "a byte inside");
  ExpectIsPmem(memory + 0xfff, 2, 2, "a byte before and one inside");
  ExpectIsPmem(memory + 0x2fff, 2, 2, "the last byte and one behind");
  ExpectIsPmem(memory, sizeof memory, 2, "more than is registered");
  ExpectIsPmem(memory, 0x1000, 0, "what ends where it begins");
  ExpectIsPmem(memory + 0x3000, 0x1000, 0, "what begins where it ends");
  VALGRIND_PMC_REGISTER_PMEM_MAPPING(memory + 0x3000, 0x1000);
  ExpectIsPmem(memory + 0x1000, 0x3000, 1, "two that touch");
  VALGRIND_PMC_REGISTER_PMEM_MAPPING(memory + 0x2000, 0x2000);
  ExpectIsPmem(memory + 0x1000, 0x3000, 1, "and one over both");
  VALGRIND_PMC_REMOVE_PMEM_MAPPING(memory + 0x2000, 0x800);
  ExpectIsPmem(memory + 0x1000, 0x3000, 2, "with a hole");
  ExpectIsPmem(memory + 0x2000, 0x800, 0, "the hole");
  ExpectIsPmem(memory + 0x1000, 0x1000, 1, "before the hole");
  ExpectIsPmem(memory + 0x2800, 0x1800, 1, "behind the hole");
  VALGRIND_PMC_PRINT_PMEM_MAPPINGS;
  VALGRIND_PMC_REMOVE_PMEM_MAPPING(memory, sizeof memory);
  ExpectIsPmem(memory, sizeof memory, 0, "all removed");

  /* So PMDK finds out that it runs under the tool. */
  VALGRIND_PMC_REGISTER_PMEM_MAPPING(&variable, sizeof variable);
  ExpectIsPmem(&variable, sizeof variable, 1, "a registered variable");
  VALGRIND_PMC_REMOVE_PMEM_MAPPING(&variable, sizeof variable);
  ExpectIsPmem(&variable, sizeof variable, 0, "the variable, removed");
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  Registered();
  Store8(m.base, 1);
  VALGRIND_PMC_DO_FLUSH(m.base + 8, 100);
  VALGRIND_PMC_DO_FENCE;
  VALGRIND_PMC_REMOVE_PMEM_MAPPING(m.base, m.size_bytes);
  ExpectIsPmem(m.base, m.size_bytes, 0, "the file, removed");
  Store8(m.base + 8, 2);
  TestEnd();
  VALGRIND_PMC_REGISTER_PMEM_FILE(m.fd, m.base, m.size_bytes, 0);
  ExpectIsPmem(m.base, m.size_bytes, 1, "the file, registered");
  VALGRIND_PMC_WRITE_STATS;
  return 0;
}
