/* SPDX-License-Identifier: BSD-3-Clause */
/* What the requests about transactions return. Exit code 1 where a value is wrong.
 *
 * END_TX: 0, or 1 no such transaction. ADD and REMOVE: 0, 1 no such transaction, 2 this thread is
 * not part of it. Events of the mapping: STORE 0x0 8 and STORE 0x40 8 at begin and end; how
 * transactions show between them is the tool's affair.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

#define EXPECT(REQUEST, VALUE) ExpectUnderValgrind((long)(REQUEST), (VALUE), #REQUEST)

static void Implicit(unsigned char* at) {
  EXPECT(VALGRIND_PMC_END_TX, 1);
  EXPECT(VALGRIND_PMC_ADD_TO_TX(at, 8), 1);
  EXPECT(VALGRIND_PMC_REMOVE_FROM_TX(at, 8), 1);
  VALGRIND_PMC_START_TX;
  EXPECT(VALGRIND_PMC_ADD_TO_TX(at, 8), 0);
  EXPECT(VALGRIND_PMC_REMOVE_FROM_TX(at, 8), 0);
  VALGRIND_PMC_START_TX; /* nests */
  EXPECT(VALGRIND_PMC_ADD_TO_TX(at, 16), 0);
  EXPECT(VALGRIND_PMC_END_TX, 0);
  EXPECT(VALGRIND_PMC_ADD_TO_TX(at + 16, 8), 0);
  EXPECT(VALGRIND_PMC_END_TX, 0);
  EXPECT(VALGRIND_PMC_END_TX, 1);
  EXPECT(VALGRIND_PMC_ADD_TO_TX(at, 8), 1);
}

/* Another thread: transaction 7 runs, and is not its own. */
static void* OtherThread(void* at) {
  EXPECT(VALGRIND_PMC_ADD_TO_TX(at, 8), 1);
  EXPECT(VALGRIND_PMC_ADD_TO_TX_N(7, at, 8), 2);
  EXPECT(VALGRIND_PMC_REMOVE_FROM_TX_N(7, at, 8), 2);
  EXPECT(VALGRIND_PMC_REMOVE_THREAD_FROM_TX_N(7), 2);
  EXPECT(VALGRIND_PMC_ADD_THREAD_TX_N(7), 0);
  EXPECT(VALGRIND_PMC_ADD_TO_TX_N(7, at, 8), 0);
  EXPECT(VALGRIND_PMC_REMOVE_FROM_TX_N(7, at, 8), 0);
  EXPECT(VALGRIND_PMC_REMOVE_THREAD_FROM_TX_N(7), 0);
  EXPECT(VALGRIND_PMC_ADD_TO_TX_N(7, at, 8), 2);
  return NULL;
}

static void Numbered(unsigned char* at) {
  pthread_t thread;
  VALGRIND_PMC_START_TX_N(7);
  EXPECT(VALGRIND_PMC_ADD_TO_TX_N(7, at, 8), 0);
  EXPECT(VALGRIND_PMC_ADD_TO_TX_N(99, at, 8), 1);
  EXPECT(VALGRIND_PMC_REMOVE_FROM_TX_N(99, at, 8), 1);
  EXPECT(VALGRIND_PMC_ADD_THREAD_TX_N(99), 1);
  EXPECT(VALGRIND_PMC_REMOVE_THREAD_FROM_TX_N(99), 1);
  EXPECT(VALGRIND_PMC_REMOVE_FROM_TX_N(7, at + 64, 8), 0);
  Check(pthread_create(&thread, NULL, OtherThread, at) == 0, "pthread_create");
  Check(pthread_join(thread, NULL) == 0, "pthread_join");
  VALGRIND_PMC_START_TX_N(7); /* nests */
  EXPECT(VALGRIND_PMC_END_TX_N(7), 0);
  EXPECT(VALGRIND_PMC_END_TX_N(7), 0);
  EXPECT(VALGRIND_PMC_END_TX_N(7), 1);
  EXPECT(VALGRIND_PMC_END_TX_N(99), 1);
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  TestBegin();
  Store8(m.base, 1);
  Implicit(m.base);
  Numbered(m.base);
  VALGRIND_PMC_ADD_TO_GLOBAL_TX_IGNORE(m.base, 8);
  Store8(m.base + 0x40, 2);
  TestEnd();
  return 0;
}
