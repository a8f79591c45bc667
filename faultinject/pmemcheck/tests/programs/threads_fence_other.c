/* SPDX-License-Identifier: BSD-3-Clause */
/* The litmus test of a fence by the wrong thread: it orders nothing of the other's.
 *
 * Events: T1 STORE 0x0 8, T1 FLUSH clwb 0x0; T2 FENCE sfence; T1 STORE nt 0x40 8; T2 FENCE mfence;
 * T1 STORE 0x80 8; then T1 FENCE sfence. The threads take turns with plain stores.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static volatile int turn;

static void* Fencer(void* unused) {
  WaitForTurn(&turn, 1);
  Sfence();
  GiveTurn(&turn, 2);
  WaitForTurn(&turn, 3);
  Mfence();
  GiveTurn(&turn, 4);
  WaitForTurn(&turn, 5);
  return unused;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  pthread_t fencer;
  RequireFlushes();
  Check(pthread_create(&fencer, NULL, Fencer, NULL) == 0, "pthread_create");
  TestBegin();
  Store8(m.base, 1);
  Clwb(m.base);
  GiveTurn(&turn, 1);
  WaitForTurn(&turn, 2);
  Movnti8(m.base + 0x40, 2);
  GiveTurn(&turn, 3);
  WaitForTurn(&turn, 4);
  Store8(m.base + 0x80, 3);
  Sfence();
  TestEnd();
  GiveTurn(&turn, 5);
  Check(pthread_join(fencer, NULL) == 0, "pthread_join");
  return 0;
}
