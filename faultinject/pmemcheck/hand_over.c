/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends turns at seeded events.

   Who runs next is the first in the queue for Valgrind's one lock (--fair-sched=yes). A thread
   whose turn ends, or that comes back from a system call, queues for it: where the system has
   stopped it before that, it is not in the queue, and another one would have all turns until the
   system goes on with it. So the end of a turn waits until all other threads sleep, in the queue or
   in a call. */
#include "faultinject/pmemcheck/hand_over.h"

#include <pub_tool_libcfile.h>
#include <pub_tool_libcproc.h>
#include <pub_tool_vki.h>
#include <pub_tool_vkiscnums.h>

enum { MOST_WAITS = 10000 }; /* of some microseconds: then it is busy in a system call */

static Int* lwps; /* by ThreadId: the system's number of a thread; 0: none */

static void let_others_run(void) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"((long)__NR_sched_yield) : "rcx", "r11", "memory");
}

/* Or gone. */
static Bool is_asleep(Int lwp) {
  HChar text[512];
  const HChar* state;
  Int count;
  SysRes opened;
  VG_(sprintf)(text, "/proc/self/task/%d/stat", lwp);
  opened = VG_(open)(text, VKI_O_RDONLY, 0);
  if (sr_isError(opened)) return True;
  count = VG_(read)((Int)sr_Res(opened), text, sizeof(text) - 1);
  VG_(close)((Int)sr_Res(opened));
  if (count <= 0) return True;
  text[count] = '\0';
  state = VG_(strrchr)(text, ')'); /* "1 (name) S ..." */
  return state == NULL || state[1] == '\0' || state[2] != 'R';
}

static void wait_for_the_queue(ThreadId self) {
  Int waits = 0;
  for (ThreadId tid = 1; tid < VG_N_THREADS; ++tid) {
    if (lwps[tid] == 0 || tid == self) continue;
    while (!is_asleep(lwps[tid]) && ++waits < MOST_WAITS) let_others_run();
  }
}

void hand_over_by_chance(ThreadId tid, VexGuestAMD64State* guest) {
  static UInt random;
  if (random == 0) random = (UInt)options.sched_seed * 2654435761u | 1;
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  if (random >> 30 != 0) return; /* one event in four */
  wait_for_the_queue(tid);
  guest->host_EvC_COUNTER = 0;
}

void hand_over_thread_begin(ThreadId tid) {
  if (lwps != NULL) lwps[tid] = VG_(gettid)();
}

void hand_over_thread_exit(ThreadId tid) {
  if (lwps != NULL) lwps[tid] = 0;
}

void hand_over_after_fork(ThreadId tid) {
  if (lwps == NULL) return;
  VG_(memset)(lwps, 0, VG_N_THREADS * sizeof(*lwps));
  hand_over_thread_begin(tid);
}

void hand_over_init(void) {
  if (options.sched_seed == 0) return;
  lwps = VG_(calloc)("pmc.turns", VG_N_THREADS, sizeof(*lwps));
}
