/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "faultinject/pmemcheck/lines.h"

#include "faultinject/pmemcheck/alloc.h"

#define PAGE_LINES 64u
#define PAGE_SHIFT 12
#define FANOUT_BITS 9
#define FANOUT (1u << FANOUT_BITS)
#define LEVELS 4 /* of 9 bits over a 36-bit page number: 48-bit addresses */

/* 4 KiB of persistent memory. Only the lines whose bit is set in `present` are valid. */
struct pmc_page {
  uint64_t present;
  struct pmc_page* next_free;
  struct pmc_line* line[PAGE_LINES];
};

struct node {
  uint32_t used;
  void* child[FANOUT];
};

/* -- pages */

static unsigned slot_of(uint64_t page_number, unsigned level) {
  return (unsigned)(page_number >> (FANOUT_BITS * (LEVELS - 1 - level))) & (FANOUT - 1);
}

static struct node* new_node(void) {
  struct node* node = pmc_alloc(sizeof(*node));
  node->used = 0;
  for (unsigned i = 0; i < FANOUT; ++i) node->child[i] = NULL;
  return node;
}

static struct pmc_page* find_page(struct pmc_lines* lines, uint64_t page_number) {
  const struct node* node = lines->root;
  if (lines->cached_page != NULL && lines->cached_number == page_number) return lines->cached_page;
  for (unsigned level = 0; node != NULL && level < LEVELS - 1; ++level) {
    node = node->child[slot_of(page_number, level)];
  }
  if (node == NULL) return NULL;
  struct pmc_page* page = node->child[slot_of(page_number, LEVELS - 1)];
  if (page == NULL) return NULL;
  lines->cached_number = page_number;
  lines->cached_page = page;
  return page;
}

static struct pmc_page* add_page(struct pmc_lines* lines, uint64_t page_number) {
  struct node* node;
  struct pmc_page* page = lines->free_pages;
  if (lines->root == NULL) lines->root = new_node();
  node = lines->root;
  for (unsigned level = 0; level < LEVELS - 1; ++level) {
    void** child = &node->child[slot_of(page_number, level)];
    if (*child == NULL) {
      *child = new_node();
      ++node->used;
    }
    node = *child;
  }
  if (page != NULL) {
    lines->free_pages = page->next_free;
  } else {
    page = pmc_alloc(sizeof(*page));
  }
  page->present = 0;
  node->child[slot_of(page_number, LEVELS - 1)] = page;
  ++node->used;
  ++lines->page_count;
  lines->cached_number = page_number;
  lines->cached_page = page;
  return page;
}

static void drop_page(struct pmc_lines* lines, uint64_t page_number, struct pmc_page* page) {
  struct node* path[LEVELS];
  path[0] = lines->root;
  for (unsigned level = 1; level < LEVELS; ++level) {
    path[level] = path[level - 1]->child[slot_of(page_number, level - 1)];
  }
  path[LEVELS - 1]->child[slot_of(page_number, LEVELS - 1)] = NULL;
  /* Leaves of the tree stay when they are empty: the same addresses are used again and again. */
  --path[LEVELS - 1]->used;
  page->next_free = lines->free_pages;
  lines->free_pages = page;
  --lines->page_count;
  lines->cached_page = NULL;
}

/* -- lines */

static struct pmc_line* find_line(struct pmc_lines* lines, uint64_t number) {
  struct pmc_page* page = find_page(lines, number / PAGE_LINES);
  const unsigned index = number % PAGE_LINES;
  if (page == NULL || (page->present >> index & 1) == 0) return NULL;
  return page->line[index];
}

