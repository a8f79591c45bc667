/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the tool share. The files, in the order of an event's way:

     instrument.c  superblock -> superblock with calls at stores, flushes and fences
     requests.c    client requests
     hand_over.c   whose turn it is, with --sched-seed
     syscalls.c    mappings; file_writes.c  writes to their files; files.c  which file is which
     events.c      one event -> line states, transactions, store log, binary trace
     contexts.c    call stacks, interned
     report.c      findings -> text
     processes.c   fork and exec; exit_code.c  what the process ends with

   The state machine (ranges.c, lines.c, findings.c, transactions.c) and the decoder (decode.c) are
   free of Valgrind and have native tests. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_TOOL_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_TOOL_H_

#include <pub_tool_basics.h>
/* Valgrind's headers build on the one above. */
#include <libvex_guest_amd64.h>
#include <pub_tool_libcassert.h>
#include <pub_tool_libcbase.h>
#include <pub_tool_libcprint.h>
#include <pub_tool_mallocfree.h>
#include <pub_tool_threadstate.h>
#include <pub_tool_tooliface.h>

#include "faultinject/pmemcheck/decode.h"
#include "faultinject/pmemcheck/findings.h"
#include "faultinject/pmemcheck/lines.h"
#include "faultinject/pmemcheck/loads.h"
#include "faultinject/pmemcheck/ranges.h"
#include "faultinject/pmemcheck/transactions.h"

/* -- options.c */

struct options {
  Bool mult_stores;
  Int indiff;
  Bool log_stores;
  Bool log_stacks;
  Int log_stack_depth;
  Bool print_summary;
  Bool flush_check;
  Bool flush_align;
  Bool tx_only;
  Bool isa_rec;
  Bool error_summary;
  Bool fence_after_clflush;
  Bool compat;
  Bool offer_clwb; /* --cpuid=clwb */
  Bool loads;
  Int loads_cache; /* bytes */
  Int list_max;
  Int sched_seed; /* 0: Valgrind's own order */
  const HChar* pmem_globs[16];
  Int pmem_glob_count;
  const HChar* trace_path;  /* NULL: no trace */
  const HChar* report_path; /* NULL: no report as JSON */
};
extern struct options options;

Bool option_accept(const HChar* argument);
void option_usage(void);
void option_debug_usage(void);

/* -- contexts.c: a context is an interned call stack, numbered from 1. */

/* The stack of a store or flush whose instruction is at `ip`. */
UInt context_of_guest(ThreadId tid, const VexGuestAMD64State* guest, Addr ip);
/* The stack of a thread that is in a request or a system call. */
UInt context_of_thread(ThreadId tid);
UInt context_frames(UInt context, const Addr** frames);
/* True the first time that it is asked of this address in this generation. */
Bool context_describe_once(Addr ip, UInt generation);
void context_print(UInt context, const HChar* first_prefix);

/* -- instrument.c */

/* One instruction that stores, flushes or fences, and what it did to persistent memory. */
struct site {
  Addr ip;
  UInt bytes; /* of one store */
  UShort flags;
  UShort instruction; /* enum pmc_instruction of a flush or fence */
  ULong stores, stored_bytes, flushes, fences;
  struct site* next; /* of the same hash */
};
enum {
  SITE_NON_TEMPORAL = 1,
  SITE_LOCKED = 2,
  SITE_REP = 4,
  SITE_SYSCALL = 8,
  SITE_MASKED = 16 /* and non-temporal */
};

/* What inlined code compares addresses with: a store begins in persistent memory only if
   address - hull_begin < hull_bytes. */
extern ULong hull_begin, hull_bytes;
/* Lines or non-temporal stores that wait for a fence, of any thread: then locked operations on any
   memory matter. */
extern ULong waiting_for_fence;
/* Whether the program has flushed by instruction, or stored past the cache: then instructions are
   the truth, and requests that repeat them are hints. */
extern Bool instructions_seen;
extern UInt superblock; /* counted with --mult-stores=yes only */

IRSB* instrument(VgCallbackClosure* closure, IRSB* in, const VexGuestLayout* layout,
                 const VexGuestExtents* extents, const VexArchInfo* host, IRType guest_word,
                 IRType host_word);
void loads_init(void);
/* What was loaded since the last time; False without --loads=yes. */
Bool loads_take(struct pmc_load_counts* counts, UInt flags, ULong* missed, SizeT room);
/* No site has done anything yet. */
void sites_clear(void);
/* Calls visit for each site, in order of address. */
void sites_visit(void (*visit)(const struct site* site));

/* -- events.c: what happened, in the order in which it became visible. */

