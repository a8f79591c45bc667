/* SPDX-License-Identifier: BSD-3-Clause */
/* Markers of an application's operations, two of them at work at once.
 *
 * Events: OPERATION_BEGIN 1, STORE 0x0 8, FLUSH clwb 0x0, FENCE sfence, OPERATION_END 1,
 * OPERATION_BEGIN 2, OPERATION_BEGIN 0x123456789abcdef0, STORE 0x40 8, OPERATION_END 2,
 * OPERATION_END 0x123456789abcdef0, LOG PUT.BEGIN, LOG PUT.END, LOG two words; and ; a semicolon,
 * SET_CLEAN 0x40 8, DEEP_SYNC 0x0 64.
 */
#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  RequireFlushes();
  TestBegin();
  VALGRIND_PMC_OPERATION_BEGIN(1);
  Store8(m.base, 1);
  Clwb(m.base);
  Sfence();
  VALGRIND_PMC_OPERATION_END(1);
  VALGRIND_PMC_OPERATION_BEGIN(2);
  VALGRIND_PMC_OPERATION_BEGIN(0x123456789abcdef0);
  Store8(m.base + 0x40, 2);
  VALGRIND_PMC_OPERATION_END(2);
  VALGRIND_PMC_OPERATION_END(0x123456789abcdef0);
  VALGRIND_PMC_EMIT_LOG("PUT.BEGIN");
  VALGRIND_PMC_EMIT_LOG("PUT.END");
  VALGRIND_PMC_EMIT_LOG("two words; and ; a semicolon");
  VALGRIND_PMC_SET_CLEAN(m.base + 0x40, 8);
  VALGRIND_PMC_DEEP_SYNC(m.base, 64);
  TestEnd();
  return 0;
}
