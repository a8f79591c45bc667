/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of disjoint address ranges, each with a value: mappings, regions of transactions.

   Invariants: ranges are not empty and do not overlap; two that touch and have one value that
   `same` calls equal stay apart only if they were added apart.
   Cost: O(log n) for each range that is added, split or removed (a treap; priorities are a fixed
   sequence, so that a run repeats itself).
   Threads: none. Free of Valgrind and libc headers, so that ctest runs it natively. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_RANGES_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_RANGES_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pmc_range {
  uint64_t begin, end; /* [begin, end) */
  uint64_t value;
  uint64_t base; /* where the range began when it was added: offsets survive splits */
  /* Internal. */
  struct pmc_range *left, *right;
  uint32_t priority;
};

struct pmc_ranges {
  struct pmc_range* root;
  size_t count;
  uint32_t random;
};

void pmc_ranges_init(struct pmc_ranges* set);
void pmc_ranges_clear(struct pmc_ranges* set);

/* Adds [begin, end); what overlaps gives way. Nothing for an empty range. */
void pmc_ranges_add(struct pmc_ranges* set, uint64_t begin, uint64_t end, uint64_t value);
void pmc_ranges_remove(struct pmc_ranges* set, uint64_t begin, uint64_t end);

/* The range that holds `address`, or NULL. */
const struct pmc_range* pmc_ranges_find(const struct pmc_ranges* set, uint64_t address);
/* The first range that ends after `address`, or NULL: the start of a walk. */
const struct pmc_range* pmc_ranges_from(const struct pmc_ranges* set, uint64_t address);

enum pmc_coverage { PMC_OUTSIDE, PMC_INSIDE, PMC_PARTLY };
/* How much of [begin, end) the set covers. */
enum pmc_coverage pmc_ranges_coverage(const struct pmc_ranges* set, uint64_t begin, uint64_t end);

/* The smallest range that holds the whole set; 0, 0 for none. */
void pmc_ranges_hull(const struct pmc_ranges* set, uint64_t* begin, uint64_t* end);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_RANGES_H_ */