static struct pmc_line* get_line(struct pmc_lines* lines, uint64_t number) {
  const unsigned index = number % PAGE_LINES;
  struct pmc_page* page = find_page(lines, number / PAGE_LINES);
  struct pmc_line* line;
  if (page == NULL) page = add_page(lines, number / PAGE_LINES);
  if (page->present >> index & 1) return page->line[index];
  line = lines->free_lines;
  if (line != NULL) {
    lines->free_lines = (struct pmc_line*)line->records;
  } else {
    line = pmc_alloc(sizeof(*line));
  }
  line->number = number;
  line->pending = 0;
  line->count = 0;
  line->capacity = sizeof(line->first) / sizeof(line->first[0]);
  line->records = line->first;
  page->present |= (uint64_t)1 << index;
  page->line[index] = line;
  ++lines->line_count;
  return line;
}

static void drop_line(struct pmc_lines* lines, struct pmc_line* line) {
  const uint64_t page_number = line->number / PAGE_LINES;
  struct pmc_page* page = find_page(lines, page_number);
  page->present &= ~((uint64_t)1 << line->number % PAGE_LINES);
  if (line->records != line->first) pmc_free(line->records);
  line->records = (struct pmc_record*)lines->free_lines;
  lines->free_lines = line;
  --lines->line_count;
  if (page->present == 0) drop_page(lines, page_number, page);
}

static void add_record(struct pmc_line* line, struct pmc_record record) {
  if (line->count == line->capacity) {
    const uint16_t capacity = (uint16_t)(2 * line->capacity);
    struct pmc_record* grown = pmc_alloc(capacity * sizeof(*grown));
    for (unsigned i = 0; i < line->count; ++i) grown[i] = line->records[i];
    if (line->records != line->first) pmc_free(line->records);
    line->records = grown;
    line->capacity = capacity;
  }
  line->records[line->count++] = record;
}

static void remove_record(struct pmc_line* line, unsigned index) {
  line->records[index] = line->records[--line->count];
}

/* Makes two records of one that begins before and ends after `at`. */
static void split(struct pmc_line* line, unsigned at) {
  const unsigned count = line->count;
  for (unsigned i = 0; i < count; ++i) {
    struct pmc_record rest = line->records[i];
    const unsigned end = rest.offset + rest.bytes;
    if (rest.offset >= at || end <= at) continue;
    line->records[i].bytes = (uint8_t)(at - rest.offset);
    rest.offset = (uint8_t)at;
    rest.bytes = (uint8_t)(end - at);
    add_record(line, rest);
    return; /* records do not overlap */
  }
}

/* Takes [from, to) of the line out of all records; what is left of them on either side stays. */
static void cut(struct pmc_line* line, unsigned from, unsigned to) {
  split(line, from);
  split(line, to);
  for (unsigned i = 0; i < line->count;) {
    if (line->records[i].offset >= from && line->records[i].offset < to) {
      remove_record(line, i);
    } else {
      ++i;
    }
  }
}

/* -- flushers */

static unsigned find_flusher(const struct pmc_lines* lines, uint32_t thread) {
  unsigned i = 0;
  while (i < PMC_FLUSHERS && lines->flushers[i].thread != thread) ++i;
  return i;
}

static unsigned get_flusher(struct pmc_lines* lines, uint32_t thread) {
  unsigned index = find_flusher(lines, thread);
  if (index < PMC_FLUSHERS) return index;
  index = find_flusher(lines, 0);
  if (index < PMC_FLUSHERS) lines->flushers[index].thread = thread;
  return index;
}

/* Notes that the flusher's next fence drains the line. */
static void enlist(struct pmc_lines* lines, unsigned index, struct pmc_line* line) {
  struct pmc_flusher* flusher = &lines->flushers[index];
  if (line->pending >> index & 1) return;
  line->pending |= (uint64_t)1 << index;
  if (flusher->count == flusher->capacity) {
    flusher->lines =
        pmc_grow(flusher->lines, flusher->count, &flusher->capacity, sizeof(*flusher->lines));
  }
  flusher->lines[flusher->count++] = line->number;
  ++lines->waiting;
}

/* -- the state machine */

void pmc_lines_init(struct pmc_lines* lines, struct pmc_findings* findings) {
  *lines = (struct pmc_lines){.findings = findings};
}

