/* SPDX-License-Identifier: BSD-3-Clause */
/* Transfers between counters, undo-logged: the log is written, then said to be valid, then the two
 * counters change in place, then the log is done with.
 *
 * Bugs: log-not-flushed      the log is said to be valid before it is durable
 *       counter-not-flushed  the log is done with before one of the counters is durable
 *       log-too-late         the counters change before the log is said to be valid
 */
#include <libpmem.h>

#include "faultinject/corpus/mapped.h"

enum { COUNTERS = 5 };

struct line {
  uint64_t value;
  uint64_t padding[7];
};
struct image {
  struct line valid;
  struct {
    uint64_t from, to, old_from, old_to;
    uint64_t padding[4];
  } log;
  struct line counters[COUNTERS];
};

static void transfer(struct image* image, uint64_t operation, const struct command* command) {
  const uint64_t from = operation % COUNTERS, to = (operation + 1) % COUNTERS;
  image->log.from = from; /* LOST: log-not-flushed */
  image->log.to = to;
  image->log.old_from = image->counters[from].value;
  image->log.old_to = image->counters[to].value;
  if (!has_bug(command, "log-not-flushed")) pmem_persist(&image->log, sizeof(image->log));
  if (!has_bug(command, "log-too-late")) {
    image->valid.value = 1;
    pmem_persist(&image->valid, sizeof(uint64_t));
  }
  image->counters[from].value -= operation;
  image->counters[to].value += operation; /* LOST: counter-not-flushed */
  if (has_bug(command, "log-too-late")) {
    image->valid.value = 1; /* LOST: log-too-late */
    pmem_persist(&image->valid, sizeof(uint64_t));
  }
  pmem_persist(&image->counters[from], sizeof(uint64_t));
  if (!has_bug(command, "counter-not-flushed")) {
    pmem_persist(&image->counters[to], sizeof(uint64_t));
  }
  image->valid.value = 0;
  pmem_persist(&image->valid, sizeof(uint64_t));
}

static void run(const struct command* command) {
  struct image* image = map_image(command);
  for (uint64_t operation = 1; operation <= OPERATIONS; ++operation) {
    BEGIN_OPERATION(operation);
    transfer(image, operation, command);
    END_OPERATION(operation);
  }
  pmem_unmap(image, IMAGE_BYTES);
}

static int is_after(const struct image* image, uint64_t operations) {
  uint64_t expected[COUNTERS] = {0};
  for (uint64_t operation = 1; operation <= operations; ++operation) {
    expected[operation % COUNTERS] -= operation;
    expected[(operation + 1) % COUNTERS] += operation;
  }
  for (int i = 0; i < COUNTERS; ++i) {
    if (image->counters[i].value != expected[i]) return 0;
  }
  return 1;
}

static void check(const struct command* command) {
  struct image* image = map_image(command);
  if (image->valid.value > 1) no("the mark of the log is %lu", (unsigned long)image->valid.value);
  if (image->valid.value == 1) {
    if (image->log.from >= COUNTERS || image->log.to >= COUNTERS) no("the log names no counters");
    image->counters[image->log.from].value = image->log.old_from;
    image->counters[image->log.to].value = image->log.old_to;
    pmem_persist(image->counters, sizeof(image->counters));
    image->valid.value = 0;
    pmem_persist(&image->valid, sizeof(uint64_t));
  }
  for (uint64_t operations = acknowledged(); operations <= at_most(); ++operations) {
    if (!is_after(image, operations)) continue;
    pmem_unmap(image, IMAGE_BYTES);
    return;
  }
  no("the counters are not those after %lu operations", (unsigned long)acknowledged());
}

static const char* const kBugs[] = {"log-not-flushed", "counter-not-flushed", "log-too-late", NULL};
CORPUS_MAIN(kBugs, make_zeros, run, check)
