/* SPDX-License-Identifier: BSD-3-Clause */
/* Every macro of <valgrind/pmemcheck.h> once, for the C and the C++ compile test. C89.
 *
 * UseEveryRequest() returns the number of values that are wrong outside of Valgrind, where every
 * request that returns something returns 0. The size of an array checks the requests' numbers.
 */
#ifndef FENCEPOST_PMEMCHECK_TESTS_HEADER_USES_H
#define FENCEPOST_PMEMCHECK_TESTS_HEADER_USES_H

#include <valgrind/pmemcheck.h>

#define REQUEST_IS(NAME, INDEX) \
  (VG_USERREQ__PMC_##NAME == (int)VG_USERREQ_TOOL_BASE('P', 'C') + (INDEX))

typedef char RequestsAreNumberedAsTheInterfaceSays
    [(REQUEST_IS(REGISTER_PMEM_MAPPING, 0) && REQUEST_IS(REGISTER_PMEM_FILE, 1) &&
      REQUEST_IS(REMOVE_PMEM_MAPPING, 2) && REQUEST_IS(CHECK_IS_PMEM_MAPPING, 3) &&
      REQUEST_IS(PRINT_PMEM_MAPPINGS, 4) && REQUEST_IS(DO_FLUSH, 5) && REQUEST_IS(DO_FENCE, 6) &&
      REQUEST_IS(RESERVED1, 7) && REQUEST_IS(WRITE_STATS, 8) && REQUEST_IS(RESERVED2, 9) &&
      REQUEST_IS(RESERVED3, 10) && REQUEST_IS(RESERVED4, 11) && REQUEST_IS(RESERVED5, 12) &&
      REQUEST_IS(RESERVED7, 13) && REQUEST_IS(RESERVED8, 14) && REQUEST_IS(RESERVED9, 15) &&
      REQUEST_IS(RESERVED10, 16) && REQUEST_IS(SET_CLEAN, 17) && REQUEST_IS(START_TX, 18) &&
      REQUEST_IS(START_TX_N, 19) && REQUEST_IS(END_TX, 20) && REQUEST_IS(END_TX_N, 21) &&
      REQUEST_IS(ADD_TO_TX, 22) && REQUEST_IS(ADD_TO_TX_N, 23) && REQUEST_IS(REMOVE_FROM_TX, 24) &&
      REQUEST_IS(REMOVE_FROM_TX_N, 25) && REQUEST_IS(ADD_THREAD_TO_TX_N, 26) &&
      REQUEST_IS(REMOVE_THREAD_FROM_TX_N, 27) && REQUEST_IS(ADD_TO_GLOBAL_TX_IGNORE, 28) &&
      REQUEST_IS(RESERVED6, 29) && REQUEST_IS(EMIT_LOG, 30) && REQUEST_IS(DEEP_SYNC, 31) &&
      REQUEST_IS(OPERATION_BEGIN, 0x100) && REQUEST_IS(OPERATION_END, 0x101))
         ? 1
         : -1];

static int UseEveryRequest(void) {
  static char memory[64];
  const unsigned long txn = 7;
  int wrong = 0;

  VALGRIND_PMC_REGISTER_PMEM_MAPPING(memory, sizeof memory);
  VALGRIND_PMC_REGISTER_PMEM_FILE(0, memory, sizeof memory, 0);
  VALGRIND_PMC_PRINT_PMEM_MAPPINGS;
  VALGRIND_PMC_DO_FLUSH(memory, 1);
  VALGRIND_PMC_DO_FENCE;
  VALGRIND_PMC_DEEP_SYNC(memory, 1);
  VALGRIND_PMC_WRITE_STATS;
  VALGRIND_PMC_SET_CLEAN(memory, sizeof memory);
  VALGRIND_PMC_EMIT_LOG("HEADER.BEGIN");
  VALGRIND_PMC_START_TX;
  VALGRIND_PMC_START_TX_N(txn);
  VALGRIND_PMC_ADD_TO_GLOBAL_TX_IGNORE(memory, 1);
  VALGRIND_PMC_OPERATION_BEGIN(1);
  VALGRIND_PMC_OPERATION_END(1);

  /* A statement is one statement, also where there are no braces. */
  if (wrong)
    VALGRIND_PMC_DO_FENCE;
  else
    VALGRIND_PMC_REMOVE_PMEM_MAPPING(memory, sizeof memory);

  wrong += VALGRIND_PMC_CHECK_IS_PMEM_MAPPING(memory, sizeof memory) != 0;
  wrong += VALGRIND_PMC_TAKE_LOADS(memory, memory, 0, 0) != 0;
  wrong += VALGRIND_PMC_ADD_TO_TX(memory, 1) != 0;
  wrong += VALGRIND_PMC_ADD_TO_TX_N(txn, memory, 1) != 0;
  wrong += VALGRIND_PMC_REMOVE_FROM_TX(memory, 1) != 0;
  wrong += VALGRIND_PMC_REMOVE_FROM_TX_N(txn, memory, 1) != 0;
  wrong += VALGRIND_PMC_ADD_THREAD_TX_N(txn) != 0;
  wrong += VALGRIND_PMC_REMOVE_THREAD_FROM_TX_N(txn) != 0;
  wrong += VALGRIND_PMC_END_TX != 0;
  wrong += VALGRIND_PMC_END_TX_N(txn) != 0;
  return wrong;
}

#endif /* FENCEPOST_PMEMCHECK_TESTS_HEADER_USES_H */
