/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where each event goes: to the line states and transactions, to the store log, to the trace. */
#include "faultinject/pmemcheck/alloc.h"
#include "faultinject/pmemcheck/compat.h"
#include "faultinject/pmemcheck/hand_over.h"
#include "faultinject/pmemcheck/store_log.h"
#include "faultinject/pmemcheck/tool.h"
#include "faultinject/pmemcheck/trace.h"

struct pmc_ranges mappings, checked;
Bool anything_mapped;
struct pmc_lines lines;
struct pmc_findings findings;
struct pmc_transactions transactions;

/* What a mapping is of, by the value of its range. Grows with each mapping that is made. */
struct mapped {
  UInt file;
  ULong offset; /* of the range's base */
};
static struct mapped* mapped;
static ULong mapped_count, mapped_capacity;

static UInt* thread_numbers; /* by ThreadId; 0: none yet */

/* The mapping that held the last address that was asked for: the next is most likely there too. */
static Addr last_begin, last_end;

void* pmc_alloc(size_t bytes) { return VG_(malloc)("pmc.state", bytes); }
void pmc_free(void* memory) { VG_(free)(memory); }

static void begin_lines(void) {
  pmc_lines_init(&lines, &findings);
  lines.report_overwrites = options.mult_stores;
  lines.indifferent_superblocks = (UInt)options.indiff;
  lines.requests_flush_bytes = requests_flush_bytes();
}

void events_init(void) {
  pmc_ranges_init(&mappings);
  pmc_ranges_init(&checked);
  begin_lines();
  pmc_tx_init(&transactions, &findings);
  transactions.report_outside = options.tx_only;
}

void events_after_fork(void) {
  pmc_lines_free(&lines);
  begin_lines();
  waiting_for_fence = 0;
  for (Int kind = 0; kind < PMC_FINDING_KINDS; ++kind) {
    pmc_findings_clear(&findings, (enum pmc_finding_kind)kind);
  }
}

UInt thread_number(ThreadId tid) {
  static UInt last;
  if (thread_numbers == NULL) {
    thread_numbers = VG_(calloc)("pmc.threads", VG_N_THREADS, sizeof(*thread_numbers));
  }
  if (thread_numbers[tid] == 0) thread_numbers[tid] = ++last;
  return thread_numbers[tid];
}

Bool is_persistent(Addr address) {
  const struct pmc_range* range;
  if (address >= last_begin && address < last_end) return True;
  range = pmc_ranges_find(&mappings, address);
  if (range == NULL) return False;
  last_begin = range->begin;
  last_end = range->end;
  return True;
}

static void mappings_changed(void) {
  /* A store (XSAVE) may begin this many bytes before the memory that it reaches into. */
  const ULong reach = 1023;
  uint64_t begin, end;
  pmc_ranges_hull(&mappings, &begin, &end);
  last_begin = last_end = 0;
  hull_begin = begin > reach ? begin - reach : 0;
  hull_bytes = begin == end ? 0 : end - hull_begin;
}

static ULong new_mapped(UInt file, ULong offset) {
  if (mapped_count == mapped_capacity) {
    mapped_capacity = mapped_capacity == 0 ? 64 : 2 * mapped_capacity;
    mapped = VG_(realloc)("pmc.mapped", mapped, mapped_capacity * sizeof(*mapped));
  }
  mapped[mapped_count] = (struct mapped){.file = file, .offset = offset};
  return mapped_count++;
}

UInt file_of(const struct pmc_range* range) { return mapped[range->value].file; }

ULong offset_of(const struct pmc_range* range, Addr address) {
  return mapped[range->value].offset + (address - range->base);
}

/* The part of a store that is checked: parts of a mapping may have been removed. */
static void check_store(UInt thread, Addr address, SizeT bytes, UShort flags, UInt context) {
  const Addr end = address + bytes;
  const enum pmc_store_kind kind = non_temporal_is_store()            ? PMC_CACHED
                                   : (flags & SITE_MASKED) != 0       ? PMC_MASKED_NT
                                   : (flags & SITE_NON_TEMPORAL) != 0 ? PMC_NON_TEMPORAL
                                                                      : PMC_CACHED;
  const struct pmc_range* range = pmc_ranges_from(&checked, address);
  for (; range != NULL && range->begin < end; range = pmc_ranges_from(&checked, range->end)) {
    const Addr from = range->begin > address ? range->begin : address;
    const Addr to = range->end < end ? range->end : end;
    pmc_lines_store(&lines, thread, from, to - from, context, superblock, kind);
    pmc_tx_store(&transactions, thread, from, to - from, context);
  }
}

