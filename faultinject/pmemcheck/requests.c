/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Client requests: what programs, and PMDK's libraries as they are packaged, announce. */
#include <pub_tool_aspacemgr.h>
#include <pub_tool_clreq.h>
#include <pub_tool_vki.h>

#include "faultinject/pmemcheck/compat.h"
#include "faultinject/pmemcheck/include/valgrind/pmemcheck.h"
#include "faultinject/pmemcheck/tool.h"
#include "faultinject/pmemcheck/trace.h"

/* Longest string that a program may hand over. */
enum { MAX_TEXT_BYTES = 4096 };

/* False, and said ten times, for a range that no program can have; false for an empty one. */
static Bool is_range(const HChar* request, Addr address, SizeT bytes) {
  const Addr user_end = (Addr)1 << 47;
  static UInt said = 0;
  if (bytes != 0 && address >= VKI_PAGE_SIZE && address < user_end && bytes <= user_end - address)
    return True;
  if (bytes != 0 && ++said <= 10) {
    VG_(umsg)
    ("pmemcheck: %s of %lu bytes at %#lx: no such range, ignored\n", request, bytes, address);
  }
  return False;
}

static void register_file(ThreadId tid, Int descriptor, Addr address, SizeT bytes, ULong offset) {
  HChar path[VKI_PATH_MAX];
  if (path_of(descriptor, path, sizeof(path))) {
    event_map(tid, address, bytes, file_to_map(descriptor, path), offset, True);
  } else {
    VG_(umsg)
    ("pmemcheck: REGISTER_PMEM_FILE of descriptor %d, which is not open: ignored\n", descriptor);
  }
}

/* A string of the program's; False where none is readable. */
static Bool copy_text(Addr from, HChar* out) {
  for (UInt i = 0; i + 1 < MAX_TEXT_BYTES; ++i) {
    if ((i == 0 || (from + i) % VKI_PAGE_SIZE == 0) &&
        !VG_(am_is_valid_for_client)(from + i, 1, VKI_PROT_READ)) {
      return False;
    }
    out[i] = *(const HChar*)(from + i);
    if (out[i] == '\0') return True;
  }
  out[MAX_TEXT_BYTES - 1] = '\0';
  return True;
}

static void print_mappings(void) {
  const struct pmc_range* range = pmc_ranges_from(&mappings, 0);
  VG_(umsg)("Persistent mappings: %lu\n", (UWord)mappings.count);
  for (; range != NULL; range = pmc_ranges_from(&mappings, range->end)) {
    VG_(umsg)
    ("   %#lx-%#lx %s\n", (Addr)range->begin, (Addr)range->end, file_path(file_of(range)));
  }
}

static void start_transaction(ULong number, UInt thread) {
  pmc_tx_start(&transactions, number, thread);
  trace_transaction(thread, number, /*begins=*/True);
}

static UWord end_transaction(ULong number, UInt thread) {
  trace_transaction(thread, number, /*begins=*/False);
  return pmc_tx_end(&transactions, number);
}

static UWord add_range(ThreadId tid, ULong number, Addr address, SizeT bytes) {
  if (!is_range("ADD_TO_TX", address, bytes)) return 0;
  trace_transaction_range(number, address, bytes, /*added=*/True);
  return pmc_tx_add(&transactions, number, thread_number(tid), address, bytes,
                    context_of_thread(tid));
}

static UWord remove_range(ThreadId tid, ULong number, Addr address, SizeT bytes) {
  if (!is_range("REMOVE_FROM_TX", address, bytes)) return 0;
  trace_transaction_range(number, address, bytes, /*added=*/False);
  return pmc_tx_remove(&transactions, number, thread_number(tid), address, bytes);
}

static Bool handle_transaction(ThreadId tid, UWord request, const UWord* a, UWord* result) {
  const UInt thread = thread_number(tid);
  switch (request) {
    case VG_USERREQ__PMC_START_TX:
      start_transaction(thread, thread);
      return True;
    case VG_USERREQ__PMC_START_TX_N:
      start_transaction(a[0], thread);
      return True;
    case VG_USERREQ__PMC_END_TX:
      *result = end_transaction(thread, thread);
      return True;
    case VG_USERREQ__PMC_END_TX_N:
      *result = end_transaction(a[0], thread);
      return True;
    case VG_USERREQ__PMC_ADD_TO_TX:
      *result = add_range(tid, thread, a[0], a[1]);
      return True;
    case VG_USERREQ__PMC_ADD_TO_TX_N:
      *result = add_range(tid, a[0], a[1], a[2]);
      return True;
    case VG_USERREQ__PMC_REMOVE_FROM_TX:
      *result = remove_range(tid, thread, a[0], a[1]);
      return True;
    case VG_USERREQ__PMC_REMOVE_FROM_TX_N:
      *result = remove_range(tid, a[0], a[1], a[2]);
      return True;
    case VG_USERREQ__PMC_ADD_THREAD_TO_TX_N:
      trace_transaction_thread(thread, a[0], /*added=*/True);
      *result = pmc_tx_add_thread(&transactions, a[0], thread);
      return True;
    case VG_USERREQ__PMC_REMOVE_THREAD_FROM_TX_N:
      trace_transaction_thread(thread, a[0], /*added=*/False);
      *result = pmc_tx_remove_thread(&transactions, a[0], thread);
      return True;
    case VG_USERREQ__PMC_ADD_TO_GLOBAL_TX_IGNORE:
      if (is_range("ADD_TO_GLOBAL_TX_IGNORE", a[0], a[1])) {
        pmc_ranges_add(&transactions.ignored, a[0], a[0] + a[1], 0);
      }
      return True;
    default:
      return False;
  }
}

