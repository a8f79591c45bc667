/* SPDX-License-Identifier: BSD-3-Clause */
/* Two threads that each make --count=N values (300 unless told) durable, one after the other.
 *
 * A round stores 8 bytes in the thread's own line, and 8 in one that both share, made from what was
 * there, so that the file tells in which order; then it flushes and fences each. Both threads are
 * there before either begins. No event list: the order is the scheduler's.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

enum { kThreads = 2 };

static volatile int is_ready[kThreads];
static unsigned long count;
static unsigned char* base;

static void* MakeDurable(void* argument) {
  const int self = *(const int*)argument;
  unsigned char* const own = base + kLineBytes * (1 + self);
  is_ready[self] = 1;
  /* Without a system call: a thread that comes back from one must first be given a processor. */
  while (!is_ready[0] || !is_ready[1]) continue;
  for (unsigned long i = 0; i < count; i++) {
    Store8(own, i);
    Clwb(own);
    Sfence();
    Store8(base, *(volatile uint64_t*)base * 6364136223846793005ULL + (uint64_t)self + 1);
    Clwb(base);
    Sfence();
  }
  return NULL;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  pthread_t threads[kThreads];
  int selves[kThreads];
  base = m.base;
  count = CountOption(argc, argv, 300);
  RequireFlushes();
  TestBegin();
  for (int i = 0; i < kThreads; i++) {
    selves[i] = i;
    Check(pthread_create(&threads[i], NULL, MakeDurable, &selves[i]) == 0, "pthread_create");
  }
  for (int i = 0; i < kThreads; i++) Check(pthread_join(threads[i], NULL) == 0, "pthread_join");
  TestEnd();
  return 0;
}
