/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Line states: which stores to persistent memory are not known to be durable, and why not.

   A store is DIRTY until its line is flushed, then FLUSHED by the thread that flushed it, and gone
   (durable) once a fence of that thread drains it. CLFLUSH and msync make what they cover durable
   at once. A non-temporal store needs no flush, only a fence of its own thread: it starts FLUSHED.

   Invariants:
     1. The records of a line do not overlap; each lies within the line.
     2. Only lines with a record take memory (24 bytes each, beside a page of 64 pointers).
     3. Each operation costs what it touches: a flush of a gigabyte visits the lines with records.
   Threads: numbered; the caller serialises.
   Not covered: store buffering (stores are taken in the order in which they became visible).
   Source: Intel SDM vol. 1 chapter 11 and vol. 3 chapter 12; Raad et al., POPL 2020.
   Free of Valgrind and libc headers, so that ctest runs it natively. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_LINES_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_LINES_H_

#include <stddef.h>
#include <stdint.h>

#include "faultinject/pmemcheck/findings.h"

#ifdef __cplusplus
extern "C" {
#endif

#define PMC_LINE_BYTES 64u
/* Threads that may have flushed lines and not fenced yet, at a time. */
#define PMC_FLUSHERS 64u

struct pmc_record {
  uint8_t offset; /* in the line */
  uint8_t bytes;
  uint8_t state;        /* enum pmc_state */
  uint8_t non_temporal; /* no flush holds it, only a fence of its own thread */
  uint32_t context;
  uint32_t superblock; /* when it was stored */
  uint32_t flushed_at; /* pmc_lines.step of the flush; 0 if DIRTY */
  uint64_t flushers;   /* one bit a thread with the line in its list */
};

struct pmc_line {
  uint64_t number;  /* address / 64 */
  uint64_t pending; /* flushers that have this line in their list */
  uint16_t count, capacity;
  struct pmc_record* records;
  struct pmc_record first[2];
};

struct pmc_flusher {
  uint32_t thread; /* 0: free */
  uint64_t* lines; /* numbers of lines flushed since the last fence */
  size_t count, capacity;
};

struct pmc_lines {
  void* root; /* radix tree over page numbers */
  uint64_t cached_number;
  struct pmc_page* cached_page;
  struct pmc_line* free_lines;
  struct pmc_page* free_pages;
  size_t line_count, page_count;
  struct pmc_flusher flushers[PMC_FLUSHERS];
  uint32_t step;         /* flushes and fences so far */
  uint32_t last_fence;   /* step of the last fence of any thread */
  uint64_t waiting;      /* lines in the lists of all flushers */
  uint64_t lost_flushes; /* for want of a flusher: their stores stay DIRTY */
  struct pmc_findings* findings;
  /* Settings. */
  int report_overwrites;
  uint32_t indifferent_superblocks; /* overwrites within so many superblocks are not reported */
  int requests_flush_bytes;         /* a requested flush covers its bytes, not whole lines */
};

enum pmc_flush_kind { PMC_CLWB, PMC_CLFLUSHOPT, PMC_CLFLUSH, PMC_REQUESTED_FLUSH };

void pmc_lines_init(struct pmc_lines* lines, struct pmc_findings* findings);
void pmc_lines_free(struct pmc_lines* lines);

enum pmc_store_kind {
  PMC_CACHED,
  PMC_NON_TEMPORAL,
  PMC_MASKED_NT /* of which bytes is not known: what was there before it stays as it was */
};
void pmc_lines_store(struct pmc_lines* lines, uint32_t thread, uint64_t address, uint64_t bytes,
                     uint32_t context, uint32_t superblock, enum pmc_store_kind kind);
/* Whole lines are flushed, unless the setting above says otherwise. Returns how many records the
 * flush covered. */
size_t pmc_lines_flush(struct pmc_lines* lines, uint32_t thread, uint64_t address, uint64_t bytes,
                       enum pmc_flush_kind kind, uint32_t context);
/* Returns how many records became durable. */
size_t pmc_lines_fence(struct pmc_lines* lines, uint32_t thread);
/* A fence by each thread that has flushed anything. */
size_t pmc_lines_fence_all(struct pmc_lines* lines);
/* [address, address + bytes) is durable (msync), clean, or of no interest any more. */
void pmc_lines_forget(struct pmc_lines* lines, uint64_t address, uint64_t bytes);
/* The mapping there ends: what is left of it becomes findings, and is forgotten. */
void pmc_lines_close(struct pmc_lines* lines, uint64_t address, uint64_t bytes);
/* mremap: what is left at `from` is at `to` now. REQUIRES: both on a line's begin, no overlap. */
void pmc_lines_move(struct pmc_lines* lines, uint64_t from, uint64_t to, uint64_t bytes);
/* A thread that ended takes its unfenced flushes with it. */
void pmc_lines_thread_exit(struct pmc_lines* lines, uint32_t thread);
/* Turns what is left into findings, in order of address: NOT_PERSISTED and FOREIGN_FENCE. */
void pmc_lines_report_left(struct pmc_lines* lines);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_LINES_H_ */
