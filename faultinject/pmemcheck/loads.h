/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads of persistent memory through a simulated cache of the CPU: which lines were looked at, and
   which of them a memory would have been asked for.

   The cache is direct-mapped, of whole lines. A store of a line that it does not hold reads that
   line first; a store around the cache takes it away; flushes leave it, as CLWB does.

   Threads: none.
   Not covered: that a core reads ahead; several levels, other threads' caches; a load whose value
   nobody uses, which VEX takes out before a tool sees it. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_LOADS_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_LOADS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Since the last time that they were taken. */
struct pmc_load_counts {
  uint64_t loads;         /* by instructions, of any size */
  uint64_t lines_touched; /* by loads, each line once an operation */
  uint64_t lines_missed;  /* by loads, that the cache did not hold: as often as that was so */
  uint64_t lines_fetched; /* likewise, by stores */
};

/* Missed lines that are kept until they are taken; of more, only how many there were. */
#define PMC_LOADS_KEPT ((size_t)1 << 16)

enum {
  PMC_LOADS_COLD = 1, /* the cache holds nothing afterwards */
  PMC_LOADS_END = 2   /* an operation ends: every line is new again to the next */
};

struct pmc_loads {
  uint64_t* tags; /* of the cache: line numbers */
  size_t tag_count;
  uint64_t* touched; /* a hash set with linear probing: line numbers */
  uint64_t* touched_when;
  size_t touched_room; /* a power of two */
  size_t touched_count;
  uint64_t when;    /* what belongs to an earlier one is not there */
  uint64_t* missed; /* line numbers, in order; PMC_LOADS_KEPT of them at most */
  struct pmc_load_counts counts;
};

/* REQUIRES: cache_bytes is at least a line. */
void pmc_loads_init(struct pmc_loads* loads, uint64_t cache_bytes);
void pmc_loads_free(struct pmc_loads* loads);
void pmc_loads_load(struct pmc_loads* loads, uint64_t address, uint64_t bytes);
void pmc_loads_store(struct pmc_loads* loads, uint64_t address, uint64_t bytes, int around_cache);
/* And begins anew, as `flags` say. Writes at most `room` of the missed lines, the first ones, to
   `missed`, and returns what it counted. */
struct pmc_load_counts pmc_loads_take(struct pmc_loads* loads, unsigned flags, uint64_t* missed,
                                      size_t room);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_LOADS_H_ */
