/* SPDX-License-Identifier: BSD-3-Clause */
#include "faultinject/trace/trace_reader.h"

#include <string.h>

/* What is left of a block's payload. A read past its end, or a bad number, sets `bad` and gives 0;
 * the event is then refused as a whole. */
struct cursor {
  const uint8_t* at;
  const uint8_t* end;
  int bad;
};

static uint64_t get_varint(struct cursor* c) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && c->at < c->end; shift += 7) {
    const uint8_t byte = *c->at++;
    if (shift == 63 && byte > 1) break;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  c->bad = 1;
  return 0;
}

static uint32_t get_varint32(struct cursor* c) {
  const uint64_t value = get_varint(c);
  if (value > UINT32_MAX) c->bad = 1;
  return (uint32_t)value;
}

static uint64_t get_difference(struct cursor* c) {
  const uint64_t value = get_varint(c);
  return (value >> 1) ^ (0 - (value & 1));
}

static const uint8_t* get_bytes(struct cursor* c, uint64_t count) {
  if (c->bad || count > (uint64_t)(c->end - c->at)) {
    c->bad = 1;
    return NULL;
  }
  const uint8_t* bytes = c->at;
  c->at += count;
  return bytes;
}

static struct fpt_text get_text(struct cursor* c, uint64_t count) {
  const uint8_t* bytes = get_bytes(c, count);
  const struct fpt_text text = {(const char*)bytes, bytes == NULL ? 0 : (size_t)count};
  return text;
}

static uint64_t get_address(struct fpt_reader* r, struct cursor* c) {
  r->address += get_difference(c);
  return r->address;
}

static uint32_t get_stack(struct fpt_reader* r, struct cursor* c) {
  r->stack = get_varint32(c);
  return r->stack;
}

static int end_at(struct fpt_reader* r, enum fpt_end end, uint64_t offset) {
  r->end = end;
  r->end_offset = offset;
  return 0;
}

enum fpt_end fpt_reader_init(struct fpt_reader* r, const void* base, size_t size) {
  struct fpt_file_header header;
  memset(r, 0, sizeof(*r));
  r->base = base;
  r->size = size;
  if (size < FPT_FILE_MAGIC_BYTES || memcmp(base, FPT_FILE_MAGIC, FPT_FILE_MAGIC_BYTES) != 0) {
    return r->end = FPT_END_NO_TRACE;
  }
  if (size < sizeof(header)) {
    /* Not even the header's checksum: cut, with nothing to read. */
    return r->end = FPT_END_TRUNCATED;
  }
  memcpy(&header, base, sizeof(header));
  if (header.crc != fpt_crc32c(0, &header, offsetof(struct fpt_file_header, crc))) {
    return r->end = FPT_END_DAMAGED;
  }
  r->version = header.version;
  if (header.version != FPT_VERSION) return r->end = FPT_END_VERSION;
  if (header.flags != 0) return r->end = FPT_END_DAMAGED;
  r->pid = header.pid;
  r->at = sizeof(header);
  return FPT_END_NONE;
}

/* What remains is shorter than a block header: cut if it begins as one does. */
static int end_in_header(struct fpt_reader* r, uint64_t left) {
  const uint32_t magics[2] = {FPT_BLOCK_MAGIC, FPT_END_MAGIC};
  const size_t count = left < sizeof(uint32_t) ? (size_t)left : sizeof(uint32_t);
  const uint8_t* at = r->base + r->at;
  const int known =
      count == 0 || memcmp(at, &magics[0], count) == 0 || memcmp(at, &magics[1], count) == 0;
  return end_at(r, known ? FPT_END_TRUNCATED : FPT_END_DAMAGED, r->at);
}

/* Enters the next block; 0 at the end of the trace. */
static int begin_block(struct fpt_reader* r) {
  struct fpt_block_header header;
  const uint64_t start = r->at;
  uint64_t left = r->size - start;
  if (left < sizeof(header)) return end_in_header(r, left);
  memcpy(&header, r->base + start, sizeof(header));
  left -= sizeof(header);
  if (header.crc != fpt_crc32c(0, &header, offsetof(struct fpt_block_header, crc)) ||
      header.first_event != r->events || header.reserved != 0) {
    return end_at(r, FPT_END_DAMAGED, start);
  }
  if (header.magic == FPT_END_MAGIC) {
    const int clean = header.payload_bytes == 0 && header.event_count == 0 && left == 0;
    return clean ? end_at(r, FPT_END_COMPLETE, r->size) : end_at(r, FPT_END_DAMAGED, start);
  }
  if (header.magic != FPT_BLOCK_MAGIC || header.event_count == 0) {
    return end_at(r, FPT_END_DAMAGED, start);
  }
  if (left < FPT_TRAILER_BYTES || header.payload_bytes > left - FPT_TRAILER_BYTES) {
    return end_at(r, FPT_END_TRUNCATED, start);
  }
  const uint8_t* payload = r->base + start + sizeof(header);
  uint32_t crc;
  memcpy(&crc, payload + header.payload_bytes, sizeof(crc));
  if (crc != fpt_crc32c(0, payload, (size_t)header.payload_bytes)) {
    return end_at(r, FPT_END_DAMAGED, start);
  }
  r->at = start + sizeof(header);
  r->payload_end = r->at + header.payload_bytes;
  r->block_events_left = header.event_count;
  r->address = 0;
  r->thread = 0;
  r->stack = 0;
  r->in_block = 1;
  return 1;
}