static void report_overwritten(struct pmc_lines* lines, const struct pmc_line* line, unsigned from,
                               unsigned to, uint32_t context, uint32_t superblock) {
  for (unsigned i = 0; i < line->count; ++i) {
    const struct pmc_record* record = &line->records[i];
    if (record->offset + record->bytes <= (int)from || record->offset >= to) continue;
    if (superblock - record->superblock < lines->indifferent_superblocks) continue;
    pmc_findings_add(lines->findings, PMC_OVERWRITTEN,
                     (struct pmc_finding){.address = line->number * PMC_LINE_BYTES + record->offset,
                                          .bytes = record->bytes,
                                          .context = record->context,
                                          .by = context,
                                          .state = record->state});
  }
}

/* Adds the record where no other one is. */
static void fill_gaps(struct pmc_line* line, struct pmc_record record) {
  uint64_t covered = 0;
  const unsigned end = record.offset + record.bytes;
  for (unsigned i = 0; i < line->count; ++i) {
    for (unsigned b = 0; b < line->records[i].bytes; ++b) {
      covered |= (uint64_t)1 << (line->records[i].offset + b);
    }
  }
  for (unsigned at = record.offset; at < end;) {
    unsigned gap_end = at;
    while (gap_end < end && (covered >> gap_end & 1) == 0) ++gap_end;
    if (gap_end > at) {
      record.offset = (uint8_t)at;
      record.bytes = (uint8_t)(gap_end - at);
      add_record(line, record);
    }
    at = gap_end + 1;
  }
}

void pmc_lines_store(struct pmc_lines* lines, uint32_t thread, uint64_t address, uint64_t bytes,
                     uint32_t context, uint32_t superblock, enum pmc_store_kind kind) {
  const uint64_t end = address + bytes;
  while (address < end) {
    const uint64_t number = address / PMC_LINE_BYTES;
    const uint64_t line_end = (number + 1) * PMC_LINE_BYTES;
    const uint64_t piece_end = end < line_end ? end : line_end;
    const unsigned from = (unsigned)(address % PMC_LINE_BYTES);
    const unsigned to = from + (unsigned)(piece_end - address);
    struct pmc_line* line = get_line(lines, number);
    struct pmc_record record = {.offset = (uint8_t)from,
                                .bytes = (uint8_t)(to - from),
                                .state = PMC_DIRTY,
                                .context = context,
                                .superblock = superblock};
    if (line->count != 0 && kind != PMC_MASKED_NT) {
      if (lines->report_overwrites) {
        report_overwritten(lines, line, from, to, context, superblock);
      }
      cut(line, from, to);
    }
    if (kind != PMC_CACHED) {
      record.non_temporal = 1;
      const unsigned flusher = get_flusher(lines, thread);
      if (flusher < PMC_FLUSHERS) {
        enlist(lines, flusher, line);
        record.state = PMC_FLUSHED;
        record.flushers = (uint64_t)1 << flusher;
        record.flushed_at = lines->step;
      } else {
        ++lines->lost_flushes;
      }
    }
    if (kind == PMC_MASKED_NT) {
      fill_gaps(line, record);
    } else {
      add_record(line, record);
    }
    address = piece_end;
  }
}

/* Calls visit for each line with records in [first, last]; it may drop the line. */
typedef void (*line_visitor)(struct pmc_lines* lines, struct pmc_line* line, void* argument);

static void visit_page(struct pmc_lines* lines, uint64_t page_number, uint64_t first, uint64_t last,
                       line_visitor visit, void* argument) {
  struct pmc_page* page = find_page(lines, page_number);
  if (page == NULL) return;
  uint64_t todo = page->present;
  if (first / PAGE_LINES == page_number) todo &= ~(uint64_t)0 << first % PAGE_LINES;
  if (last / PAGE_LINES == page_number) todo &= ~(uint64_t)0 >> (63 - last % PAGE_LINES);
  for (; todo != 0; todo &= todo - 1) {
    visit(lines, page->line[__builtin_ctzll(todo)], argument);
  }
}