static Bool take_loads(const UWord* a) {
  struct pmc_load_counts counts;
  ULong* const out = (ULong*)a[0];
  ULong* const missed = (ULong*)a[1];
  const SizeT room = a[2] < PMC_LOADS_KEPT ? a[2] : PMC_LOADS_KEPT;
  if (!VG_(am_is_valid_for_client)((Addr)out, sizeof(counts), VKI_PROT_WRITE)) return False;
  if (room > 0 &&
      !VG_(am_is_valid_for_client)((Addr)missed, room * sizeof(*missed), VKI_PROT_WRITE)) {
    return False;
  }
  if (!loads_take(&counts, (UInt)a[3], missed, room)) return False;
  out[0] = counts.loads;
  out[1] = counts.lines_touched;
  out[2] = counts.lines_missed;
  out[3] = counts.lines_fetched;
  return True;
}

Bool handle_request(ThreadId tid, UWord* arguments, UWord* result) {
  const UWord* a = arguments + 1;
  HChar text[MAX_TEXT_BYTES];
  if (!VG_IS_TOOL_USERREQ('P', 'C', arguments[0])) return False;
  *result = 0;
  switch (arguments[0]) {
    case VG_USERREQ__PMC_REGISTER_PMEM_MAPPING:
      if (is_range("REGISTER_PMEM_MAPPING", a[0], a[1])) event_map(tid, a[0], a[1], 0, 0, True);
      return True;
    case VG_USERREQ__PMC_REGISTER_PMEM_FILE:
      if (is_range("REGISTER_PMEM_FILE", a[1], a[2]))
        register_file(tid, (Int)a[0], a[1], a[2], a[3]);
      return True;
    case VG_USERREQ__PMC_REMOVE_PMEM_MAPPING:
      if (is_range("REMOVE_PMEM_MAPPING", a[0], a[1])) event_remove_mapping(tid, a[0], a[1]);
      return True;
    case VG_USERREQ__PMC_CHECK_IS_PMEM_MAPPING:
      *result = is_range("CHECK_IS_PMEM_MAPPING", a[0], a[1])
                    ? (UWord)pmc_ranges_coverage(&checked, a[0], a[0] + a[1])
                    : 0;
      return True;
    case VG_USERREQ__PMC_PRINT_PMEM_MAPPINGS:
      print_mappings();
      return True;
    case VG_USERREQ__PMC_DO_FLUSH:
      if (requests_count() && is_range("DO_FLUSH", a[0], a[1])) {
        event_flush(tid, a[0], a[1], PMC_REQUESTED_FLUSH, context_of_thread(tid));
      }
      return True;
    case VG_USERREQ__PMC_DO_FENCE:
      if (requests_count()) event_fence(tid, FENCE_REQUESTED, context_of_thread(tid));
      return True;
    case VG_USERREQ__PMC_WRITE_STATS:
      report_stats();
      return True;
    case VG_USERREQ__PMC_SET_CLEAN:
      if (is_range("SET_CLEAN", a[0], a[1])) event_set_clean(tid, a[0], a[1]);
      return True;
    case VG_USERREQ__PMC_EMIT_LOG:
      if (copy_text(a[0], text)) event_log(tid, text);
      return True;
    case VG_USERREQ__PMC_DEEP_SYNC:
      if (is_range("DEEP_SYNC", a[0], a[1]))
        event_sync(tid, a[0], a[1], SYNC_DEEP, context_of_thread(tid));
      return True;
    case VG_USERREQ__PMC_OPERATION_BEGIN:
    case VG_USERREQ__PMC_OPERATION_END:
      event_operation(tid, a[0], arguments[0] == VG_USERREQ__PMC_OPERATION_BEGIN);
      return True;
    case VG_USERREQ__PMC_TAKE_LOADS:
      *result = take_loads(a);
      return True;
    default:
      break;
  }
  if (handle_transaction(tid, arguments[0], a, result)) return True;
  VG_(umsg)("pmemcheck: unknown client request %#lx, ignored\n", arguments[0]);
  return True;
}
