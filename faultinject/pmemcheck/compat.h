/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --compat=yes: which events the report and the store log read as the original tool does. The
   binary trace holds what happened, and is the same either way. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_COMPAT_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_COMPAT_H_

#include "faultinject/pmemcheck/tool.h"

/* A fence completes what any thread has flushed. */
static inline Bool fence_drains_all(void) { return options.compat; }
static inline Bool locked_is_fence(void) { return !options.compat; }
/* Also after the program has flushed by instruction. */
static inline Bool requests_count(void) { return options.compat || !instructions_seen; }
/* A CLFLUSH is a flush as any other, and then a fence. */
static inline Bool clflush_is_flush_and_fence(void) {
  return options.compat && !options.fence_after_clflush;
}
/* A non-temporal store wants a flush as any other. */
static inline Bool non_temporal_is_store(void) { return options.compat; }
/* A requested flush covers its bytes, not their lines. */
static inline Bool requests_flush_bytes(void) { return options.compat && !options.flush_align; }
/* What is not durable when its mapping ends is of no interest. */
static inline Bool unmapping_forgets(void) { return options.compat; }

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_COMPAT_H_ */