static void visit_node(struct pmc_lines* lines, const struct node* node, unsigned level,
                       uint64_t prefix, uint64_t first, uint64_t last, line_visitor visit,
                       void* argument) {
  const unsigned shift = FANOUT_BITS * (LEVELS - 1 - level);
  const uint64_t first_page = first / PAGE_LINES, last_page = last / PAGE_LINES;
  for (unsigned i = 0; i < FANOUT; ++i) {
    const uint64_t begin = prefix | (uint64_t)i << shift;
    const uint64_t end = begin | (((uint64_t)1 << shift) - 1);
    if (node->child[i] == NULL || end < first_page || begin > last_page) continue;
    if (level == LEVELS - 2 && ((const struct node*)node->child[i])->used == 0) continue;
    if (level == LEVELS - 1) {
      visit_page(lines, begin, first, last, visit, argument);
    } else {
      visit_node(lines, node->child[i], level + 1, begin, first, last, visit, argument);
    }
  }
}

static void for_each_line(struct pmc_lines* lines, uint64_t address, uint64_t bytes,
                          line_visitor visit, void* argument) {
  if (bytes == 0 || lines->root == NULL) return;
  const uint64_t first = address / PMC_LINE_BYTES;
  const uint64_t last = (address + bytes - 1) / PMC_LINE_BYTES;
  if (first / PAGE_LINES == last / PAGE_LINES) {
    visit_page(lines, first / PAGE_LINES, first, last, visit, argument);
  } else {
    visit_node(lines, lines->root, 0, 0, first, last, visit, argument);
  }
}

struct flush {
  uint64_t begin, end; /* addresses that it covers */
  uint32_t context;
  unsigned flusher;
  enum pmc_flush_kind kind;
  size_t covered;
};

static void flush_line(struct pmc_lines* lines, struct pmc_line* line, void* argument) {
  struct flush* flush = argument;
  const uint64_t base = line->number * PMC_LINE_BYTES;
  int listed = 0;
  if (flush->begin > base) split(line, (unsigned)(flush->begin - base));
  if (flush->end < base + PMC_LINE_BYTES) split(line, (unsigned)(flush->end - base));
  for (unsigned i = 0; i < line->count;) {
    struct pmc_record* record = &line->records[i];
    const uint64_t bit = flush->flusher < PMC_FLUSHERS ? (uint64_t)1 << flush->flusher : 0;
    const uint64_t at = base + record->offset;
    if (record->non_temporal || at < flush->begin || at >= flush->end) {
      ++i;
      continue;
    }
    ++flush->covered;
    /* A request repeats what the instruction before it said. */
    if ((record->flushers & bit) != 0 && flush->kind != PMC_REQUESTED_FLUSH) {
      pmc_findings_add(
          lines->findings, PMC_REDUNDANT_FLUSH,
          (struct pmc_finding){.address = line->number * PMC_LINE_BYTES + record->offset,
                               .bytes = record->bytes,
                               .context = record->context,
                               .by = flush->context,
                               .state = PMC_FLUSHED});
    }
    if (flush->kind == PMC_CLFLUSH) {
      remove_record(line, i);
      continue;
    }
    if (bit == 0) {
      ++lines->lost_flushes;
    } else {
      if (record->state == PMC_DIRTY) record->flushed_at = lines->step;
      record->state = PMC_FLUSHED;
      record->flushers |= bit;
      listed = 1;
    }
    ++i;
  }
  if (listed) enlist(lines, flush->flusher, line);
  if (line->count == 0) drop_line(lines, line);
}