static void note_waiting(void) { waiting_for_fence = lines.waiting; }

/* REQUIRES: wholly in one mapping. */
static void store_inside(ThreadId tid, Addr address, SizeT bytes, UShort flags, UInt context) {
  const UInt thread = thread_number(tid);
  const Addr end = address + bytes;
  if (address / PMC_LINE_BYTES != (end - 1) / PMC_LINE_BYTES && bytes <= 32 &&
      pmc_ranges_find(&checked, address) != NULL) {
    pmc_findings_add(&findings, PMC_TORN_STORE,
                     (struct pmc_finding){.address = address, .bytes = bytes, .context = context});
  }
  check_store(thread, address, bytes, flags, context);
  if ((flags & SITE_NON_TEMPORAL) != 0) note_waiting();
  store_log_store(address, bytes, context);
  trace_store(thread, address, bytes, flags, context);
}

void event_store(ThreadId tid, Addr address, SizeT bytes, UShort flags, UInt context) {
  const Addr end = address + bytes;
  const struct pmc_range* range;
  if (address >= last_begin && end <= last_end) {
    store_inside(tid, address, bytes, flags, context);
    return;
  }
  range = pmc_ranges_from(&mappings, address);
  for (; range != NULL && range->begin < end; range = pmc_ranges_from(&mappings, range->end)) {
    const Addr from = range->begin > address ? range->begin : address;
    const Addr to = range->end < end ? range->end : end;
    store_inside(tid, from, to - from, flags, context);
  }
}

/* Where bytes of a file are mapped they are stored, and not durable before a sync or a flush; or
   they are gone, and nobody waits for what was there. */
static void write_mapped(ThreadId tid, UInt file, ULong offset, ULong end_offset, Bool gone) {
  const struct pmc_range* range = pmc_ranges_from(&mappings, 0);
  for (; range != NULL; range = pmc_ranges_from(&mappings, range->end)) {
    const ULong begin = offset_of(range, range->begin), end = offset_of(range, range->end);
    const ULong first = offset > begin ? offset : begin;
    const ULong last = end_offset < end ? end_offset : end;
    const Addr address = range->begin + (first - begin);
    if (file_of(range) != file || first >= last) continue;
    if (gone) {
      pmc_lines_forget(&lines, address, last - first);
    } else {
      check_store(thread_number(tid), address, last - first, SITE_SYSCALL, context_of_thread(tid));
    }
  }
}

void event_file_write(ThreadId tid, UInt file, ULong offset, ULong bytes, Addr from,
                      enum write_kind kind) {
  trace_file_write(thread_number(tid), file, offset, bytes, from, kind);
  if (kind == WRITE_ALLOCATE) return;
  write_mapped(tid, file, offset, kind == WRITE_TRUNCATE ? ~(ULong)0 : offset + bytes,
               /*gone=*/kind != WRITE_BYTES);
}

/* What a fence does to the line states. */
static size_t drain(ThreadId tid) {
  const size_t drained = fence_drains_all() ? pmc_lines_fence_all(&lines)
                                            : pmc_lines_fence(&lines, thread_number(tid));
  note_waiting();
  return drained;
}

void event_flush(ThreadId tid, Addr address, SizeT bytes, enum pmc_flush_kind kind, UInt context) {
  const Bool waits =
      kind == PMC_CLFLUSH && (options.fence_after_clflush || clflush_is_flush_and_fence());
  pmc_lines_flush(&lines, thread_number(tid), address, bytes, waits ? PMC_CLFLUSHOPT : kind,
                  context);
  note_waiting();
  trace_flush(thread_number(tid), address, bytes, kind, context);
  store_log_flush(address, bytes);
  if (kind != PMC_CLFLUSH || options.fence_after_clflush) return;
  store_log_fence();
  if (clflush_is_flush_and_fence()) (void)drain(tid);
}

void event_fence(ThreadId tid, enum fence_kind kind, UInt context) {
  trace_fence(thread_number(tid), kind, context);
  if (kind == FENCE_LOCKED && !locked_is_fence()) return;
  if (drain(tid) == 0 && (kind == FENCE_SFENCE || kind == FENCE_MFENCE)) {
    pmc_findings_add(&findings, PMC_IDLE_FENCE, (struct pmc_finding){.context = context});
  }
  store_log_fence();
}

