/* SPDX-License-Identifier: BSD-3-Clause */
/* Client requests of the Valgrind tool pmemcheck: what a program tells it about persistent memory.
 *
 * A program that includes this header needs nothing at run time: outside of Valgrind every request
 * is a few instructions without an effect, and one that returns a value returns 0.
 *
 * Invariants:
 *   1. The numbers of the requests never change: libraries have them compiled in.
 *   2. Fencepost's own requests are numbered from 0x100, away from the common ones.
 * Addresses are of the program; lengths are bytes; a range of length 0 is allowed and does nothing.
 * Threads: requests may come from any thread.
 * Not covered: with NVALGRIND defined, valgrind.h turns every request into nothing.
 * C89 and C++98. All under the licence above, so that any program may copy this file.
 */
#ifndef FENCEPOST_VALGRIND_PMEMCHECK_H
#define FENCEPOST_VALGRIND_PMEMCHECK_H

#include <valgrind/valgrind.h>

/* The numbers, in the order of the interface; RESERVED entries are never sent. */
typedef enum {
  VG_USERREQ__PMC_REGISTER_PMEM_MAPPING = VG_USERREQ_TOOL_BASE('P', 'C'),
  VG_USERREQ__PMC_REGISTER_PMEM_FILE,
  VG_USERREQ__PMC_REMOVE_PMEM_MAPPING,
  VG_USERREQ__PMC_CHECK_IS_PMEM_MAPPING,
  VG_USERREQ__PMC_PRINT_PMEM_MAPPINGS,
  VG_USERREQ__PMC_DO_FLUSH,
  VG_USERREQ__PMC_DO_FENCE,
  VG_USERREQ__PMC_RESERVED1,
  VG_USERREQ__PMC_WRITE_STATS,
  VG_USERREQ__PMC_RESERVED2,
  VG_USERREQ__PMC_RESERVED3,
  VG_USERREQ__PMC_RESERVED4,
  VG_USERREQ__PMC_RESERVED5,
  VG_USERREQ__PMC_RESERVED7,
  VG_USERREQ__PMC_RESERVED8,
  VG_USERREQ__PMC_RESERVED9,
  VG_USERREQ__PMC_RESERVED10,
  VG_USERREQ__PMC_SET_CLEAN,
  VG_USERREQ__PMC_START_TX,
  VG_USERREQ__PMC_START_TX_N,
  VG_USERREQ__PMC_END_TX,
  VG_USERREQ__PMC_END_TX_N,
  VG_USERREQ__PMC_ADD_TO_TX,
  VG_USERREQ__PMC_ADD_TO_TX_N,
  VG_USERREQ__PMC_REMOVE_FROM_TX,
  VG_USERREQ__PMC_REMOVE_FROM_TX_N,
  VG_USERREQ__PMC_ADD_THREAD_TO_TX_N,
  VG_USERREQ__PMC_REMOVE_THREAD_FROM_TX_N,
  VG_USERREQ__PMC_ADD_TO_GLOBAL_TX_IGNORE,
  VG_USERREQ__PMC_RESERVED6,
  VG_USERREQ__PMC_EMIT_LOG,
  VG_USERREQ__PMC_DEEP_SYNC,

  /* Fencepost's own. */
  VG_USERREQ__PMC_OPERATION_BEGIN = VG_USERREQ_TOOL_BASE('P', 'C') + 0x100,
  VG_USERREQ__PMC_OPERATION_END,
  VG_USERREQ__PMC_TAKE_LOADS
} Vg_PmemcheckClientRequest;

/* ---- Which memory is persistent ---- */

/* [addr, addr + len) is persistent memory from now on. */
#define VALGRIND_PMC_REGISTER_PMEM_MAPPING(_qzz_addr, _qzz_len)                                   \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_REGISTER_PMEM_MAPPING, (_qzz_addr), (_qzz_len), \
                                  0, 0, 0)

/* The file open as descriptor `desc` is mapped at `addr`, `size` bytes from `offset` of it on. */
#define VALGRIND_PMC_REGISTER_PMEM_FILE(_qzz_desc, _qzz_addr, _qzz_size, _qzz_offset)           \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_REGISTER_PMEM_FILE, (_qzz_desc), (_qzz_addr), \
                                  (_qzz_size), (_qzz_offset), 0)

/* [addr, addr + len) is ordinary memory from now on: nothing in it is reported. */
#define VALGRIND_PMC_REMOVE_PMEM_MAPPING(_qzz_addr, _qzz_len)                                      \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_REMOVE_PMEM_MAPPING, (_qzz_addr), (_qzz_len), 0, \
                                  0, 0)

/* Returns 0 where none of [addr, addr + len) is persistent, 1 where all is, 2 where a part is. */
#define VALGRIND_PMC_CHECK_IS_PMEM_MAPPING(_qzz_addr, _qzz_len)                          \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_CHECK_IS_PMEM_MAPPING, (_qzz_addr), \
                                  (_qzz_len), 0, 0, 0)

/* Prints the persistent ranges to the tool's log. */
#define VALGRIND_PMC_PRINT_PMEM_MAPPINGS \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_PRINT_PMEM_MAPPINGS, 0, 0, 0, 0, 0)

/* ---- Flushes and fences that the tool does not see as instructions ---- */

/* The lines of [addr, addr + len) were flushed; a fence has yet to complete it. */
#define VALGRIND_PMC_DO_FLUSH(_qzz_addr, _qzz_len) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_DO_FLUSH, (_qzz_addr), (_qzz_len), 0, 0, 0)

/* A store fence: the earlier flushes of this thread are complete. */
#define VALGRIND_PMC_DO_FENCE \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_DO_FENCE, 0, 0, 0, 0, 0)