void events_init(void);
void events_after_fork(void);
void event_store(ThreadId tid, Addr address, SizeT bytes, UShort flags, UInt context);
void event_flush(ThreadId tid, Addr address, SizeT bytes, enum pmc_flush_kind kind, UInt context);
enum fence_kind { FENCE_SFENCE, FENCE_MFENCE, FENCE_LOCKED, FENCE_REQUESTED };
void event_fence(ThreadId tid, enum fence_kind kind, UInt context);
enum sync_kind { SYNC_MSYNC, SYNC_FSYNC, SYNC_DEEP };
void event_sync(ThreadId tid, Addr address, SizeT bytes, enum sync_kind kind, UInt context);
/* A write by system call to a file of files.c. For WRITE_TRUNCATE the offset is the file's new
   size; `from` is read for WRITE_BYTES only. */
enum write_kind { WRITE_BYTES, WRITE_TRUNCATE, WRITE_ALLOCATE, WRITE_ZERO };
void event_file_write(ThreadId tid, UInt file, ULong offset, ULong bytes, Addr from,
                      enum write_kind kind);
/* `file` of files.c, 0 for none. */
void event_map(ThreadId tid, Addr address, SizeT bytes, UInt file, ULong offset, Bool requested);
void event_unmap(ThreadId tid, Addr address, SizeT bytes);
void event_remap(ThreadId tid, Addr from, SizeT old_bytes, Addr to, SizeT new_bytes);
void event_remove_mapping(ThreadId tid, Addr address, SizeT bytes);
void event_set_clean(ThreadId tid, Addr address, SizeT bytes);
void event_log(ThreadId tid, const HChar* text);
void event_operation(ThreadId tid, ULong operation, Bool begins);
void event_thread_exit(ThreadId tid);
/* Valgrind gives the number of a thread that has ended to a new one; this one it keeps. */
UInt thread_number(ThreadId tid);
Bool is_persistent(Addr address);

extern struct pmc_ranges mappings; /* all that is traced; for its files see below */
extern struct pmc_ranges checked;  /* all that is reported on */
extern Bool anything_mapped;       /* ever: or there was nothing to check */
extern struct pmc_lines lines;
extern struct pmc_findings findings;
extern struct pmc_transactions transactions;
/* The file behind a range of `mappings`, 0 if there is none, and where in it an address is. */
UInt file_of(const struct pmc_range* range);
ULong offset_of(const struct pmc_range* range, Addr address);

/* -- files.c: files that are, or were, mapped, by number from 1. */

/* The file behind a descriptor, or of a name; 0: none that was ever mapped. */
UInt file_behind(Int descriptor);
UInt file_named(const HChar* path);
/* The same, of one that is about to be mapped: known or new. */
UInt file_to_map(Int descriptor, const HChar* path);
const HChar* file_path(UInt file);
/* The path behind a descriptor of the client's; False if there is none. */
Bool path_of(Int descriptor, HChar* path, SizeT room);

/* -- errors.c */

void errors_register(void);
/* "NotPersisted" and so on. */
const HChar* finding_name(enum pmc_finding_kind kind);
/* Whether one of the user's suppressions fits. Counts the finding as an error of Valgrind's if none
   does. */
Bool errors_suppressed(enum pmc_finding_kind kind, const struct pmc_finding* finding, Bool count);

/* -- exit_code.c */

/* From now on an exit code of 1 is the program's. */
void exit_code_program_runs(void);
/* Errors that are no findings, and yet count for --error-exitcode. */
void exit_code_count_errors(ULong errors);

/* -- processes.c */

void processes_init(void);
/* Ends the store log and the trace, and reports. */
void end_of_program(void);
/* `folder` is a descriptor of the program's, or -100 for where it is. */
void before_exec(Int folder, Addr path);
void after_failed_exec(void);

/* -- requests.c, syscalls.c, file_writes.c, report.c */
Bool handle_request(ThreadId tid, UWord* arguments, UWord* result);
void before_syscall(ThreadId tid, UInt number, UWord* arguments, UInt count);
void after_syscall(ThreadId tid, UInt number, UWord* arguments, UInt count, SysRes result);
void after_core_write(CorePart part, ThreadId tid, Addr address, SizeT bytes);
void after_file_write(ThreadId tid, UInt number, const UWord* arguments, UWord result);
/* Something changes files in a way that is not seen: said once a kind of it, and an error. */
void report_unseen(const HChar* by, const HChar* what);
void report_print(void);
void report_after_fork(void);
void report_stats(void);
void report_write_json(void);

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_TOOL_H_ */
