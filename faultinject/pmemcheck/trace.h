/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tool's binary trace. Every function does nothing where no trace is written. */
#ifndef FENCEPOST_FAULTINJECT_PMEMCHECK_TRACE_H_
#define FENCEPOST_FAULTINJECT_PMEMCHECK_TRACE_H_

#include "faultinject/pmemcheck/tool.h"

/* Ends the program with exit code 2 where the file cannot be written. */
void trace_open(void);
void trace_close(void);
void trace_after_fork(ThreadId tid);
/* A trace or a report could not be written to its end: the exit code is to say so. */
extern Bool output_is_cut;

void trace_store(UInt thread, Addr address, SizeT bytes, UShort flags, UInt context);
void trace_flush(UInt thread, Addr address, SizeT bytes, enum pmc_flush_kind kind, UInt context);
void trace_fence(UInt thread, enum fence_kind kind, UInt context);
void trace_sync(UInt thread, Addr address, SizeT bytes, enum sync_kind kind, UInt context);
void trace_map(UInt thread, UInt file, Addr base, SizeT bytes, ULong offset, Bool requested);
void trace_file_write(UInt thread, UInt file, ULong offset, ULong bytes, Addr from,
                      enum write_kind kind);
void trace_unmap(UInt thread, Addr base, SizeT bytes);
void trace_remove_mapping(UInt thread, Addr base, SizeT bytes);
void trace_set_clean(Addr address, SizeT bytes);
void trace_log(UInt thread, const HChar* text);
void trace_operation(UInt thread, ULong operation, Bool begins);
void trace_transaction(UInt thread, ULong number, Bool begins);
void trace_transaction_range(ULong number, Addr address, SizeT bytes, Bool added);
void trace_transaction_thread(UInt thread, ULong number, Bool added);
void trace_thread_exit(UInt thread);

#endif /* FENCEPOST_FAULTINJECT_PMEMCHECK_TRACE_H_ */