size_t pmc_lines_flush(struct pmc_lines* lines, uint32_t thread, uint64_t address, uint64_t bytes,
                       enum pmc_flush_kind kind, uint32_t context) {
  struct flush flush = {
      .end = UINT64_MAX, .context = context, .kind = kind, .flusher = PMC_FLUSHERS};
  ++lines->step;
  if (kind == PMC_REQUESTED_FLUSH && lines->requests_flush_bytes) {
    flush.begin = address;
    flush.end = address + bytes;
  }
  if (kind != PMC_CLFLUSH) flush.flusher = get_flusher(lines, thread);
  for_each_line(lines, address, bytes, flush_line, &flush);
  if (flush.covered == 0 && kind != PMC_REQUESTED_FLUSH) {
    pmc_findings_add(
        lines->findings, PMC_UNNECESSARY_FLUSH,
        (struct pmc_finding){
            .address = address, .bytes = bytes, .context = context, .state = PMC_DIRTY});
  }
  return flush.covered;
}

static size_t drain(struct pmc_lines* lines, unsigned index) {
  size_t drained = 0;
  struct pmc_flusher* flusher = &lines->flushers[index];
  const uint64_t bit = (uint64_t)1 << index;
  for (size_t i = 0; i < flusher->count; ++i) {
    struct pmc_line* line = find_line(lines, flusher->lines[i]);
    if (line == NULL || (line->pending & bit) == 0) continue;
    line->pending &= ~bit;
    for (unsigned r = 0; r < line->count;) {
      if ((line->records[r].flushers & bit) != 0) {
        remove_record(line, r);
        ++drained;
      } else {
        ++r;
      }
    }
    if (line->count == 0) drop_line(lines, line);
  }
  lines->waiting -= flusher->count;
  flusher->count = 0;
  flusher->thread = 0;
  return drained;
}

size_t pmc_lines_fence(struct pmc_lines* lines, uint32_t thread) {
  const unsigned index = find_flusher(lines, thread);
  lines->last_fence = ++lines->step;
  return index == PMC_FLUSHERS ? 0 : drain(lines, index);
}

size_t pmc_lines_fence_all(struct pmc_lines* lines) {
  size_t drained = 0;
  lines->last_fence = ++lines->step;
  for (unsigned i = 0; i < PMC_FLUSHERS; ++i) {
    if (lines->flushers[i].thread != 0) drained += drain(lines, i);
  }
  return drained;
}

struct forget {
  uint64_t begin, end;
};

static void forget_line(struct pmc_lines* lines, struct pmc_line* line, void* argument) {
  const struct forget* forget = argument;
  const uint64_t base = line->number * PMC_LINE_BYTES;
  const unsigned from = forget->begin > base ? (unsigned)(forget->begin - base) : 0;
  const unsigned to =
      forget->end < base + PMC_LINE_BYTES ? (unsigned)(forget->end - base) : PMC_LINE_BYTES;
  cut(line, from, to);
  if (line->count == 0) drop_line(lines, line);
}

void pmc_lines_forget(struct pmc_lines* lines, uint64_t address, uint64_t bytes) {
  struct forget forget = {.begin = address, .end = address + bytes};
  for_each_line(lines, address, bytes, forget_line, &forget);
}

void pmc_lines_thread_exit(struct pmc_lines* lines, uint32_t thread) {
  /* Its flusher stays: what it flushed is still FLUSHED and must not be drained by the next thread
     that is given the slot. Thread numbers are not used again. */
  const unsigned index = find_flusher(lines, thread);
  if (index < PMC_FLUSHERS && lines->flushers[index].count == 0) lines->flushers[index].thread = 0;
}

static void report_line(struct pmc_lines* lines, struct pmc_line* line, void* argument) {
  (void)argument;
  /* By offset: few, so a selection is enough. */
  for (unsigned reported_to = 0;;) {
    const struct pmc_record* next = NULL;
    for (unsigned i = 0; i < line->count; ++i) {
      const struct pmc_record* record = &line->records[i];
      if (record->offset >= reported_to && (next == NULL || record->offset < next->offset)) {
        next = record;
      }
    }
    if (next == NULL) return;
    const struct pmc_finding finding = {.address = line->number * PMC_LINE_BYTES + next->offset,
                                        .bytes = next->bytes,
                                        .context = next->context,
                                        .state = next->state};
    pmc_findings_add(lines->findings, PMC_NOT_PERSISTED, finding);
    /* A fence of its own flushers would have drained it. */
    if (next->state == PMC_FLUSHED && lines->last_fence > next->flushed_at) {
      pmc_findings_add(lines->findings, PMC_FOREIGN_FENCE, finding);
    }
    reported_to = next->offset + next->bytes;
  }
}

