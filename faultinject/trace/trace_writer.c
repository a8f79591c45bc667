/* SPDX-License-Identifier: BSD-3-Clause */
#include "faultinject/trace/trace_writer.h"

#define HEADER_BYTES sizeof(struct fpt_block_header)
/* More than a thread item, a tag and all fields of any event but the addresses of a stack. */
#define HEAD_BYTES 64u
#define VARINT_BYTES 10u

/* Bytes of the caller, to be copied behind an event's fields. */
struct piece {
  const void* bytes;
  uint64_t count;
};

static struct piece text_piece(const char* text) {
  struct piece piece = {text, 0};
  if (text != NULL) {
    while (text[piece.count] != 0) ++piece.count;
  }
  return piece;
}

static inline uint8_t* put_varint(uint8_t* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  *at++ = (uint8_t)value;
  return at;
}

static inline uint64_t zigzag(uint64_t difference) {
  return (difference << 1) ^ (0 - (difference >> 63));
}

static inline uint8_t* put_address(struct fpt_writer* w, uint8_t* at, uint64_t address) {
  at = put_varint(at, zigzag(address - w->address));
  w->address = address;
  return at;
}

static inline uint8_t* put_stack(struct fpt_writer* w, uint8_t* at, uint32_t stack) {
  w->stack = stack;
  return put_varint(at, stack);
}

static void give(struct fpt_writer* w, const void* bytes, size_t count) {
  if (w->error != 0) return;
  w->error = w->sink(w->sink_arg, bytes, count);
  if (w->error == 0) w->bytes_written += count;
}

static void begin_block(struct fpt_writer* w) {
  w->used = HEADER_BYTES;
  w->block_first_event = w->events;
  w->address = 0;
  w->thread = 0;
  w->stack = 0;
}

static void put_block_header(struct fpt_writer* w, uint32_t magic, uint64_t payload_bytes) {
  struct fpt_block_header header = {
      .magic = magic,
      .event_count = (uint32_t)(w->events - w->block_first_event),
      .payload_bytes = payload_bytes,
      .first_event = w->block_first_event,
  };
  header.crc = fpt_crc32c(0, &header, offsetof(struct fpt_block_header, crc));
  __builtin_memcpy(w->buffer, &header, sizeof(header));
}

void fpt_flush_block(struct fpt_writer* w) {
  if (w->error != 0 || w->used == HEADER_BYTES) return;
  const size_t payload_bytes = w->used - HEADER_BYTES;
  put_block_header(w, FPT_BLOCK_MAGIC, payload_bytes);
  const uint32_t crc = fpt_crc32c(0, w->buffer + HEADER_BYTES, payload_bytes);
  __builtin_memcpy(w->buffer + w->used, &crc, sizeof(crc));
  give(w, w->buffer, w->used + sizeof(crc));
  begin_block(w);
}

static inline int fits(const struct fpt_writer* w, uint64_t count) {
  return w->buffer_bytes - w->used >= count + FPT_TRAILER_BYTES;
}

/* Where an event's tag goes: its head fits there. Its body fits too, or the block is empty. NULL
 * after an error. */
static inline uint8_t* begin_event(struct fpt_writer* w, uint64_t body_bytes) {
  if (__builtin_expect(w->error != 0, 0)) return NULL;
  if (__builtin_expect(!fits(w, HEAD_BYTES + body_bytes), 0)) {
    fpt_flush_block(w);
    if (w->error != 0) return NULL;
  }
  return w->buffer + w->used;
}

/* The same, for an event of `thread`. */
static inline uint8_t* begin_event_by(struct fpt_writer* w, uint32_t thread, uint64_t body_bytes) {
  uint8_t* at = begin_event(w, body_bytes);
  if (at == NULL || thread == w->thread) return at;
  *at++ = FPT_THREAD;
  w->thread = thread;
  return put_varint(at, thread);
}

static inline uint8_t* put_tag(uint8_t* at, enum fpt_kind kind, unsigned how) {
  *at++ = (uint8_t)(kind | how << FPT_TAG_HOW_SHIFT);
  return at;
}

static inline void end_event(struct fpt_writer* w, const uint8_t* at) {
  w->used = (size_t)(at - w->buffer);
  ++w->events;
}

