/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of records that are written around the cache: a record, a fence, then the tail.
 *
 * Bugs: no-drain          no fence between a record's non-temporal stores and the tail
 *       tail-not-flushed  the tail is not flushed: an acknowledged record may be lost
 */
#include <libpmem.h>

#include "faultinject/corpus/mapped.h"

enum { WORDS = 32 };

struct record {
  uint64_t words[WORDS];
};
struct image {
  uint64_t tail;
  uint64_t padding[7];
  struct record records[OPERATIONS];
};

static void fill(struct record* record, uint64_t number) {
  for (uint64_t i = 0; i < WORDS; ++i) record->words[i] = number << 32 | (i + 1);
}

static void push(struct image* image, uint64_t number, const struct command* command) {
  struct record record;
  const unsigned flags = PMEM_F_MEM_NONTEMPORAL | PMEM_F_MEM_NODRAIN;
  fill(&record, number);
  pmem_memcpy(&image->records[number - 1], &record, sizeof(record), flags); /* LOST: no-drain */
  if (!has_bug(command, "no-drain")) pmem_drain();
  image->tail = number; /* LOST: tail-not-flushed */
  if (!has_bug(command, "tail-not-flushed")) pmem_flush(&image->tail, sizeof(image->tail));
  pmem_drain();
}

static void run(const struct command* command) {
  struct image* image = map_image(command);
  for (uint64_t operation = 1; operation <= OPERATIONS; ++operation) {
    BEGIN_OPERATION(operation);
    push(image, operation, command);
    END_OPERATION(operation);
  }
  pmem_unmap(image, IMAGE_BYTES);
}

static void check(const struct command* command) {
  struct image* image = map_image(command);
  const unsigned long tail = image->tail;
  if (tail < acknowledged())
    no("%lu records, %lu acknowledged", tail, (unsigned long)acknowledged());
  if (tail > at_most()) no("%lu records, only %lu begun", tail, (unsigned long)at_most());
  for (uint64_t number = 1; number <= tail; ++number) {
    struct record expected;
    fill(&expected, number);
    if (memcmp(&image->records[number - 1], &expected, sizeof(expected)) != 0) {
      no("record %lu of %lu is not whole", (unsigned long)number, tail);
    }
  }
  pmem_unmap(image, IMAGE_BYTES);
}

static const char* const kBugs[] = {"no-drain", "tail-not-flushed", NULL};
CORPUS_MAIN(kBugs, make_zeros, run, check)
