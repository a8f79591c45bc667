/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace of persistent-memory events: what the Valgrind tool writes and the explorer reads.
 *
 * Version 1, little endian. C11 and C++.
 *
 *     trace  := file-header block* end-block
 *     block  := block-header payload trailer      end-block := block-header, no payload, no trailer
 *     file-header, 24 bytes:  magic[8], u32 version, u32 pid, u32 flags (0), u32 crc
 *     block-header, 32 bytes: u32 magic, u32 event count, u64 payload bytes, u64 number of the
 *                             first event, u32 reserved (0), u32 crc
 *     trailer, 4 bytes:       u32 CRC-32C of the payload
 *     payload := item*
 *
 * The crc of a header is the CRC-32C of its bytes before it. The payload's comes after the payload,
 * so that one of 1 GiB is written in one pass. The end block has another magic, no events, and as
 * first number the number of all events: a trace without it has been cut.
 *
 * Each block is decodable alone: at its start the thread, the stack and the previous address are 0.
 * Events are numbered from 0 in trace order; an FPT_THREAD item sets the thread for what follows
 * and is no event. An item is one tag byte, then its fields:
 *
 *     1 S LLL FFF     FPT_STORE. S: the stack is that of the event before. LLL: length 1 << LLL, or
 *                     6: a varint. FFF: 0 none, 1..4 one flag 1 << (FFF - 1), 5: a byte of flags.
 *     0 HH KKKKK      any other kind K; HH is its kind of flush, fence, sync, mapping or write.
 *
 *     varint     7 bits a byte, lowest first, at most 10 bytes
 *     address    varint of the zigzag difference to the previous address of the block
 *     text       its length is a varint among the fields, its bytes come after all fields
 *
 * Fields are in the order of the comments at enum fpt_kind. The next stack, the next thread and the
 * next previous address are those of this event, where it has them.
 */
#ifndef FENCEPOST_FAULTINJECT_TRACE_TRACE_FORMAT_H_
#define FENCEPOST_FAULTINJECT_TRACE_TRACE_FORMAT_H_

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the trace is written in the machine's own byte order, which must be little endian"
#endif

#define FPT_VERSION 1u
#define FPT_FILE_MAGIC "FPTRACE\n"
#define FPT_FILE_MAGIC_BYTES 8u
#define FPT_BLOCK_MAGIC 0x42545046u /* "FPTB" */
#define FPT_END_MAGIC 0x45545046u   /* "FPTE" */

#define FPT_MIN_BUFFER_BYTES ((size_t)64 << 10)
#define FPT_MAX_STORE_BYTES ((uint64_t)1 << 32)
#define FPT_MAX_STACK_FRAMES 1024u

struct fpt_file_header {
  char magic[FPT_FILE_MAGIC_BYTES];
  uint32_t version;
  uint32_t pid;
  uint32_t flags; /* none is defined: 0 */
  uint32_t crc;
};

struct fpt_block_header {
  uint32_t magic;
  uint32_t event_count;
  uint64_t payload_bytes;
  uint64_t first_event;
  uint32_t reserved;
  uint32_t crc;
};

#define FPT_TRAILER_BYTES sizeof(uint32_t)

