/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tool and the original pmemcheck read differently: --only=NAME is one of the cases.
 *
 * Each case stores at offset 0 and makes it durable by the one reading, or by the other. No event
 * list: the binary trace is the same with --compat=yes.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

static volatile int turn;

static void* FenceInThread(void* unused) {
  WaitForTurn(&turn, 1);
  Sfence();
  GiveTurn(&turn, 2);
  WaitForTurn(&turn, 1); /* the process ends first */
  return unused;
}

/* A start and a join of threads run locked instructions, which are fences: neither is in between.
 */
static void OthersFence(const struct Mapping* m) {
  pthread_t thread;
  Check(pthread_create(&thread, NULL, FenceInThread, NULL) == 0, "pthread_create");
  Store8(m->base, 1);
  Clwb(m->base);
  GiveTurn(&turn, 1);
  WaitForTurn(&turn, 2);
}

static void Locked(const struct Mapping* m) {
  static uint64_t elsewhere;
  Store8(m->base, 1);
  Clwb(m->base);
  __asm__ volatile("lock incq %0" : "+m"(elsewhere) : : "memory");
}

static void Request(const struct Mapping* m) {
  Clwb(m->base); /* now the tool knows that the program flushes by instruction */
  Store8(m->base, 1);
  VALGRIND_PMC_DO_FLUSH(m->base, 8);
  VALGRIND_PMC_DO_FENCE;
}

static void ClflushAsFence(const struct Mapping* m) {
  Store8(m->base, 1);
  Clwb(m->base);
  Store8(m->base + 64, 1);
  Clflush(m->base + 64);
}

static void RequestOfBytes(const struct Mapping* m) {
  Movups(m->base, "sixteen bytes ..");
  VALGRIND_PMC_DO_FLUSH(m->base, 8);
  VALGRIND_PMC_DO_FENCE;
}

static void NonTemporal(const struct Mapping* m) {
  Movnti8(m->base, 1);
  Sfence();
}

static void Unmap(const struct Mapping* m) {
  Store8(m->base, 1);
  Check(munmap(m->base, m->size_bytes) == 0, "munmap");
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(const struct Mapping*);
  } cases[] = {{"others-fence", OthersFence},
               {"locked", Locked},
               {"request", Request},
               {"clflush", ClflushAsFence},
               {"request-bytes", RequestOfBytes},
               {"non-temporal", NonTemporal},
               {"unmap", Unmap}};
  const struct Mapping m = MapFile(argc, argv);
  const char* const only = Option(argc, argv, "--only=");
  RequireFlushes();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    if (only != NULL && strcmp(only, cases[i].name) == 0) {
      cases[i].run(&m);
      ExitAtOnce(0);
    }
  }
  return only == NULL ? 0 : kExitUsage;
}
