/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/loads.h"

#include "faultinject/pmemcheck/alloc.h"
#include "faultinject/pmemcheck/lines.h"

#define NO_LINE UINT64_MAX
#define FIRST_ROOM 1024u

static uint64_t* new_numbers(size_t count, uint64_t value) {
  uint64_t* numbers = pmc_alloc(count * sizeof(*numbers));
  for (size_t i = 0; i < count; ++i) numbers[i] = value;
  return numbers;
}

void pmc_loads_init(struct pmc_loads* loads, uint64_t cache_bytes) {
  loads->tag_count = (size_t)(cache_bytes / PMC_LINE_BYTES);
  loads->tags = new_numbers(loads->tag_count, NO_LINE);
  loads->touched_room = FIRST_ROOM;
  loads->touched = new_numbers(FIRST_ROOM, NO_LINE);
  loads->touched_when = new_numbers(FIRST_ROOM, 0);
  loads->touched_count = 0;
  loads->when = 1;
  loads->missed = new_numbers(PMC_LOADS_KEPT, NO_LINE);
  loads->counts = (struct pmc_load_counts){0, 0, 0, 0};
}

void pmc_loads_free(struct pmc_loads* loads) {
  pmc_free(loads->tags);
  pmc_free(loads->touched);
  pmc_free(loads->touched_when);
  pmc_free(loads->missed);
}

/* Whether the line is new to the set, where it is afterwards. */
static int insert(struct pmc_loads* loads, uint64_t line) {
  size_t at = (size_t)(line * 0x9e3779b97f4a7c15u >> 20) & (loads->touched_room - 1);
  while (loads->touched_when[at] == loads->when) {
    if (loads->touched[at] == line) return 0;
    at = (at + 1) & (loads->touched_room - 1);
  }
  loads->touched[at] = line;
  loads->touched_when[at] = loads->when;
  return 1;
}

static void make_room(struct pmc_loads* loads) {
  const size_t old_room = loads->touched_room;
  uint64_t* const old = loads->touched;
  uint64_t* const old_when = loads->touched_when;
  loads->touched_room = 2 * old_room;
  loads->touched = new_numbers(loads->touched_room, NO_LINE);
  loads->touched_when = new_numbers(loads->touched_room, 0);
  for (size_t i = 0; i < old_room; ++i) {
    if (old_when[i] == loads->when) (void)insert(loads, old[i]);
  }
  pmc_free(old);
  pmc_free(old_when);
}

/* Whether the cache held the line. It does afterwards. */
static int look_up(struct pmc_loads* loads, uint64_t line) {
  uint64_t* const tag = &loads->tags[line % loads->tag_count];
  const int held = *tag == line;
  *tag = line;
  return held;
}

static void note_miss(struct pmc_loads* loads, uint64_t line) {
  if (loads->counts.lines_missed < PMC_LOADS_KEPT) {
    loads->missed[loads->counts.lines_missed] = line;
  }
  ++loads->counts.lines_missed;
}

void pmc_loads_load(struct pmc_loads* loads, uint64_t address, uint64_t bytes) {
  const uint64_t last = (address + bytes - 1) / PMC_LINE_BYTES;
  ++loads->counts.loads;
  for (uint64_t line = address / PMC_LINE_BYTES; line <= last; ++line) {
    if (!look_up(loads, line)) note_miss(loads, line);
    if (!insert(loads, line)) continue;
    ++loads->counts.lines_touched;
    if (2 * ++loads->touched_count > loads->touched_room) make_room(loads);
  }
}

void pmc_loads_store(struct pmc_loads* loads, uint64_t address, uint64_t bytes, int around_cache) {
  const uint64_t last = (address + bytes - 1) / PMC_LINE_BYTES;
  for (uint64_t line = address / PMC_LINE_BYTES; line <= last; ++line) {
    if (!around_cache) {
      if (!look_up(loads, line)) ++loads->counts.lines_fetched;
    } else if (loads->tags[line % loads->tag_count] == line) {
      loads->tags[line % loads->tag_count] = NO_LINE;
    }
  }
}

struct pmc_load_counts pmc_loads_take(struct pmc_loads* loads, unsigned flags, uint64_t* missed,
                                      size_t room) {
  const struct pmc_load_counts taken = loads->counts;
  for (size_t i = 0; i < room && i < taken.lines_missed && i < PMC_LOADS_KEPT; ++i) {
    missed[i] = loads->missed[i];
  }
  loads->counts = (struct pmc_load_counts){0, 0, 0, 0};
  if ((flags & PMC_LOADS_END) != 0) {
    ++loads->when;
    loads->touched_count = 0;
  }
  for (size_t i = 0; (flags & PMC_LOADS_COLD) != 0 && i < loads->tag_count; ++i) {
    loads->tags[i] = NO_LINE;
  }
  return taken;
}
