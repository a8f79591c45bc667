/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a trace (trace_format.h) that lies in memory. C11, no allocation.
 *
 * Invariants:
 *   1. Nothing outside the given range is read, whatever is in it, and every call of fpt_next takes
 *      at least one byte or is the last: a hostile trace costs time in proportion to its size.
 *   2. Events come from blocks whose checksums are right, in order and without a gap.
 *   3. Views (bytes, texts, frames) point into the range and are valid as long as it is.
 * Not covered: what the events say, e.g. whether a stack is known or an address is mapped.
 * Threads: none; any number of readers may share a range.
 */
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_READER_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_READER_H_

#include <stddef.h>
#include <stdint.h>

#include "faultinject/trace/trace_format.h"

#ifdef __cplusplus
extern "C" {
#endif

enum fpt_end {
  FPT_END_NONE,      /* not at the end yet */
  FPT_END_COMPLETE,  /* the end block was there, and nothing after it */
  FPT_END_TRUNCATED, /* cut: what came was right */
  FPT_END_DAMAGED,   /* a checksum, a number or an event is wrong */
  FPT_END_NO_TRACE,  /* does not begin as a trace does */
  FPT_END_VERSION    /* a trace of another version */
};

/* Not zero-terminated. */
struct fpt_text {
  const char* data;
  size_t size;
};

/* Fields that the kind does not have are 0. */
struct fpt_event {
  uint64_t number;
  uint64_t offset;        /* of its first byte in the trace */
  uint64_t encoded_bytes; /* with the thread item before it */
  enum fpt_kind kind;
  uint32_t how;   /* kind of flush, fence, sync or write; origin of a mapping */
  uint32_t flags; /* enum fpt_store_flag */
  uint32_t thread;
  uint32_t stack;
  uint32_t file;
  uint32_t line;        /* of a frame */
  uint64_t id;          /* transaction, operation */
  uint64_t address;     /* also of a frame */
  uint64_t length;      /* bytes of the range */
  uint64_t file_offset; /* mapping, file write */
  const uint8_t* bytes; /* `length` of them: a store, a file write by pwrite; else NULL */
  struct fpt_text text; /* path, log, note, or a frame's function */
  struct fpt_text source_file;
  struct fpt_text object;
  uint32_t frame_count;  /* of a stack; see fpt_stack_frames */
  const uint8_t* frames; /* encoded */
  size_t frames_bytes;
};

/* The fields up to `pid` are for reading, the rest is the reader's own. */
struct fpt_reader {
  enum fpt_end end;
  /* Of the first byte that could not be used: where a truncated trace's last whole block ends,
   * where a damaged one's first bad header, block or event is. The size of a complete one. */
  uint64_t end_offset;
  uint64_t events; /* read so far */
  uint32_t version;
  uint32_t pid;

  const uint8_t* base;
  uint64_t size;
  uint64_t at;
  uint64_t payload_end;
  uint64_t block_events_left;
  uint64_t address;
  uint32_t thread;
  uint32_t stack;
  int in_block;
};

/* FPT_END_NONE if there may be events; else why not, as in `end`. */
enum fpt_end fpt_reader_init(struct fpt_reader* r, const void* base, size_t size);
/* 1 and the next event, or 0 at the end: see r->end. */
int fpt_next(struct fpt_reader* r, struct fpt_event* event);
/* The code addresses of a stack, innermost first. REQUIRES: an FPT_STACK event of fpt_next, and
 * room for event->frame_count, which is at most FPT_MAX_STACK_FRAMES. */
void fpt_stack_frames(const struct fpt_event* event, uint64_t* addresses);

/* "store", "flush", ... */
const char* fpt_kind_name(enum fpt_kind kind);
/* "clwb", "mfence", ...: of `how`; "" for a kind that has none. */
const char* fpt_how_name(enum fpt_kind kind, uint32_t how);

#ifdef __cplusplus
}
#endif

#endif /* FENCEPOST_FAULTINJECT_TRACE_TRACE_READER_H_ */