/* Writes the block whose one event has a body of `total` bytes, which the buffer cannot hold. */
static void stream_block(struct fpt_writer* w, const struct piece* pieces, int count,
                         uint64_t total) {
  put_block_header(w, FPT_BLOCK_MAGIC, w->used - HEADER_BYTES + total);
  uint32_t crc = fpt_crc32c(0, w->buffer + HEADER_BYTES, w->used - HEADER_BYTES);
  give(w, w->buffer, w->used);
  for (int i = 0; i < count; ++i) {
    const uint8_t* from = pieces[i].bytes;
    for (uint64_t left = pieces[i].count; left > 0 && w->error == 0;) {
      const size_t step = left < w->buffer_bytes ? (size_t)left : w->buffer_bytes;
      __builtin_memcpy(w->buffer, from, step);
      crc = fpt_crc32c(crc, w->buffer, step);
      give(w, w->buffer, step);
      from += step;
      left -= step;
    }
  }
  give(w, &crc, sizeof(crc));
  begin_block(w);
}

/* Ends an event whose fields end at `at`. REQUIRES: begin_event was told at least their size. */
static void end_event_with(struct fpt_writer* w, uint8_t* at, const struct piece* pieces,
                           int count) {
  end_event(w, at);
  uint64_t total = 0;
  for (int i = 0; i < count; ++i) total += pieces[i].count;
  if (!fits(w, total)) {
    stream_block(w, pieces, count, total);
    return;
  }
  for (int i = 0; i < count; ++i) {
    if (pieces[i].count > 0) {
      __builtin_memcpy(w->buffer + w->used, pieces[i].bytes, pieces[i].count);
    }
    w->used += pieces[i].count;
  }
}

static int refused(struct fpt_writer* w, int bad) {
  if (bad && w->error == 0) w->error = FPT_ERROR_ARGUMENT;
  return bad;
}

void fpt_writer_restart(struct fpt_writer* w, fpt_sink sink, void* sink_arg, uint32_t pid) {
  w->sink = sink;
  w->sink_arg = sink_arg;
  w->events = 0;
  w->bytes_written = 0;
  w->error = 0;
  begin_block(w);
  if (refused(w, w->buffer_bytes < FPT_MIN_BUFFER_BYTES)) return;
  struct fpt_file_header header = {.magic = FPT_FILE_MAGIC, .version = FPT_VERSION, .pid = pid};
  header.crc = fpt_crc32c(0, &header, offsetof(struct fpt_file_header, crc));
  give(w, &header, sizeof(header));
}

void fpt_writer_init(struct fpt_writer* w, fpt_sink sink, void* sink_arg, void* buffer,
                     size_t buffer_bytes, uint32_t pid) {
  /* A block's events must be countable in 32 bits. */
  const size_t most = (size_t)1 << 30;
  w->buffer = buffer;
  w->buffer_bytes = buffer_bytes < most ? buffer_bytes : most;
  fpt_writer_restart(w, sink, sink_arg, pid);
}

void fpt_writer_finish(struct fpt_writer* w) {
  fpt_flush_block(w);
  if (w->error != 0) return;
  put_block_header(w, FPT_END_MAGIC, 0);
  give(w, w->buffer, HEADER_BYTES);
}

void fpt_store(struct fpt_writer* w, uint32_t thread, uint64_t addr, const void* bytes,
               uint64_t len, uint32_t flags, uint32_t stack) {
  if (refused(w, len == 0 || len > FPT_MAX_STORE_BYTES || flags > FPT_STORE_FLAGS)) return;
  uint8_t* at = begin_event_by(w, thread, len);
  if (at == NULL) return;
  const int short_length = len <= 32 && (len & (len - 1)) == 0;
  const int short_flags = (flags & (flags - 1)) == 0; /* none, or one */
  const int same_stack = stack == w->stack;
  const unsigned length_code =
      short_length ? (unsigned)__builtin_ctzll(len) : FPT_TAG_LENGTH_EXPLICIT;
  const unsigned flags_code =
      short_flags ? (unsigned)__builtin_ffs((int)flags) : FPT_TAG_FLAGS_EXPLICIT;
  *at++ = (uint8_t)(FPT_TAG_STORE | (same_stack ? FPT_TAG_SAME_STACK : 0) |
                    length_code << FPT_TAG_LENGTH_SHIFT | flags_code);
  at = put_address(w, at, addr);
  if (!short_flags) *at++ = (uint8_t)flags;
  if (!short_length) at = put_varint(at, len);
  if (!same_stack) at = put_stack(w, at, stack);
  if (len == 8) { /* the usual case, without a call */
    __builtin_memcpy(at, bytes, 8);
    end_event(w, at + 8);
    return;
  }
  const struct piece piece = {bytes, len};
  end_event_with(w, at, &piece, 1);
}

