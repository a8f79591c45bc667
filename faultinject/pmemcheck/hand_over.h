/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --sched-seed: other interleavings than Valgrind's own, which runs short threads one after the
   other. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_HAND_OVER_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_HAND_OVER_H_

#include "faultinject/pmemcheck/tool.h"

/* Perhaps ends the running thread's turn at the end of this superblock. */
void hand_over_by_chance(ThreadId tid, VexGuestAMD64State* guest);
void hand_over_init(void);
void hand_over_thread_begin(ThreadId tid);
void hand_over_thread_exit(ThreadId tid);
void hand_over_after_fork(ThreadId tid);

/* After an event of the running thread. */
static inline void maybe_hand_over(ThreadId tid, VexGuestAMD64State* guest) {
  if (options.sched_seed != 0) hand_over_by_chance(tid, guest);
}

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_HAND_OVER_H_ */