/* [addr, addr + len) was synchronised deeply: it survives even a failed flush on power loss. */
#define VALGRIND_PMC_DEEP_SYNC(_qzz_addr, _qzz_len) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_DEEP_SYNC, (_qzz_addr), (_qzz_len), 0, 0, 0)

/* ---- Reports and log ---- */

/* Prints the counts so far to the tool's log. */
#define VALGRIND_PMC_WRITE_STATS \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_WRITE_STATS, 0, 0, 0, 0, 0)

/* Forget the stores to [addr, addr + len): they need not become persistent. */
#define VALGRIND_PMC_SET_CLEAN(_qzz_addr, _qzz_len) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_SET_CLEAN, (_qzz_addr), (_qzz_len), 0, 0, 0)

/* Writes the zero-terminated string to the log, verbatim. Markers are NAME.BEGIN and NAME.END. */
#define VALGRIND_PMC_EMIT_LOG(_qzz_string) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_EMIT_LOG, (_qzz_string), 0, 0, 0, 0)

/* ---- Transactions ----
 * A transaction has a number and threads that are part of it. Without _N the number is the thread's
 * own; with _N it is given. Starting one that runs nests: as many ends finish it.
 */

/* Starts a transaction of this thread. */
#define VALGRIND_PMC_START_TX \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_START_TX, 0, 0, 0, 0, 0)

#define VALGRIND_PMC_START_TX_N(_qzz_txn) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_START_TX_N, (_qzz_txn), 0, 0, 0, 0)

/* Ends the transaction. Returns 0, or 1 where no such transaction runs. */
#define VALGRIND_PMC_END_TX \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_END_TX, 0, 0, 0, 0, 0)

#define VALGRIND_PMC_END_TX_N(_qzz_txn) \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_END_TX_N, (_qzz_txn), 0, 0, 0, 0)

/* The transaction may store to [addr, addr + len). Returns 0; 1 where no such transaction runs;
 * 2 where this thread is not part of it. So do the five that follow.
 */
#define VALGRIND_PMC_ADD_TO_TX(_qzz_addr, _qzz_len) \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_ADD_TO_TX, (_qzz_addr), (_qzz_len), 0, 0, 0)

#define VALGRIND_PMC_ADD_TO_TX_N(_qzz_txn, _qzz_addr, _qzz_len)                            \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_ADD_TO_TX_N, (_qzz_txn), (_qzz_addr), \
                                  (_qzz_len), 0, 0)

/* The transaction may no longer store to [addr, addr + len). */
#define VALGRIND_PMC_REMOVE_FROM_TX(_qzz_addr, _qzz_len)                                         \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_REMOVE_FROM_TX, (_qzz_addr), (_qzz_len), 0, \
                                  0, 0)

#define VALGRIND_PMC_REMOVE_FROM_TX_N(_qzz_txn, _qzz_addr, _qzz_len)                            \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_REMOVE_FROM_TX_N, (_qzz_txn), (_qzz_addr), \
                                  (_qzz_len), 0, 0)

/* This thread becomes part of the transaction, or ceases to be. */
#define VALGRIND_PMC_ADD_THREAD_TX_N(_qzz_txn) \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_ADD_THREAD_TO_TX_N, (_qzz_txn), 0, 0, 0, 0)

#define VALGRIND_PMC_REMOVE_THREAD_FROM_TX_N(_qzz_txn)                                             \
  VALGRIND_DO_CLIENT_REQUEST_EXPR(0, VG_USERREQ__PMC_REMOVE_THREAD_FROM_TX_N, (_qzz_txn), 0, 0, 0, \
                                  0)

/* Stores to [addr, addr + len) are never reported as missing from a transaction. */
#define VALGRIND_PMC_ADD_TO_GLOBAL_TX_IGNORE(_qzz_addr, _qzz_len)                       \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_ADD_TO_GLOBAL_TX_IGNORE, (_qzz_addr), \
                                  (_qzz_len), 0, 0, 0)

/* ---- Fencepost's own ---- */

/* The application starts operation `id` (an integer of its choice, 64 bits). */
#define VALGRIND_PMC_OPERATION_BEGIN(_qzz_id) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_OPERATION_BEGIN, (_qzz_id), 0, 0, 0, 0)

/* The application acknowledges operation `id`: its effect must survive from here on. */
#define VALGRIND_PMC_OPERATION_END(_qzz_id) \
  VALGRIND_DO_CLIENT_REQUEST_STMT(VG_USERREQ__PMC_OPERATION_END, (_qzz_id), 0, 0, 0, 0)

/* Writes to `counts`, an array of 4 integers of 64 bits, what instructions have loaded from
   persistent memory since the last such request: loads; lines that they touched, each once an
   operation; lines that the simulated cache did not hold; lines that stores brought into it. And to
   `lines`, at most `room` integers of 64 bits, which lines (address / 64) the cache did not hold,
   the first 65536 of them at most. `flags`: 1, that cache holds nothing afterwards; 2, an operation
   ends. 1; or 0, and nothing is written, without the tool or its --loads=yes. */
#define VALGRIND_PMC_TAKE_LOADS(_qzz_counts, _qzz_lines, _qzz_room, _qzz_flags)                   \
  (unsigned)VALGRIND_DO_CLIENT_REQUEST_EXPR(0 /* without the tool */, VG_USERREQ__PMC_TAKE_LOADS, \
                                            (_qzz_counts), (_qzz_lines), (_qzz_room),             \
                                            (_qzz_flags), 0)

#endif /* FENCEPOST_VALGRIND_PMEMCHECK_H */