void fpt_flush(struct fpt_writer* w, uint32_t thread, uint64_t addr, uint64_t len,
               enum fpt_flush_kind kind, uint32_t stack) {
  if (refused(w, (unsigned)kind >= FPT_FLUSH_KINDS)) return;
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at == NULL) return;
  at = put_address(w, put_tag(at, FPT_FLUSH, kind), addr);
  end_event(w, put_stack(w, put_varint(at, len), stack));
}

void fpt_fence(struct fpt_writer* w, uint32_t thread, enum fpt_fence_kind kind, uint32_t stack) {
  if (refused(w, (unsigned)kind >= FPT_FENCE_KINDS)) return;
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at == NULL) return;
  end_event(w, put_stack(w, put_tag(at, FPT_FENCE, kind), stack));
}

void fpt_sync(struct fpt_writer* w, uint32_t thread, uint64_t addr, uint64_t len,
              enum fpt_sync_kind kind, uint32_t stack) {
  if (refused(w, (unsigned)kind >= FPT_SYNC_KINDS)) return;
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at == NULL) return;
  at = put_address(w, put_tag(at, FPT_SYNC, kind), addr);
  end_event(w, put_stack(w, put_varint(at, len), stack));
}

void fpt_file(struct fpt_writer* w, uint32_t file, const char* path) {
  const struct piece piece = text_piece(path);
  uint8_t* at = begin_event(w, piece.count);
  if (at == NULL) return;
  at = put_varint(put_tag(at, FPT_FILE, 0), file);
  end_event_with(w, put_varint(at, piece.count), &piece, 1);
}

void fpt_map(struct fpt_writer* w, uint32_t thread, uint32_t file, uint64_t base, uint64_t length,
             uint64_t file_offset, enum fpt_map_origin origin) {
  if (refused(w, (unsigned)origin >= FPT_MAP_ORIGINS)) return;
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at == NULL) return;
  at = put_varint(put_tag(at, FPT_MAP, origin), file);
  at = put_varint(put_address(w, at, base), length);
  end_event(w, put_varint(at, file_offset));
}

/* An event of a thread with a range of addresses, or with one number, or of a range alone. */
static void put_range_by(struct fpt_writer* w, uint32_t thread, enum fpt_kind kind, uint64_t addr,
                         uint64_t len) {
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at == NULL) return;
  end_event(w, put_varint(put_address(w, put_tag(at, kind, 0), addr), len));
}

static void put_id_by(struct fpt_writer* w, uint32_t thread, enum fpt_kind kind, uint64_t id) {
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at == NULL) return;
  end_event(w, put_varint(put_tag(at, kind, 0), id));
}

static void put_tx_range(struct fpt_writer* w, enum fpt_kind kind, uint64_t tx, uint64_t addr,
                         uint64_t len) {
  uint8_t* at = begin_event(w, 0);
  if (at == NULL) return;
  at = put_varint(put_tag(at, kind, 0), tx);
  end_event(w, put_varint(put_address(w, at, addr), len));
}

void fpt_unmap(struct fpt_writer* w, uint32_t thread, uint64_t base, uint64_t length) {
  put_range_by(w, thread, FPT_UNMAP, base, length);
}

void fpt_remove_mapping(struct fpt_writer* w, uint32_t thread, uint64_t base, uint64_t length) {
  put_range_by(w, thread, FPT_REMOVE_MAPPING, base, length);
}

void fpt_file_write(struct fpt_writer* w, uint32_t thread, uint32_t file, uint64_t file_offset,
                    uint64_t len, const void* bytes, enum fpt_write_kind kind) {
  const int has_bytes = kind == FPT_WRITE_PWRITE;
  const int bad_length = has_bytes && (len == 0 || len > FPT_MAX_STORE_BYTES);
  if (refused(w, (unsigned)kind >= FPT_WRITE_KINDS || bad_length)) return;
  const struct piece piece = {bytes, has_bytes ? len : 0};
  uint8_t* at = begin_event_by(w, thread, piece.count);
  if (at == NULL) return;
  at = put_varint(put_tag(at, FPT_FILE_WRITE, kind), file);
  at = put_varint(put_varint(at, file_offset), len);
  end_event_with(w, at, &piece, 1);
}

