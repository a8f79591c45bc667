/* SPDX-License-Identifier: BSD-3-Clause */
/* One thread stores, another flushes and fences: the store is durable.
 *
 * Events: T1 STORE 0x0 8; T2 FLUSH clwb 0x0, T2 FENCE sfence; T1 STORE 0x40 8; T2 FLUSH clflush
 * 0x40; T1 STORE 0x80 8, T1 FLUSH clwb 0x80; T2 STORE 0x80 8; T1 FENCE sfence. The threads take
 * turns with plain stores.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static volatile int turn;

static void* Flusher(void* base) {
  unsigned char* at = base;
  WaitForTurn(&turn, 1);
  Clwb(at);
  Sfence();
  GiveTurn(&turn, 2);
  WaitForTurn(&turn, 3);
  Clflush(at + 0x40);
  GiveTurn(&turn, 4);
  WaitForTurn(&turn, 5);
  Store8(at + 0x80, 4);
  GiveTurn(&turn, 6);
  WaitForTurn(&turn, 7);
  return NULL;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  pthread_t flusher;
  RequireFlushes();
  Check(pthread_create(&flusher, NULL, Flusher, m.base) == 0, "pthread_create");
  TestBegin();
  Store8(m.base, 1);
  GiveTurn(&turn, 1);
  WaitForTurn(&turn, 2);
  Store8(m.base + 0x40, 2);
  GiveTurn(&turn, 3);
  WaitForTurn(&turn, 4);
  Store8(m.base + 0x80, 3);
  Clwb(m.base + 0x80);
  GiveTurn(&turn, 5);
  WaitForTurn(&turn, 6);
  Sfence();
  TestEnd();
  GiveTurn(&turn, 7);
  Check(pthread_join(flusher, NULL) == 0, "pthread_join");
  return 0;
}
