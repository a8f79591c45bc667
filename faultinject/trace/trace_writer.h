/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a trace of persistent-memory events (trace_format.h).
 *
 * Freestanding C11: no libc, no allocation; links into a Valgrind tool. The only outside symbols
 * are those that the compiler itself emits (memcpy, memset).
 *
 * Contracts:
 *   1. The sink gets the trace in order. Its first error sticks: later calls do nothing.
 *   2. Bytes and texts of the caller are read once, into the buffer; then nothing points at them.
 *   3. An event larger than the buffer goes through it in pieces, in a block of its own.
 *   4. An argument out of range is an error of FPT_ERROR_ARGUMENT, which sticks as well.
 * The caller emits an FPT_FILE before the first FPT_MAP of that file, an FPT_FRAME before the first
 * FPT_STACK with that address, and an FPT_STACK before the first event with that stack; after a
 * restart all anew. Stack 0 is no stack. Null texts are empty.
 * Threads: none; one writer is used by one thread at a time.
 */
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_WRITER_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_WRITER_H_

#include <stddef.h>
#include <stdint.h>

#include "faultinject/trace/trace_format.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes all `count` bytes; 0, or an errno. */
typedef int (*fpt_sink)(void* arg, const void* bytes, size_t count);

#define FPT_ERROR_ARGUMENT 22 /* EINVAL */

/* The fields are the writer's own. */
struct fpt_writer {
  fpt_sink sink;
  void* sink_arg;
  uint8_t* buffer; /* block header, payload so far, room for the trailer */
  size_t buffer_bytes;
  size_t used;
  uint64_t events;
  uint64_t block_first_event;
  uint64_t bytes_written;
  uint64_t address; /* of the event before in this block; so are the next two */
  uint32_t thread;
  uint32_t stack;
  int error;
};

/* Begins a trace: the file header goes to the sink at once.
 * REQUIRES: buffer_bytes >= FPT_MIN_BUFFER_BYTES; the buffer outlives the writer's use. */
void fpt_writer_init(struct fpt_writer* w, fpt_sink sink, void* sink_arg, void* buffer,
                     size_t buffer_bytes, uint32_t pid);
/* In a forked child: forgets what is in the buffer, which is the parent's to write, and any error;
 * begins a trace of its own in the same buffer. */
void fpt_writer_restart(struct fpt_writer* w, fpt_sink sink, void* sink_arg, uint32_t pid);
/* Gives the events so far to the sink. */
void fpt_flush_block(struct fpt_writer* w);
/* Gives the rest and the end block to the sink. Afterwards only a restart may follow. */
void fpt_writer_finish(struct fpt_writer* w);

/* 0, or the first error. */
static inline int fpt_writer_error(const struct fpt_writer* w) { return w->error; }
/* Events so far, in the buffer or written: the number of the next event. */
static inline uint64_t fpt_writer_events(const struct fpt_writer* w) { return w->events; }
/* Bytes that the sink has taken. */
static inline uint64_t fpt_writer_bytes(const struct fpt_writer* w) { return w->bytes_written; }

/* len 1..FPT_MAX_STORE_BYTES; flags of enum fpt_store_flag. */
void fpt_store(struct fpt_writer* w, uint32_t thread, uint64_t addr, const void* bytes,
               uint64_t len, uint32_t flags, uint32_t stack);
void fpt_flush(struct fpt_writer* w, uint32_t thread, uint64_t addr, uint64_t len,
               enum fpt_flush_kind kind, uint32_t stack);
void fpt_fence(struct fpt_writer* w, uint32_t thread, enum fpt_fence_kind kind, uint32_t stack);
void fpt_sync(struct fpt_writer* w, uint32_t thread, uint64_t addr, uint64_t len,
              enum fpt_sync_kind kind, uint32_t stack);

void fpt_file(struct fpt_writer* w, uint32_t file, const char* path);
void fpt_map(struct fpt_writer* w, uint32_t thread, uint32_t file, uint64_t base, uint64_t length,
             uint64_t file_offset, enum fpt_map_origin origin);
void fpt_unmap(struct fpt_writer* w, uint32_t thread, uint64_t base, uint64_t length);
void fpt_remove_mapping(struct fpt_writer* w, uint32_t thread, uint64_t base, uint64_t length);
/* `bytes` is read for FPT_WRITE_PWRITE only, whose len is 1..FPT_MAX_STORE_BYTES. */
void fpt_file_write(struct fpt_writer* w, uint32_t thread, uint32_t file, uint64_t file_offset,
                    uint64_t len, const void* bytes, enum fpt_write_kind kind);

void fpt_set_clean(struct fpt_writer* w, uint64_t addr, uint64_t len);
void fpt_tx_begin(struct fpt_writer* w, uint32_t thread, uint64_t tx);
void fpt_tx_add(struct fpt_writer* w, uint64_t tx, uint64_t addr, uint64_t len);
void fpt_tx_remove(struct fpt_writer* w, uint64_t tx, uint64_t addr, uint64_t len);
void fpt_tx_end(struct fpt_writer* w, uint32_t thread, uint64_t tx);
void fpt_tx_thread_add(struct fpt_writer* w, uint32_t thread, uint64_t tx);
void fpt_tx_thread_remove(struct fpt_writer* w, uint32_t thread, uint64_t tx);

void fpt_op_begin(struct fpt_writer* w, uint32_t thread, uint64_t operation);
void fpt_op_end(struct fpt_writer* w, uint32_t thread, uint64_t operation);
void fpt_log(struct fpt_writer* w, uint32_t thread, const void* text, uint64_t text_bytes);
void fpt_thread_exit(struct fpt_writer* w, uint32_t thread);

/* Code addresses innermost first; count 0..FPT_MAX_STACK_FRAMES. */
void fpt_stack(struct fpt_writer* w, uint32_t stack, const uint64_t* addresses, uint32_t count);
/* line 0: not known. */
void fpt_frame(struct fpt_writer* w, uint64_t address, const char* function, const char* file,
               uint32_t line, const char* object);
void fpt_note(struct fpt_writer* w, const char* text);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_TRACE_TRACE_WRITER_H_ */