void fpt_set_clean(struct fpt_writer* w, uint64_t addr, uint64_t len) {
  uint8_t* at = begin_event(w, 0);
  if (at == NULL) return;
  end_event(w, put_varint(put_address(w, put_tag(at, FPT_SET_CLEAN, 0), addr), len));
}

void fpt_tx_begin(struct fpt_writer* w, uint32_t thread, uint64_t tx) {
  put_id_by(w, thread, FPT_TX_BEGIN, tx);
}

void fpt_tx_add(struct fpt_writer* w, uint64_t tx, uint64_t addr, uint64_t len) {
  put_tx_range(w, FPT_TX_ADD, tx, addr, len);
}

void fpt_tx_remove(struct fpt_writer* w, uint64_t tx, uint64_t addr, uint64_t len) {
  put_tx_range(w, FPT_TX_REMOVE, tx, addr, len);
}

void fpt_tx_end(struct fpt_writer* w, uint32_t thread, uint64_t tx) {
  put_id_by(w, thread, FPT_TX_END, tx);
}

void fpt_tx_thread_add(struct fpt_writer* w, uint32_t thread, uint64_t tx) {
  put_id_by(w, thread, FPT_TX_THREAD_ADD, tx);
}

void fpt_tx_thread_remove(struct fpt_writer* w, uint32_t thread, uint64_t tx) {
  put_id_by(w, thread, FPT_TX_THREAD_REMOVE, tx);
}

void fpt_op_begin(struct fpt_writer* w, uint32_t thread, uint64_t operation) {
  put_id_by(w, thread, FPT_OP_BEGIN, operation);
}

void fpt_op_end(struct fpt_writer* w, uint32_t thread, uint64_t operation) {
  put_id_by(w, thread, FPT_OP_END, operation);
}

void fpt_log(struct fpt_writer* w, uint32_t thread, const void* text, uint64_t text_bytes) {
  if (refused(w, text_bytes > FPT_MAX_STORE_BYTES)) return;
  const struct piece piece = {text, text_bytes};
  uint8_t* at = begin_event_by(w, thread, text_bytes);
  if (at == NULL) return;
  end_event_with(w, put_varint(put_tag(at, FPT_LOG, 0), text_bytes), &piece, 1);
}

void fpt_thread_exit(struct fpt_writer* w, uint32_t thread) {
  uint8_t* at = begin_event_by(w, thread, 0);
  if (at != NULL) end_event(w, put_tag(at, FPT_THREAD_EXIT, 0));
}

void fpt_stack(struct fpt_writer* w, uint32_t stack, const uint64_t* addresses, uint32_t count) {
  if (refused(w, count > FPT_MAX_STACK_FRAMES)) return;
  uint8_t* at = begin_event(w, (uint64_t)count * VARINT_BYTES);
  if (at == NULL) return;
  at = put_varint(put_varint(put_tag(at, FPT_STACK, 0), stack), count);
  uint64_t before = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t address = addresses[i];
    at = put_varint(at, zigzag(address - before));
    before = address;
  }
  end_event(w, at);
}

void fpt_frame(struct fpt_writer* w, uint64_t address, const char* function, const char* file,
               uint32_t line, const char* object) {
  const struct piece pieces[] = {text_piece(function), text_piece(file), text_piece(object)};
  uint8_t* at = begin_event(w, pieces[0].count + pieces[1].count + pieces[2].count);
  if (at == NULL) return;
  at = put_varint(put_varint(put_tag(at, FPT_FRAME, 0), address), line);
  for (int i = 0; i < 3; ++i) at = put_varint(at, pieces[i].count);
  end_event_with(w, at, pieces, 3);
}

void fpt_note(struct fpt_writer* w, const char* text) {
  const struct piece piece = text_piece(text);
  uint8_t* at = begin_event(w, piece.count);
  if (at == NULL) return;
  end_event_with(w, put_varint(put_tag(at, FPT_NOTE, 0), piece.count), &piece, 1);
}