/* Stack id 0 is no stack. A transaction, an operation and a file are the caller's numbers. */
enum fpt_kind {
  FPT_THREAD = 1,       /* item: thread */
  FPT_STORE,            /* address, [flags], [length], [stack], bytes; by thread */
  FPT_FLUSH,            /* address, length, stack; by thread */
  FPT_FENCE,            /* stack; by thread */
  FPT_SYNC,             /* address, length, stack; by thread */
  FPT_FILE,             /* file, path */
  FPT_MAP,              /* file, address, length, offset in the file; by thread */
  FPT_UNMAP,            /* address, length; by thread */
  FPT_REMOVE_MAPPING,   /* address, length; by thread: for reports only */
  FPT_FILE_WRITE,       /* file, offset, length, bytes if FPT_WRITE_PWRITE; by thread */
  FPT_SET_CLEAN,        /* address, length */
  FPT_TX_BEGIN,         /* transaction; by thread */
  FPT_TX_ADD,           /* transaction, address, length */
  FPT_TX_REMOVE,        /* transaction, address, length */
  FPT_TX_END,           /* transaction; by thread */
  FPT_TX_THREAD_ADD,    /* transaction; by thread */
  FPT_TX_THREAD_REMOVE, /* transaction; by thread */
  FPT_OP_BEGIN,         /* operation; by thread */
  FPT_OP_END,           /* operation; by thread */
  FPT_LOG,              /* text; by thread */
  FPT_THREAD_EXIT,      /* by thread */
  FPT_STACK,            /* stack, count, code addresses innermost first: zigzag, the first from 0 */
  FPT_FRAME,            /* code address as a varint, line, function, source file, object */
  FPT_NOTE,             /* text */
  FPT_KIND_COUNT
};

enum fpt_store_flag {
  FPT_STORE_NT = 1,
  FPT_STORE_ATOMIC = 2,  /* locked: never tears inside a line */
  FPT_STORE_REP = 4,     /* one REP MOVS or STOS */
  FPT_STORE_SYSCALL = 8, /* by the kernel, e.g. read(2) into a mapping */
  FPT_STORE_FLAGS = 15
};

enum fpt_flush_kind {
  FPT_FLUSH_CLWB,
  FPT_FLUSH_CLFLUSHOPT,
  FPT_FLUSH_CLFLUSH,
  FPT_FLUSH_REQUEST,
  FPT_FLUSH_KINDS
};

enum fpt_fence_kind {
  FPT_FENCE_SFENCE,
  FPT_FENCE_MFENCE,
  FPT_FENCE_LOCKED,
  FPT_FENCE_REQUEST,
  FPT_FENCE_KINDS
};

enum fpt_sync_kind { FPT_SYNC_MSYNC, FPT_SYNC_FSYNC, FPT_SYNC_DEEP, FPT_SYNC_KINDS };

enum fpt_map_origin { FPT_MAP_REQUEST, FPT_MAP_FOUND, FPT_MAP_ORIGINS };

enum fpt_write_kind {
  FPT_WRITE_PWRITE,   /* length bytes at offset */
  FPT_WRITE_TRUNCATE, /* offset is the file's new size; no bytes */
  FPT_WRITE_ALLOCATE, /* length at offset: room, contents as they are; no bytes */
  FPT_WRITE_ZERO,     /* length at offset are zero now: a hole, a zeroed range; no bytes */
  FPT_WRITE_KINDS
};

/* The tag byte of a store. */
#define FPT_TAG_STORE 0x80u
#define FPT_TAG_SAME_STACK 0x40u
#define FPT_TAG_LENGTH_SHIFT 3u
#define FPT_TAG_LENGTH_EXPLICIT 6u
#define FPT_TAG_FLAGS_EXPLICIT 5u
/* The tag byte of any other kind. */
#define FPT_TAG_KIND_MASK 0x1fu
#define FPT_TAG_HOW_SHIFT 5u

/* CRC-32C (Castagnoli) of `count` bytes after those that gave `crc`; begin with 0. Needs SSE4.2, so
 * x86-64-v2, whatever the file that includes this is compiled for. */
__attribute__((target("sse4.2"))) static inline uint32_t fpt_crc32c(uint32_t crc, const void* bytes,
                                                                    size_t count) {
  const uint8_t* at = (const uint8_t*)bytes;
  uint64_t state = crc ^ 0xffffffffu;
  for (; count >= 8; count -= 8, at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof(word));
    state = __builtin_ia32_crc32di(state, word);
  }
  for (; count > 0; --count, ++at) state = __builtin_ia32_crc32qi((uint32_t)state, *at);
  return (uint32_t)state ^ 0xffffffffu;
}

#endif /* FENCEPOST_FAULTINJECT_TRACE_TRACE_FORMAT_H_ */
