/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --trace-file: every event into a binary trace (faultinject/trace). One trace a process: a forked
   child begins its own where the name has %p, and has none where it does not. */
#include "faultinject/pmemcheck/trace.h"

#include <pub_tool_debuginfo.h>
#include <pub_tool_libcfile.h>
#include <pub_tool_libcproc.h>
#include <pub_tool_options.h>
#include <pub_tool_vki.h>

#include "faultinject/trace/trace_writer.h"

/* Moves a descriptor to where the program neither sees nor closes it. */
extern Int VG_(safe_fd)(Int descriptor);
extern Int VG_(sigemptyset)(vki_sigset_t* set);
extern Int VG_(sigaddset)(vki_sigset_t* set, Int signal);
/* Takes a pending signal, if there is one of the set. */
extern Int VG_(sigtimedwait_zero)(const vki_sigset_t* set, vki_siginfo_t* info);

enum { BUFFER_BYTES = 256 * 1024 };

Bool output_is_cut;

static struct fpt_writer writer;
static void* buffer;
static Int descriptor = -1;
static const HChar* path;
static UInt generation;          /* of what has been described; a child describes anew */
static UInt* described_contexts; /* by context: the generation in which it was written */
static UInt described_capacity;
static UInt described_files;

/* A file that may not grow costs a signal too, which is not meant for the program. */
static void take_file_size_signal(void) {
  vki_sigset_t set;
  vki_siginfo_t info;
  VG_(sigemptyset)(&set);
  VG_(sigaddset)(&set, VKI_SIGXFSZ);
  (void)VG_(sigtimedwait_zero)(&set, &info);
}

static int write_all(void* unused, const void* bytes, size_t count) {
  const HChar* next = bytes;
  (void)unused;
  while (count > 0) {
    const Int piece = count > (1 << 30) ? 1 << 30 : (Int)count;
    const Int written = VG_(write)(descriptor, next, piece);
    if (written == -VKI_EFBIG) take_file_size_signal();
    if (written <= 0) return written == 0 ? VKI_ENOSPC : -written;
    next += written;
    count -= (size_t)written;
  }
  return 0;
}

static void stop(void) {
  if (descriptor >= 0) VG_(close)(descriptor);
  descriptor = -1;
}

/* Said once; the program goes on, untraced, and ends with exit code 2. */
static void stop_on_error(void) {
  const Int error = fpt_writer_error(&writer);
  if (descriptor < 0 || error == 0) return;
  VG_(umsg)("pmemcheck: %s: writing the trace failed (errno %d): it ends here\n", path, error);
  output_is_cut = True;
  stop();
}

static Bool open_file(void) {
  const SysRes result = VG_(open)(path, VKI_O_CREAT | VKI_O_WRONLY | VKI_O_TRUNC, 0666);
  if (sr_isError(result)) return False;
  descriptor = VG_(safe_fd)((Int)sr_Res(result));
  ++generation;
  described_files = 0;
  return True;
}

void trace_open(void) {
  if (options.trace_path == NULL) return;
  path = VG_(expand_file_name)("--trace-file", options.trace_path);
  if (!open_file()) {
    VG_(umsg)("pmemcheck: %s: the trace cannot be written\n", path);
    VG_(exit)(2);
  }
  buffer = VG_(malloc)("pmc.trace", BUFFER_BYTES);
  fpt_writer_init(&writer, write_all, NULL, buffer, BUFFER_BYTES, (UInt)VG_(getpid)());
  stop_on_error();
}