static void get_store(struct fpt_reader* r, struct cursor* c, unsigned tag, struct fpt_event* e) {
  const unsigned length_code = tag >> FPT_TAG_LENGTH_SHIFT & 7;
  const unsigned flags_code = tag & 7;
  e->kind = FPT_STORE;
  e->thread = r->thread;
  e->address = get_address(r, c);
  if (flags_code > FPT_TAG_FLAGS_EXPLICIT || length_code > FPT_TAG_LENGTH_EXPLICIT) c->bad = 1;
  if (flags_code == FPT_TAG_FLAGS_EXPLICIT) {
    e->flags = get_varint32(c);
  } else {
    e->flags = flags_code == 0 ? 0 : 1u << (flags_code - 1);
  }
  e->length = length_code == FPT_TAG_LENGTH_EXPLICIT ? get_varint(c) : 1u << length_code;
  e->stack = tag & FPT_TAG_SAME_STACK ? r->stack : get_stack(r, c);
  if (e->flags > FPT_STORE_FLAGS || e->length == 0 || e->length > FPT_MAX_STORE_BYTES) c->bad = 1;
  e->bytes = get_bytes(c, e->length);
}

static void get_frame(struct cursor* c, struct fpt_event* e) {
  e->address = get_varint(c);
  e->line = get_varint32(c);
  const uint64_t function_bytes = get_varint(c);
  const uint64_t source_bytes = get_varint(c);
  const uint64_t object_bytes = get_varint(c);
  e->text = get_text(c, function_bytes);
  e->source_file = get_text(c, source_bytes);
  e->object = get_text(c, object_bytes);
}

static void get_stack_frames(struct cursor* c, struct fpt_event* e) {
  e->stack = get_varint32(c);
  e->frame_count = get_varint32(c);
  e->frames = c->at;
  if (e->frame_count > FPT_MAX_STACK_FRAMES) c->bad = 1;
  for (uint32_t i = 0; i < e->frame_count && !c->bad; ++i) get_varint(c);
  e->frames_bytes = (size_t)(c->at - e->frames);
}

static void get_file_write(struct cursor* c, struct fpt_event* e) {
  e->file = get_varint32(c);
  e->file_offset = get_varint(c);
  e->length = get_varint(c);
  if (e->how != FPT_WRITE_PWRITE) return;
  if (e->length == 0 || e->length > FPT_MAX_STORE_BYTES) c->bad = 1;
  e->bytes = get_bytes(c, e->length);
}

/* How many values `how` may have. */
static uint32_t how_count(enum fpt_kind kind) {
  switch (kind) {
    case FPT_FLUSH:
      return FPT_FLUSH_KINDS;
    case FPT_FENCE:
      return FPT_FENCE_KINDS;
    case FPT_SYNC:
      return FPT_SYNC_KINDS;
    case FPT_MAP:
      return FPT_MAP_ORIGINS;
    case FPT_FILE_WRITE:
      return FPT_WRITE_KINDS;
    default:
      return 1;
  }
}

