/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --sched-seed: other interleavings than Valgrind's own, which runs short threads one after the
   other. What a seed gives depends on when the system starts threads; what is replayable is the
   trace. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_HAND_OVER_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_HAND_OVER_H_

#include "faultinject/pmemcheck/tool.h"

/* After an event of the running thread: perhaps ends its turn at the end of this superblock. Needs
   --fair-sched=yes, or the same thread may be given the next turn. */
static inline void maybe_hand_over(VexGuestAMD64State* guest) {
  static UInt random;
  if (options.sched_seed == 0) return;
  if (random == 0) random = (UInt)options.sched_seed * 2654435761u | 1;
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  if (random >> 30 == 0) guest->host_EvC_COUNTER = 0; /* one event in four */
}

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_HAND_OVER_H_ */