static void close_line(struct pmc_lines* lines, struct pmc_line* line, void* argument) {
  const struct forget* range = argument;
  const uint64_t base = line->number * PMC_LINE_BYTES;
  const int whole = range->begin <= base && range->end >= base + PMC_LINE_BYTES;
  if (!whole) { /* of a small range: what is outside of it stays */
    for (unsigned i = 0; i < line->count; ++i) {
      const uint64_t at = base + line->records[i].offset;
      if (at >= range->begin && at < range->end) continue;
      forget_line(lines, line, argument);
      return;
    }
  }
  report_line(lines, line, argument);
  drop_line(lines, line);
}

void pmc_lines_close(struct pmc_lines* lines, uint64_t address, uint64_t bytes) {
  struct forget range = {.begin = address, .end = address + bytes};
  for_each_line(lines, address, bytes, close_line, &range);
}

struct move {
  struct pmc_line* moved;
  size_t count, capacity;
};

/* Takes the line as it is; its records go with it. */
static void take_line(struct pmc_lines* lines, struct pmc_line* line, void* argument) {
  struct move* move = argument;
  if (move->count == move->capacity) {
    move->moved = pmc_grow(move->moved, move->count, &move->capacity, sizeof(*move->moved));
  }
  move->moved[move->count] = *line;
  if (line->records == line->first) {
    move->moved[move->count].records = NULL; /* in `first`, which is copied */
  }
  ++move->count;
  line->records = line->first;
  line->count = 0;
  drop_line(lines, line);
}

void pmc_lines_move(struct pmc_lines* lines, uint64_t from, uint64_t to, uint64_t bytes) {
  const uint64_t distance = to / PMC_LINE_BYTES - from / PMC_LINE_BYTES;
  struct move move = {NULL, 0, 0};
  for_each_line(lines, from, bytes, take_line, &move);
  for (size_t i = 0; i < move.count; ++i) {
    const struct pmc_line* old = &move.moved[i];
    const struct pmc_record* records = old->records != NULL ? old->records : old->first;
    struct pmc_line* line = get_line(lines, old->number + distance);
    for (unsigned r = 0; r < old->count; ++r) add_record(line, records[r]);
    for (uint64_t left = old->pending; left != 0; left &= left - 1) {
      enlist(lines, (unsigned)__builtin_ctzll(left), line);
    }
    if (old->records != NULL) pmc_free(old->records);
  }
  if (move.moved != NULL) pmc_free(move.moved);
}

void pmc_lines_report_left(struct pmc_lines* lines) {
  for_each_line(lines, 0, (uint64_t)1 << 48, report_line, NULL);
}

static void free_line(struct pmc_lines* lines, struct pmc_line* line, void* argument) {
  (void)argument;
  drop_line(lines, line);
}

static void free_nodes(struct node* node, unsigned level) {
  if (node == NULL) return;
  for (unsigned i = 0; level < LEVELS - 1 && i < FANOUT; ++i) free_nodes(node->child[i], level + 1);
  pmc_free(node);
}

void pmc_lines_free(struct pmc_lines* lines) {
  for_each_line(lines, 0, (uint64_t)1 << 48, free_line, NULL);
  free_nodes(lines->root, 0);
  while (lines->free_lines != NULL) {
    struct pmc_line* line = lines->free_lines;
    lines->free_lines = (struct pmc_line*)line->records;
    pmc_free(line);
  }
  while (lines->free_pages != NULL) {
    struct pmc_page* page = lines->free_pages;
    lines->free_pages = page->next_free;
    pmc_free(page);
  }
  for (unsigned i = 0; i < PMC_FLUSHERS; ++i) {
    if (lines->flushers[i].lines != NULL) pmc_free(lines->flushers[i].lines);
  }
}