/* What is in the buffer is the parent's to write. The child begins with what it has inherited. */
void trace_after_fork(ThreadId tid) {
  const HChar* const parents = path;
  const struct pmc_range* range;
  output_is_cut = False;
  if (descriptor < 0) return;
  stop();
  path = VG_(expand_file_name)("--trace-file", options.trace_path);
  if (VG_(strcmp)(path, parents) == 0 || !open_file()) return;
  fpt_writer_restart(&writer, write_all, NULL, (UInt)VG_(getpid)());
  range = pmc_ranges_from(&mappings, 0);
  for (; range != NULL; range = pmc_ranges_from(&mappings, range->end)) {
    trace_map(thread_number(tid), file_of(range), range->begin, range->end - range->begin,
              offset_of(range, range->begin), /*requested=*/False);
  }
}

void trace_close(void) {
  if (descriptor < 0) return;
  fpt_writer_finish(&writer);
  stop_on_error();
  stop();
}

static void describe_frame(Addr ip) {
  const DiEpoch epoch = VG_(current_DiEpoch)();
  const HChar *function = "", *file = "", *folder = "", *object = "";
  HChar full[VKI_PATH_MAX];
  UInt line = 0;
  HChar function_copy[1024];
  if (!context_describe_once(ip, generation)) return;
  if (!VG_(get_fnname)(epoch, ip, &function)) function = "";
  /* The name's buffer is used again by the calls below. */
  VG_(strncpy)(function_copy, function, sizeof(function_copy) - 1);
  function_copy[sizeof(function_copy) - 1] = '\0';
  full[0] = '\0';
  if (VG_(get_filename_linenum)(epoch, ip, &file, &folder, &line)) {
    VG_(snprintf)(full, sizeof(full), "%s%s%s", folder, folder[0] == '\0' ? "" : "/", file);
  }
  if (!VG_(get_objname)(epoch, ip, &object)) object = "";
  fpt_frame(&writer, ip, function_copy, full, line, object);
}

/* Writes the stack if this trace does not have it. */
static UInt described(UInt context) {
  const Addr* ips;
  UInt count;
  if (context == 0) return 0;
  if (context >= described_capacity) {
    const UInt capacity = 2 * context + 1024;
    described_contexts = VG_(realloc)("pmc.described", described_contexts, capacity * sizeof(UInt));
    VG_(memset)
    (described_contexts + described_capacity, 0, (capacity - described_capacity) * sizeof(UInt));
    described_capacity = capacity;
  }
  if (described_contexts[context] == generation) return context;
  described_contexts[context] = generation;
  count = context_frames(context, &ips);
  for (UInt i = 0; i < count; ++i) describe_frame(ips[i]);
  fpt_stack(&writer, context, (const uint64_t*)ips, count);
  return context;
}

static void describe_files(UInt up_to) {
  for (; described_files < up_to; ++described_files) {
    fpt_file(&writer, described_files + 1, file_path(described_files + 1));
  }
}

/* Each of these does nothing without a trace. */
#define TRACE(event)       \
  do {                     \
    if (descriptor >= 0) { \
      event;               \
      stop_on_error();     \
    }                      \
  } while (0)

void trace_store(UInt thread, Addr address, SizeT bytes, UShort flags, UInt context) {
  UInt wanted = 0;
  if (descriptor < 0) return;
  if ((flags & SITE_NON_TEMPORAL) != 0) wanted |= FPT_STORE_NT;
  if ((flags & SITE_LOCKED) != 0) wanted |= FPT_STORE_ATOMIC;
  if ((flags & SITE_REP) != 0) wanted |= FPT_STORE_REP;
  if ((flags & SITE_SYSCALL) != 0) wanted |= FPT_STORE_SYSCALL;
  TRACE(
      fpt_store(&writer, thread, address, (const void*)address, bytes, wanted, described(context)));
}

void trace_flush(UInt thread, Addr address, SizeT bytes, enum pmc_flush_kind kind, UInt context) {
  static const enum fpt_flush_kind kKinds[] = {[PMC_CLWB] = FPT_FLUSH_CLWB,
                                               [PMC_CLFLUSHOPT] = FPT_FLUSH_CLFLUSHOPT,
                                               [PMC_CLFLUSH] = FPT_FLUSH_CLFLUSH,
                                               [PMC_REQUESTED_FLUSH] = FPT_FLUSH_REQUEST};
  TRACE(fpt_flush(&writer, thread, address, bytes, kKinds[kind], described(context)));
}

