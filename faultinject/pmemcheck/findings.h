/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks found: each kind counted to the last one, the first few kept for the report.
   Threads: none. Free of Valgrind and libc headers. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_FINDINGS_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_FINDINGS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pmc_finding_kind {
  PMC_NOT_PERSISTED,
  PMC_OVERWRITTEN,       /* before it was durable */
  PMC_REDUNDANT_FLUSH,   /* of a store that this thread had flushed already */
  PMC_UNNECESSARY_FLUSH, /* of lines that hold no store to be made durable */
  PMC_OUTSIDE_TX,
  PMC_TX_OVERLAP,
  PMC_IDLE_FENCE,    /* nothing to order */
  PMC_FOREIGN_FENCE, /* flushed by one thread, and only another one has fenced since */
  PMC_TORN_STORE,    /* one store, two lines: a crash may keep either half */
  PMC_FINDING_KINDS
};

enum pmc_state { PMC_DIRTY, PMC_FLUSHED };

struct pmc_finding {
  uint64_t address;
  uint64_t bytes;
  uint32_t context; /* of the store, or of the flush or fence where there is no store */
  uint32_t by;      /* context of what made it a finding; 0: nothing did */
  enum pmc_state state;
};

/* Findings beyond this many of a kind are counted only. */
#define PMC_FINDINGS_KEPT 10000

struct pmc_findings {
  uint64_t count[PMC_FINDING_KINDS];
  uint64_t bytes[PMC_FINDING_KINDS];
  struct pmc_finding* kept[PMC_FINDING_KINDS];
  size_t kept_count[PMC_FINDING_KINDS];
  size_t capacity[PMC_FINDING_KINDS];
};

void pmc_findings_add(struct pmc_findings* findings, enum pmc_finding_kind kind,
                      struct pmc_finding finding);
void pmc_findings_clear(struct pmc_findings* findings, enum pmc_finding_kind kind);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_FINDINGS_H_ */