static void get_other(struct fpt_reader* r, struct cursor* c, unsigned tag, struct fpt_event* e) {
  e->kind = (enum fpt_kind)(tag & FPT_TAG_KIND_MASK);
  e->how = tag >> FPT_TAG_HOW_SHIFT;
  e->thread = r->thread;
  if (e->how >= how_count(e->kind)) c->bad = 1;
  switch (e->kind) {
    case FPT_FLUSH:
    case FPT_SYNC:
      e->address = get_address(r, c);
      e->length = get_varint(c);
      e->stack = get_stack(r, c);
      break;
    case FPT_FENCE:
      e->stack = get_stack(r, c);
      break;
    case FPT_MAP:
      e->file = get_varint32(c);
      e->address = get_address(r, c);
      e->length = get_varint(c);
      e->file_offset = get_varint(c);
      break;
    case FPT_UNMAP:
    case FPT_REMOVE_MAPPING:
      e->address = get_address(r, c);
      e->length = get_varint(c);
      break;
    case FPT_FILE_WRITE:
      get_file_write(c, e);
      break;
    case FPT_TX_BEGIN:
    case FPT_TX_END:
    case FPT_TX_THREAD_ADD:
    case FPT_TX_THREAD_REMOVE:
    case FPT_OP_BEGIN:
    case FPT_OP_END:
      e->id = get_varint(c);
      break;
    case FPT_LOG:
      e->text = get_text(c, get_varint(c));
      break;
    case FPT_THREAD_EXIT:
      break;
    case FPT_SET_CLEAN: /* from here on, of no thread */
      e->thread = 0;
      e->address = get_address(r, c);
      e->length = get_varint(c);
      break;
    case FPT_TX_ADD:
    case FPT_TX_REMOVE:
      e->thread = 0;
      e->id = get_varint(c);
      e->address = get_address(r, c);
      e->length = get_varint(c);
      break;
    case FPT_FILE:
      e->thread = 0;
      e->file = get_varint32(c);
      e->text = get_text(c, get_varint(c));
      break;
    case FPT_STACK:
      e->thread = 0;
      get_stack_frames(c, e);
      break;
    case FPT_FRAME:
      e->thread = 0;
      get_frame(c, e);
      break;
    case FPT_NOTE:
      e->thread = 0;
      e->text = get_text(c, get_varint(c));
      break;
    case FPT_THREAD:
    case FPT_STORE:
    case FPT_KIND_COUNT:
    default:
      c->bad = 1;
  }
}

int fpt_next(struct fpt_reader* r, struct fpt_event* event) {
  if (r->end != FPT_END_NONE) return 0;
  if (!r->in_block && !begin_block(r)) return 0;
  const uint64_t start = r->at;
  struct cursor c = {r->base + start, r->base + r->payload_end, 0};
  memset(event, 0, sizeof(*event));
  if (c.at < c.end && *c.at == FPT_THREAD) {
    ++c.at;
    r->thread = get_varint32(&c);
  }
  if (c.at == c.end) c.bad = 1;
  if (!c.bad) {
    const unsigned tag = *c.at++;
    if (tag & FPT_TAG_STORE) {
      get_store(r, &c, tag, event);
    } else {
      get_other(r, &c, tag, event);
    }
  }
  r->at = (uint64_t)(c.at - r->base);
  --r->block_events_left;
  if (c.bad || (r->block_events_left == 0) != (r->at == r->payload_end)) {
    return end_at(r, FPT_END_DAMAGED, start);
  }
  event->number = r->events++;
  event->offset = start;
  event->encoded_bytes = r->at - start;
  if (r->block_events_left == 0) {
    r->at = r->payload_end + FPT_TRAILER_BYTES;
    r->in_block = 0;
  }
  return 1;
}

void fpt_stack_frames(const struct fpt_event* event, uint64_t* addresses) {
  if (event->frame_count == 0) return; /* and frames may be NULL */
  struct cursor c = {event->frames, event->frames + event->frames_bytes, 0};
  uint64_t before = 0;
  for (uint32_t i = 0; i < event->frame_count; ++i) {
    before += get_difference(&c);
    addresses[i] = before;
  }
}

const char* fpt_kind_name(enum fpt_kind kind) {
  static const char* const names[FPT_KIND_COUNT] = {
      "none",        "thread", "store",          "flush",    "fence",     "sync",     "file",
      "map",         "unmap",  "remove-mapping", "write",    "set-clean", "tx-begin", "tx-add",
      "tx-remove",   "tx-end", "tx-join",        "tx-leave", "op-begin",  "op-end",   "log",
      "thread-exit", "stack",  "frame",          "note"};
  return (unsigned)kind < FPT_KIND_COUNT ? names[kind] : "unknown";
}

const char* fpt_how_name(enum fpt_kind kind, uint32_t how) {
  static const char* const flushes[] = {"clwb", "clflushopt", "clflush", "request"};
  static const char* const fences[] = {"sfence", "mfence", "locked", "request"};
  static const char* const syncs[] = {"msync", "fsync", "deep-sync"};
  static const char* const origins[] = {"request", "found"};
  static const char* const writes[] = {"pwrite", "truncate", "allocate", "zero"};
  if (how >= how_count(kind)) return "";
  switch (kind) {
    case FPT_FLUSH:
      return flushes[how];
    case FPT_FENCE:
      return fences[how];
    case FPT_SYNC:
      return syncs[how];
    case FPT_MAP:
      return origins[how];
    case FPT_FILE_WRITE:
      return writes[how];
    default:
      return "";
  }
}