void trace_fence(UInt thread, enum fence_kind kind, UInt context) {
  static const enum fpt_fence_kind kKinds[] = {[FENCE_SFENCE] = FPT_FENCE_SFENCE,
                                               [FENCE_MFENCE] = FPT_FENCE_MFENCE,
                                               [FENCE_LOCKED] = FPT_FENCE_LOCKED,
                                               [FENCE_REQUESTED] = FPT_FENCE_REQUEST};
  TRACE(fpt_fence(&writer, thread, kKinds[kind], described(context)));
}

void trace_sync(UInt thread, Addr address, SizeT bytes, enum sync_kind kind, UInt context) {
  static const enum fpt_sync_kind kKinds[] = {
      [SYNC_MSYNC] = FPT_SYNC_MSYNC, [SYNC_FSYNC] = FPT_SYNC_FSYNC, [SYNC_DEEP] = FPT_SYNC_DEEP};
  TRACE(fpt_sync(&writer, thread, address, bytes, kKinds[kind], described(context)));
}

void trace_map(UInt thread, UInt file, Addr base, SizeT bytes, ULong offset, Bool requested) {
  TRACE(describe_files(file); fpt_map(&writer, thread, file, base, bytes, offset,
                                      requested ? FPT_MAP_REQUEST : FPT_MAP_FOUND));
}

void trace_file_write(UInt thread, UInt file, ULong offset, ULong bytes, Addr from,
                      enum write_kind kind) {
  static const enum fpt_write_kind kKinds[] = {[WRITE_BYTES] = FPT_WRITE_PWRITE,
                                               [WRITE_TRUNCATE] = FPT_WRITE_TRUNCATE,
                                               [WRITE_ALLOCATE] = FPT_WRITE_ALLOCATE,
                                               [WRITE_ZERO] = FPT_WRITE_ZERO};
  TRACE(describe_files(file);
        fpt_file_write(&writer, thread, file, offset, bytes, (const void*)from, kKinds[kind]));
}

void trace_unmap(UInt thread, Addr base, SizeT bytes) {
  TRACE(fpt_unmap(&writer, thread, base, bytes));
}
void trace_remove_mapping(UInt thread, Addr base, SizeT bytes) {
  TRACE(fpt_remove_mapping(&writer, thread, base, bytes));
}
void trace_set_clean(Addr address, SizeT bytes) { TRACE(fpt_set_clean(&writer, address, bytes)); }
void trace_log(UInt thread, const HChar* text) {
  TRACE(fpt_log(&writer, thread, text, VG_(strlen)(text)));
}
void trace_operation(UInt thread, ULong operation, Bool begins) {
  if (begins) {
    TRACE(fpt_op_begin(&writer, thread, operation));
  } else {
    TRACE(fpt_op_end(&writer, thread, operation));
  }
}
void trace_transaction(UInt thread, ULong number, Bool begins) {
  if (begins) {
    TRACE(fpt_tx_begin(&writer, thread, number));
  } else {
    TRACE(fpt_tx_end(&writer, thread, number));
  }
}
void trace_transaction_range(ULong number, Addr address, SizeT bytes, Bool added) {
  if (added) {
    TRACE(fpt_tx_add(&writer, number, address, bytes));
  } else {
    TRACE(fpt_tx_remove(&writer, number, address, bytes));
  }
}
void trace_transaction_thread(UInt thread, ULong number, Bool added) {
  if (added) {
    TRACE(fpt_tx_thread_add(&writer, thread, number));
  } else {
    TRACE(fpt_tx_thread_remove(&writer, thread, number));
  }
}
void trace_thread_exit(UInt thread) { TRACE(fpt_thread_exit(&writer, thread)); }