/* A deep sync tells the platform more than the model knows: what it covers has been made durable
   already, or is not. */
void event_sync(ThreadId tid, Addr address, SizeT bytes, enum sync_kind kind, UInt context) {
  trace_sync(thread_number(tid), address, bytes, kind, context);
  if (kind == SYNC_DEEP) {
    store_log_deep_sync(address, bytes);
    return;
  }
  pmc_lines_forget(&lines, address, bytes);
  store_log_flush(address, bytes);
  store_log_fence();
}

void event_map(ThreadId tid, Addr address, SizeT bytes, UInt file, ULong offset, Bool requested) {
  if (file != 0 || bytes >= 4096) anything_mapped = True;
  pmc_ranges_add(&mappings, address, address + bytes, new_mapped(file, offset));
  pmc_ranges_add(&checked, address, address + bytes, 0);
  mappings_changed();
  if (requested && file != 0) store_log_register(file_path(file), address, bytes, offset);
  trace_map(thread_number(tid), file, address, bytes, offset, requested);
}

/* The mapping there ends. */
static void end_lines(Addr address, SizeT bytes) {
  if (unmapping_forgets()) {
    pmc_lines_forget(&lines, address, bytes);
  } else {
    pmc_lines_close(&lines, address, bytes);
  }
}

void event_remap(ThreadId tid, Addr from, SizeT old_bytes, Addr to, SizeT new_bytes) {
  const struct pmc_range* range = pmc_ranges_find(&mappings, from);
  const SizeT kept = old_bytes < new_bytes ? old_bytes : new_bytes;
  UInt file;
  ULong offset;
  if (range == NULL) {
    event_unmap(tid, to, new_bytes);
    return;
  }
  file = file_of(range);
  offset = offset_of(range, from);
  if (to != from) {
    event_unmap(tid, to, new_bytes);
    pmc_lines_move(&lines, from, to, kept);
  }
  if (old_bytes > kept) event_unmap(tid, from + kept, old_bytes - kept);
  trace_unmap(thread_number(tid), from, kept);
  pmc_ranges_remove(&mappings, from, from + kept);
  pmc_ranges_remove(&checked, from, from + kept);
  event_map(tid, to, new_bytes, file, offset, /*requested=*/False);
}

void event_unmap(ThreadId tid, Addr address, SizeT bytes) {
  if (pmc_ranges_coverage(&mappings, address, address + bytes) == PMC_OUTSIDE) return;
  trace_unmap(thread_number(tid), address, bytes);
  end_lines(address, bytes);
  pmc_ranges_remove(&mappings, address, address + bytes);
  pmc_ranges_remove(&checked, address, address + bytes);
  mappings_changed();
}

/* What is removed is still traced, unless it is a whole mapping that is no file. The end of a whole
   mapping (libpmem removes what it unmaps) leaves what was not durable; of a part of one, where
   libpmemobj keeps its locks, nobody wants to hear. */
void event_remove_mapping(ThreadId tid, Addr address, SizeT bytes) {
  const struct pmc_range* range = pmc_ranges_find(&mappings, address);
  const Bool whole = range != NULL && range->begin >= address && range->end <= address + bytes;
  trace_remove_mapping(thread_number(tid), address, bytes);
  if (whole) {
    end_lines(address, bytes);
  } else {
    pmc_lines_forget(&lines, address, bytes);
  }
  pmc_ranges_remove(&checked, address, address + bytes);
  if (!whole || file_of(range) != 0) return;
  trace_unmap(thread_number(tid), address, bytes);
  pmc_ranges_remove(&mappings, address, address + bytes);
  mappings_changed();
}

void event_set_clean(ThreadId tid, Addr address, SizeT bytes) {
  (void)tid;
  pmc_lines_forget(&lines, address, bytes);
  trace_set_clean(address, bytes);
}

void event_log(ThreadId tid, const HChar* text) {
  store_log_text(text);
  trace_log(thread_number(tid), text);
}

void event_operation(ThreadId tid, ULong operation, Bool begins) {
  trace_operation(thread_number(tid), operation, begins);
}

void event_thread_exit(ThreadId tid) {
  pmc_lines_thread_exit(&lines, thread_number(tid));
  trace_thread_exit(thread_number(tid));
  hand_over_thread_exit(tid);
  thread_numbers[tid] = 0;
}
