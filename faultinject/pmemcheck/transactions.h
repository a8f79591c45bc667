/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions as programs announce them: which ranges each may change, and which threads take
   part.

   Nesting counts: a transaction ends with the END that matches its first START. A thread's own
   transaction has the thread's number as its own.
   Threads: numbered; the caller serialises. Free of Valgrind and libc headers. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_TRANSACTIONS_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_TRANSACTIONS_H_

#include <stddef.h>
#include <stdint.h>

#include "faultinject/pmemcheck/findings.h"
#include "faultinject/pmemcheck/ranges.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pmc_transaction {
  uint64_t number;
  uint32_t depth;
  struct pmc_ranges regions; /* the value of a region is the context that added it */
  uint32_t* threads;
  size_t thread_count, thread_capacity;
  struct pmc_transaction* next;
};

struct pmc_transactions {
  struct pmc_transaction* active; /* latest first */
  struct pmc_ranges ignored;
  struct pmc_findings* findings;
  int report_outside; /* stores outside of every transaction are findings too */
};

/* What the client requests return. */
enum pmc_tx_result { PMC_TX_OK = 0, PMC_TX_NONE = 1, PMC_TX_NOT_MEMBER = 2 };

void pmc_tx_init(struct pmc_transactions* all, struct pmc_findings* findings);
void pmc_tx_start(struct pmc_transactions* all, uint64_t number, uint32_t thread);
enum pmc_tx_result pmc_tx_end(struct pmc_transactions* all, uint64_t number);
enum pmc_tx_result pmc_tx_add(struct pmc_transactions* all, uint64_t number, uint32_t thread,
                              uint64_t address, uint64_t bytes, uint32_t context);
enum pmc_tx_result pmc_tx_remove(struct pmc_transactions* all, uint64_t number, uint32_t thread,
                                 uint64_t address, uint64_t bytes);
enum pmc_tx_result pmc_tx_add_thread(struct pmc_transactions* all, uint64_t number,
                                     uint32_t thread);
enum pmc_tx_result pmc_tx_remove_thread(struct pmc_transactions* all, uint64_t number,
                                        uint32_t thread);
/* A store to checked memory: a finding if its thread is in transactions and none has the range. */
void pmc_tx_store(struct pmc_transactions* all, uint32_t thread, uint64_t address, uint64_t bytes,
                  uint32_t context);
size_t pmc_tx_active(const struct pmc_transactions* all);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_TRANSACTIONS_H_ */
