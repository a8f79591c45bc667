/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that store over one another: the file tells whether the trace's order is the true one.
 *
 * Four threads, each --count=N rounds (20,000 unless told) of unlocked and locked
 * read-modify-writes of 1 to 16 bytes to 4 KiB that all share, each value made from what was there.
 * Only the trace's stores, all of them and in the order in which they took place, end in the same
 * file. No event list.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

enum { kThreads = 4, kSharedBytes = 4096 };

struct Work {
  unsigned char* base;
  unsigned long rounds;
  uint64_t random;
};

static uint64_t Next(uint64_t* random) { /* xorshift64 */
  *random ^= *random << 13;
  *random ^= *random >> 7;
  *random ^= *random << 17;
  return *random;
}

static void Mix(unsigned char* at, uint64_t random) {
  uint64_t seen;
  memcpy(&seen, at, sizeof seen);
  seen = seen * 6364136223846793005ULL + random;
  switch (random >> 32 & 7) {
    case 0:
      Store1(at, (uint8_t)(seen >> 8));
      break;
    case 1:
      Store2(at, (uint16_t)(seen >> 8));
      break;
    case 2:
      Store4(at, (uint32_t)(seen >> 8));
      break;
    case 3:
      Store8(at, seen);
      break;
    case 4: {
      const uint64_t two[2] = {seen, ~seen};
      Movups(at, two);
      break;
    }
    case 5:
      Movnti8(at, seen);
      break;
    case 6:
      __asm__ volatile("lock xaddq %0, (%1)" : "+r"(seen) : "r"(at) : "cc", "memory");
      break;
    default:
      __asm__ volatile("addq %0, (%1)" : : "r"(seen), "r"(at) : "cc", "memory");
      break;
  }
}

static void* MixRounds(void* argument) {
  struct Work* work = argument;
  for (unsigned long i = 0; i < work->rounds; i++) {
    const uint64_t random = Next(&work->random);
    Mix(work->base + random % (kSharedBytes - 16), random);
    if (random >> 60 == 0) sched_yield();
  }
  return NULL;
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  const unsigned long rounds = CountOption(argc, argv, 20000);
  pthread_t threads[kThreads];
  struct Work work[kThreads];
  TestBegin();
  for (int i = 0; i < kThreads; i++) {
    work[i] = (struct Work){m.base, rounds, 0x9e3779b97f4a7c15ULL * (unsigned)(i + 1)};
    Check(pthread_create(&threads[i], NULL, MixRounds, &work[i]) == 0, "pthread_create");
  }
  for (int i = 0; i < kThreads; i++) Check(pthread_join(threads[i], NULL) == 0, "pthread_join");
  TestEnd();
  return 0;
}
