/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/transactions.h"

#include "faultinject/pmemcheck/alloc.h"

void pmc_tx_init(struct pmc_transactions* all, struct pmc_findings* findings) {
  *all = (struct pmc_transactions){.findings = findings};
  pmc_ranges_init(&all->ignored);
}

static struct pmc_transaction* find(const struct pmc_transactions* all, uint64_t number) {
  struct pmc_transaction* transaction = all->active;
  while (transaction != NULL && transaction->number != number) transaction = transaction->next;
  return transaction;
}

static size_t member(const struct pmc_transaction* transaction, uint32_t thread) {
  size_t i = 0;
  while (i < transaction->thread_count && transaction->threads[i] != thread) ++i;
  return i;
}

static void add_member(struct pmc_transaction* transaction, uint32_t thread) {
  if (member(transaction, thread) < transaction->thread_count) return;
  if (transaction->thread_count == transaction->thread_capacity) {
    transaction->threads = pmc_grow(transaction->threads, transaction->thread_count,
                                    &transaction->thread_capacity, sizeof(thread));
  }
  transaction->threads[transaction->thread_count++] = thread;
}

void pmc_tx_start(struct pmc_transactions* all, uint64_t number, uint32_t thread) {
  struct pmc_transaction* transaction = find(all, number);
  if (transaction == NULL) {
    transaction = pmc_alloc(sizeof(*transaction));
    *transaction = (struct pmc_transaction){.number = number, .next = all->active};
    pmc_ranges_init(&transaction->regions);
    all->active = transaction;
  }
  ++transaction->depth;
  add_member(transaction, thread);
}

enum pmc_tx_result pmc_tx_end(struct pmc_transactions* all, uint64_t number) {
  struct pmc_transaction* transaction = find(all, number);
  struct pmc_transaction** link = &all->active;
  if (transaction == NULL) return PMC_TX_NONE;
  if (--transaction->depth > 0) return PMC_TX_OK;
  while (*link != transaction) link = &(*link)->next;
  *link = transaction->next;
  pmc_ranges_clear(&transaction->regions);
  if (transaction->threads != NULL) pmc_free(transaction->threads);
  pmc_free(transaction);
  return PMC_TX_OK;
}

static enum pmc_tx_result find_for(const struct pmc_transactions* all, uint64_t number,
                                   uint32_t thread, struct pmc_transaction** out) {
  *out = find(all, number);
  if (*out == NULL) return PMC_TX_NONE;
  return member(*out, thread) < (*out)->thread_count ? PMC_TX_OK : PMC_TX_NOT_MEMBER;
}

enum pmc_tx_result pmc_tx_add(struct pmc_transactions* all, uint64_t number, uint32_t thread,
                              uint64_t address, uint64_t bytes, uint32_t context) {
  struct pmc_transaction* transaction;
  const enum pmc_tx_result result = find_for(all, number, thread, &transaction);
  if (result != PMC_TX_OK) return result;
  const uint64_t end = address + bytes;
  for (const struct pmc_transaction* other = all->active; other != NULL; other = other->next) {
    if (other == transaction) continue;
    const struct pmc_range* region = pmc_ranges_from(&other->regions, address);
    for (; region != NULL && region->begin < end;
         region = pmc_ranges_from(&other->regions, region->end)) {
      const uint64_t from = region->begin > address ? region->begin : address;
      const uint64_t to = region->end < end ? region->end : end;
      pmc_findings_add(all->findings, PMC_TX_OVERLAP,
                       (struct pmc_finding){.address = from,
                                            .bytes = to - from,
                                            .context = context,
                                            .by = (uint32_t)region->value});
    }
  }
  pmc_ranges_add(&transaction->regions, address, end, context);
  return PMC_TX_OK;
}

enum pmc_tx_result pmc_tx_remove(struct pmc_transactions* all, uint64_t number, uint32_t thread,
                                 uint64_t address, uint64_t bytes) {
  struct pmc_transaction* transaction;
  const enum pmc_tx_result result = find_for(all, number, thread, &transaction);
  if (result == PMC_TX_OK) pmc_ranges_remove(&transaction->regions, address, address + bytes);
  return result;
}

enum pmc_tx_result pmc_tx_add_thread(struct pmc_transactions* all, uint64_t number,
                                     uint32_t thread) {
  struct pmc_transaction* transaction = find(all, number);
  if (transaction == NULL) return PMC_TX_NONE;
  add_member(transaction, thread);
  return PMC_TX_OK;
}

enum pmc_tx_result pmc_tx_remove_thread(struct pmc_transactions* all, uint64_t number,
                                        uint32_t thread) {
  struct pmc_transaction* transaction;
  const enum pmc_tx_result result = find_for(all, number, thread, &transaction);
  if (result != PMC_TX_OK) return result;
  transaction->threads[member(transaction, thread)] =
      transaction->threads[transaction->thread_count - 1];
  --transaction->thread_count;
  return PMC_TX_OK;
}

void pmc_tx_store(struct pmc_transactions* all, uint32_t thread, uint64_t address, uint64_t bytes,
                  uint32_t context) {
  int in_transaction = 0;
  if (all->active == NULL && !all->report_outside) return;
  const uint64_t end = address + bytes;
  for (const struct pmc_transaction* t = all->active; t != NULL; t = t->next) {
    if (member(t, thread) == t->thread_count) continue;
    in_transaction = 1;
    if (pmc_ranges_coverage(&t->regions, address, end) == PMC_INSIDE) return;
  }
  if (!in_transaction && !all->report_outside) return;
  if (pmc_ranges_coverage(&all->ignored, address, end) == PMC_INSIDE) return;
  pmc_findings_add(all->findings, PMC_OUTSIDE_TX,
                   (struct pmc_finding){.address = address, .bytes = bytes, .context = context});
}

size_t pmc_tx_active(const struct pmc_transactions* all) {
  size_t count = 0;
  for (const struct pmc_transaction* t = all->active; t != NULL; t = t->next) ++count;
  return count;
}
