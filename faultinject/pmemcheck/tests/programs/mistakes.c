/* SPDX-License-Identifier: BSD-3-Clause */
/* Every mistake that is reported, once each: all of them, or the one that --only=NAME names.
 *
 * The line that is at fault carries a comment "mistake: NAME", by which the expectations find it.
 * Each has a line of the mapping of its own; every other store is flushed and fenced. The
 * categories:
 *
 *   overwritten            stored twice, flushed only then             overwritten stores
 *   flushed-twice          a second flush without a store between      redundantly flushed stores
 *   flushed-clean          a flush of a line that nobody stored to     unnecessary flushes
 *   outside-transaction    a store in a transaction, not added to it   stores made without adding
 * ... two-transactions       a range added to two that both run          overlapping regions ...
 *   idle-fence             a fence with nothing to order               the tool's own category
 *   torn                   one 8-byte variable over two lines          the tool's own category
 *   not-flushed            a store that is never flushed               not made persistent, DIRTY
 *   others-fence           flushed; only another thread fences         not made persistent, FLUSHED
 *   not-fenced             flushed, and no fence before the end        not made persistent, FLUSHED
 *   unfinished-transaction a transaction that does not end             active transactions
 *
 * The last ones are last because a fence would mend them, and so would the locked instructions of
 * exit(): the program leaves by the system call, and the other thread never ends.
 */
#include <pthread.h>

#include "faultinject/pmemcheck/tests/programs/pmem_program.h"

/* Macros, not the shared functions: the instruction belongs to the line of this file. */
#define STORE8(TO, VALUE) \
  __asm__ volatile("movq %1, (%0)" : : "r"(TO), "r"((uint64_t)(VALUE)) : "memory")
#define CLWB(AT) __asm__ volatile("clwb (%0)" : : "r"(AT) : "memory")
#define SFENCE() __asm__ volatile("sfence" : : : "memory")

static const char* only;
static volatile int turn;

static int Wanted(const char* name) { return only == NULL || strcmp(only, name) == 0; }

static void Persist(void* at) {
  CLWB(at);
  SFENCE();
}

static void Overwritten(unsigned char* at) {
  STORE8(at, 1); /* mistake: overwritten */
  STORE8(at, 2);
  Persist(at);
}

static void FlushedTwice(unsigned char* at) {
  STORE8(at, 1); /* mistake: flushed-twice */
  CLWB(at);
  CLWB(at);
  SFENCE();
}

static void FlushedClean(unsigned char* at) { CLWB(at); /* mistake: flushed-clean */ }

static void OutsideTransaction(unsigned char* at) {
  VALGRIND_PMC_START_TX;
  (void)VALGRIND_PMC_ADD_TO_TX(at, 8);
  STORE8(at, 1);
  STORE8(at + 8, 2); /* mistake: outside-transaction */
  (void)VALGRIND_PMC_END_TX;
  Persist(at);
}

static void TwoTransactions(unsigned char* at) {
  VALGRIND_PMC_START_TX_N(1);
  VALGRIND_PMC_START_TX_N(2);
  (void)VALGRIND_PMC_ADD_TO_TX_N(1, at, 16);
  (void)VALGRIND_PMC_ADD_TO_TX_N(2, at + 8, 16); /* mistake: two-transactions */
  (void)VALGRIND_PMC_END_TX_N(2);
  (void)VALGRIND_PMC_END_TX_N(1);
}

static void IdleFence(void) { SFENCE(); /* mistake: idle-fence */ }

static void Torn(unsigned char* at) {
  STORE8(at + kLineBytes - 4, 0x0807060504030201); /* mistake: torn */
  CLWB(at);
  CLWB(at + kLineBytes);
  SFENCE();
}

static void NotFlushed(unsigned char* at) { STORE8(at, 1); /* mistake: not-flushed */ }

static void* FlushAndWaitForEver(void* at) {
  STORE8(at, 1); /* mistake: others-fence */
  CLWB(at);
  GiveTurn(&turn, 1);
  WaitForTurn(&turn, 2);
  return NULL;
}

static void OthersFence(unsigned char* at) {
  pthread_t other;
  Check(pthread_create(&other, NULL, FlushAndWaitForEver, at) == 0, "pthread_create");
  WaitForTurn(&turn, 1);
  STORE8(at + kLineBytes, 1);
  Persist(at + kLineBytes);
}

static void NotFenced(unsigned char* at) {
  STORE8(at, 1); /* mistake: not-fenced */
  CLWB(at);
}

static void UnfinishedTransaction(void) {
  VALGRIND_PMC_START_TX_N(9); /* mistake: unfinished-transaction */
}

int main(int argc, char** argv) {
  const struct Mapping m = MapFile(argc, argv);
  RequireFlushes();
  only = Option(argc, argv, "--only=");
  TestBegin();
  if (Wanted("overwritten")) Overwritten(m.base);
  if (Wanted("flushed-twice")) FlushedTwice(m.base + 0x100);
  if (Wanted("flushed-clean")) FlushedClean(m.base + 0x200);
  if (Wanted("outside-transaction")) OutsideTransaction(m.base + 0x300);
  if (Wanted("two-transactions")) TwoTransactions(m.base + 0x400);
  if (Wanted("idle-fence")) IdleFence();
  if (Wanted("torn")) Torn(m.base + 0x500);
  if (Wanted("not-flushed")) NotFlushed(m.base + 0x600);
  if (Wanted("others-fence")) OthersFence(m.base + 0x700);
  if (Wanted("not-fenced")) NotFenced(m.base + 0x800);
  if (Wanted("unfinished-transaction")) UnfinishedTransaction();
  TestEnd();
  ExitAtOnce(0);
}
